"""The employment proof on the running platform: Kafka, ClickHouse, router, desk, feedback, calibration, and people.

Three models decide about the same survey records. Of one, under the policy as published but for more audits, the
override rate is estimated. Of another nothing is automatic before a threshold is certified and signed. The third is far
too sure, until it is recalibrated. Nobody but the simulated people and this proof knows the labels.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client as ClickHouse

from bench.proofs.employment import ALPHA, DELTA, OVERRIDE_LIMIT, audit_key, careful, losses, promise, too_sure
from bench.proofs.pipeline import people
from bench.proofs.platform import Course, Running, at_work, running, until
from interlock.demo import survey
from interlock.demo.counts import count, count_reviews
from interlock.learning.arrays import Floats
from interlock.policies.publishing import publish_policy
from interlock.policies.signing import read_proposals
from interlock.schemas.models import Decision

Record = dict[str, Any]

# As many decisions are under way at most, so that somebody is free for each of them.
PEOPLE = 60

_SETTINGS = {
    "INTERLOCK_CALIBRATION__ALPHA": str(ALPHA),
    "INTERLOCK_CALIBRATION__DELTA": str(DELTA),
    "INTERLOCK_CALIBRATION__EVERY": "100",
    "INTERLOCK_CALIBRATION__OVERRIDE_LIMIT": str(OVERRIDE_LIMIT),
    # Nobody looks at ClickHouse before the end, and the machine has better things to do.
    "INTERLOCK_SINK__FLUSH_SECONDS": "3",
}

# Audits of the first model: some hundred decisions are too few for a narrow interval at the 5 % of the policy.
_AUDITS = ("audit: {rate: 0.05}", "audit: {rate: 0.2}")

# Where the policy names its domain.
_NAMED = ("name: employment\n", "\n  employment:\n")

_BOTH, _EARLY, _LAST = (2015, 2016, 2017), (2015, 2016), (2017,)


@dataclass(frozen=True)
class Model:
    """A model and who it decides for; `number` gives the order of its decisions."""

    number: int
    domain: str
    version: str
    careful: bool = True
    too_sure: bool = False


AUDITED = Model(0, "employment", "1", careful=False)
CERTIFIED = Model(1, "employment_certified", "1-certified")
TOO_SURE = Model(2, "employment_too_sure", "1-too-sure", too_sure=True)


@dataclass(frozen=True)
class Sizes:
    """Decisions of the three models: of all years; of 2015 and 2016; and of 2017 (`…_last`), which is held back."""

    audited: int
    certified: int
    too_sure: int
    certified_last: int
    too_sure_last: int


QUICK = Sizes(1_200, 1_500, 400, 600, 600)
FULL = Sizes(4_000, 3_000, 1_000, 1_500, 1_000)


def run(
    directory: Path, sizes: Sizes = FULL, seed: int = 1, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """All figures; `directory` is made, for an instance of its own. Raises TimeoutError where something hangs."""
    started = time.monotonic()

    def tell(line: str) -> None:
        say(f"{time.monotonic() - started:4.0f} s: {line}")

    audited = _decisions(AUDITED, seed, sizes.audited, _BOTH)
    early = [_decisions(CERTIFIED, seed, sizes.certified, _EARLY), _decisions(TOO_SURE, seed, sizes.too_sure, _EARLY)]
    last = [
        _decisions(CERTIFIED, seed, sizes.certified_last, _LAST),
        _decisions(TOO_SURE, seed, sizes.too_sure_last, _LAST),
    ]
    everything = [one for part in (audited, *early, *last) for one in part]
    wrong = {one.decision_id: _truth(one.to_record()) != one.prediction for one in everything}
    tell("starting Kafka, ClickHouse and all roles")
    with running(directory, audit_key(seed), _SETTINGS) as instance:
        _publish(instance)
        tell(f"{len(everything) - sum(map(len, last)):,} decisions, and people who judge them")
        with (
            at_work(instance.platform, people(PEOPLE), _truth, seed) as simulation,
            closing(Course(instance.platform, simulation, PEOPLE)) as course,
        ):
            course.send(_mixed([audited, *early]))
            course.learn()
            tell(f"{course.judged:,} verdicts are learned from")
            signed = _sign(instance)
            tell(f"signed: {', '.join(one['title'] for one in signed) or 'nothing'}; now 2017")
            course.send(_mixed(last))
            course.learn()
            verdicts = course.judged
        warehouse = instance.platform.clickhouse(analyst=True)
        run_id = _run(seed)
        until(
            lambda: (
                count(warehouse, run_id, latency=False).done == len(everything)
                and count_reviews(warehouse, run_id).decided == verdicts
            ),
            "ClickHouse has every decision and verdict",
        )
        tell(f"{len(everything):,} decisions and {verdicts:,} verdicts are in ClickHouse")
        found = {
            "seed": seed,
            "sizes": asdict(sizes),
            "verdicts": verdicts,
            "rates": _rates(warehouse, np.array([wrong[one.decision_id] for one in audited])),
            "certificates": _certificates(warehouse, instance, signed, wrong),
            "calibration": _calibration(warehouse, last[1], wrong),
            "drift_alarms": _ask(warehouse, "SELECT model_version, monitor, message FROM drift"),
        }
    return found | {"seconds": round(time.monotonic() - started, 1)}


def _rates(warehouse: ClickHouse, wrong: Floats) -> dict[str, Any]:
    """The override rate of all decisions of a model, as the view of ClickHouse tells it, beside the truth."""
    (row,) = _ask(warehouse, "SELECT * FROM population_estimates WHERE domain = {domain:String}", AUDITED)
    truth = float(wrong.mean())

    def told(name: str) -> dict[str, Any]:
        low, high = row[f"{name}_lower"], row[f"{name}_upper"]
        return {"value": row[name], "low": low, "high": high, "covers": low <= truth <= high}

    counts = {name: row[name] for name in ("decisions", "covered_decisions", "reviewed_decisions", "answered_rate")}
    return counts | {"truth": truth} | {name: told(name) for name in ("naive", "hajek", "aipw")}


def _certificates(
    warehouse: ClickHouse, instance: Running, signed: Sequence[Record], wrong: Mapping[str, bool]
) -> dict[str, Any]:
    """The errors that signed thresholds let through in the year that was held back."""
    query = """
    SELECT decision_id, prediction FROM routed_decisions
    WHERE domain = {domain:String} AND route = 'auto' AND NOT review_copy
    """
    automatic = _ask(warehouse, query, CERTIFIED)
    accepted = []
    for one in signed:
        lane = json.loads(one["change"])["prediction"]
        mine = [wrong[each["decision_id"]] for each in automatic if each["prediction"] == lane]
        accepted.append({"proposal_id": one["proposal_id"], **promise(one, np.array(mine, dtype=np.float64))})
    ids = {one["proposal_id"] for one in signed}
    return {
        "alpha": ALPHA,
        "delta": DELTA,
        "accepted": accepted,
        "automatic": len(automatic),
        "states": {one["proposal_id"]: one["state"] for one in _book(instance) if one["proposal_id"] in ids},
    }


def _calibration(warehouse: ClickHouse, last: Sequence[Decision], wrong: Mapping[str, bool]) -> dict[str, Any]:
    """Log-loss in the year that was held back: of the confidence that the router used, and of the model's own."""
    query = """
    SELECT decision_id, confidence, calibrated_confidence, calibration_version FROM routed_decisions
    WHERE domain = {domain:String} AND NOT review_copy
    """
    routed = {one["decision_id"]: one for one in _ask(warehouse, query, TOO_SURE)}
    rows = [routed[one.decision_id] for one in last]
    query = "SELECT count() AS published FROM calibration_models WHERE model_version = {version:String}"
    (models,) = _ask(warehouse, query, TOO_SURE)
    return {
        **models,
        "decisions": len(rows),
        "recalibrated": sum(one["calibration_version"] != "" for one in rows),
        **losses(
            np.array([one["confidence"] for one in rows]),
            np.array([one["calibrated_confidence"] for one in rows]),
            np.array([not wrong[one["decision_id"]] for one in rows], dtype=np.float64),
        ),
    }


def _ask(warehouse: ClickHouse, query: str, model: Model = AUDITED) -> list[Record]:
    found = warehouse.query(query, parameters={"domain": model.domain, "version": model.version})
    return [dict(row) for row in found.named_results()]


def _sign(instance: Running) -> list[Record]:
    """Accepts every threshold that is proposed, as a person would."""
    proposed = [
        one
        for one in _book(instance)
        if (one["state"], one["kind"], one["domain"]) == ("open", "threshold", CERTIFIED.domain)
    ]
    for one in proposed:
        instance.command("proposals", "accept", one["proposal_id"], "--by", "ana", "--note", "for the proof")
    return proposed


def _book(instance: Running) -> list[Record]:
    return list(read_proposals(instance.platform.kafka()))


def _publish(instance: Running) -> None:
    for model in (AUDITED, CERTIFIED, TOO_SURE):
        source = careful() if model.careful else survey.POLICY.read_text()
        changes = [(before, before.replace("employment", model.domain)) for before in _NAMED]
        for before, after in changes if model.careful else [_AUDITS]:
            assert before in source
            source = source.replace(before, after)
        file = instance.directory / f"{model.domain}.yaml"
        file.write_text(source)
        publish_policy(instance.platform.kafka(), file, "the proof", "")


def _run(seed: int) -> str:
    return f"running-{seed}-"


def _decisions(model: Model, seed: int, size: int, years: Sequence[int]) -> list[Decision]:
    """Decisions of these years, in an order of the model's own that `seed` gives."""
    rows = survey.decisions(20_000, f"{_run(seed)}{model.version}", 3 * seed + model.number)
    chosen = (one for one in rows if json.loads(one.input)["year"] in years)
    return [_by(model, one) for one in islice(chosen, size)]


def _by(model: Model, decision: Decision) -> Decision:
    confidence = too_sure(decision.confidence) if model.too_sure else decision.confidence
    changed = {"domain": model.domain, "model_version": model.version, "confidence": confidence}
    return decision.model_copy(update=changed)


def _truth(decision: Mapping[str, Any]) -> str | None:
    return survey.truth_of({**decision, "domain": AUDITED.domain})


def _mixed(parts: Sequence[Sequence[Decision]]) -> list[Decision]:
    """All of them, each part spread evenly over the whole."""
    placed = [(place / len(part), number, one) for number, part in enumerate(parts) for place, one in enumerate(part)]
    return [one for _, _, one in sorted(placed, key=lambda each: each[:2])]
