"""When a person is told of an alert, and how several alerts become one message. Times in microseconds since 1970."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.processors.desk.hours import is_working, next_change

# These lose their point within minutes: a caller waits, or a lease is about to end; somebody tries a channel.
AT_ONCE = frozenset({"assigned_sync", "nobody_on_duty", "lease_expiring", "test"})

# More is a flood, and chat services cut it off: what stands first and how many there are says enough.
_MAX_LINES = 50

_SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Digests:
    """`window_seconds`: what comes to a channel within that time of its first alert goes in one message; 0: nothing is
    held back. `quiet_seconds`: how long at most an alert waits for the person's working hours; 0: not at all."""

    window_seconds: float = 300.0
    # A weekend with a day of holiday on both sides. Who is away for longer may not read it either way.
    quiet_seconds: float = 4 * 86_400.0

    def due(self, alert: Mapping[str, Any], reviewer: Mapping[str, Any] | None) -> int:
        """When a person is to be told of `alert`, records with integer times; None for the operators."""
        at: int = alert["at"]
        if alert["severity"] == "critical" or alert["kind"] in AT_ONCE or not self.window_seconds:
            return at
        due = at + round(self.window_seconds * 1e6)
        if reviewer is not None and not is_working(reviewer, due):
            begins = next_change(reviewer, due)
            if begins is not None:
                return min(begins, due + round(self.quiet_seconds * 1e6))
        return due

    def is_held(self, alert: Mapping[str, Any]) -> bool:
        """Whether `alert` may go together with others."""
        return bool(self.due(alert, None) > alert["at"])


@dataclass(frozen=True, slots=True)
class Note:
    """An alert on its way to one channel. `channel`: its name, as URLs hold passwords."""

    url: str
    channel: str
    severity: str
    title: str
    body: str


def joined(notes: Sequence[Note]) -> Note:
    """One message of several to one channel, the most severe first, else in their order."""
    if len(notes) == 1:
        return notes[0]
    ranked = sorted(notes, key=lambda note: -_rank(note))
    lines = [f"{note.title}\n{note.body}" for note in ranked[:_MAX_LINES]]
    if len(ranked) > _MAX_LINES:
        lines.append(f'… and {len(ranked) - _MAX_LINES} more: `interlock sql "SELECT * FROM alerts"`')
    first = ranked[0]
    return Note(
        first.url, first.channel, first.severity, f"{len(notes)} alerts, up to {first.severity}", "\n\n".join(lines)
    )


def _rank(note: Note) -> int:
    return _SEVERITIES.index(note.severity) if note.severity in _SEVERITIES else 1
