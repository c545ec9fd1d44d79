"""Whether people override a model version more often than its limit allows: one monitor for each version.

A warning. It revokes no certificate: the override rate is mostly that of doubtful decisions, which none covers.
"""

from interlock.processors.calibration.labels import Label
from interlock.processors.calibration.rate import Crossing, ReviewedRate
from interlock.processors.calibration.signals import drift
from interlock.processors.events import Event

# While the rate stays high, the monitor would alarm every hundred outcomes. It repeats an alarm after this many at the
# earliest.
REPEAT_AFTER = 1_000


class OverrideDrift:
    """The override rate of all decisions of one model version against `limit`."""

    def __init__(self, limit: float) -> None:
        # The defaults of learning.drift.RateMonitor.
        self._rate = ReviewedRate(limit, alpha=0.05, quick=1e-3)
        self.limit = limit
        self._seen = 0
        self._quiet_until = 0

    def add(self, label: Label) -> list[Event]:
        """Adds a label; the alarm that it raises, if any."""
        self._seen += 1
        crossing = self._rate.update(not label.correct, label.propensity)
        if crossing is None:
            return []
        rate = self._rate.rate
        self._rate.restart()
        if self._seen < self._quiet_until:
            return []
        self._quiet_until = self._seen + REPEAT_AFTER
        return drift(
            "overrides",
            cause=str(self._seen),
            model_id=label.model_id,
            model_version=label.model_version,
            domain=label.domain,
            statistic=crossing.statistic,
            threshold=crossing.threshold,
            seen=crossing.seen,
            message=_message(crossing, rate, self.limit),
            at=label.at,
        )


def _message(crossing: Crossing, rate: float, limit: float) -> str:
    when = "has recently been" if crossing.kind == "rate-rose" else "is"
    return (
        f"the share of decisions that people override {when} above {limit:.1%}: {rate:.1%} of all decisions over "
        f"{crossing.seen:,} reviews, corrected for who was reviewed. Look at the latest overrides"
    )
