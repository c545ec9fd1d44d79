"""The employment stream through the pipeline: estimates, certificates and calibration, compared with the truth.

The truth is known because every record has a label. Only the simulated people see it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import expit

from bench.proofs.pipeline import FLAWLESS, SECOND, Habits, LearningSettings, Pipeline, Record, people
from interlock.demo import survey
from interlock.learning.arrays import Floats
from interlock.learning.bounds import clopper_pearson
from interlock.learning.calibration import log_loss, log_odds
from interlock.learning.calibration_metrics import Bin, bins, ece_noise, smooth_ece
from interlock.learning.estimates import Estimate, aipw, hajek, naive
from interlock.policy.load import parse
from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.fold import CalibrationSettings
from interlock.processors.proposals.fold import ProposalSettings
from interlock.processors.router import audit_sampling as coin
from interlock.schemas import catalogue
from interlock.simulation.personas import Persona

START = 1_767_225_600_000_000  # 2026-01-01

ALPHA, DELTA = 0.05, 0.10

_CAREFUL = (("employed: {auto: 0.85}", "employed: {auto: 1}"), ("{auto: 0.90, notice", "{auto: 1, notice"))

# Decisions in a batch: as many as there are people, so that no backlog forms.
_BATCH_SIZE = 20


@dataclass(frozen=True)
class Sizes:
    """Decisions of 2015 and 2016, and of 2017, which is held back."""

    early: int
    last: int


QUICK, FULL = Sizes(3_000, 1_000), Sizes(13_286, 6_714)


def rates(seed: int, sizes: Sizes, block: int, reviewers: Sequence[Persona] | None = None) -> dict[str, Any]:
    """The override rate of all decisions, block by block and altogether, estimated from what people saw."""
    rows = [*early(seed, sizes.early), *last(seed, sizes.last)]
    pipeline = pipeline_of(survey.POLICY.read_text(), seed, reviewers)
    send(pipeline, rows)
    outcomes = {outcome["decision_id"]: outcome for outcome in pipeline.of(catalogue.OUTCOMES)}
    routed = [pipeline.routed[row["decision_id"]] for row in rows]
    reviewed = np.array([row["decision_id"] in outcomes for row in rows])
    overridden = np.array([outcomes.get(row["decision_id"], {}).get("overridden", False) for row in rows], dtype=float)
    propensity = np.array([decision["propensity"] for decision in routed])
    doubt = 1 - np.array([decision["calibrated_confidence"] for decision in routed])
    wrong = _wrong(rows)

    def estimated(part: slice) -> dict[str, Any]:
        y, r, pi = overridden[part], reviewed[part], propensity[part]
        estimates = {"naive": naive(y, r), "hajek": hajek(y, r, pi), "aipw": aipw(y, r, pi, doubt[part])}
        truth = float(wrong[part].mean())
        return {"truth": truth, "reviewed": int(r.sum())} | {
            name: _compared(estimate, truth) for name, estimate in estimates.items()
        }

    parts = [slice(start, start + block) for start in range(0, len(rows) - block + 1, block)]
    return {"decisions": len(rows), "all": estimated(slice(None)), "blocks": [estimated(part) for part in parts]}


def coverage(seed: int, sizes: Sizes, coins: int) -> dict[str, float]:
    """Share of audit keys under which each 95 % interval holds the truth, for the same decisions.

    People who are never wrong decide the same under every key, so only routing and the coin are simulated.
    """
    rows = [*early(seed, sizes.early), *last(seed, sizes.last)]
    source = survey.POLICY.read_text()
    pipeline = pipeline_of(source, seed, None)
    pipeline.route([row | {"created_at": START} for row in rows])
    routed = [pipeline.routed[row["decision_id"]] for row in rows]
    waits = np.array([decision["route"] != "auto" for decision in routed])
    propensity = np.array([decision["propensity"] for decision in routed])
    doubt = 1 - np.array([decision["calibrated_confidence"] for decision in routed])
    wrong, ids = _wrong(rows), pa.array([row["decision_id"] for row in rows])
    covered = dict.fromkeys(("naive", "hajek", "aipw"), 0)
    rate = parse(source, "example").audit.rate
    for number in range(coins):
        r = waits | coin.flip(ids, audit_key(number), rate)
        for name, estimate in (
            ("naive", naive(wrong, r)),
            ("hajek", hajek(wrong, r, propensity)),
            ("aipw", aipw(wrong, r, propensity, doubt)),
        ):
            covered[name] += estimate.low <= wrong.mean() <= estimate.high
    return {name: count / coins for name, count in covered.items()}


def certificates(seed: int, sizes: Sizes, reviewers: Sequence[Persona] | None = None) -> dict[str, Any]:
    """Thresholds certified on the first years and signed, and the errors they let through in the last one."""
    pipeline = pipeline_of(careful(), seed, reviewers)
    send(pipeline, early(seed, sizes.early))
    accepted = [
        proposal
        for proposal in pipeline.proposals.table
        if proposal["state"] == "open" and proposal["kind"] == "threshold"
    ]
    for proposal in accepted:
        pipeline.accept(proposal)
    held_back = last(seed, sizes.last)
    send(pipeline, held_back)
    wrong = _wrong(held_back)
    auto = np.array([pipeline.routed[row["decision_id"]]["route"] == "auto" for row in held_back])
    results = []
    for proposal in accepted:
        lane = np.array([row["prediction"] == json.loads(proposal["change"])["prediction"] for row in held_back])
        confidence = np.array([row["confidence"] for row in held_back])
        results.append(promise(proposal, wrong[auto & lane]) | {"curve": _curve(confidence[lane], wrong[lane])})
    revoked = [proposal["proposal_id"] for proposal in pipeline.proposals.table if proposal["state"] == "revoked"]
    return {
        "alpha": ALPHA,
        "delta": DELTA,
        "accepted": results,
        "revoked_after_signing": sorted({proposal["proposal_id"] for proposal in accepted} & set(revoked)),
        "automatic_share": float(auto.mean()),
        "recalibrated": len(pipeline.of(catalogue.CALIBRATION_MODELS)),
    }


def promise(threshold: Record, wrong: Floats) -> dict[str, Any]:
    """Whether a signed threshold kept its promise on what took effect under it. `wrong`: 1 for each error."""
    change = json.loads(threshold["change"])
    errors, cases = int(wrong.sum()), len(wrong)
    low, high = clopper_pearson(errors, cases) if cases else (0.0, 1.0)
    return {
        "prediction": change["prediction"],
        "threshold": change["auto_raw"],
        "labels": json.loads(threshold["evidence"])["labels"],
        "cases": cases,
        "errors": errors,
        "error": errors / cases if cases else 0.0,
        "low": low,
        "high": high,
        "held": errors <= ALPHA * cases,
    }


def calibration(
    seed: int, sizes: Sizes, *, overconfident: bool, reviewers: Sequence[Persona] | None = None
) -> dict[str, Any]:
    """Log-loss on the last year of what the router used, and of the model's own confidence. `overconfident`: the
    model's log-odds are doubled, so that it is far too sure; otherwise it is nearly calibrated."""
    pipeline = pipeline_of(survey.POLICY.read_text(), seed, reviewers)
    send(pipeline, _overconfident(early(seed, sizes.early)) if overconfident else early(seed, sizes.early))
    held_back = _overconfident(last(seed, sizes.last)) if overconfident else last(seed, sizes.last)
    before = len(pipeline.of(catalogue.CALIBRATION_MODELS))
    send(pipeline, held_back)
    raw = np.array([row["confidence"] for row in held_back])
    used = np.array([pipeline.routed[row["decision_id"]]["calibrated_confidence"] for row in held_back])
    right = 1 - _wrong(held_back)
    return {
        "published": len(pipeline.of(catalogue.CALIBRATION_MODELS)),
        "published_on_first_years": before,
        **losses(raw, used, right),
        "smooth_ece_raw": smooth_ece(raw, right),
        "smooth_ece_used": smooth_ece(used, right),
        "ece_by_chance": ece_noise(used),
        "bins_raw": _bins(bins(raw, right)),
        "bins_used": _bins(bins(used, right)),
    }


def losses(raw: Floats, used: Floats, right: Floats) -> dict[str, float]:
    """Log-loss of the model's own confidence and of what the router used, and the gain."""
    gain = log_loss(raw, right) - log_loss(used, right)
    return {
        "log_loss_raw": float(log_loss(raw, right).mean()),
        "log_loss_used": float(log_loss(used, right).mean()),
        "gain": float(gain.mean()),
        "gain_error": float(gain.std(ddof=1) / len(gain) ** 0.5),
    }


def careful() -> str:
    """The policy, changed so that nothing is automatic before a certificate."""
    source = survey.POLICY.read_text()
    for before, after in _CAREFUL:
        assert before in source
        source = source.replace(before, after)
    return source


def too_sure(confidence: float) -> float:
    """A confidence with its log-odds doubled."""
    return float(expit(2 * log_odds(np.array([confidence]))[0]))


def early(seed: int, count: int) -> list[Record]:
    """Decisions of 2015 and 2016, in an order given by `seed`."""
    return _years(seed)[0][:count]


def last(seed: int, count: int) -> list[Record]:
    """Decisions of 2017."""
    return _years(seed)[1][:count]


@cache
def _years(seed: int) -> tuple[list[Record], list[Record]]:
    """All decisions: those of 2015 and 2016, and those of 2017."""
    years: tuple[list[Record], list[Record]] = ([], [])
    for decision in survey.decisions(20_000, f"proof-{seed}", seed):
        record = decision.to_record()
        years[_year(record) == 2017].append(record)
    return years


def _year(decision: Record) -> int:
    return int(json.loads(decision["input"])["year"])


def _overconfident(rows: list[Record]) -> list[Record]:
    return [row | {"confidence": too_sure(row["confidence"])} for row in rows]


def _wrong(rows: Sequence[Record]) -> Floats:
    return np.array([is_wrong(row) for row in rows], dtype=np.float64)


def is_wrong(row: Record) -> bool:
    """Whether the model was wrong about a decision."""
    return bool(survey.truth_of(row) != row["prediction"])


def pipeline_of(source: str, seed: int, reviewers: Sequence[Persona] | None, habits: Habits = FLAWLESS) -> Pipeline:
    """The pipeline under policy `source`."""
    learning = LearningSettings(
        calibration=CalibrationSettings(CalibratorSettings(every=200)),
        proposals=ProposalSettings(ALPHA, DELTA),
    )
    reviewers = reviewers or people(_BATCH_SIZE)
    return Pipeline(source, survey.truth_of, reviewers, learning, seed=seed, start=START, habits=habits)


def send(pipeline: Pipeline, rows: Sequence[Record], batch: int = _BATCH_SIZE, pause: int = 60 * SECOND) -> None:
    """Decides them in batches `pause` microseconds apart; people finish each batch before the next."""
    for first in range(0, len(rows), batch):
        at = pipeline.now + pause
        pipeline.decide([row | {"created_at": at} for row in rows[first : first + batch]])


def audit_key(number: int) -> bytes:
    """One of many keys of the audit coin."""
    return hashlib.sha256(str(number).encode()).digest()[: coin.KEY_LENGTH]


def _compared(estimate: Estimate, truth: float) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "covers": bool(estimate.low <= truth <= estimate.high),
    }


def _bins(occupied: Sequence[Bin]) -> list[dict[str, Any]]:
    return [asdict(bucket) | {"gap": bucket.gap} for bucket in occupied]


def _curve(confidence: Floats, wrong: Floats) -> list[dict[str, float]]:
    """The error of what each threshold would accept in the last year, with its 95 % interval."""
    points = []
    for threshold in np.round(np.arange(0.60, 0.985, 0.01), 2):
        accepted = confidence >= threshold
        if accepted.sum() < 20:
            break
        low, high = clopper_pearson(float(wrong[accepted].sum()), float(accepted.sum()))
        points.append({"threshold": float(threshold), "error": float(wrong[accepted].mean()), "low": low, "high": high})
    return points
