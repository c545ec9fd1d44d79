"""What stops the sink, and what ClickHouse and Kafka say when they fail."""

import re

from confluent_kafka import KafkaException

from interlock.errors import InterlockError

# Codes of ClickHouse that time alone does not mend, and what does.
_ADVICE = {
    16: "run `interlock prepare` (NO_SUCH_COLUMN_IN_TABLE)",
    60: "run `interlock prepare` (UNKNOWN_TABLE)",
    81: "create the database, then run `interlock prepare` (UNKNOWN_DATABASE)",
    243: "make room on the disk (NOT_ENOUGH_SPACE)",
    497: "give the sink's user its rights (ACCESS_DENIED)",
    516: "give the sink the right password, and start it again (AUTHENTICATION_FAILED)",
}

_CODE = re.compile(r"\bcode: (\d+)", re.IGNORECASE)


class SinkStoppedError(InterlockError):
    """Something that a person must decide; the message says what. Nothing is lost, and a restart changes nothing."""


def text(error: Exception) -> str:
    """The error for the log."""
    if isinstance(error, KafkaException):
        return str(error.args[0].str())
    return str(error) or type(error).__name__


def advice(error: Exception) -> str:
    """What a person must do, if time alone does not mend it."""
    code = _CODE.search(str(error))
    hint = _ADVICE.get(int(code[1])) if code else None
    return f"; {hint}" if hint else ""
