"""Commands, a batch at once, as the desk reads them."""

from collections.abc import Sequence
from functools import cache

from interlock.processors.desk.command import FIELDS, Command, from_record
from interlock.processors.records import Message
from interlock.schemas import avro_schemas, wire
from interlock.schemas.columns import Bad, Decoder, values

# Reading by columns costs for a batch what fastavro takes for some 20 commands.
_MIN_BATCH = 64


def read_commands(messages: Sequence[Message]) -> list[Command | Bad]:
    """The command in every message, or why it is none."""
    if len(messages) < _MIN_BATCH:
        return [_read(index, message) for index, message in enumerate(messages)]
    decoded = _decoder().decode([message.value() for message in messages])
    indexes = range(len(messages)) if decoded.index is None else decoded.index
    read: dict[int, Command | Bad] = {problem.index: problem for problem in decoded.bad}
    columns = [values(decoded.rows.column(name)) for name in FIELDS]
    read.update(zip(indexes, map(Command, *columns), strict=True))
    return [read[index] for index in range(len(messages))]


def _read(index: int, message: Message) -> Command | Bad:
    try:
        return from_record(wire.decode_plain("Command", message.value(), exact=False))
    except wire.WireError as error:
        return Bad(index, error.reason, str(error))


@cache
def _decoder() -> Decoder:
    return Decoder("Command", avro_schemas.text("Command"))
