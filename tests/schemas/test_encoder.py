"""Many records encoded at once."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.schemas import avro_schemas, wire
from interlock.schemas.encoder import encode_all

_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=4) | st.just("é" * 70),
    "bytes": st.binary(max_size=4),
    "double": st.floats(),
    "float": st.floats(width=32),
    "boolean": st.booleans(),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "int": st.integers(-(2**31), 2**31 - 1),
    "null": st.none(),
}


def _values(avro: Any) -> st.SearchStrategy[Any]:
    """Values of an Avro type."""
    if isinstance(avro, list):
        return st.one_of([_values(branch) for branch in avro])
    if isinstance(avro, str):
        return _PRIMITIVES[avro]
    if avro["type"] == "array":
        return st.lists(_values(avro["items"]), max_size=2)
    if avro["type"] == "map":
        return st.dictionaries(st.text(max_size=3), _values(avro["values"]), max_size=2)
    if avro["type"] == "record":
        return st.fixed_dictionaries({field["name"]: _values(field["type"]) for field in avro["fields"]})
    return _PRIMITIVES[avro["type"]]


@pytest.mark.parametrize("name", avro_schemas.NAMES)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_many_records_have_the_same_bytes_as_each_alone(name: str, data: st.DataObject) -> None:
    some = st.lists(_values(json.loads(avro_schemas.text(name))), min_size=1, max_size=3)
    drawn = data.draw(some) * 64
    assert encode_all(name, drawn) == [wire.encode(name, record) for record in drawn]


COMMAND = {"command_id": "c", "kind": "claim", "actor": "ann", "issued_at": 5}
VERDICT = {
    **dict.fromkeys(("reviewer", "verdict", "outcome", "reason_code", "reason_text", "modifications"), ""),
    "at": 1,
    "round": 0,
}


def test_a_field_that_has_a_default_may_be_missing() -> None:
    assert encode_all("Command", [COMMAND] * 100) == [wire.encode("Command", COMMAND)] * 100


@pytest.mark.parametrize(
    "change",
    [
        {"actor": None},
        {"issued_at": "now"},
        {"issued_at": 2**63},
        {"actor": "\ud800"},
        {"colour": "blue"},
        {"actor": 5},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_among_many_as_it_is_alone(change: dict[str, Any]) -> None:
    whole = wire.decode_plain("Command", wire.encode("Command", COMMAND))
    with pytest.raises(Exception) as alone:  # noqa: PT011  # of whatever type fastavro raises
        wire.encode("Command", {**whole, **change})
    with pytest.raises(type(alone.value)) as among_many:
        encode_all("Command", [whole] * 99 + [{**whole, **change}])
    assert str(among_many.value) == str(alone.value)


@pytest.mark.parametrize("name", sorted(VERDICT))
@pytest.mark.parametrize("broken", ["missing", "null"])
def test_a_list_whose_entries_lack_something_is_refused(name: str, broken: str) -> None:
    verdict = {field: value for field, value in VERDICT.items() if field != name}
    if broken == "null":
        verdict[name] = None
    fields = json.loads(avro_schemas.text("Task"))["fields"]
    task = {field["name"]: _simplest(field["type"]) for field in fields} | {"verdicts": [verdict]}
    with pytest.raises(Exception):  # noqa: B017, PT011  # of whatever type fastavro raises
        encode_all("Task", [task] * 100)
    task["verdicts"] = [VERDICT]
    assert encode_all("Task", [task] * 100) == [wire.encode("Task", task)] * 100


def _simplest(avro: Any) -> Any:
    if isinstance(avro, list):
        return None
    kind = avro if isinstance(avro, str) else avro["type"]
    return {"string": "", "double": 0.0, "boolean": False, "array": [], "long": 0, "int": 0}[kind]
