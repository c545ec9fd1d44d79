"""Calibration reports, recalibrations and override alarms of all model versions, from outcomes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.learning.answered import MIN_ANSWERED
from interlock.learning.retraining import LIMIT
from interlock.processors.answered import AnsweredWays, TallyTable
from interlock.processors.arrival_order import LONGEST_WAIT, ArrivalOrderBuffer
from interlock.processors.calibration.calibrator import Calibrator, CalibratorSettings
from interlock.processors.calibration.labels import BadLabelError, Label, label
from interlock.processors.calibration.overrides import OverrideDrift
from interlock.processors.events import Event
from interlock.processors.learning_terms import LearningTerms


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """`override_limit`: the share of all decisions that people may override before the override monitor warns, where no
    policy tells it. `min_answered`: share of what was chosen on each way to a person that must be answered before there
    are warnings and recalibrations; 0: nobody asks. `longest_wait`: microseconds for which a verdict waits at most for
    those on earlier decisions."""

    calibrator: CalibratorSettings = field(default_factory=CalibratorSettings)
    override_limit: float = LIMIT
    min_answered: float = MIN_ANSWERED
    longest_wait: int = LONGEST_WAIT


class _ModelVersion:
    def __init__(self, settings: CalibrationSettings, tallies: TallyTable, first: Label) -> None:
        self.buffer: ArrivalOrderBuffer[Label] = ArrivalOrderBuffer(settings.longest_wait)
        self.calibrator = Calibrator(settings.calibrator)
        self.domain = first.domain
        self.overrides = OverrideDrift(settings.override_limit)
        self.answered = AnsweredWays(tallies, first.model)

    def limit_to(self, limit: float) -> None:
        """Sets the override limit; another one than before starts its monitor again."""
        if limit != self.overrides.limit:
            self.overrides = OverrideDrift(limit)

    def add(self, label: Label, *, concludes: bool) -> list[Event]:
        return [*self.calibrator.add(label, concludes=concludes), *self.overrides.add(label)]


class CalibrationFold:
    """A fold of the outcomes in their order, so that a restart reaches the same state. They are counted in the order in
    which their decisions arrived.

    `refused`: number of outcomes that must not be used, by reason.
    """

    def __init__(
        self,
        settings: CalibrationSettings,
        tallies: TallyTable | None = None,
        policies: LearningTerms | None = None,
    ) -> None:
        """`tallies`: what the desk tells of ways that are silent; `policies`: what those in force set. Both may change
        between two calls."""
        self._settings = settings
        self._tallies = tallies or TallyTable()
        self._policies = policies or LearningTerms()
        self._models: dict[str, _ModelVersion] = {}
        self.refused: Counter[str] = Counter()

    def process(self, outcome: Mapping[str, Any]) -> list[Event]:
        """What follows from one `Outcome` record, times as integers."""
        try:
            new = label(outcome)
        except BadLabelError as error:
            self.refused[error.reason] += 1
            return []
        if new is None:
            return []
        model = self._models.get(new.model)
        if model is None:
            model = self._models[new.model] = _ModelVersion(self._settings, self._tallies, new)
        limit = self._policies.override_limit(model.domain, new.model_id, new.model_version)
        model.limit_to(self._settings.override_limit if limit is None else limit)
        model.answered.observe(outcome, new.at)
        ready = model.buffer.add(outcome["outcome_id"], outcome["arrived_at"], outcome["settled_before"], new, new.at)
        return self._count(model, ready, new.at)

    def tick(self, now: int) -> list[Event]:
        """What follows from time alone: labels that have waited for what is late by now, or for too long."""
        events = []
        for name, model in self._models.items():
            events += self._count(model, model.buffer.release(self._tallies.watermark(name), now), now)
        return events

    def _count(self, model: _ModelVersion, ready: Sequence[Label], now: int) -> list[Event]:
        if not ready:
            return []
        # Reports and recalibrations rest on the latest labels.
        missing = model.answered.missing_lately(self._settings.min_answered, now)
        return [event for each in ready for event in model.add(replace(each, at=now), concludes=not missing)]
