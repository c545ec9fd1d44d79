"""A command as the desk carries it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

# Every reply repeats the names of its command.
MAX_NAME_LENGTH = 1_024


@dataclass(frozen=True, slots=True)
class Command:
    """The fields of `Command.avsc`; times in microseconds since the epoch."""

    command_id: str
    kind: str
    actor: str
    issued_at: int = 0
    task_id: str = ""
    queue: str = ""
    epoch: int = 0
    payload_hash: str = ""
    verdict: str = ""
    outcome: str = ""
    modifications: str = ""
    reason_code: str = ""
    reason_text: str = ""
    to_reviewer: str = ""
    until: int | None = None
    on_behalf_of: str = ""
    attestations: Sequence[str] = ()

    @property
    def size(self) -> int:
        """Bytes of all its texts, as Kafka counts them."""
        return sum(len(text.encode()) for text in self._texts())

    def is_larger(self, size: int) -> bool:
        """Whether its texts have more bytes than that."""
        # Nearly all are so short that nobody needs to count: a character has four bytes at most.
        return 4 * sum(map(len, self._texts())) > size and self.size > size

    def _texts(self) -> list[str]:
        return [*(value for value in _read(self) if isinstance(value, str)), *self.attestations]


FIELDS = tuple(field.name for field in fields(Command))

_read: Callable[[Command], tuple[Any, ...]] = attrgetter(*FIELDS)


def from_record(record: dict[str, Any]) -> Command:
    """The command in a decoded record whose times are integers."""
    return Command(*(record[name] for name in FIELDS))
