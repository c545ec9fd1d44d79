"""How much of what was chosen for people is answered since a rate has changed: before it all may have been well."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from interlock.learning.answered import Answered
from interlock.processors.answered import Way, missing_of


class Told(NamedTuple):
    """What a verdict told of its way: how many of it were settled and judged by then."""

    way: Way
    settled: int
    judged: int
    propensity: float


class AnsweredSince(NamedTuple):
    """What was answered of each domain and way since the change, and for how many decisions one of it stands."""

    spans: dict[Way, Answered]
    weights: dict[Way, float]

    def missing(self, minimum: float) -> tuple[str, ...]:
        """Of which ways too little is answered, in words; those left out that make up next to nothing."""
        return missing_of(self.spans, self.weights, minimum)


def answered_since(
    before: Iterable[Told | None], since: Iterable[Told | None], newest: Mapping[Way, Answered]
) -> AnsweredSince:
    """Over the verdicts `since`. `newest`: what is known by now, also of what came after the latest verdict."""
    earlier, later = _by_way(before), _by_way(since)
    found = AnsweredSince({}, {})
    for way in earlier.keys() | later.keys():
        told = later.get(way, [])
        least = min((each.settled for each in told), default=None)
        # A late verdict on a decision of before tells numbers of after.
        known = [each for each in earlier.get(way, []) if least is None or each.settled <= least]
        start = max(known or told[:1], key=lambda each: each.settled, default=None)
        if start is None:
            continue
        begun = Answered(start.settled, start.judged)
        end = newest.get(way, begun)
        for each in (start, *told):
            end = end.later_of(Answered(each.settled, each.judged))
        found.spans[way] = end - begun
        found.weights[way] = sum(1 / each.propensity for each in told or known) / len(told or known)
    return found


def _by_way(verdicts: Iterable[Told | None]) -> dict[Way, list[Told]]:
    groups: dict[Way, list[Told]] = {}
    for told in verdicts:
        if told is not None:
            groups.setdefault(told.way, []).append(told)
    return groups
