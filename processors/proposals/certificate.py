"""A claim about errors that was proved once and is monitored from then on."""

from collections.abc import Callable

import numpy as np

from interlock.processors.calibration.alarm_level import AlarmLevel
from interlock.processors.calibration.rate import Crossing, ReviewedRate
from interlock.processors.proposals.by_group import MAX_GROUPS, Grouping
from interlock.processors.proposals.examples import Example


class Certificate:
    """Says that of the decisions it `covers` people find a share of at most `limit` wrong; where it is given `by`
    groups, of the decisions about each group as well.

    `level`: how sure an alarm must be, for it halts a model that acts on the certificate until a person has looked.
    `since`: when it was given. Evidence for it was held to a lower limit where work was open, but what nobody judged is
    no evidence that the promise is broken: here it is taken to err as often as what was judged.
    """

    def __init__(
        self,
        proposal_id: str,
        covers: Callable[[Example], bool],
        limit: float,
        level: AlarmLevel,
        *,
        by: Grouping | None = None,
        since: int = 0,
    ) -> None:
        self.proposal_id = proposal_id
        self.limit = limit
        self.since = since
        self.by = by
        self.covers = covers
        # Half of the false alarms is for all together, half for the groups.
        self._level = level if by is None else AlarmLevel(level.ever / 2, level.quick / 2)
        self._all = self._monitor(self._level)
        self._groups: dict[str, ReviewedRate] = {}

    def add(self, example: Example) -> tuple[Crossing, str | None] | None:
        """Adds an example; the alarm that it raises, if any, and of which group, None: of all together."""
        if not self.covers(example):
            return None
        if crossing := self._all.update(not example.correct, example.propensity):
            return crossing, None
        if self.by is None:
            return None
        group = self.by.of(example)
        if group not in self._groups:
            if len(self._groups) == MAX_GROUPS:
                return None
            # 1/(k(k + 1)) adds up to 1. False alarms per review need no sharing: each review is of one group.
            number = len(self._groups) + 1
            level = AlarmLevel(self._level.ever / (number * (number + 1)), self._level.quick)
            self._groups[group] = self._monitor(level)
        crossing = self._groups[group].update(not example.correct, example.propensity)
        return None if crossing is None else (crossing, group)

    def _monitor(self, level: AlarmLevel) -> ReviewedRate:
        return ReviewedRate(self.limit, alpha=level.ever, quick=level.quick, forget=np.logaddexp)
