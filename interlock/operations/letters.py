"""Reading dead letters."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from interlock.schemas import catalogue
from interlock.schemas.dead_letters import is_by_reference
from interlock.schemas.error_headers import read_error_headers, step_of, without_error_headers
from interlock.schemas.headers import headers_of
from interlock.streams.ports import Broker, Message
from interlock.streams.ranges import FIRST_OFFSET, read_range

TOPIC = catalogue.DEAD_LETTER.name


@dataclass(frozen=True)
class Letter:
    """One dead letter: its offset on the dead-letter topic, the original parts, the error as `what`."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def name(self) -> str:
        """As commands take it."""
        return f"{self.partition}:{self.offset}"

    @property
    def what(self) -> dict[str, str]:
        """exception, message, topic, partition, offset as the headers of KIP-1034 give them."""
        return read_error_headers(self.headers)

    @property
    def reason(self) -> str:
        """The stable code of what was wrong."""
        return self.what.get("exception", "")

    @property
    def is_by_reference(self) -> bool:
        """Whether it holds no copy of its message, which was too large."""
        return is_by_reference(self.reason, self.value)

    @property
    def step(self) -> str:
        """What gave up on the message: router, desk, feedback, calibration, or an executor group."""
        return step_of(self.what)

    def facts(self) -> dict[str, Any]:
        """For tables and JSON."""
        what = self.what
        return {
            "letter": self.name,
            "reason": self.reason,
            "source": f"{what.get('topic', '?')} {what.get('partition', '?')}:{what.get('offset', '?')}",
            "step": self.step,
            "key": (self.key or b"").decode(errors="backslashreplace"),
            "bytes": len(self.value or b""),
            "message": what.get("message", ""),
        }

    def header_facts(self) -> list[tuple[str, str]]:
        """The producer's own headers as text."""
        return [(k, (v or b"").decode(errors="backslashreplace")) for k, v in without_error_headers(self.headers)]


def read_letters(broker: Broker, reason: str | None = None) -> Iterator[Letter]:
    """Every dead letter, or those with one reason, partition by partition."""
    ends = {(TOPIC, number): end for number, end in broker.end_offsets(TOPIC).items()}
    for message in read_range(broker, dict.fromkeys(ends, FIRST_OFFSET), ends):
        letter = letter_of(message)
        if reason is None or letter.reason == reason:
            yield letter


def read_letter(broker: Broker, partition: int, offset: int) -> Letter | None:
    """The dead letter at one offset; None if there is none."""
    if not 0 <= offset < broker.end_offsets(TOPIC).get(partition, 0):
        return None
    messages = read_range(broker, {(TOPIC, partition): offset}, {(TOPIC, partition): offset + 1})
    return next((letter_of(message) for message in messages), None)


def letter_of(message: Message) -> Letter:
    """A record of the dead-letter topic."""
    return Letter(message.partition(), message.offset(), message.key(), message.value(), headers_of(message))
