"""Drift on the car-loan stream: the alarm, what it revokes, and the call for retraining that follows."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.proofs.pipeline import Learning, Pipeline, people
from examples import car_loan
from interlock.policy.load import parse
from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.confidence import ConfidenceDrift
from interlock.processors.calibration.fold import CalibrationSettings
from interlock.processors.feedback.model_stats import Terms
from interlock.schemas import catalogue, wire

# Between the share of wrong predictions before the change (5.6 %) and after it (8.4 %), nearer to the first: evidence
# grows with the distance from the limit. The default of 15 % is for models that begin worse: this one would have to
# fail in every sixth loan before it were noticed.
LIMIT = 0.065

# While the model is new people see everything.
NEW_MODEL = """\
rules:
  - {id: new-model, when: model_version = '1', route: async, because: The model is new}
"""

# Decisions that come while people work: as many as there are people, so that no backlog forms.
_BATCH = 20


@dataclass(frozen=True)
class Span:
    """Rows of the stream: people see everything from `start` on, the certificates are signed at `signed`."""

    start: int
    signed: int
    end: int


@dataclass(frozen=True)
class Event:
    """What learning said: `kind` is a monitor or a topic, `row` the last one that had been decided by then."""

    kind: str
    row: int
    message: str


QUICK = Span(66_000, 69_000, 78_500)
FULL = Span(0, 6_000, 100_000)


def confidence_alarms(every: int = 1) -> list[int]:
    """Rows of the whole stream at which the mean confidence is said to have moved."""
    drift = ConfidenceDrift(every)
    found = []
    for number, one in enumerate(car_loan.decisions()):
        if drift.take(wire.encode("Decision", one.to_record()), 0, number):
            found.append(number)
    return found


def run(span: Span, seed: int = 1) -> dict[str, Any]:
    """The story of one model; rows are those of the stream."""
    source = car_loan.POLICY.read_text()
    learning = Learning(
        feedback=Terms(limit=LIMIT, smallest_propensity=parse(source, "example").audit.rate),
        calibration=CalibrationSettings(CalibratorSettings(every=500), override_limit=LIMIT),
    )
    first = next(car_loan.decisions(span.start, span.start + 1))
    started = int(first.created_at.timestamp() * 1e6)
    pipeline = Pipeline(source + NEW_MODEL, car_loan.truth_of, people(_BATCH), learning, seed=seed, start=started)
    _send(pipeline, span.start, span.signed)
    accepted = [one for one in pipeline.proposals.book if one["state"] == "open" and one["kind"] == "threshold"]
    for one in accepted:
        pipeline.accept(one)
    pipeline.publish(pipeline.source.replace(NEW_MODEL, ""), "the model is no longer new")
    seen: dict[str, Event] = {}
    for start in range(span.signed, span.end, _BATCH):
        _send(pipeline, start, min(start + _BATCH, span.end))
        for topic in (catalogue.DRIFT_SIGNALS, catalogue.RETRAINING_REQUESTS, catalogue.CONTROLS):
            for record in pipeline.of(topic):
                name = record.get("signal_id") or record.get("request_id") or record["scope"]
                kind = record.get("monitor", topic.name)
                seen.setdefault(name, Event(kind, start + _BATCH - 1, record.get("message") or record["reason"]))
    wrong = np.array(car_loan.wrong())
    signed = {one["proposal_id"] for one in accepted}
    auto = [int(name.rpartition("-")[2]) for name, one in pipeline.routed.items() if one["route"] == "auto"]
    return {
        "limit": LIMIT,
        "span": asdict(span),
        "error_before": float(wrong[: car_loan.CHANGE].mean()),
        "error_after": float(wrong[car_loan.CHANGE :].mean()),
        "accepted": [one["title"] for one in accepted],
        "revoked": [
            one["reason"]
            for one in pipeline.proposals.book
            if one["proposal_id"] in signed and one["state"] == "revoked"
        ],
        "asked": [one["title"] for one in pipeline.proposals.book if one["kind"] == "retraining"],
        "events": [asdict(one) for one in seen.values()],
        "automatic": len(auto),
        "last_automatic_row": max(auto),
    }


def course(every: int = 1_000) -> list[dict[str, float]]:
    """Mean confidence and share of wrong predictions of the stream, by thousands of rows."""
    wrong = np.array(car_loan.wrong(), dtype=np.float64)
    confidence = np.array([one.confidence for one in car_loan.decisions()])
    parts = [slice(start, start + every) for start in range(0, len(wrong), every)]
    return [
        {
            "row": part.start + every / 2,
            "confidence": float(confidence[part].mean()),
            "wrong": float(wrong[part].mean()),
        }
        for part in parts
    ]


def _send(pipeline: Pipeline, start: int, end: int) -> None:
    rows = [one.to_record() for one in car_loan.decisions(start, end)]
    for place in range(0, len(rows), _BATCH):
        pipeline.decide(rows[place : place + _BATCH])
