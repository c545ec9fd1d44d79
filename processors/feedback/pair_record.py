"""What decisions under four eyes show of people's own errors, by domain, as training examples carry it."""

from collections.abc import Mapping
from typing import Any

from interlock.learning.double_reviews import PairCounts
from interlock.processors.double_reviews import Pair, PairFinder


class PairRecord:
    """A fold of the outcomes in their order."""

    def __init__(self) -> None:
        self._finder = PairFinder()
        self._counts: dict[str, PairCounts] = {}

    def add(self, outcome: Mapping[str, Any]) -> None:
        """Counts an `Outcome` record that makes or settles a double review, any other is none."""
        if pair := self._finder.add(outcome):
            self._counts[pair.domain] = _counted(self._counts.get(pair.domain, PairCounts()), pair)

    def fields(self, domain: str) -> dict[str, int]:
        """What is known until now, as fields of a `TrainingExample`."""
        counts = self._counts.get(domain, PairCounts())
        return {
            "errors_found_by_both": counts.both,
            "errors_found_by_one": counts.one,
            "changed_by_mistake": counts.alarms,
            "left_by_both": counts.neither,
        }


def _counted(counts: PairCounts, pair: Pair) -> PairCounts:
    changed = pair.changed
    if pair.agree:
        return counts.with_pair(changed)
    if changed == 1:
        # Counted before the third has decided: agreement is known at once, and would come first otherwise.
        if pair.word is None:
            return counts.with_pair(1)
        return counts.with_false_alarm() if pair.word == pair.prediction else counts
    # Both changed it, each to another outcome: an error that both found, unless the third says that there was none.
    return counts if pair.word in (None, pair.prediction) else counts.with_pair(2)
