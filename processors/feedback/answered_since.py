"""How much of what was chosen for people is answered since a rate has changed: before it all may have been well."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from interlock.learning import answered
from interlock.learning.answered import Answered
from interlock.processors.answered import LEAST

# A domain and a way.
Way = tuple[str, str]


class Told(NamedTuple):
    """What a verdict told of its way: how many of it were settled and judged by then."""

    way: Way
    settled: int
    judged: int
    propensity: float


def missing_since(
    before: Iterable[Told | None], since: Iterable[Told | None], settled: Mapping[Way, int], minimum: float
) -> tuple[str, ...]:
    """Of which ways too little is answered over the verdicts `since`, in words; those left out that make up next to
    nothing. `settled`: as the desk's tallies have it, which also tell of what came after the latest verdict.
    """
    earlier, later = _by_way(before), _by_way(since)
    spans: dict[Way, Answered] = {}
    weights: dict[Way, float] = {}
    for way in earlier.keys() | later.keys():
        told = later.get(way, [])
        least = min((each.settled for each in told), default=None)
        # A late verdict on a decision of before tells numbers of after.
        known = [each for each in earlier.get(way, []) if least is None or each.settled <= least]
        start = max(known or told[:1], key=lambda each: each.settled, default=None)
        if start is None:
            continue
        newest = max(settled.get(way, 0), *(each.settled for each in (start, *told)))
        judged = max(each.judged for each in (start, *told))
        spans[way] = Answered(newest - start.settled, judged - start.judged)
        weights[way] = sum(1 / each.propensity for each in told or known) / len(told or known)
    total = sum(span.settled * weights[way] for way, span in spans.items())
    ways: dict[str, Answered] = {}
    for way, span in spans.items():
        if max(0, span.settled - span.judged) * weights[way] >= LEAST * total > 0:
            ways[way[1]] = ways.get(way[1], Answered(0, 0)) + span
    return answered.missing(ways, minimum)


def _by_way(verdicts: Iterable[Told | None]) -> dict[Way, list[Told]]:
    groups: dict[Way, list[Told]] = {}
    for told in verdicts:
        if told is not None:
            groups.setdefault(told.way, []).append(told)
    return groups
