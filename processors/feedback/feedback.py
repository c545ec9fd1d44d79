"""Feedback: from outcomes, in their order, to training examples, systematic errors and requests for retraining."""

from collections.abc import Sequence
from typing import Any

from interlock.learning.slices import Slice
from interlock.processors.arrival_order import ArrivalOrderBuffer
from interlock.processors.events import Event, alert
from interlock.processors.feedback import examples, patterns
from interlock.processors.feedback.model_stats import ModelVersionStats, Terms
from interlock.schemas import catalogue

# As many as a person reads; the examples hold everything.
_WORST = 10


# A sample, held back until it may be counted: its outcome and its training example.
_Sample = tuple[dict[str, Any], dict[str, Any]]


class Feedback:
    """A fold of outcomes: every time in what it says is that of the outcome that caused it.

    Examples are made at once; rates and patterns count them in the order in which the decisions arrived.
    """

    def __init__(self, terms: Terms | None = None) -> None:
        self._terms = terms or Terms()
        self._models: dict[str, ModelVersionStats] = {}
        self._settled: dict[str, ArrivalOrderBuffer[_Sample]] = {}

    def take(self, outcome: dict[str, Any], payload: dict[str, Any] | None) -> list[Event]:
        """What follows from an `Outcome`, of which `payload` is the `RoutedDecision`, None if it is gone.

        Raises Unusable, and then nothing has changed.
        """
        if not examples.is_word(outcome):
            return []
        examples.check(outcome)
        example = examples.example(outcome, payload)
        return [Event(catalogue.TRAINING_EXAMPLES, outcome["decision_id"], example), *self.learn(outcome, example)]

    def learn(self, outcome: dict[str, Any], example: dict[str, Any]) -> list[Event]:
        """What follows besides its `TrainingExample`, which was made before."""
        if not examples.is_sample(outcome):
            return []
        key = f"{outcome['model_id']}@{outcome['model_version']}"
        settled = self._settled.setdefault(key, ArrivalOrderBuffer())
        sample = (outcome, example)
        ready = settled.add(outcome["outcome_id"], outcome["arrived_at"], outcome["settled_before"], sample)
        return [event for each in ready for event in self._count(key, *each, outcome["at"])]

    def _count(self, key: str, outcome: dict[str, Any], example: dict[str, Any], now: int) -> list[Event]:
        judged = self._models.get(key)
        if judged is None:
            judged = self._models[key] = ModelVersionStats(self._terms)
        could_judge = not judged.too_small
        if not judged.add(outcome, example):
            return []
        made = [_cannot_judge(key, outcome, self._terms, now)] if judged.too_small and could_judge else []
        if judged.all.count % self._terms.every:
            return made
        if new := judged.new_slices():
            made.append(_systematic(key, outcome, new, now))
        if judged.must_ask():
            made += _retraining(key, outcome, judged, self._terms, now)
        return made


def _retraining(key: str, outcome: dict[str, Any], judged: ModelVersionStats, terms: Terms, now: int) -> list[Event]:
    worst = sorted(judged.slices(), key=lambda one: -(one.rate - one.overall) * one.support)[:_WORST]
    assert judged.bounds is not None
    low, high = judged.bounds
    naive = judged.all.overridden / judged.all.count
    reason = (
        f"People override {judged.all.rate:.1%} of the decisions of {key}, certainly more than {low:.1%}; "
        f"{terms.limit:.0%} are allowed. (Of the {judged.all.count} that were reviewed: {naive:.1%}.) "
    )
    if worst:
        reason += f"Most of all where {patterns.text(worst[0].conditions)}: {worst[0].rate:.1%}. "
    if judged.contradictions:
        reason += f"{judged.contradictions} decisions were judged again with another answer; the first one counts. "
    reason += f"Train it anew: `interlock export training-examples --model {key} --out examples.parquet`."
    request_id = f"{key}#{outcome['outcome_id']}"
    request = {
        "request_id": request_id,
        "model_id": outcome["model_id"],
        "model_version": outcome["model_version"],
        "domain": outcome["domain"],
        "limit": terms.limit,
        "override_rate_estimate": judged.all.rate,
        "override_rate_lower": low,
        "override_rate_upper": high,
        "reviewed": judged.all.count,
        "reviewed_override_rate": naive,
        "slices": [_slice(one) for one in worst],
        "first_example": judged.first_example,
        "last_example": judged.last_example,
        "reason": reason,
        "at": now,
    }
    told = alert("retraining", request_id, "warning", (), reason, now)
    return [Event(catalogue.RETRAINING_REQUESTS, key, request), told]


def _slice(one: Slice) -> dict[str, Any]:
    return {
        "pattern": patterns.text(one.conditions),
        "support": one.support,
        "overrides": one.overrides,
        "rate": one.rate,
        "lift": one.lift,
        "p_value": one.p,
        "q_value": one.adjusted_p,
    }


def _systematic(key: str, outcome: dict[str, Any], new: Sequence[Slice], now: int) -> Event:
    named = "; ".join(
        f"{patterns.text(one.conditions)}: {one.overrides} of {one.support} overridden, {one.lift:.1f} times as often "
        "as in all"
        for one in new[:_WORST]
    )
    message = f"{key} errs systematically where {named}. Look at these cases; a rule can send them to people meanwhile."
    return alert("systematic_error", f"{key}#{outcome['outcome_id']}", "warning", (), message, now)


def _cannot_judge(key: str, outcome: dict[str, Any], terms: Terms, now: int) -> Event:
    message = (
        f"Whether {key} must be trained again can no longer be told: {outcome['outcome_id']} was reviewed with "
        f"propensity {outcome['propensity']:g}, and the smallest was said to be {terms.smallest_propensity:g}. Set "
        "INTERLOCK_FEEDBACK__SMALLEST_PROPENSITY to the least audit rate of your policies, and start feedback again."
    )
    return alert("retraining", f"{key}/propensity", "warning", (), message, now)
