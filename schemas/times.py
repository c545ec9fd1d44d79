"""Instants: microseconds since the epoch, as the wire has them, and Python's datetimes.

A producer may put any 64-bit number into a timestamp: nanoseconds, or a database's infinity. Python's calendar ends
with the years 1 and 9999. A time outside becomes the nearest one inside, so that the rest of its record can be read.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def moment(micros: int) -> datetime:
    """The instant in UTC; outside the years 1 to 9999 the nearest one inside."""
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return FIRST if micros < 0 else LAST


def in_micros(value: Any) -> Any:
    """The value with microseconds since the epoch for every datetime in it; one without a zone is UTC, as ClickHouse's
    client gives it."""
    match value:
        case datetime():
            at = value.replace(tzinfo=UTC) if value.tzinfo is None else value
            return (at - _EPOCH) // timedelta(microseconds=1)
        case dict():
            return {name: in_micros(item) for name, item in value.items()}
        case list() | tuple():
            return [in_micros(item) for item in value]
    return value


def with_moments(value: Any, schema: Any) -> Any:
    """A value that was read without logical types, with a datetime for every timestamp that its Avro schema names."""
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        # Our unions are "null and something"; of any other the branch is not known.
        return value if value is None or len(branches) != 1 else with_moments(value, branches[0])
    if not isinstance(schema, dict):
        return value
    if schema.get("logicalType") == "timestamp-micros":
        return moment(value)
    match schema["type"]:
        case "record":
            return {field["name"]: with_moments(value[field["name"]], field["type"]) for field in schema["fields"]}
        case "array":
            return [with_moments(item, schema["items"]) for item in value]
        case "map":
            return {key: with_moments(item, schema["values"]) for key, item in value.items()}
        case dict() | list() as inner:
            return with_moments(value, inner)
    return value
