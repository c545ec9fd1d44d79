"""Facts of reviewed decisions as columns of categories, in which patterns of errors are looked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.learning.slices import Condition, binned

# Looking at pairs takes time with the square of the columns; those that most decisions have say most.
MAX_COLUMNS = 30

# Numbers with more values than this are looked at by quarters.
_FEW_VALUES = 12

MISSING = "missing"


def facts(example: dict[str, Any]) -> dict[str, str]:
    """What is known of a case before anybody judged it; texts are shared between cases, to save room."""
    found = {intern(name): intern(value) for name, value in example["attributes"].items()}
    return found | {"prediction": intern(example["prediction"])}


def columns(cases: Sequence[Mapping[str, str]]) -> dict[str, NDArray[Any]]:
    """One column a fact, one row a case."""
    present = Counter(name for case in cases for name in case)
    names = sorted(present, key=lambda name: (-present[name], name))[:MAX_COLUMNS]
    return {name: _column([case.get(name) for case in cases]) for name in sorted(names)}


def text(conditions: Sequence[Condition]) -> str:
    """A pattern for a person."""
    return " AND ".join(f"{name} {'in' if value.startswith('[') else '='} {value}" for name, value in conditions)


def _column(values: Sequence[str | None]) -> NDArray[Any]:
    known = {value for value in values if value is not None}
    if len(known) > _FEW_VALUES:
        numbers = {value: _number(value) for value in known}
        if None not in numbers.values():
            return binned(np.array([numbers[one] if one is not None else np.nan for one in values], dtype=np.float64))
    return np.array([MISSING if one is None else one for one in values])


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
