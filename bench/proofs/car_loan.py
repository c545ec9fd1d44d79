"""Drift on the car-loan stream: the warning, what a person makes of it, and the retraining proposal that follows."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.proofs.pipeline import LearningSettings, Pipeline, people
from examples import car_loan
from interlock.policy.load import parse
from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.confidence import ConfidenceDrift, ConfidenceSettings
from interlock.processors.calibration.fold import CalibrationSettings
from interlock.processors.feedback.model_stats import RetrainingTerms
from interlock.schemas import catalogue, wire

# Between the share of wrong predictions before the change (5.6 %) and after it (8.4 %), nearer to the first: evidence
# grows with the distance from the limit. The default of 15 % is for models that start worse: this one would have to
# fail in every sixth loan before the monitor noticed.
LIMIT = 0.065

# While the model is new, and again from the warning on, people see everything: a shift of confidence halts nothing by
# itself, and only reviews can tell whether more is wrong.
NEW_MODEL = """\
rules:
  - {id: new-model, when: model_version = '1', route: async, because: The model is new}
"""

# Decisions in a batch: as many as there are people, so that no backlog forms.
_BATCH_SIZE = 20


@dataclass(frozen=True)
class Span:
    """Rows of the stream: people see everything from `start` on, the certificates are signed at `signed`."""

    start: int
    signed: int
    end: int


@dataclass(frozen=True)
class Event:
    """A record of learning: `kind` is a monitor or a topic, `row` the last row that had been decided by then."""

    kind: str
    row: int
    message: str


QUICK = Span(66_000, 69_000, 79_500)
FULL = Span(0, 6_000, 100_000)


def confidence_alarms(every: int = 1) -> Iterator[int]:
    """Rows of the whole stream at which the confidence monitor alarms, as it comes to them."""
    drift = ConfidenceDrift(ConfidenceSettings(every=every))
    for row, decision in enumerate(car_loan.decisions()):
        if drift.process(wire.encode("Decision", decision.to_record()), row):
            yield row


def run(span: Span, seed: int = 1) -> dict[str, Any]:
    """Runs one model over the span; rows are those of the stream."""
    source = car_loan.POLICY.read_text()
    learning = LearningSettings(
        feedback=RetrainingTerms(limit=LIMIT, smallest_propensity=parse(source, "example").audit.rate),
        calibration=CalibrationSettings(CalibratorSettings(every=500), override_limit=LIMIT),
    )
    first = next(car_loan.decisions(span.start, span.start + 1))
    started = int(first.created_at.timestamp() * 1e6)
    pipeline = Pipeline(source + NEW_MODEL, car_loan.truth_of, people(_BATCH_SIZE), learning, seed=seed, start=started)
    _send(pipeline, span.start, span.signed)
    accepted = [
        proposal
        for proposal in pipeline.proposals.table
        if proposal["state"] == "open" and proposal["kind"] == "threshold"
    ]
    for proposal in accepted:
        pipeline.accept(proposal)
    pipeline.publish(pipeline.source.replace(NEW_MODEL, ""), "the model is no longer new")
    seen: dict[str, Event] = {}
    warned = False
    for start in range(span.signed, span.end, _BATCH_SIZE):
        _send(pipeline, start, min(start + _BATCH_SIZE, span.end))
        for topic in (catalogue.DRIFT_SIGNALS, catalogue.RETRAINING_REQUESTS, catalogue.CONTROLS):
            for record in pipeline.of(topic):
                name = record.get("signal_id") or record.get("request_id") or record["scope"]
                kind = record.get("monitor", topic.name)
                seen.setdefault(name, Event(kind, start + _BATCH_SIZE - 1, record.get("message") or record["reason"]))
        if not warned and any(event.kind == "confidence" for event in seen.values()):
            warned = True
            pipeline.publish(pipeline.source + NEW_MODEL, "other loans come: people look at all of them")
    wrong = np.array(car_loan.wrong())
    signed = {proposal["proposal_id"] for proposal in accepted}
    auto = [_row(decision_id) for decision_id, routed in pipeline.routed.items() if routed["route"] == "auto"]
    return {
        "limit": LIMIT,
        "span": asdict(span),
        "error_before": float(wrong[: car_loan.CHANGE].mean()),
        "error_after": float(wrong[car_loan.CHANGE :].mean()),
        "accepted": [proposal["title"] for proposal in accepted],
        "revoked": [
            proposal["reason"]
            for proposal in pipeline.proposals.table
            if proposal["proposal_id"] in signed and proposal["state"] == "revoked"
        ],
        "asked": [proposal["title"] for proposal in pipeline.proposals.table if proposal["kind"] == "retraining"],
        "requests": [
            {"kind": request["kind"], "changed_row": _first_row(pipeline, request["changed_at"]), **_rates(request)}
            for request in pipeline.of(catalogue.RETRAINING_REQUESTS)
        ],
        "events": [asdict(event) for event in seen.values()],
        "automatic": len(auto),
        "last_automatic_row": max(auto),
    }


def _row(decision_id: str) -> int:
    return int(decision_id.rpartition("-")[2])


def _first_row(pipeline: Pipeline, at: int | None) -> int | None:
    """The first reviewed row that arrived then or later; None where no change was dated."""
    if at is None:
        return None
    examples = pipeline.of(catalogue.TRAINING_EXAMPLES)
    return min(_row(example["decision_id"]) for example in examples if example["arrived_at"] >= at)


def _rates(request: dict[str, Any]) -> dict[str, Any]:
    """What it says of the time since the change."""
    names = ("rate_since_change", "rate_since_change_lower", "rate_since_change_upper", "reviewed_since_change")
    return {name: request[name] for name in names}


def time_series(every: int = 1_000) -> list[dict[str, float]]:
    """Mean confidence and share of wrong predictions of the stream, by thousands of rows."""
    wrong = np.array(car_loan.wrong(), dtype=np.float64)
    confidence = np.array([decision.confidence for decision in car_loan.decisions()])
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
    rows = [decision.to_record() for decision in car_loan.decisions(start, end)]
    for first in range(0, len(rows), _BATCH_SIZE):
        pipeline.decide(rows[first : first + _BATCH_SIZE])
