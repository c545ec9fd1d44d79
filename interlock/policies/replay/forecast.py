"""What a candidate would bring: tasks in an hour, errors that pass, and answers that people would overrule."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from interlock.learning.count_forecasts import Band, forecast
from interlock.learning.strata import Stratum, Total, total
from interlock.policies.replay.matrix import QueueHour

_HOUR = timedelta(hours=1)

# More groups than anybody compares: an attribute with so many values, such as an amount, makes no groups. Those that
# come later count as one.
_MAX_GROUPS = 200
_OTHERS = "(others)"

# A lane needs as many verdicts for a rate of its own: with fewer the interval is wider than that of all lanes together.
_FEW = 20


class Key(NamedTuple):
    """What makes a verdict on one decision say something about another one.

    `group`: attribute and value, empty for all. `lane`: domain and prediction. `way`: how the decision came to a
    person, or could have. `passed`, `passes`: whether it took effect with nobody certain to see it, then and with the
    candidate. `review`: the probability that a person sees it with the candidate.
    """

    group: tuple[str, str]
    lane: str
    way: str
    passed: bool
    passes: bool
    review: float


@dataclass(frozen=True)
class QueueForecast:
    """Tasks of a queue: `then` what came, `total` the band for a period of the same length with the candidate. `hours`:
    the band of every hour of a week or a day from `first_hour` on, or one for all hours."""

    queue: str
    then: float
    total: Band
    first_hour: datetime
    hours: tuple[Band, ...]


@dataclass(frozen=True)
class Errors:
    """Errors that take effect with nobody certain to see them: what passed then, and what would pass. `attribute` and
    `value`: of which group; empty for all."""

    attribute: str
    value: str
    then: Total
    candidate: Total


@dataclass
class Strata:
    """Decisions by what makes them alike, and the verdicts on some of them."""

    _groups: set[tuple[str, str]] = field(default_factory=set)
    _population: dict[Key, float] = field(default_factory=lambda: defaultdict(float))
    _judged: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0] * 4))

    def add(self, key: Key, decisions: int) -> None:
        """So many decisions."""
        self._population[self._bounded(key)] += decisions

    def judge(self, key: Key, verdicts: int, propensity: float, overridden: bool) -> None:
        """So many verdicts on them."""
        key = self._bounded(key)
        weight = verdicts / propensity
        for place, amount in enumerate((verdicts, weight, weight / propensity, weight * overridden)):
            self._judged[key][place] += amount

    def errors(self) -> tuple[Errors, ...]:
        """Of all decisions, then of every group."""
        groups = sorted({key.group for key in self._population})
        return tuple(
            Errors(
                *group,
                then=total(self._strata(key for key in self._population if key.group == group and key.passed)),
                candidate=total(self._strata(key for key in self._population if key.group == group and key.passes)),
            )
            for group in groups
        )

    def overrides(self) -> Total:
        """Of the tasks that the candidate would make, how many people would overrule."""
        keys = [key for key in self._population if key.group == ("", "")]
        return total(self._strata((key for key in keys if key.review), of_reviews=True))

    def _bounded(self, key: Key) -> Key:
        if key.group not in self._groups:
            if len(self._groups) >= _MAX_GROUPS:
                return key._replace(group=(key.group[0], _OTHERS))
            self._groups.add(key.group)
        return key

    def _strata(self, keys: Iterable[Key], *, of_reviews: bool = False) -> list[Stratum]:
        """Alike are decisions of one lane and way that the candidate lets pass, or does not."""
        cells: dict[tuple[str, bool, bool], dict[str, Stratum]] = defaultdict(dict)
        for key in keys:
            lanes = cells[key.way, key.passed, key.passes]
            judged, *sums = self._judged.get(key, (0, 0, 0, 0))
            mine = Stratum(self._population[key] * (key.review if of_reviews else 1), int(judged), *sums)
            lanes[key.lane] = lanes[key.lane] + mine if key.lane in lanes else mine
        return [stratum for lanes in cells.values() for stratum in _pooled(list(lanes.values()))]


def _pooled(lanes: Sequence[Stratum]) -> Iterable[Stratum]:
    """Lanes of one way with too few verdicts as one stratum, or all as one if that has too few as well.

    That is as right: on one way each decision was as likely to be judged as any other. It only tells less.
    """
    few = [lane for lane in lanes if lane.judged < _FEW]
    if not few:
        return lanes
    together = sum(few[1:], start=few[0])
    if together.judged < _FEW:
        return [sum(lanes[1:], start=lanes[0])]
    return [together, *(lane for lane in lanes if lane.judged >= _FEW)]


def queue_forecasts(reviews: Sequence[QueueHour], since: datetime, until: datetime) -> tuple[QueueForecast, ...]:
    """From the whole hours from `since` on and before `until`; nothing where there is none."""
    start = since.replace(minute=0, second=0, microsecond=0)
    start += _HOUR * (start < since)
    hours = [start + _HOUR * number for number in range(max(0, (until - start) // _HOUR))]
    if not hours:
        return ()
    by_queue: dict[str, Mapping[datetime, QueueHour]] = {
        queue: {one.hour: one for one in reviews if one.queue == queue} for queue in {one.queue for one in reviews}
    }
    return tuple(_queue_forecast(queue, by_queue[queue], hours) for queue in sorted(by_queue))


def _queue_forecast(queue: str, counts: Mapping[datetime, QueueHour], hours: Sequence[datetime]) -> QueueForecast:
    found = [counts.get(hour) for hour in hours]
    result = forecast([one.new if one else 0.0 for one in found])
    return QueueForecast(queue, sum(one.old for one in found if one), result.total, hours[0], result.hours)
