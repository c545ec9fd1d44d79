"""A claim about errors that was proved once and is monitored from then on."""

from collections.abc import Callable

import numpy as np

from interlock.processors.calibration.alarm_level import AlarmLevel
from interlock.processors.calibration.rate import Crossing, ReviewedRate
from interlock.processors.proposals.examples import Example


class Certificate:
    """Says that of the decisions it `covers` a share of at most `alpha` is wrong.

    `level`: how sure an alarm must be, for it halts a model that acts on the certificate until a person has looked.
    """

    def __init__(self, proposal_id: str, covers: Callable[[Example], bool], alpha: float, level: AlarmLevel) -> None:
        self.proposal_id = proposal_id
        self._covers = covers
        self._errors = ReviewedRate(alpha, alpha=level.ever, quick=level.quick, forget=np.logaddexp)

    @property
    def error_rate(self) -> float:
        """Of what the certificate covers, since it was given; weighted by 1/π."""
        return self._errors.rate

    def add(self, example: Example) -> Crossing | None:
        """Adds an example; the alarm that it raises, if any."""
        return self._errors.update(not example.correct, example.propensity) if self._covers(example) else None
