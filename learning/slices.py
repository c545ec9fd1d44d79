"""Groups of decisions in which people override a model more often than elsewhere.

A pattern is a conjunction of `feature = value`. Features come as columns of categories: bin numbers with `binned`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from interlock.learning.arrays import Bools, Floats, binary, propensities
from interlock.learning.exact_cmh import upper_tail
from interlock.learning.insufficient_data import InsufficientDataError, Reason

Condition = tuple[str, str]
Features = Mapping[str, NDArray[Any]]

# Where there are more different π, as with active learning, they form classes by factors of two: within one, some
# decisions are at most twice as likely to be reviewed as others. Every class costs two columns.
_MAX_STRATA = 8

# Where the columns by stratum begin.
_BY_STRATUM = 5

# bh holds the expected share of false alarms where patterns are independent or positively related, as overlapping
# ones mostly are; by holds it under any dependence, at the price of some power.
Correction = Literal["bh", "by"]


@dataclass(frozen=True, slots=True)
class Slice:
    """A pattern with more overrides than the other decisions.

    `support`, `overrides`: as counted among reviewed decisions. `rate`, `overall`: of the whole population, weighted
    by 1/π (Hájek). `lift`: rate / overall, with a 95 % interval `lift_low` … `lift_high` that is not corrected for
    having looked at many patterns. `p`: probability of so many overrides if the pattern did not matter, neither in the
    population nor among decisions of equal π; `adjusted_p`: corrected for every pattern that was tried.
    """

    conditions: tuple[Condition, ...]
    support: int
    overrides: int
    rate: float
    overall: float
    lift: float
    lift_low: float
    lift_high: float
    p: float
    adjusted_p: float


def find(
    features: Features,
    overridden: Bools,
    propensity: Floats,
    *,
    depth: int = 2,
    min_support: int = 20,
    level: float = 0.05,
    correction: Correction = "bh",
) -> list[Slice]:
    """Patterns of up to `depth` conditions and at least `min_support` reviewed decisions, most certain first.

    One row for each *reviewed* decision: `overridden`, and `propensity`, its π. `level`: expected share of false
    alarms among what is returned. Empty where nothing stands out. Refused where π is not in (0, 1].

    With equal π, p is the exact hypergeometric tail. Otherwise a pattern must stand out twice, and p is the greater of
    two: that of the rates in the population, from Kish's effective counts, which takes a pattern that by chance has no
    audit for as bad as its doubtful decisions; and the exact one within strata of equal π, which takes routing that
    sends some decisions to people for their doubt and others by a rule for a difference between them.
    """
    columns = _columns(overridden, propensity)
    patterns = list(_patterns(features, columns, depth, min_support))
    return _significant(patterns, columns.sum(axis=0), level, correction)


def confirm(
    slices: Sequence[Slice], features: Features, overridden: Bools, propensity: Floats, *, level: float = 0.05
) -> list[Slice]:
    """Those of `slices` that stand out again in later decisions, measured on these alone."""
    columns = _columns(overridden, propensity)
    sums = [(known.conditions, columns[matches(features, known.conditions)].sum(axis=0)) for known in slices]
    return _significant(
        [(conditions, total) for conditions, total in sums if total[0]], columns.sum(axis=0), level, "bh"
    )


def matches(features: Features, conditions: Sequence[Condition]) -> Bools:
    """Which rows fulfil all conditions."""
    if missing := [name for name, _ in conditions if name not in features]:
        raise InsufficientDataError(
            Reason.BAD_PARAMETER, f"no column {missing[0]!r}: give every column that the pattern names"
        )
    rows: Bools = np.logical_and.reduce([features[name].astype(str) == value for name, value in conditions])
    return rows


def counted(
    features: Features, hits: Bools, *, depth: int, min_support: int
) -> list[tuple[tuple[Condition, ...], int, int]]:
    """Every pattern of up to `depth` conditions with at least `min_support` rows: (conditions, rows, hits)."""
    columns = np.column_stack([np.ones(len(hits)), hits])
    return [(conditions, int(n), int(k)) for conditions, (n, k) in _patterns(features, columns, depth, min_support)]


def sums_of_patterns(
    literals: Sequence[Condition], rows: Floats, columns: Floats, *, depth: int, min_support: int
) -> Iterator[tuple[tuple[Condition, ...], Floats]]:
    """Every pattern of up to `depth` literals on different features, with the sums of `columns` over its rows.

    `literals`: sorted by feature; those of one feature may overlap, as intervals do. `rows`: decisions × literals, 1
    where one holds. The first column counts rows; at least `min_support`.
    """
    features = sorted({name for name, _ in literals})
    owner = np.array([features.index(name) for name, _ in literals])
    yield from _extended((), rows, columns, literals, owner, depth, max(min_support, 1))


def binned(values: Floats, bins: int = 4) -> NDArray[np.str_]:
    """Numbers as categories `[low, high)` with about equally many rows; not finite ones become "missing".

    Fewer bins where values repeat. Looks at no label, so that what is tested later stays valid.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return np.full(len(values), "missing")
    edges = np.unique(np.quantile(values[finite], np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    bounds = [-np.inf, *edges, np.inf]
    names = np.array([f"[{low:.15g}, {high:.15g})" for low, high in pairwise(bounds)] + ["missing"])
    return names[np.where(finite, np.searchsorted(edges, values, side="right"), len(names) - 1)]


def _columns(overridden: Bools, propensity: Floats) -> Floats:
    """By row: 1, override, weight, its square, weight of an override; then, but for the first stratum of π, 1 by
    stratum, and an override by stratum."""
    weight = 1 / propensities(propensity, np.asarray(overridden, dtype=np.float64))
    hits = binary(overridden, weight, "overridden")
    strata, stratum = np.unique(propensity, return_inverse=True)
    if len(strata) > _MAX_STRATA:
        strata, stratum = np.unique(np.floor(np.log2(weight)), return_inverse=True)
    member = (stratum[:, None] == np.arange(1, len(strata))).astype(np.float64)
    return np.column_stack(
        [np.ones(len(weight)), hits, weight, weight**2, weight * hits, member, member * hits[:, None]]
    )


def _patterns(
    features: Features, columns: Floats, depth: int, min_support: int
) -> Iterator[tuple[tuple[Condition, ...], Floats]]:
    """Every pattern with enough rows, and the sums of `columns` (the first one counts rows) over them."""
    literals: list[Condition] = []
    owner: list[int] = []
    rows: list[Floats] = []
    for index, (name, column) in enumerate(features.items()):
        if len(column) != len(columns):
            raise InsufficientDataError(
                Reason.LENGTHS_DIFFER, f"column {name!r} has {len(column)} rows, not {len(columns)}"
            )
        plain = column if column.dtype.kind in "biu" else column.astype(str)  # whole numbers sort faster
        values, codes, support = np.unique(plain, return_inverse=True, return_counts=True)
        for code in np.flatnonzero(support >= min_support):
            literals.append((name, str(values[code])))
            owner.append(index)
            rows.append((codes == code).astype(np.float64))
    if literals:
        yield from _extended((), np.column_stack(rows), columns, literals, np.array(owner), depth, max(min_support, 1))


def _extended(
    prefix: tuple[Condition, ...],
    rows: Floats,
    columns: Floats,
    literals: Sequence[Condition],
    owner: NDArray[np.int64],
    depth: int,
    min_support: int,
) -> Iterator[tuple[tuple[Condition, ...], Floats]]:
    """`rows`: (rows that match the prefix) × (literals that may still be added), 1 where one holds."""
    sums = rows.T @ columns
    for index in np.flatnonzero(sums[:, 0] >= min_support).tolist():
        conditions = (*prefix, literals[index])
        yield conditions, sums[index]
        later = int(np.searchsorted(owner, owner[index], side="right"))
        if depth > 1 and later < len(owner):
            inside = rows[:, index] > 0
            yield from _extended(
                conditions,
                rows[inside, later:],
                columns[inside],
                literals[later:],
                owner[later:],
                depth - 1,
                min_support,
            )


def _significant(
    patterns: Sequence[tuple[tuple[Condition, ...], Floats]], total: Floats, level: float, correction: Correction
) -> list[Slice]:
    from scipy.stats import false_discovery_control

    patterns = [
        (conditions, sums) for conditions, sums in patterns if sums[0] < total[0]
    ]  # a pattern of everything sets nothing apart
    if not patterns or not total[1]:
        return []
    inside = np.array([sums for _, sums in patterns])
    p = _tail(inside, total - inside)
    adjusted = false_discovery_control(p, method=correction)
    if len(total) > _BY_STRATUM:
        # p only grows by this, so that a pattern above the level stays there and changes nothing for the others.
        for index in np.flatnonzero(adjusted <= level):
            p[index] = max(p[index], _tail_within_strata(inside[index], total))
        adjusted = false_discovery_control(p, method=correction)
    low, high = _lift_interval(inside, total - inside)
    rate, overall = inside[:, 4] / inside[:, 2], float(total[4] / total[2])
    lift = rate / overall
    return [
        Slice(
            conditions=patterns[index][0],
            support=int(inside[index, 0]),
            overrides=int(inside[index, 1]),
            rate=float(rate[index]),
            overall=overall,
            lift=float(lift[index]),
            # The interval is smoothed, the point is not: at the edges it may fall outside.
            lift_low=float(min(low[index], lift[index])),
            lift_high=float(max(high[index], lift[index])),
            p=float(p[index]),
            adjusted_p=float(adjusted[index]),
        )
        for index in np.lexsort((-inside[:, 1], p))
        if adjusted[index] <= level
    ]


def _effective(sums: Floats) -> tuple[Floats, Floats]:
    """Kish's effective cases (Σw)²/Σw² and the overrides among them; the plain counts where weights are equal."""
    cases = np.divide(sums[:, 2] ** 2, sums[:, 3], out=np.zeros(len(sums)), where=sums[:, 3] > 0)
    rate = np.divide(sums[:, 4], sums[:, 2], out=np.zeros(len(sums)), where=sums[:, 2] > 0)
    return cases, cases * rate


def _tail(inside: Floats, outside: Floats) -> Floats:
    """P(at least this many overrides inside), overrides falling on decisions at random; rounded to the safe side."""
    from scipy.stats import hypergeom

    cases, hits = _effective(inside)
    other_cases, other_hits = _effective(outside)
    n, k = np.floor(cases + 1e-6), np.floor(hits + 1e-6)
    others, other_k = np.floor(other_cases + 1e-6), np.ceil(other_hits - 1e-6)
    return np.asarray(hypergeom.sf(k - 1, n + others, k + np.minimum(other_k, others), n), dtype=np.float64)


def _tail_within_strata(inside: Floats, total: Floats) -> float:
    """The same with overrides falling on decisions of equal π at random, exactly."""
    return upper_tail(*_counts_by_stratum(total), *_counts_by_stratum(inside))


def _counts_by_stratum(sums: Floats) -> NDArray[np.int64]:
    """(2, strata): decisions, and overrides."""
    counts = sums.round().astype(np.int64)
    others = counts[_BY_STRATUM:].reshape(2, -1)
    return np.column_stack([counts[:2] - others.sum(axis=1), others])


def _lift_interval(inside: Floats, outside: Floats) -> tuple[Floats, Floats]:
    """95 %: Walter's log interval of the ratio to the others, turned into the ratio to all; always finite."""
    cases, hits = (count + 0.5 for count in _effective(inside))
    other_cases, other_hits = (count + 0.5 for count in _effective(outside))
    centre = np.log(hits / cases) - np.log(other_hits / other_cases)
    spread = ndtri(0.975) * np.sqrt(np.maximum(1 / hits - 1 / cases + 1 / other_hits - 1 / other_cases, 0))
    share = inside[:, 2] / (inside[:, 2] + outside[:, 2])
    # rate / overall = 1 / (share + (1 − share) / ratio) grows with the ratio.
    low, high = (1 / (share + (1 - share) / np.exp(centre + sign * spread)) for sign in (-1, 1))
    return low, high
