"""Whether a model's confidence has shifted: every decision, reviewed or not, against the same hours of other days.

A model version has one monitor, whatever the partitions: sums by hour do not depend on the order in which partitions
are read. What it tells is written to `drift.signals`, which every member of the group reads: after a warning, a member
that starts again or holds other partitions says nothing more about the same shift.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from typing import Any

import fastavro
import structlog

from interlock.learning.arrays import Floats
from interlock.learning.calibration import IDENTITY, LogOdds
from interlock.learning.confidence_shift import Shift, ShiftMonitor
from interlock.processors.calibration.signals import drift
from interlock.processors.events import Event
from interlock.schemas import avro_schemas, catalogue, wire
from interlock.schemas.written import Headers

log = structlog.get_logger()

# What `apply` takes.
TABLE_TOPICS = (catalogue.CALIBRATION_MODELS.name, catalogue.DRIFT_SIGNALS.name)

# After a warning the reference starts anew. It takes two weeks until it knows the rhythm of a week, and one more to be
# compared with it. Until then only a shift twice as large as the last is news.
QUIET_DAYS = 21
_NEWS = 2

_DAY = 86_400_000_000

# 2000 and 2100: the router sends a decision with a time outside to a person.
_EARLIEST, _LATEST = 946_684_800_000_000, 4_102_444_800_000_000


@dataclass(frozen=True, slots=True)
class ConfidenceSettings:
    """`min_shift`: the least shift of mean confidence that is told; smaller ones are real, and harmless. `every`: only
    offsets divisible by it are read, to save time."""

    min_shift: float = 0.01
    every: int = 1


class ConfidenceDrift:
    """Monitors of all model versions."""

    def __init__(self, settings: ConfidenceSettings | None = None) -> None:
        self._settings = settings or ConfidenceSettings()
        self._monitors: dict[str, ShiftMonitor] = {}
        self._seen: dict[str, int] = {}
        self._recalibrations: dict[str, LogOdds] = {}
        # By model version: time and size of the last warning.
        self._told: dict[str, tuple[int, float]] = {}

    def apply(self, topic: str, value: bytes | None) -> None:
        """Applies a record of a topic in TABLE_TOPICS; one that cannot be read changes nothing."""
        try:
            if topic == catalogue.CALIBRATION_MODELS.name and value is not None:
                record = wire.decode_plain("CalibrationModel", value)
                self._recalibrations[_name(record)] = LogOdds(record["intercept"], record["slope"])
            elif topic == catalogue.DRIFT_SIGNALS.name and value is not None:
                record = wire.decode_plain("DriftSignal", value)
                if record["monitor"] == "confidence":
                    self._remember(_name(record), record["at"], record["statistic"])
        except wire.WireError as error:
            log.error("unreadable record", topic=topic, error=str(error))

    def process(
        self, value: bytes | None, offset: int, headers: Headers = None, *, replayed: bool = False
    ) -> list[Event]:
        """What follows from a record of `decisions`; nothing from one that the router refuses. `replayed`: it was
        processed before, and what followed is in `drift.signals`."""
        if offset % self._settings.every:
            return []
        try:
            decision = routing_fields(value, headers)
        except wire.WireError:
            return []  # the router makes a dead letter of it
        confidence, at = decision["confidence"], decision["created_at"]
        if not 0 <= confidence <= 1 or not _EARLIEST <= at < _LATEST:
            return []
        model = _name(decision)
        shift = self.watch(model, confidence, at, replayed=replayed)
        if shift is None:
            return []
        return drift(
            "confidence",
            # The day: of members that find it at the same time one is heard.
            cause=datetime.fromtimestamp(at / 1e6, UTC).date().isoformat(),
            model_id=decision["model_id"],
            model_version=decision["model_version"],
            domain=decision["domain"],
            statistic=abs(shift.size),
            threshold=self._settings.min_shift,
            seen=self._seen[model],
            message=_message(shift),
            at=at,
        )

    def watch(self, model: str, confidence: float, at: int, *, replayed: bool = False) -> Shift | None:
        """Adds a decision of a model version, named MODEL@VERSION; the shift that is to be told, if any."""
        monitor = self._monitors.get(model)
        if monitor is None:
            monitor = self._monitors[model] = ShiftMonitor(self._settings.min_shift)
        self._seen[model] = self._seen.get(model, 0) + 1
        told = self._told.get(model)
        shift = monitor.update(confidence, at, self._doubt(model), told[0] if told else None)
        if shift is None or replayed:
            return None
        monitor.forget_window()
        if told and abs(at - told[0]) < QUIET_DAYS * _DAY and abs(shift.size) < _NEWS * told[1]:
            return None
        self._remember(model, at, abs(shift.size))
        return shift

    def _remember(self, model: str, at: int, size: float) -> None:
        if model not in self._told or self._told[model][0] <= at:
            self._told[model] = at, size

    def _doubt(self, model: str) -> Any:
        recalibration = self._recalibrations.get(model, IDENTITY)

        def doubt(confidence: Floats) -> Floats:
            return 1 - recalibration.apply(confidence)

        return doubt


def _name(record: dict[str, Any]) -> str:
    return f"{record['model_id']}@{record['model_version']}"


def _message(shift: Shift) -> str:
    low, high = sorted((abs(shift.low), abs(shift.high)))
    days = f"of the {shift.days} days before with the same weekday" if shift.weekly else f"of {shift.days} days before"
    direction = "higher" if shift.size > 0 else "lower"
    more = "more" if shift.errors > 0 else "fewer"
    fewest, most = sorted((abs(shift.errors_low), abs(shift.errors_high)))
    return (
        f"its mean confidence is {shift.mean:.3f} over the latest {shift.decisions:,} decisions, {abs(shift.size):.3f} "
        f"{direction} ({low:.3f} to {high:.3f}) than in the same hours {days}. By its own "
        f"calibrated confidence that is {1000 * abs(shift.errors):.0f} errors {more} in a thousand decisions "
        f"({1000 * fewest:.0f} to {1000 * most:.0f}). What it decides about, or the model itself, has changed: look at "
        "what is new. Whether more is wrong, reviews and audits will show; nothing is revoked"
    )


def routing_fields(value: bytes | None, headers: Headers = None) -> dict[str, Any]:
    """The routing fields of a `Decision`, times as integers; raises WireError."""
    return wire.read_record(BytesIO(wire.current_body("Decision", value, headers)), _prefix())


@cache
def _prefix() -> Any:
    return fastavro.parse_schema(avro_schemas.without_logical_types(json.loads(avro_schemas.routing_prefix_text())))
