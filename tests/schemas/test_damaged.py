"""Records that are damaged behind their routing fields: what can be read of them, and what is said of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.schemas import avro_schemas, damaged, wire
from interlock.schemas.columns import Decoder
from tests.interlock.review.review_world import decision, routed

WHOLE = wire.encode("RoutedDecision", routed(decision("d-1")))


def test_a_whole_record_has_no_damage() -> None:
    assert damaged.read("RoutedDecision", WHOLE) == damaged.Readable(wire.decode("RoutedDecision", WHOLE))


def test_of_a_record_that_was_cut_the_fields_before_the_cut_are_read() -> None:
    found = damaged.read("RoutedDecision", WHOLE[:-25])
    assert found.record["decision"]["input"] == '{"term": 36}'
    assert found.record["decision"]["explanation"]["reasoning"] == "arrears weigh most"
    assert found.record["decision"]["vector"] == []
    (sentence,) = found.damage
    assert sentence.startswith("decision.explanation.similar_cases and what follows it cannot be read")


def test_text_that_is_not_utf8_is_shown_with_replacement_characters() -> None:
    found = damaged.read("RoutedDecision", WHOLE.replace(b"arrears weigh most", b"caf\xe9  arrears most"))
    assert found.record["decision"]["explanation"]["reasoning"] == "caf\ufffd  arrears most"
    assert found.record["decision"]["vector"] == [0.5]
    assert found.damage == ("decision.explanation.reasoning is not UTF-8 throughout",)


def test_bytes_behind_the_record_are_named() -> None:
    found = damaged.read("RoutedDecision", WHOLE + b"\0\0")
    assert found.record == wire.decode("RoutedDecision", WHOLE)
    assert found.damage == ("2 bytes follow the end of the record",)


@pytest.mark.parametrize("value", [None, b"", b"junk", WHOLE[:20]], ids=["none", "empty", "junk", "cut"])
def test_a_record_without_its_routing_fields_is_unreadable(value: bytes | None) -> None:
    with pytest.raises(wire.WireError):
        damaged.read("RoutedDecision", value)


@given(st.data())
def test_what_the_router_reads_can_be_shown_however_the_rest_is_damaged(data: st.DataObject) -> None:
    whole = bytearray(WHOLE)
    for position in data.draw(st.lists(st.integers(5, len(whole) - 1), max_size=3)):
        whole[position] = data.draw(st.integers(0, 255))
    value = bytes(whole[: data.draw(st.integers(5, len(whole)))])
    routable = Decoder("RoutedDecision", avro_schemas.routed_prefix_text()).decode([value]).rows.num_rows == 1
    try:
        found = damaged.read("RoutedDecision", value)
    except wire.WireError:
        assert not routable
    else:
        # Of the envelope, which the router writes, more may be read than the desk takes.
        assert not routable or found.record["decision"]["decision_id"] or found.damage
