"""Whether a model's confidence has moved: ADWIN on every decision, reviewed or not.

Kafka orders decisions only within a partition, so each partition has its own monitor. What a monitor reports does not
depend on when the other partitions were read.
"""

import json
from functools import cache
from io import BytesIO
from typing import Any

import fastavro

from interlock.learning.drift import ConfidenceMonitor
from interlock.processors.calibration.signals import drift
from interlock.processors.events import Event
from interlock.schemas import avro_schemas, wire
from interlock.schemas.written import Headers

# The least shift of the mean that is reported. ADWIN finds smaller ones in long streams; they are real and harmless.
MIN_SHIFT = 0.01

# The recent mean covers some 200 decisions, fewer than ADWIN needs to find a moderate shift.
_RECENT_WEIGHT = 1 / 200

# ADWIN may see a shift before the recent mean does. The monitor waits this many decisions for it.
_CONFIRM_WITHIN = 1_000

# 2000 and 2100: the router sends a decision with a time outside to a person.
_EARLIEST, _LATEST = 946_684_800_000_000, 4_102_444_800_000_000


class ConfidenceDrift:
    """Monitors of all model versions. `every`: only offsets divisible by it are read, to save time."""

    def __init__(self, every: int = 1) -> None:
        self._every = every
        self._monitors: dict[tuple[str, str, int], _Monitor] = {}

    def process(self, value: bytes | None, partition: int, offset: int, headers: Headers = None) -> list[Event]:
        """What follows from a record of `decisions`; nothing from one that the router refuses."""
        if offset % self._every:
            return []
        try:
            decision = routing_fields(value, headers)
        except wire.WireError:
            return []  # the router makes a dead letter of it
        confidence, at = decision["confidence"], decision["created_at"]
        if not 0 <= confidence <= 1 or not _EARLIEST <= at < _LATEST:
            return []
        key = (decision["model_id"], decision["model_version"], partition)
        monitor = self._monitors.get(key)
        if monitor is None:
            monitor = self._monitors[key] = _Monitor()
        shift = monitor.update(confidence, at)
        if shift is None:
            return []
        return drift(
            "confidence",
            cause=f"{partition}/{offset}",
            model_id=decision["model_id"],
            model_version=decision["model_version"],
            domain=decision["domain"],
            statistic=abs(shift),
            threshold=MIN_SHIFT,
            seen=monitor.seen,
            message=(
                f"its mean confidence moved by {shift:+.3f} to {monitor.recent:.3f}. What it decides about, or the "
                "model itself, has changed: look at what is new"
            ),
            at=at,
        )


class _Monitor:
    def __init__(self) -> None:
        self._adwin = ConfidenceMonitor()
        self.seen = 0
        self.recent = 0.0
        self._before = 0.0  # mean since the last alarm
        self._count = 0
        self._alarm_until = 0

    def update(self, confidence: float, at: int) -> float | None:
        """The shift of the mean, once for each that ADWIN finds and that exceeds MIN_SHIFT."""
        self.seen += 1
        # A plain mean at first, so that the first decision does not keep its weight.
        self.recent += (confidence - self.recent) * max(_RECENT_WEIGHT, 1 / self.seen)
        if self._adwin.update(confidence, at) is not None and not self._alarm_until:
            self._alarm_until = self.seen + _CONFIRM_WITHIN
        if not self._alarm_until:
            self._count += 1
            self._before += (confidence - self._before) / self._count
            return None
        shift = self.recent - self._before
        if abs(shift) <= MIN_SHIFT and self.seen < self._alarm_until:
            return None
        self._alarm_until = self._count = 0
        return shift if abs(shift) > MIN_SHIFT else None


def routing_fields(value: bytes | None, headers: Headers = None) -> dict[str, Any]:
    """The routing fields of a `Decision`, times as integers; raises WireError."""
    return wire.read_record(BytesIO(wire.current_body("Decision", value, headers)), _prefix())


@cache
def _prefix() -> Any:
    return fastavro.parse_schema(avro_schemas.without_logical_types(json.loads(avro_schemas.routing_prefix_text())))
