"""`RetrainingRequest` records: what was found, since when, where most of all, and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.learning.answered import Answered, said
from interlock.learning.slices import Slice
from interlock.processors.events import Event, alert
from interlock.processors.feedback import patterns
from interlock.processors.feedback.model_stats import Change, ModelVersionStats, RequestKind, Sums
from interlock.schemas import catalogue
from interlock.schemas.times import moment

# As many slices as a person reads; the examples hold everything.
MAX_SLICES = 10


def request(
    key: str,
    kind: RequestKind,
    outcome: dict[str, Any],
    stats: ModelVersionStats,
    answered: Mapping[str, Answered],
    now: int,
) -> list[Event]:
    """The request and its alert. `key`: model_id@model_version; `outcome`: the one that decided it; `answered`: by way,
    over the span that it speaks of."""
    change = stats.change()
    worst = _worst(stats.slices(stats.window))
    worst_since = _worst(stats.slices(change.samples)) if change else []
    low, high = stats.bounds
    reason = _reason(key, kind, stats, change, answered, worst_since if kind == "change" else worst)
    request_id = f"{key}#{outcome['outcome_id']}"
    record = {
        "request_id": request_id,
        "model_id": outcome["model_id"],
        "model_version": outcome["model_version"],
        "domain": outcome["domain"],
        "limit": stats.terms.limit,
        "override_rate_estimate": stats.evidence.rate,
        "override_rate_lower": low,
        "override_rate_upper": high,
        "reviewed": stats.evidence.count,
        "reviewed_override_rate": _naive(stats.evidence),
        "slices": [_slice(group) for group in worst],
        "first_example": stats.first_example,
        "last_example": stats.last_example,
        "reason": reason,
        "at": now,
        "kind": kind,
        "changed_at": change.at if change else None,
        "rate_since_change": change.rate if change else None,
        "rate_since_change_lower": change.lower if change else None,
        "rate_since_change_upper": change.upper if change else None,
        "reviewed_since_change": change.sums.count if change else None,
        "slices_since_change": [_slice(group) for group in worst_since],
        "open_since_change": sum(stats.open_work) if change else None,
        "answered": [
            {"way": way, "settled": span.settled, "judged": span.judged} for way, span in sorted(answered.items())
        ],
    }
    return [
        Event(catalogue.RETRAINING_REQUESTS, key, record),
        alert("retraining", request_id, "warning", (), reason, now),
    ]


def _reason(
    key: str,
    kind: RequestKind,
    stats: ModelVersionStats,
    change: Change | None,
    answered: Mapping[str, Answered],
    worst: list[Slice],
) -> str:
    if kind == "change" and change is not None:
        reason = (
            f"Since about {moment(change.at):%Y-%m-%d %H:%M} UTC people override {change.rate:.1%} of the "
            f"decisions of {key} ({change.lower:.1%} to {change.upper:.1%}); {stats.terms.limit:.1%} are allowed. (Of "
            f"the {change.sums.count} that were reviewed since: {_naive(change.sums):.1%}. Of all decisions since it "
            f"began: {stats.evidence.rate:.1%}.) "
        )
        if any(stats.open_work):
            reason += (
                f"{stats.open_work.audits} audits and {stats.open_work.reviews} reviews that are still open count as "
                "right in it, so it is more rather than less. "
            )
    else:
        reason = (
            f"People override {stats.evidence.rate:.1%} of the decisions of {key}, certainly more than "
            f"{stats.bounds[0]:.1%}; {stats.terms.limit:.1%} are allowed. (Of the {stats.evidence.count} that were "
            f"reviewed: {_naive(stats.evidence):.1%}.) "
        )
    if answered:
        reason += f"Of what was chosen for people they have answered {said(answered)}. "
    if worst:
        reason += f"Most of all where {patterns.text(worst[0].conditions)}: {worst[0].rate:.1%}. "
    if stats.contradictions:
        reason += f"{stats.contradictions} decisions were judged again with another outcome; the first counts. "
    return reason + f"Retrain it: `interlock export training-examples --model {key} --out examples.parquet`."


def _naive(sums: Sums) -> float:
    return sums.overridden / sums.count


def _worst(slices: Sequence[Slice]) -> list[Slice]:
    """Those with the most decisions that people would not override at the rate of all."""
    return sorted(slices, key=lambda group: -(group.rate - group.overall) * group.support)[:MAX_SLICES]


def _slice(group: Slice) -> dict[str, Any]:
    return {
        "pattern": patterns.text(group.conditions),
        "support": group.support,
        "overrides": group.overrides,
        "rate": group.rate,
        "lift": group.lift,
        "p_value": group.p,
        "q_value": group.adjusted_p,
    }
