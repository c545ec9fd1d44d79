"""A claim about errors that was proved once and is monitored from then on."""

from collections.abc import Callable

from interlock.processors.calibration.rate import Crossing, ReviewedRate
from interlock.processors.proposals.examples import Example

# The risk of ever revoking a certificate that still holds, and the false alarms per review of the quick monitor: every
# alarm halts a model until a person has looked.
RISK = 0.01
QUICK_FALSE_ALARM_RATE = 1e-4


class Certificate:
    """Says that of the decisions it `covers` a share of at most `alpha` is wrong."""

    def __init__(self, proposal_id: str, covers: Callable[[Example], bool], alpha: float) -> None:
        self.proposal_id = proposal_id
        self._covers = covers
        self._errors = ReviewedRate(alpha, alpha=RISK, cusum_alpha=QUICK_FALSE_ALARM_RATE)

    @property
    def error_rate(self) -> float:
        """Of what the certificate covers, since it was given; weighted by 1/π."""
        return self._errors.rate

    def add(self, example: Example) -> Crossing | None:
        """Adds an example; the alarm that it raises, if any."""
        return self._errors.update(not example.correct, example.propensity) if self._covers(example) else None
