"""The range of a replay as people write it."""

import re
from datetime import UTC, datetime, timedelta

from interlock.errors import UsageError

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

# Ten years, longer than ClickHouse keeps anything: a larger number has the wrong unit.
_LONGEST = timedelta(days=3650)


def read_range(since: str, until: str, now: datetime) -> tuple[datetime, datetime]:
    """Begin and end; empty `until` is now. Raises UsageError."""
    return _moment("since", since, now), _moment("until", until, now) if until else now


def _moment(name: str, text: str, now: datetime) -> datetime:
    """A time such as 2026-11-01T12:00 (UTC), or how long before `now`, such as 7d."""
    back = re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip())
    if back:
        age = timedelta(**{_UNITS[back[2]]: int(back[1])})
        if age > _LONGEST:
            raise UsageError(f"{name} {text!r} is more than ten years ago")
        return now - age
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{name} {text!r} is no time: write how long ago it is, such as 12h or 7d, or a time such as "
            "2026-11-01T12:00 (UTC)"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
