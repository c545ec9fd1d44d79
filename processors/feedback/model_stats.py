"""What is known of one model version: its reviewed decisions, and whether it must be retrained."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from itertools import islice
from sys import intern
from typing import Any, Literal, NamedTuple

import numpy as np

from interlock.learning.answered import MIN_ANSWERED, MIN_SHOWN, Answered
from interlock.learning.arrays import Floats
from interlock.learning.change_point import RUN_LENGTH, ChangeDetector, bounds_since
from interlock.learning.retraining import LIMIT
from interlock.learning.slices import Slice, find
from interlock.processors.answered import LATELY, Way
from interlock.processors.arrival_order import LONGEST_WAIT
from interlock.processors.feedback.answered_since import AnsweredSince, Told, answered_since
from interlock.processors.feedback.martingale import BettingMartingale
from interlock.processors.feedback.patterns import columns, facts
from interlock.processors.outcomes import way

# The rate of all decisions since the start is above the limit, or it has risen above it since some moment.
RequestKind = Literal["start", "change"]

# Share of the risk alpha that the bounds take that begin with the model version: most versions never begin anew, and
# with four fifths of it need 7 % more evidence than with all.
_FIRST_START = 0.8


@dataclass(frozen=True)
class RetrainingTerms:
    """When a model version must be retrained.

    `limit`: override rate of all decisions that is allowed, `smallest_propensity`: the smallest π of a decision, both
    where no policy tells another. π must be known beforehand: a smaller one starts the bounds again. `every`: outcomes
    between two looks. `renew`: outcomes after which retraining is requested again. `window`: latest outcomes that are
    searched for patterns, each of at least `min_support` decisions. `alpha`: risk that the rate since the start was
    never above the limit though a request says so, over all starts together. `run_length`: mean number of outcomes
    until a request says falsely that it has risen above the limit. `level`: share of false patterns, over all looks
    together. `min_answered`: share of what was chosen on each way to a person that must be answered; 0: nobody asks.
    `longest_wait`: microseconds for which a verdict waits at most for those on earlier decisions.
    """

    limit: float = LIMIT
    smallest_propensity: float = 0.05
    every: int = 100
    renew: int = 500
    window: int = 20_000
    min_support: int = 11
    alpha: float = 0.05
    run_length: float = RUN_LENGTH
    level: float = 0.05
    min_answered: float = MIN_ANSWERED
    longest_wait: int = LONGEST_WAIT


@dataclass(frozen=True, slots=True)
class Sample:
    """One reviewed decision."""

    overridden: bool
    propensity: float
    facts: dict[str, str]
    arrived_at: int
    told: Told | None


class Sums:
    """Counts and the override rate of a sequence of samples, each weighted by 1/(π · answered share of its way)."""

    def __init__(self, samples: Iterable[Sample] = (), *, from_start: bool = False) -> None:
        """`from_start`: the samples begin with the model version, so that what nobody judged before the first of them
        counts as unanswered too."""
        self.count = self.overridden = 0
        self._from_start = from_start
        self._ways: dict[Way | None, _WaySums] = {}
        for sample in samples:
            self.add(sample)

    def add(self, sample: Sample) -> None:
        self.count += 1
        self.overridden += sample.overridden
        self._ways.setdefault(sample.told.way if sample.told else None, _WaySums()).add(sample)

    @property
    def rate(self) -> float:
        """Of all decisions (Hájek); 0 before the first one."""
        return self.rate_with(0.0)

    def rate_with(self, right: float) -> float:
        """The same if so many decisions besides are right."""
        shares = {way: sums.answered(from_start=self._from_start) for way, sums in self._ways.items()}
        weights = right + sum(sums.weights / shares[way] for way, sums in self._ways.items())
        return sum(sums.weighted / shares[way] for way, sums in self._ways.items()) / weights if weights else 0.0


class _WaySums:
    """Sums over the samples of one way, and the ends of what they told of it."""

    def __init__(self) -> None:
        self.weights = self.weighted = 0.0
        self._first: Answered | None = None
        self._newest = Answered(0, 0)

    def add(self, sample: Sample) -> None:
        weight = 1 / sample.propensity
        self.weights += weight
        self.weighted += weight * sample.overridden
        if sample.told is None:
            return
        told = Answered(sample.told.settled, sample.told.judged)
        first = self._first or told
        self._first = Answered(min(first.settled, told.settled), min(first.judged, told.judged))
        self._newest = Answered(max(self._newest.settled, told.settled), max(self._newest.judged, told.judged))

    def answered(self, *, from_start: bool) -> float:
        """Below MIN_SHOWN as if it were that: nothing is concluded there, and a rate is only shown."""
        span = self._newest if from_start or self._first is None else self._newest - self._first
        return max(span.share, MIN_SHOWN)


@dataclass(frozen=True, slots=True)
class Change:
    """What is known since the override rate has most likely been above the limit. `at`: arrival of the first decision
    since then; where the change is older than the window, of the oldest one in it. `rate`: of all decisions, those that
    are still open taken for right. `lower`, `upper`: at level 1 − alpha each, whichever moment had been chosen."""

    at: int
    samples: Sequence[Sample]
    sums: Sums
    rate: float
    lower: float
    upper: float


class OpenWork(NamedTuple):
    """Decisions of a model version that were chosen for people and are not judged yet."""

    audits: int = 0
    reviews: int = 0


class ModelVersionStats:
    """The samples of one model version, in the order in which their decisions arrived."""

    def __init__(self, terms: RetrainingTerms) -> None:
        self.terms = terms
        self.all = Sums(from_start=True)
        self.smallest_propensity = terms.smallest_propensity
        self._starts = 0
        self.bet_anew()
        self._since_request = Sums()
        self._requested = False
        self._told_of = 0
        self._open = OpenWork()
        self.window: deque[Sample] = deque(maxlen=terms.window)
        self._first_outcomes: OrderedDict[str, str] = OrderedDict()
        self._reported: set[str] = set()
        self._looks = 0
        self._next_look = terms.every
        self.contradictions = 0
        self.first_example = self.last_example = ""

    def add(self, outcome: dict[str, Any], example: dict[str, Any]) -> bool:
        """Adds a sample. False if the decision has one already: only the first outcome of a decision counts."""
        decision = outcome["decision_id"]
        first = self._first_outcomes.get(decision)
        if first is not None:
            self.contradictions += first != outcome["outcome"]
            return False
        self._first_outcomes[decision] = outcome["outcome"]
        if len(self._first_outcomes) > self.terms.window:
            self._first_outcomes.popitem(last=False)
        sample = Sample(
            outcome["outcome"] != outcome["prediction"],
            outcome["propensity"],
            facts(example),
            outcome["arrived_at"],
            _told(outcome),
        )
        if sample.propensity < self.smallest_propensity:
            self.smallest_propensity = sample.propensity
            self.bet_anew()
        self.window.append(sample)
        self.all.add(sample)
        self.evidence.add(sample)
        if self.all.count > self._told_of:
            self._since_request.add(sample)
        self.first_example = self.first_example or example["example_id"]
        self.last_example = example["example_id"]
        weight = self.smallest_propensity / sample.propensity
        self._lower.add(float(sample.overridden), weight)
        self._upper.add(float(not sample.overridden), weight)
        self._change.add(float(sample.overridden), weight)
        return True

    def rises_with(self, held: Iterable[tuple[dict[str, Any], dict[str, Any]]], open_work: OpenWork) -> bool:
        """Whether it is beyond doubt that the rate has risen above the limit, taking in verdicts that wait for those on
        earlier decisions, in the order of arrival, and taking what is open for right."""
        values, weights, known = [], [], set()
        for outcome, _ in held:
            if outcome["propensity"] < self.smallest_propensity:
                return False  # the bets begin anew with it
            if outcome["decision_id"] in self._first_outcomes or outcome["decision_id"] in known:
                continue
            known.add(outcome["decision_id"])
            values.append(float(outcome["outcome"] != outcome["prediction"]))
            weights.append(self.smallest_propensity / outcome["propensity"])
        return self._change.exceeds_with(np.array(values), np.array(weights), self._open_weights(open_work))

    def ahead(self, held: Iterable[tuple[dict[str, Any], dict[str, Any]]], open_work: OpenWork) -> "ModelVersionStats":
        """What is known of a change if verdicts count too that wait for those on earlier decisions. The bounds and the
        evidence since the start remain: they are valid in the order of arrival alone."""
        other = copy(self)
        other.all, other._since_request = deepcopy(self.all), deepcopy(self._since_request)
        other.evidence, other._change = deepcopy(self.evidence), deepcopy(self._change)
        other._lower, other._upper = deepcopy(self._lower), deepcopy(self._upper)
        other.window, other._first_outcomes = copy(self.window), copy(self._first_outcomes)
        for outcome, example in held:
            other.add(outcome, example)
        other.evidence, other._lower, other._upper = self.evidence, self._lower, self._upper
        other._open = open_work
        return other

    def must_request_ahead(self, ahead: "ModelVersionStats") -> bool:
        """Whether to request retraining now because of what `ahead` knows; if so, the request counts as made."""
        since, limit = ahead._since_request, self.terms.limit
        if self._requested and (since.count < self.terms.renew or since.rate_with(ahead._open_decisions) <= limit):
            return False
        self._requested, self._since_request = True, Sums()
        # Those that are ahead will come here too.
        self._told_of = ahead.all.count
        return True

    @property
    def open_work(self) -> OpenWork:
        """What is taken for right."""
        return self._open

    @property
    def _open_decisions(self) -> float:
        """For how many decisions the open ones stand, an audit for as many as any can."""
        return self._open.audits / self.smallest_propensity + self._open.reviews

    def _open_weights(self, open_work: OpenWork) -> Floats:
        return np.repeat([1.0, self.smallest_propensity], open_work)

    def bet_anew(self) -> None:
        """Starts the bounds and the search for a change again; all else stays. `evidence` are the samples since."""
        terms = self.terms
        self._bets_since = self.all.count
        self.evidence = Sums(from_start=self._starts == 0)
        self._change = ChangeDetector(terms.limit, terms.run_length)
        self._starts += 1
        alpha = terms.alpha * _share_of_risk(self._starts)
        self._lower = BettingMartingale(terms.limit, alpha)
        self._upper = BettingMartingale(1 - terms.limit, alpha)

    def limit_to(self, limit: float) -> None:
        """Sets another limit, against which the evidence starts again."""
        self.terms = replace(self.terms, limit=limit)
        self.bet_anew()

    @property
    def bounds(self) -> tuple[float, float]:
        """Bounds of the override rate of all decisions, each at level 1 − alpha at any look, from `evidence`."""
        return self._lower.lower, 1 - self._upper.lower

    def must_request(self) -> RequestKind | None:
        """Whether to request retraining now, and why; if so, the request counts as made.

        A bound stays exceeded for good. A request is repeated only if people have overridden as much since the last.
        """
        kind = self.due()
        since = self._since_request
        if kind is None or (self._requested and (since.count < self.terms.renew or since.rate <= self.terms.limit)):
            return None
        self._requested, self._since_request = True, Sums()
        return kind

    def due(self) -> RequestKind | None:
        """What can be said beyond doubt, if anything."""
        if self._lower.exceeded and self.evidence.rate > self.terms.limit:
            return "start"
        return "change" if self._change.exceeded else None

    def change(self) -> Change | None:
        """The change that is beyond doubt; None if there is none."""
        if not self._change.exceeded:
            return None
        samples = list(islice(self.window, self._before_change(), None))
        lower, upper = bounds_since(
            [float(sample.overridden) for sample in samples],
            [self.smallest_propensity / sample.propensity for sample in samples],
            self.all.count,
            self.terms.alpha,
            self._open_weights(self._open),
        )
        sums = Sums(samples)
        return Change(samples[0].arrived_at, samples, sums, sums.rate_with(self._open_decisions), lower, upper)

    def answered_since_change(self, newest: Mapping[Way, Answered]) -> AnsweredSince:
        """What was answered since the change, by what is known by now."""
        told = [sample.told for sample in self.window]
        start = self._before_change()
        return answered_since(told[:start], told[start:], newest)

    @property
    def changed_lately(self) -> bool:
        """All that came since the change has come lately."""
        return self.all.count - self._bets_since - self._change.since <= LATELY

    def _before_change(self) -> int:
        """Samples of the window that came before the change."""
        return max(0, self._bets_since + self._change.since - (self.all.count - len(self.window)))

    def slices(self, samples: Sequence[Sample], level: float | None = None) -> list[Slice]:
        """Patterns with more overrides than elsewhere among these samples, most certain first."""
        return find(
            columns([sample.facts for sample in samples]),
            np.array([sample.overridden for sample in samples], dtype=np.bool_),
            np.array([sample.propensity for sample in samples]),
            min_support=self.terms.min_support,
            level=level if level is not None else self.terms.level,
        )

    def new_slices(self) -> list[Slice]:
        """Patterns that were not reported before, if a look is due.

        A full window hardly changes with a hundred outcomes, and a look takes 0.2 s, so a tenth of it must be new. The
        k-th look may be wrong with probability level / (k (k + 1)), so that all looks together may with `level`.
        """
        if self.all.count < self._next_look:
            return []
        self._next_look = self.all.count + max(self.terms.every, len(self.window) // 10)
        self._looks += 1
        slices = self.slices(self.window, self.terms.level / (self._looks * (self._looks + 1)))
        new = [group for group in slices if str(group.conditions) not in self._reported]
        self._reported.update(str(group.conditions) for group in new)
        return new


def _share_of_risk(start: int) -> float:
    """Of the risk over all starts, from 1 on: together they take all of it."""
    return _FIRST_START if start == 1 else (1 - _FIRST_START) / (start * (start - 1))


def _told(outcome: Mapping[str, Any]) -> Told | None:
    """None: the outcome is older than the counts."""
    if outcome["way_settled"] is None:
        return None
    key = intern(outcome["domain"]), intern(way(outcome))
    return Told(key, outcome["way_settled"], outcome["way_judged"], outcome["propensity"])
