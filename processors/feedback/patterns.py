"""Facts of reviewed decisions as columns of categories, which are searched for patterns of errors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.learning.slices import Condition, binned

# Searching pairs takes time with the square of the columns. Columns that most decisions have say most.
MAX_COLUMNS = 30

# A numeric column with more distinct values than this is split into quarters.
_FEW_VALUES = 12

MISSING = "missing"


def facts(example: dict[str, Any]) -> dict[str, str]:
    """What was known of a case before its review. Strings are interned to save memory."""
    attributes = {intern(name): intern(value) for name, value in example["attributes"].items()}
    return attributes | {"prediction": intern(example["prediction"])}


def columns(cases: Sequence[Mapping[str, str]]) -> dict[str, NDArray[Any]]:
    """One column a fact, one row a case."""
    present = Counter(name for case in cases for name in case)
    names = sorted(present, key=lambda name: (-present[name], name))[:MAX_COLUMNS]
    return {name: _column([case.get(name) for case in cases]) for name in sorted(names)}


def text(conditions: Sequence[Condition]) -> str:
    """A pattern as text for people."""
    return " AND ".join(f"{name} {'in' if value.startswith('[') else '='} {value}" for name, value in conditions)


def _column(values: Sequence[str | None]) -> NDArray[Any]:
    known = {value for value in values if value is not None}
    if len(known) > _FEW_VALUES:
        numbers = {value: _number(value) for value in known}
        if None not in numbers.values():
            return binned(
                np.array([numbers[value] if value is not None else np.nan for value in values], dtype=np.float64)
            )
    return np.array([MISSING if value is None else value for value in values])


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
