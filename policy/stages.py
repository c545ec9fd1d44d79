"""How far the trial of a candidate has gone, and what it may decide."""

from enum import StrEnum, auto

# A candidate that decides more than half of the decisions is no trial any more: it is to be promoted.
MAX_SHARE = 0.5


class Stage(StrEnum):
    """A withdrawn candidate is told once, with who and why, before its tombstone."""

    SHADOW = auto()
    SHARE = auto()
    WITHDRAWN = auto()
