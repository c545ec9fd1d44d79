"""Feedback: makes training examples, alerts about systematic errors and retraining requests of outcomes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from interlock.learning.answered import Answered
from interlock.learning.slices import Slice
from interlock.processors.answered import AnsweredWays, TallyTable, by_way
from interlock.processors.arrival_order import ArrivalOrderBuffer
from interlock.processors.events import Event, alert
from interlock.processors.feedback import examples, patterns
from interlock.processors.feedback.gold_record import GoldRecord
from interlock.processors.feedback.model_stats import ModelVersionStats, OpenWork, RequestKind, RetrainingTerms
from interlock.processors.feedback.pair_record import PairRecord
from interlock.processors.feedback.request import MAX_SLICES, request
from interlock.processors.learning_terms import LearningTerms
from interlock.processors.outcomes import is_conclusive, is_sample
from interlock.schemas import catalogue

# An outcome and its training example, held back until the watermark passes them.
_Sample = tuple[dict[str, Any], dict[str, Any]]


class Feedback:
    """A fold of outcomes. Every record that it makes has the time of the outcome, or the tick, that caused it.

    Examples are made at once; rates and patterns count them in the order in which their decisions arrived.
    """

    def __init__(
        self,
        terms: RetrainingTerms | None = None,
        tallies: TallyTable | None = None,
        policies: LearningTerms | None = None,
    ) -> None:
        """`tallies`: what the desk tells of ways that are silent; `policies`: what those in force set. Both may change
        between two calls."""
        self._terms = terms or RetrainingTerms()
        self._tallies = tallies or TallyTable()
        self._policies = policies or LearningTerms()
        self._answered: dict[str, AnsweredWays] = {}
        self._told_missing: set[str] = set()
        self._models: dict[str, ModelVersionStats] = {}
        # By model version, the first domain that it decided in, whose limit is its own.
        self._domains: dict[str, str] = {}
        self._buffers: dict[str, ArrivalOrderBuffer[_Sample]] = {}
        self._verdicts: Counter[str] = Counter()
        self._gold = GoldRecord()
        self._pairs = PairRecord()

    def process(self, outcome: dict[str, Any], payload: dict[str, Any] | None) -> list[Event]:
        """What follows from an `Outcome`, of which `payload` is the `RoutedDecision`, None if it is gone.

        Raises UnusableOutcomeError and then changes nothing.
        """
        self._gold.add(outcome)
        self._pairs.add(outcome)
        if not is_conclusive(outcome):
            return []
        examples.check(outcome)
        domain = outcome["domain"]
        example = examples.example(outcome, payload) | self._gold.fields(domain) | self._pairs.fields(domain)
        return [Event(catalogue.TRAINING_EXAMPLES, outcome["decision_id"], example), *self.learn(outcome, example)]

    def learn(self, outcome: dict[str, Any], example: dict[str, Any]) -> list[Event]:
        """What follows besides the `TrainingExample`, which exists already."""
        if not is_sample(outcome):
            return []
        key = f"{outcome['model_id']}@{outcome['model_version']}"
        now = outcome["at"]
        self._answered.setdefault(key, AnsweredWays(self._tallies, key)).observe(outcome, now)
        buffer = self._buffers.setdefault(key, ArrivalOrderBuffer(self._terms.longest_wait))
        sample = (outcome, example)
        ready = buffer.add(outcome["outcome_id"], outcome["arrived_at"], outcome["settled_before"], sample, now)
        events = [event for each in ready for event in self._count(key, *each, now)]
        self._verdicts[key] += 1
        if outcome["open_audits"] is not None and self._verdicts[key] % self._terms.every == 0:
            events += self._look_ahead(key, outcome, OpenWork(outcome["open_audits"], outcome["open_reviews"]), now)
        return events

    def tick(self, now: int) -> list[Event]:
        """What follows from time alone: verdicts that have waited for what is late by now, or for too long."""
        ready = [
            (key, sample)
            for key, buffer in self._buffers.items()
            for sample in buffer.release(self._tallies.watermark(key), now)
        ]
        return [event for key, sample in ready for event in self._count(key, *sample, now)]

    def _look_ahead(self, key: str, outcome: dict[str, Any], open_work: OpenWork, now: int) -> list[Event]:
        """A request that need not wait for what is open: the rate is too high even if all of that is right."""
        stats, held = self._stats(key, outcome, now), self._buffers[key].held
        if not held or not stats.rises_with(held, open_work):
            return []
        ahead = stats.ahead(held, open_work)
        if self._missing(key, ahead, now) or not stats.must_request_ahead(ahead):
            return []
        return request(key, "change", outcome, ahead, self._shares(key, "change", ahead, now), now)

    def _stats(self, key: str, outcome: dict[str, Any], now: int) -> ModelVersionStats:
        domain = self._domains.setdefault(key, outcome["domain"])
        limit = self._policies.override_limit(domain, outcome["model_id"], outcome["model_version"])
        limit = self._terms.limit if limit is None else limit
        stats = self._models.get(key)
        if stats is None:
            smallest = self._policies.smallest_propensity(domain)
            smallest = self._terms.smallest_propensity if smallest is None else smallest
            terms = replace(self._terms, limit=limit, smallest_propensity=smallest)
            stats = self._models[key] = ModelVersionStats(terms)
        elif limit != stats.terms.limit:
            stats.limit_to(limit)
            self._answered[key].begin_anew(now)
        return stats

    def _count(self, key: str, outcome: dict[str, Any], example: dict[str, Any], now: int) -> list[Event]:
        stats = self._stats(key, outcome, now)
        smallest = stats.smallest_propensity
        if not stats.add(outcome, example):
            return []
        events = []
        if stats.smallest_propensity < smallest and stats.all.count > 1:
            self._answered[key].begin_anew(now)
            events.append(_bet_anew(key, outcome, smallest, now))
        if stats.all.count % self._terms.every:
            return events
        if new := stats.new_slices():
            events.append(_systematic(key, outcome, new, now))
        if self._must_leave_past(key, stats, now):
            stats.bet_anew()
            self._answered[key].begin_anew(now)
            events.append(_past_left(key, outcome, now))
        if missing := self._missing(key, stats, now):
            if key not in self._told_missing:
                self._told_missing.add(key)
                events.append(_answers_missing(key, outcome, missing, now))
            return events
        self._told_missing.discard(key)
        if kind := stats.must_request():
            events += request(key, kind, outcome, stats, self._shares(key, kind, stats, now), now)
        return events

    def _must_leave_past(self, key: str, stats: ModelVersionStats, now: int) -> bool:
        """Whether all is answered lately and too little before, of what would be concluded from: that will not mend."""
        ways, minimum = self._answered[key], self._terms.min_answered
        if ways.missing_lately(minimum, now):
            return False
        return bool(ways.missing(minimum, now) or (not stats.changed_lately and self._missing(key, stats, now)))

    def _missing(self, key: str, stats: ModelVersionStats, now: int) -> tuple[str, ...]:
        """What must be answered before anything is concluded about the model version, or about a change of it."""
        ways, minimum = self._answered[key], self._terms.min_answered
        missing = ways.missing_lately(minimum, now) or ways.missing(minimum, now)
        if missing or stats.due() != "change":
            return missing
        return stats.answered_since_change(ways.newest(now)).missing(minimum)

    def _shares(self, key: str, kind: RequestKind, stats: ModelVersionStats, now: int) -> dict[str, Answered]:
        """What was answered by way, over the span that the request speaks of."""
        ways = self._answered[key]
        since_change = kind == "change"
        spans = stats.answered_since_change(ways.newest(now)).spans if since_change else ways.since_begun(now)
        return by_way(spans.items())


def _systematic(key: str, outcome: dict[str, Any], new: Sequence[Slice], now: int) -> Event:
    worst = "; ".join(
        f"{patterns.text(group.conditions)}: {group.overrides} of {group.support} overridden, "
        f"{group.lift:.1f} times as often as in all"
        for group in new[:MAX_SLICES]
    )
    message = f"{key} errs systematically where {worst}. Look at these cases; a rule can send them to people meanwhile."
    return alert("systematic_error", f"{key}#{outcome['outcome_id']}", "warning", (), message, now)


def _answers_missing(key: str, outcome: dict[str, Any], missing: Sequence[str], now: int) -> Event:
    message = (
        f"Nothing is concluded about {key} because too much is unanswered: {'; '.join(missing)}. Whether it must be "
        "retrained is not known, nothing is certified or recalibrated, and what was left out may err more often than "
        "what was judged. Give people time for it (`floors` of a queue, in the policy), or choose less (`audit.rate`, "
        "thresholds of lanes). This is said again only after enough has been answered in between."
    )
    return alert("answers_missing", f"{key}#{outcome['outcome_id']}", "warning", (), message, now)


def _past_left(key: str, outcome: dict[str, Any], now: int) -> Event:
    message = (
        f"Whether {key} must be retrained is asked anew: too much of what was chosen for people was left unanswered, "
        "and lately enough is answered. What was judged before counts for nothing here any more. Nothing needs to be "
        "done: what is reviewed from now on tells."
    )
    return alert("retraining", f"{key}#{outcome['outcome_id']}/answers", "info", (), message, now)


def _bet_anew(key: str, outcome: dict[str, Any], before: float, now: int) -> Event:
    message = (
        f"Whether {key} must be retrained is asked anew: {outcome['outcome_id']} was reviewed with propensity "
        f"{outcome['propensity']:g}, which is less than the smallest so far ({before:g}), and evidence must know the "
        "smallest beforehand. An audit rate in its policies has fallen. Nothing needs to be done: what is reviewed "
        "from now on tells."
    )
    return alert("retraining", f"{key}/propensity/{outcome['propensity']:g}", "info", (), message, now)
