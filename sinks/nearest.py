"""How far cases are from one, for who has them in memory; `similar_cases` has the same distances as SQL."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float64]


def by_vector(vectors: Sequence[Sequence[float]], ours: Sequence[float]) -> Distances:
    """One minus the cosine; not finite for vectors of another length, or without a direction."""
    found = np.full(len(vectors), np.nan)
    alike = [index for index, vector in enumerate(vectors) if len(vector) == len(ours)]
    if alike:
        theirs, one = np.array([vectors[index] for index in alike], float), np.array(ours, float)
        with np.errstate(all="ignore"):
            found[alike] = 1 - theirs @ one / (np.linalg.norm(theirs, axis=1) * np.linalg.norm(one))
    return found


def by_attributes(
    cases: Sequence[Mapping[str, str]], words: Mapping[str, str], numbers: Mapping[str, float]
) -> Distances:
    """Gower's distance, with the middle nine tenths of the values in the place of the range."""
    total = np.zeros(len(cases))
    for name, word in words.items():
        total += np.array([case.get(name, "") != word for case in cases])
    for name, ours in numbers.items():
        theirs = np.array([_number(case.get(name, "")) for case in cases])
        known = theirs[~np.isnan(theirs)]
        low, high = np.quantile(known, [0.05, 0.95]) if len(known) else (0.0, 0.0)
        apart = np.minimum(1, np.abs(theirs - ours) / (high - low)) if high > low else (theirs != ours).astype(float)
        total += np.where(np.isnan(theirs), 1.0, apart)
    return total / max(len(words) + len(numbers), 1)


def _number(text: str) -> float:
    """NaN where it is none that ClickHouse takes for one: Python's own reader takes spaces and underscores as well."""
    if not text or "_" in text or text != text.strip():
        return math.nan
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
