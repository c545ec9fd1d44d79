"""What is halted at the moment, as the router sees it."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaException

from interlock.errors import InterlockError
from interlock.platform.connection import Platform
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key
from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader

ALL = "all"


@dataclass(frozen=True)
class Halt:
    """A scope of the kill switch, and who halted it when and why. `set_at` is None where the record is unreadable."""

    scope: str
    reason: str
    set_by: str
    set_at: datetime | None

    @property
    def resume_command(self) -> str:
        """The line that lifts it."""
        return f'interlock resume {self.scope} --reason "…"'

    def facts(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "scope": self.scope,
            "reason": self.reason,
            "set_by": self.set_by,
            "set_at": self.set_at.isoformat(timespec="seconds") if self.set_at is not None else None,
            "resume": self.resume_command,
        }

    def __str__(self) -> str:
        author = f" by {self.set_by}" if self.set_by else ""
        since = f" since {self.set_at:%Y-%m-%d %H:%M} UTC" if self.set_at is not None else ""
        return (
            f"halted{since}{author}: {self.scope} ({self.reason}). Nothing in it takes effect by itself; "
            f"`{self.resume_command}` lifts it."
        )


class Halts:
    """Follows the topic of controls. Not for several threads."""

    def __init__(self, broker: Broker) -> None:
        """Raises KafkaException."""
        self._by_key: dict[bytes, Halt] = {}
        self._reader = TableReader(broker, [catalogue.CONTROLS.name])
        try:
            self._apply(self._reader.read_all())
        except BaseException:
            self._reader.close()
            raise

    def current(self) -> list[Halt]:
        """What is halted now, by scope; returns at once. Raises KafkaException."""
        self._apply(self._reader.poll())
        return sorted(self._by_key.values(), key=lambda halt: halt.scope)

    def close(self) -> None:
        self._reader.close()

    def _apply(self, messages: Iterable[Message]) -> None:
        for message in messages:
            key, value = message.key() or b"", message.value()
            halt = halt_of(key, value) if value is not None else None
            if halt is None:
                self._by_key.pop(key, None)
            else:
                self._by_key[key] = halt


def read_halts(broker: Broker) -> list[Halt]:
    """What is halted. Raises KafkaException."""
    with closing(Halts(broker)) as halts:
        return halts.current()


def known_halts(platform: Platform) -> list[Halt]:
    """What is halted, for commands that have other things to say: nothing where Kafka cannot tell."""
    try:
        return read_halts(platform.serving_kafka())
    except (InterlockError, KafkaException):
        return []


def halt_of(key: bytes, value: bytes) -> Halt | None:
    """The halt that a record of the topic means; None for one that lifts it."""
    try:
        record = wire.decode("Control", value)
        check_key(key.decode(errors="replace"), record["scope"])
    except ValueError:  # as for the router: in doubt everything is halted, until the record is replaced
        return Halt(ALL, f"unusable control record under the key {key.decode(errors='replace')!r}", "", None)
    if not record["halted"]:
        return None
    return Halt(record["scope"], record["reason"], record["set_by"], record["set_at"].astimezone(UTC))
