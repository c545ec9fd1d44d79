"""Instants on the clock of the machine at which a reviewer sits."""

from datetime import datetime


def local_time(moment: datetime) -> str:
    """A date and time with the zone, to the second."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
