"""Survey decisions in post_approval, where people look at what they like: what learning makes of it.

Everything takes effect, a twentieth is audited, somebody overrides what is wrong, and a tenth of the rest is opened and
confirmed. Until audits fell there, feedback took the objections for the errors of a sample, and calibration took the
confirmations for one.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np

from bench.proofs import employment
from bench.proofs.pipeline import Habits, people
from interlock.demo import survey
from interlock.learning.bounds import clopper_pearson
from interlock.processors.calibration.labels import label
from interlock.processors.outcomes import is_sample
from interlock.schemas import catalogue

HABITS = Habits(objects=1.0, looks=0.1)


def life(seed: int, count: int, least_confidence: float) -> dict[str, Any]:
    """`count` decisions of which the model is at least so sure: the truth, and what feedback and calibration see."""
    sure = (each for each in survey.decisions(20_000, f"proof-{seed}", seed) if each.confidence >= least_confidence)
    rows = [decision.to_record() for decision in islice(sure, count)]
    source = survey.POLICY.read_text().replace("workflow: escalation", "workflow: post_approval")
    pipeline = employment.pipeline_of(source, seed, people(4), HABITS)
    employment.send(pipeline, rows)
    effective = [row for row in rows if pipeline.routed[row["decision_id"]]["route"] == "auto"]
    outcomes = [outcome for outcome in pipeline.of(catalogue.OUTCOMES) if outcome["route"] == "auto"]
    examples = [each for each in pipeline.of(catalogue.TRAINING_EXAMPLES) if each["way"] == "audit" and is_sample(each)]
    labels = [known for outcome in outcomes if (known := label(outcome)) is not None]
    return {
        "effective": len(effective),
        "truth": float(np.mean([employment.is_wrong(row) for row in effective])),
        "objections": sum(outcome["overridden"] for outcome in outcomes if not is_sample(outcome)),
        "looks": sum(not outcome["overridden"] for outcome in outcomes if not is_sample(outcome)),
        "feedback": _seen(sum(each["overridden"] for each in examples), len(examples)),
        "calibration": _seen(sum(not known.correct for known in labels), len(labels)),
        "requests": len(pipeline.of(catalogue.RETRAINING_REQUESTS)),
    }


def _seen(wrong: int, of: int) -> Mapping[str, Any]:
    low, high = clopper_pearson(wrong, of)
    return {"wrong": wrong, "of": of, "low": low, "high": high}
