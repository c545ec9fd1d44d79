"""Rules under which a model may decide alone, found on earlier decisions and proved on later ones as these arrive.

Finding looks at thousands of patterns and proves nothing. Each pattern found is then bet on with an e-process like that
of a threshold (`certification.Evidence`): reviewed decisions count by 1/π, none is thrown away to make the sample
uniform, and every look is valid.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from interlock.learning.arrays import Bools, Floats
from interlock.learning.slices import Condition, sums_of_patterns

# Bets as shares of the highest one that cannot go bankrupt, with their parts of the capital. A rule worth finding has
# hardly any errors, for which the large bet is nearly the best: three quarters on it cost 6 audits, not 14.
BETS = ((0.3, 0.25), (0.9, 0.75))

# Reviewed decisions that a pattern must have for a look at its errors.
MIN_SUPPORT = 20

# A rule that hardly anything waits under saves no work.
MIN_WAITING = 5

# Two patterns that share more than this of what they cover are one finding.
SAME = 0.8


@dataclass(frozen=True, slots=True)
class Literal:
    """A condition on one attribute, and the reviewed decisions that fulfil it."""

    condition: Condition
    rows: Bools


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern that looks safe where it was found: `cases` reviewed decisions, `errors` wrong ones among them."""

    conditions: tuple[Condition, ...]
    cases: int
    errors: int


def find(
    literals: Sequence[Literal],
    correct: Bools,
    weight: Floats,
    waited: Bools,
    *,
    alpha: float,
    depth: int = 2,
    limit: int = 4,
) -> list[Found]:
    """Up to `limit` patterns that promise the fastest proof, that one first: by decisions covered times distance of the
    error from `alpha`.

    One row for each reviewed decision: `weight`, of how many decisions it speaks; `waited`: it took effect only after
    a person had seen it. The error counts as (errors + ½) / (cases + 1) of the effective number of cases: with fewer
    than ten, a pattern without any error is no finding yet.
    """
    if not literals:
        return []
    columns = np.column_stack([np.ones(len(weight)), ~correct, weight, weight**2, weight * ~correct, waited])
    names = [literal.condition for literal in literals]
    rows = np.column_stack([literal.rows for literal in literals]).astype(np.float64)
    ranked = []
    for conditions, sums in sums_of_patterns(names, rows, columns, depth=depth, min_support=MIN_SUPPORT):
        cases, errors, total, squares, wrong, waiting = sums.tolist()
        size = total**2 / squares
        margin = alpha - (wrong / total * size + 0.5) / (size + 1)
        if margin > 0 and waiting >= MIN_WAITING:
            ranked.append((-margin * total, Found(conditions, int(cases), int(errors))))
    ranked.sort(key=lambda item: item[0])
    holds = {literal.condition: literal.rows for literal in literals}
    taken: list[Found] = []
    covered: list[Bools] = []
    for _, found in ranked:
        if len(taken) == limit:
            break
        inside: Bools = np.logical_and.reduce([holds[condition] for condition in found.conditions])
        if not any(_same(inside, other, weight) for other in covered):
            taken.append(found)
            covered.append(inside)
    return taken


def _same(one: Bools, other: Bools, weight: Floats) -> bool:
    both = float(weight[one & other].sum())
    return both > SAME * max(float(weight[one].sum()), float(weight[other].sum()))


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """What decisions after the finding have shown about each rule. `log_e`: log capital by rule and bet; `peak`: the
    highest log of a rule's whole capital; `cases`, `errors`: reviewed decisions under it."""

    alpha: float
    log_e: Floats
    peak: Floats
    cases: NDArray[np.int64]
    errors: NDArray[np.int64]


def no_evidence(rules: int, alpha: float) -> RuleEvidence:
    """The beginning, for so many rules."""
    none = np.zeros(rules, dtype=np.int64)
    return RuleEvidence(alpha, np.zeros((rules, len(BETS))), np.zeros(rules), none, none)


def add(evidence: RuleEvidence, inside: Bools, correct: Bools, propensity: Floats, lowest: float) -> RuleEvidence:
    """The evidence after more reviewed decisions, in their order. `inside`: decisions × rules. `lowest`: a lower limit
    of π that was known before them."""
    bets = np.array([bet for bet, _ in BETS]) * lowest / (1 - evidence.alpha)
    parts = np.log([part for _, part in BETS])
    if not inside.size:
        return evidence
    steps = np.log1p(np.outer((evidence.alpha - ~correct) / propensity, bets))
    # By decision, rule and bet; a decision leaves the capital of rules that do not cover it as it is.
    path = evidence.log_e + np.cumsum(inside[:, :, None] * steps[:, None, :], axis=0)
    return replace(
        evidence,
        log_e=path[-1],
        peak=np.maximum(evidence.peak, np.logaddexp.reduce(path + parts, axis=2).max(axis=0)),
        cases=evidence.cases + inside.sum(axis=0),
        errors=evidence.errors + (inside & ~correct[:, None]).sum(axis=0),
    )


def proved(evidence: RuleEvidence, delta: float) -> list[tuple[int, float]]:
    """The rules that are certified, each with the risk it had, by the fallback procedure (Wiens 2003).

    The first rule has half of `delta`, the second a quarter, and so on; the share of a certified one passes to the
    next. With probability ≥ 1 − delta no certified rule has a true error above alpha, over all looks together.
    """
    levels = _levels(evidence, delta)
    return [(rule, level) for rule, level in enumerate(levels) if evidence.peak[rule] >= -math.log(level)]


def nearness(evidence: RuleEvidence, delta: float) -> list[float]:
    """By rule, how far it is: its log e-value as a share of what certifies it, 0 to 1."""
    levels = _levels(evidence, delta)
    return [min(1.0, float(evidence.peak[rule]) / -math.log(level)) for rule, level in enumerate(levels)]


def _levels(evidence: RuleEvidence, delta: float) -> list[float]:
    levels: list[float] = []
    passed_on = 0.0
    for rule, peak in enumerate(evidence.peak.tolist()):
        levels.append(passed_on + delta * 0.5 ** (rule + 1))
        passed_on = levels[-1] if peak >= -math.log(levels[-1]) else 0.0
    return levels


def intervals(values: Floats, weight: Floats, bins: int) -> list[tuple[float, float, Bools]]:
    """Every interval `low ≤ value < high` between weighted quantiles, but that of everything. Not finite values are in
    none. Looks at no label."""
    finite = np.isfinite(values)
    if not finite.any():
        return []
    order = np.argsort(values[finite], kind="stable")
    ordered = values[finite][order]
    shares = np.cumsum(weight[finite][order])
    places = np.searchsorted(shares, np.linspace(0, 1, bins + 1)[1:-1] * shares[-1])
    # As the condition of a policy writes them.
    edges = [-math.inf, *sorted({float(f"{edge:.15g}") for edge in ordered[places].tolist()}), math.inf]
    return [
        (low, high, finite & (values >= low) & (values < high))
        for first, low in enumerate(edges)
        for high in edges[first + 1 :]
        if (low, high) != (-math.inf, math.inf)
    ]
