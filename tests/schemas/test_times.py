"""Times on the wire: any 64-bit number, as the datetime nearest to it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.review.local_time import local_time
from interlock.schemas import avro_schemas, wire
from interlock.schemas.times import moment
from tests.interlock.review.review_world import decision, routed

NANOSECONDS = 1_767_225_600_000_000_000
POSTGRES_INFINITY = 9_223_372_036_825_200_000


@pytest.mark.parametrize(
    ("micros", "year"), [(0, 1970), (NANOSECONDS, 9999), (POSTGRES_INFINITY, 9999), (2**63 - 1, 9999), (-(2**63), 1)]
)
def test_a_time_outside_the_calendar_is_the_nearest_inside_and_can_be_printed(micros: int, year: int) -> None:
    assert moment(micros).year == year
    assert str(year) in local_time(moment(micros)) or year in (1, 9999)


@given(*[st.integers(-(2**63), 2**63 - 1)] * 4)
def test_a_decision_is_read_whatever_its_times_are(created: int, decided: int, routed_at: int, until: int) -> None:
    earlier = {"decision_id": "d-0", "outcome": "approve", "decided_at": decided}
    history = {"previous_decisions": [earlier], "model_accuracy_on_similar": None}
    content = decision("d-1", created_at=created, history=history)
    value = wire.encode("RoutedDecision", routed(content, routed_at=routed_at, override_until=until))
    read, plain = wire.decode("RoutedDecision", value), wire.decode_plain("RoutedDecision", value)
    assert read["routed_at"] == moment(routed_at)
    assert read["override_until"] == moment(until)
    assert read["decision"]["created_at"] == moment(created)
    assert read["decision"]["history"]["previous_decisions"] == [{**earlier, "decided_at": moment(decided)}]
    assert plain["decision"]["history"] == history
    for record in (read, plain, read["decision"], plain["decision"]):
        for name in ("routed_at", "override_until", "created_at", "history", "decision"):
            record.pop(name, None)
    assert read == plain


@pytest.mark.parametrize("name", avro_schemas.NAMES)
def test_every_record_is_read_whatever_its_times_are(name: str) -> None:
    for micros in (2**63 - 1, -(2**63)):
        record = _record(avro_schemas.parsed_plain(name), micros)
        read = wire.decode(name, wire.encode(name, record))
        times = [value for value in read.values() if isinstance(value, datetime)]
        assert set(times) <= {moment(micros)}
        assert all(time.tzinfo is UTC for time in times)


def _record(schema: Any, micros: int) -> Any:
    """The smallest value of a schema, with every whole number `micros`."""
    match schema:
        case ["null", some]:
            return _record(some, micros)
        case {"type": "record", "fields": fields}:
            return {field["name"]: _record(field["type"], micros) for field in fields}
        case {"type": "array", "items": items}:
            return [_record(items, micros)]
        case {"type": "map", "values": values}:
            return {"key": _record(values, micros)}
        case {"type": inner}:
            return _record(inner, micros)
    plain = {"string": "", "boolean": False, "double": 0.0, "float": 0.0, "bytes": b"", "int": 1, "long": micros}
    return plain[str(schema)]
