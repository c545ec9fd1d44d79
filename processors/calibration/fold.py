"""Everything that follows from outcomes here, for every model version."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.processors.arrival_order import ArrivalOrderBuffer
from interlock.processors.calibration.calibrator import Calibrator, CalibratorSettings
from interlock.processors.calibration.labels import BadLabelError, Label, label
from interlock.processors.calibration.overrides import OverrideDrift
from interlock.processors.events import Event


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """`override_limit`: the share of all decisions that people may override before the override monitor alarms."""

    calibrator: CalibratorSettings = field(default_factory=CalibratorSettings)
    override_limit: float = 0.15


class _Model:
    """One model version."""

    def __init__(self, settings: CalibrationSettings) -> None:
        self.settled: ArrivalOrderBuffer[Label] = ArrivalOrderBuffer()
        self.calibrator = Calibrator(settings.calibrator)
        self.overrides = OverrideDrift(settings.override_limit)

    def take(self, label: Label) -> list[Event]:
        return [*self.calibrator.take(label), *self.overrides.take(label)]


class CalibrationFold:
    """State is a fold of the outcomes in their order: whoever begins anew comes to the same. They are counted in the
    order in which the decisions arrived.

    `refused`: outcomes that must not be used, by reason.
    """

    def __init__(self, settings: CalibrationSettings) -> None:
        self._settings = settings
        self._models: dict[str, _Model] = {}
        self.refused: Counter[str] = Counter()

    def take(self, outcome: Mapping[str, Any]) -> list[Event]:
        """What follows from one `Outcome` record, times as integers."""
        try:
            one = label(outcome)
        except BadLabelError as error:
            self.refused[error.reason] += 1
            return []
        if one is None:
            return []
        model = self._models.get(one.model)
        if model is None:
            model = self._models[one.model] = _Model(self._settings)
        ready = model.settled.add(outcome["outcome_id"], outcome["arrived_at"], outcome["settled_before"], one)
        counted = [replace(each, at=one.at) for each in ready]
        return [event for each in counted for event in model.take(each)]
