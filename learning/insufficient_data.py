"""What a function raises, instead of returning NaN, where the data cannot answer its question.

Docstrings in this package say that a function "refuses" such data.
"""

from enum import StrEnum

from interlock.errors import InterlockError


class Reason(StrEnum):
    """Why there is no answer. The codes are stable and may be stored."""

    NO_DATA = "no-data"
    LENGTHS_DIFFER = "lengths-differ"
    NOT_A_PROBABILITY = "not-a-probability"
    NOT_BINARY = "not-binary"
    BAD_WEIGHT = "bad-weight"
    BAD_PROPENSITY = "bad-propensity"
    BAD_PARAMETER = "bad-parameter"
    SINGLE_CLASS = "single-class"
    CONSTANT_CONFIDENCE = "constant-confidence"
    TOO_FEW_LABELS = "too-few-labels"
    REVERSED = "reversed"
    NO_VARIANCE = "no-variance"
    UNINFORMATIVE_REVIEW = "uninformative-review"
    MEAN_CHANGED = "mean-changed"
    NOT_ANSWERED = "not-answered"


class InsufficientDataError(InterlockError, ValueError):
    """The question has no answer for these data; the message says what is wrong with them and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
