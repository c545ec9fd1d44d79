"""Instants on the clock of the machine at which a reviewer sits."""

from contextlib import suppress
from datetime import datetime


def local_time(moment: datetime) -> str:
    """A date and time with the zone, to the second; in UTC at the ends of the calendar, where zones leave it."""
    with suppress(OverflowError, ValueError, OSError):
        moment = moment.astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
