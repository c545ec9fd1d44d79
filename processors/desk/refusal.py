"""Why a command is refused: a stable code for programs, and for people what happened and what to do."""

from datetime import UTC, datetime

from interlock.errors import InterlockError


class CommandRefused(InterlockError):
    """The command changes nothing."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def clock(instant: int) -> str:
    """An instant in microseconds as people read it; one beyond every calendar as its number of seconds."""
    try:
        return datetime.fromtimestamp(instant / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{instant // 1_000_000} s after 1970"
