"""Refusals: what the data cannot answer is said by name, never as NaN."""

from enum import StrEnum

from interlock.errors import InterlockError


class Reason(StrEnum):
    """Why there is no answer; the words are stable and may be stored."""

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


class InsufficientDataError(InterlockError, ValueError):
    """The question has no answer for these data; the message says what was found and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
