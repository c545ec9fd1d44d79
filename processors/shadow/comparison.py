"""Champion and challenger on the same cases: pairs them, and compares what each would do.

A pair is one decision of each version about the same case: the same value of attribute `pair` where a decision has it,
else the same subject and the same input. If a case was decided several times, the first decisions of both form a pair,
then the second ones, and so on.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from interlock.learning.bounds import wilson
from interlock.learning.comparison import Comparison, Interval, compare
from interlock.processors.outcomes import is_sample
from interlock.schemas import json_text

PAIR = "pair"


@dataclass(frozen=True, slots=True)
class VersionDecision:
    """What one version decided about one case. `unseen`: it takes effect, and people see it only if it is audited."""

    decision_id: str
    case: str
    created_at: int
    prediction: str
    auto: bool
    unseen: bool


@dataclass(frozen=True, slots=True)
class ReviewedOutcome:
    """What a person decided. `propensity`: with which probability the decision was sent to a person; `blind`: the
    person did not see the prediction."""

    outcome: str
    propensity: float
    blind: bool


@dataclass(frozen=True, slots=True)
class ShadowComparison:
    """Cases that both versions decided, champion first; how many only one of them decided; reviewed outcomes by
    decision id."""

    pairs: list[tuple[VersionDecision, VersionDecision]]
    only_champion: int
    only_challenger: int
    outcomes: dict[str, ReviewedOutcome]


def version_decision(routed: dict[str, Any]) -> VersionDecision:
    """From a `RoutedDecision` record, times as integers."""
    decision = routed["decision"]
    auto = routed["route"] == "auto"
    return VersionDecision(
        decision_id=decision["decision_id"],
        case=_case(decision),
        created_at=decision["created_at"],
        prediction=decision["prediction"],
        auto=auto,
        unseen=auto and routed["workflow"] != "post_approval",
    )


def reviewed_outcome(outcome: dict[str, Any]) -> ReviewedOutcome | None:
    """From an `Outcome` record; None if it is no sample of the model's decisions."""
    # Without a propensity there is no telling how many decisions the outcome stands for.
    if not is_sample(outcome) or not 0 < outcome["propensity"] <= 1:
        return None
    return ReviewedOutcome(outcome["outcome"], outcome["propensity"], outcome["blind"])


def pair_cases(
    champion: Iterable[VersionDecision],
    challenger: Iterable[VersionDecision],
    outcomes: dict[str, ReviewedOutcome],
) -> ShadowComparison:
    """Matches the decisions of both versions case by case."""
    cases: dict[str, tuple[list[VersionDecision], list[VersionDecision]]] = defaultdict(lambda: ([], []))
    unmatched = [0, 0]
    for side, decisions in enumerate((champion, challenger)):
        for decision in sorted(decisions, key=lambda decision: (decision.created_at, decision.decision_id)):
            if decision.case:
                cases[decision.case][side].append(decision)
            else:
                unmatched[side] += 1
    pairs: list[tuple[VersionDecision, VersionDecision]] = []
    for _, (champions, challengers) in sorted(cases.items()):
        pairs += zip(champions, challengers, strict=False)
        both = min(len(champions), len(challengers))
        unmatched[0] += len(champions) - both
        unmatched[1] += len(challengers) - both
    return ShadowComparison(pairs, unmatched[0], unmatched[1], outcomes)


def summarize(comparison: ShadowComparison, audit_rate: float) -> dict[str, Any]:
    """The comparison as JSON values with 95 % intervals; None where the data say nothing.

    `audit_rate`: with which probability people see an unseen decision, of either version.
    """
    pairs = comparison.pairs
    summary: dict[str, Any] = {
        "pairs": len(pairs),
        "only_champion": comparison.only_champion,
        "only_challenger": comparison.only_challenger,
    }
    summary |= dict.fromkeys(("agreement", "auto", "workload", "accuracy", "errors"))
    summary |= {"answered": 0, "blind": 0}
    if not pairs:
        return summary
    every = np.ones(len(pairs))
    same = sum(a.prediction == b.prediction for a, b in pairs)
    summary["agreement"] = asdict(Interval(same / len(pairs), *wilson(same, len(pairs))))
    summary["auto"] = asdict(compare([float(a.auto) for a, _ in pairs], [float(b.auto) for _, b in pairs], every))
    unseen = compare([float(a.unseen) for a, _ in pairs], [float(b.unseen) for _, b in pairs], every)
    summary["workload"] = asdict(_workload(unseen, audit_rate))
    reviewed = _reviewed_pairs(comparison)
    if not reviewed:
        return summary
    pi = [outcome.propensity for _, _, outcome in reviewed]
    right = np.array(
        [[a.prediction == outcome.outcome, b.prediction == outcome.outcome] for a, b, outcome in reviewed], dtype=float
    )
    auto = np.array([[a.auto, b.auto] for a, b, _ in reviewed], dtype=float)
    summary["accuracy"] = asdict(compare(right[:, 0], right[:, 1], pi))
    errors = auto * (1 - right)
    summary["errors"] = asdict(compare(errors[:, 0], errors[:, 1], pi))
    summary["answered"] = len(reviewed)
    summary["blind"] = sum(outcome.blind for _, _, outcome in reviewed)
    return summary


def _reviewed_pairs(comparison: ShadowComparison) -> list[tuple[VersionDecision, VersionDecision, ReviewedOutcome]]:
    """Pairs with the reviewed outcomes of one version's decisions: the champion's if there are any.

    Never of both: which cases people saw, and with which probability, follows from the routing of one version.
    """
    for side in (0, 1):
        reviewed = [
            (*pair, comparison.outcomes[pair[side].decision_id])
            for pair in comparison.pairs
            if pair[side].decision_id in comparison.outcomes
        ]
        if reviewed:
            return reviewed
    return []


def _workload(unseen: Comparison, audit_rate: float) -> Comparison:
    """Share of decisions that people see: all but the unseen ones, and of these the audits."""
    unaudited = 1 - audit_rate

    def seen(share: Interval) -> Interval:
        return Interval(1 - unaudited * share.value, 1 - unaudited * share.high, 1 - unaudited * share.low)

    change = unseen.difference
    difference = Interval(-unaudited * change.value, -unaudited * change.high, -unaudited * change.low)
    return Comparison(seen(unseen.champion), seen(unseen.challenger), difference)


def _case(decision: dict[str, Any]) -> str:
    """Equal for decisions about the same case; empty where nothing identifies the case."""
    if decision["attributes"].get(PAIR):
        return f"pair:{decision['attributes'][PAIR]}"
    text = decision["input"]
    with suppress(ValueError):  # input that is not JSON is compared as text
        text = json.dumps(json_text.parse(text), sort_keys=True)
    return json.dumps([decision["subject_id"], text]) if decision["subject_id"] or text else ""
