"""Finds the few decisions that owe a notice among those that took effect by themselves."""

from collections.abc import Sequence
from functools import cache

from interlock.processors.records import Message
from interlock.schemas import avro_schemas
from interlock.schemas.columns import Decoder, values


def with_notices(messages: Sequence[Message]) -> list[Message]:
    """Of records of `decisions.auto-approved` those whose envelope names notices; most do not, and are not decoded
    further. What cannot be read is a dead letter of the executors, and nothing takes effect."""
    decoded = _decoder().decode([message.value() for message in messages])
    kept = range(len(messages)) if decoded.index is None else decoded.index
    column = decoded.rows.column(decoded.rows.schema.get_field_index("notices"))
    return [messages[index] for index, names in zip(kept, values(column), strict=True) if names]


@cache
def _decoder() -> Decoder:
    return Decoder("RoutedDecision", avro_schemas.routed_prefix_text())
