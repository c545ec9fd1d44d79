"""Everything that follows from outcomes here, for every model version."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from processors.calibration.calibrator import Calibrator, CalibratorSettings
from processors.calibration.labels import BadLabelError, label
from processors.calibration.overrides import OverrideDrift
from processors.desk.events import Event


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """`override_limit`: the share of all decisions that people may override before the override monitor alarms."""

    calibrator: CalibratorSettings = field(default_factory=CalibratorSettings)
    override_limit: float = 0.15


class CalibrationFold:
    """State is a fold of the outcomes in their order: whoever begins anew comes to the same.

    `refused`: outcomes that must not be used, by reason.
    """

    def __init__(self, settings: CalibrationSettings) -> None:
        self._settings = settings
        self._models: dict[str, tuple[Calibrator, OverrideDrift]] = {}
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
        if one.model not in self._models:
            self._models[one.model] = (
                Calibrator(self._settings.calibrator),
                OverrideDrift(self._settings.override_limit),
            )
        calibrator, overrides = self._models[one.model]
        return [*calibrator.take(one), *overrides.take(one)]
