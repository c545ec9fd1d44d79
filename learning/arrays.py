"""What the functions here take: one-dimensional arrays of equal length, checked once on entry."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interlock.learning.insufficient_data import InsufficientDataError, Reason

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def probabilities(values: ArrayLike, name: str = "confidence") -> Floats:
    """Finite numbers in [0, 1]; refuses anything else, and an empty array."""
    array = _vector(values, name)
    wrong = ~((array >= 0) & (array <= 1))
    if wrong.any():
        raise InsufficientDataError(Reason.NOT_A_PROBABILITY, f"{name} must lie in [0, 1]; {_first(array, wrong)}")
    return array


def binary(values: ArrayLike, like: Floats, name: str = "correct") -> Floats:
    """Zeros and ones, as many as `like` has elements."""
    array = _alike(_vector(values, name), like, name)
    wrong = (array != 0) & (array != 1) | np.isnan(array)
    if wrong.any():
        raise InsufficientDataError(Reason.NOT_BINARY, f"{name} must be 0 or 1; {_first(array, wrong)}")
    return array


def positive(values: ArrayLike | None, like: Floats, name: str = "weights") -> Floats:
    """Finite numbers above 0, as many as `like` has elements; None: ones."""
    if values is None:
        return np.ones(len(like))
    array = _alike(_vector(values, name), like, name)
    wrong = ~((array > 0) & np.isfinite(array))
    if wrong.any():
        raise InsufficientDataError(Reason.BAD_WEIGHT, f"{name} must be positive and finite; {_first(array, wrong)}")
    return array


def propensities(values: ArrayLike, like: Floats) -> Floats:
    """Probabilities of review in (0, 1], as many as `like` has elements.

    A decision that could never reach a person says nothing about others of its kind, so 0 and a
    missing value (NaN) are refused, because every correction by 1/π would be wrong without any warning.
    """
    array = _alike(_vector(values, "propensity"), like, "propensity")
    wrong = ~((array > 0) & (array <= 1))
    if wrong.any():
        raise InsufficientDataError(
            Reason.BAD_PROPENSITY,
            f"{wrong.sum()} of {len(array)} propensities are missing or not in (0, 1]; {_first(array, wrong)}. "
            "Audit these decisions at random, or leave them out and say so",
        )
    return array


def effective_size(weights: Floats) -> float:
    """Labels of equal weight that would tell as much: (Σw)²/Σw² (Kish 1965)."""
    scaled = weights / weights.max()  # or the square of a weight of 1e300 overflows
    return float(scaled.sum() ** 2 / (scaled**2).sum())


def open_unit(value: float, name: str) -> float:
    """A number strictly between 0 and 1, as levels and thresholds are."""
    if not 0 < value < 1:
        raise InsufficientDataError(Reason.BAD_PARAMETER, f"{name} must lie strictly between 0 and 1, not {value}")
    return value


def _vector(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InsufficientDataError(Reason.LENGTHS_DIFFER, f"{name} must have one dimension, not {array.ndim}")
    if not len(array):
        raise InsufficientDataError(Reason.NO_DATA, f"{name} is empty: wait for outcomes")
    return array


def _alike(array: Floats, like: Floats, name: str) -> Floats:
    if len(array) != len(like):
        raise InsufficientDataError(
            Reason.LENGTHS_DIFFER, f"{name} has {len(array)} elements where {len(like)} are expected"
        )
    return array


def _first(array: Floats, wrong: Bools) -> str:
    index = int(np.argmax(wrong))
    return f"element {index} is {array[index]}"
