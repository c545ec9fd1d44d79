"""The employment proof on the running platform: Kafka, ClickHouse, router, desk, feedback, calibration, and people.

Three models decide about the same survey records. For the first, the proof estimates the error rate, under the
published policy with its audits. For the second, nothing is automatic before a threshold is certified and signed. The
third is far too sure until it is recalibrated. Only the simulated people, a lead who plants gold items and this proof
know the labels. The people miss a tenth of the errors and leave a tenth of the tasks open.
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

from bench.proofs.employment import ALPHA, DELTA, audit_key, careful, losses, promise, too_sure
from bench.proofs.fallible import HABITS
from bench.proofs.pipeline import coin, people
from bench.proofs.platform import Lead, PacedDecisions, RunningInstance, at_work, running, until
from interlock.demo import survey
from interlock.demo.counts import count, count_reviews
from interlock.learning.arrays import Floats
from interlock.learning.estimates import Estimate, Target
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.reviewer_errors import GoldItems, corrected
from interlock.policies.publishing import publish_policy
from interlock.policies.replay.known_errors import KnownErrors, known_errors
from interlock.policies.signing import read_proposals
from interlock.schemas import catalogue
from interlock.schemas.models import Decision
from interlock.streams.ports import Broker
from interlock.streams.tables import newest

Record = dict[str, Any]

# The limit of undecided decisions too, so that a person is free for each of them.
PEOPLE = 60

# Environment variables of the roles.
SETTINGS = {
    "INTERLOCK_CALIBRATION__ALPHA": str(ALPHA),
    "INTERLOCK_CALIBRATION__DELTA": str(DELTA),
    "INTERLOCK_CALIBRATION__EVERY": "100",
}

# The proof reads ClickHouse only at the end.
_LATE_ROWS = {"INTERLOCK_SINK__FLUSH_SECONDS": "3"}

# Some seconds of work, as the days of the policy are for a team: what is open for longer is not waited for.
_SERVICE_LEVELS = "\nservice_levels: {critical: 10s, high: 10s, medium: 10s, low: 10s}\n"

# Far longer than anybody takes here, and no longer than needed to get back what somebody has forgotten.
_LEASE = ("lease: 10m", "lease: 1m")

# Where the policy names its domain.
_DOMAIN_NAMES = ("name: employment\n", "\n  employment:\n")

# The last decisions of the first years wait until nobody waits for a verdict on the others: theirs then let everything
# be counted that stood behind open work.
_LATECOMERS = PEOPLE

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
_MODELS = (AUDITED, CERTIFIED, TOO_SURE)

# The view's rates of all decisions.
_CORRECTED = ("hajek", "aipw")


@dataclass(frozen=True)
class Sizes:
    """Decisions of the three models: of all years; of 2015 and 2016; and of 2017 (`…_last`), which is held back."""

    audited: int
    certified: int
    too_sure: int
    certified_last: int
    too_sure_last: int


# Enough for a first calibration of every model, too few for the statistics: a certificate needs some 4,000 reviewed
# decisions where people miss errors, and a rate some audits.
QUICK = Sizes(150, 120, 250, 30, 50)
FULL = Sizes(4_000, 5_000, 1_000, 1_500, 1_000)


def run(
    directory: Path, sizes: Sizes = FULL, seed: int = 1, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """All figures; `directory` is created for a new instance. Raises TimeoutError if a step hangs."""
    say("starting Kafka, ClickHouse and all roles")
    with running(directory, audit_key(seed), {**SETTINGS, **_LATE_ROWS}) as instance:
        return prove(instance, sizes, seed, say)


def prove(
    instance: RunningInstance, sizes: Sizes, seed: int = 1, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """All figures, on an instance that runs with `SETTINGS` and knows none of the three models.

    Raises TimeoutError if a step hangs.
    """
    started = time.monotonic()

    def tell(line: str) -> None:
        say(f"{time.monotonic() - started:4.0f} s: {line}")

    audited = _decisions(AUDITED, seed, sizes.audited, _BOTH)
    early = [_decisions(CERTIFIED, seed, sizes.certified, _EARLY), _decisions(TOO_SURE, seed, sizes.too_sure, _EARLY)]
    last = [
        _decisions(CERTIFIED, seed, sizes.certified_last, _LAST),
        _decisions(TOO_SURE, seed, sizes.too_sure_last, _LAST),
    ]
    everything = [decision for part in (audited, *early, *last) for decision in part]
    truths = {decision.decision_id: _truth(decision.to_record()) or "" for decision in everything}
    wrong = {decision.decision_id: truths[decision.decision_id] != decision.prediction for decision in everything}

    def misses(name: str) -> bool:
        return coin(seed, "misses", name, HABITS.misses)

    def sees(decision: Mapping[str, Any]) -> str | None:
        prediction: str = decision["prediction"]
        return prediction if misses(decision["decision_id"]) else _truth(decision)

    def puts_aside(name: str) -> bool:
        return not coin(seed, "answers", name, HABITS.answers)

    def gold(outcome: Mapping[str, Any]) -> str:
        truth = truths[outcome["decision_id"]]
        share = HABITS.gold_right if truth == outcome["prediction"] else HABITS.gold_errors
        return truth if coin(seed, "gold", outcome["decision_id"], share) else ""

    _publish(instance)
    run_id = _run(seed)
    tell(f"{len(everything) - sum(map(len, last)):,} decisions, and people who judge them")
    with (
        at_work(instance.platform, people(PEOPLE), sees, seed, puts_aside) as simulation,
        closing(Lead(instance.platform, gold)) as lead,
        closing(PacedDecisions(instance.platform, run_id, simulation, lead, PEOPLE)) as decisions,
    ):
        first_years = _mixed([audited, *early])
        decisions.send(first_years[:-_LATECOMERS])
        decisions.settle()
        decisions.send(first_years[-_LATECOMERS:])
        decisions.learn()
        # Where all this took less than the service levels, open work still held verdicts back, until the next tick.
        broker = instance.platform.kafka()
        until(lambda: _is_recalibrated(broker, TOO_SURE), "the model that is too sure is recalibrated")
        tell(f"{decisions.judged:,} verdicts are learned from")
        signed = _sign(instance)
        tell(f"signed: {', '.join(proposal['title'] for proposal in signed) or 'nothing'}; now 2017")
        decisions.send(_mixed(last))
        decisions.settle()
        decisions.learn()
        verdicts, gold_verdicts = decisions.judged, decisions.gold
    clickhouse = instance.platform.clickhouse(analyst=True)
    until(
        lambda: (
            count(clickhouse, run_id, latency=False).done == len(everything)
            and count_reviews(clickhouse, run_id).decided == verdicts
            and sum(_gold(clickhouse, model).judged for model in _MODELS) == gold_verdicts
        ),
        "ClickHouse has every decision and verdict",
    )
    tell(f"{len(everything):,} decisions and {verdicts:,} verdicts are in ClickHouse")
    return {
        "seed": seed,
        "sizes": asdict(sizes),
        "verdicts": verdicts,
        "gold_items": gold_verdicts,
        "rates": _rates(
            clickhouse,
            np.array([wrong[decision.decision_id] for decision in audited], dtype=np.float64),
            np.array([not misses(decision.decision_id) for decision in audited], dtype=np.float64),
        ),
        "certificates": _certificates(clickhouse, instance, signed, wrong),
        "calibration": _calibration(clickhouse, last[1], wrong),
        "drift_alarms": _query(
            clickhouse,
            "SELECT model_version, monitor, message FROM drift WHERE model_id = {model:String}",
        ),
        "halts": _query(
            clickhouse,
            "SELECT scope, reason FROM controls WHERE error = '' AND halted AND position(scope, {model:String}) > 0",
        ),
        "seconds": round(time.monotonic() - started, 1),
    }


def _rates(clickhouse: ClickHouse, wrong: Floats, seen: Floats) -> dict[str, Any]:
    """The error rate of all decisions of a model, from the ClickHouse view, beside the truth; that of Hájek and AIPW
    beside what these people would override. `seen`: 1 where people would see an error."""
    (row,) = _query(clickhouse, "SELECT * FROM population_estimates WHERE domain = {domain:String}", AUDITED)
    truth, as_judged = float(wrong.mean()), float((wrong * seen).mean())
    items = _gold(clickhouse, AUDITED)

    def found(name: str, truth: float) -> dict[str, Any]:
        low, high = row[f"{name}_lower"], row[f"{name}_upper"]
        return {"value": row[name], "low": low, "high": high, "covers": low <= truth <= high}

    def in_truth(name: str) -> dict[str, Any] | None:
        """What flawless people would have found; None with too few gold items."""
        estimate = Estimate(
            name,
            Target.THESE,
            row[name],
            row[f"{name}_standard_error"],
            row[f"{name}_lower"],
            row[f"{name}_upper"],
            row["covered_decisions"],
            row["reviewed_decisions"],
        )
        try:
            true = corrected(estimate, items)
        except InsufficientDataError:
            return None
        return {"value": true.value, "low": true.low, "high": true.high, "covers": true.low <= truth <= true.high}

    counts = {name: row[name] for name in ("decisions", "covered_decisions", "reviewed_decisions", "answered_rate")}
    return counts | {
        "truth": truth,
        "truth_as_judged": as_judged,
        "gold_items": asdict(items),
        "naive": found("naive", truth),
        **{name: found(name, as_judged) for name in _CORRECTED},
        **{f"{name}_in_truth": in_truth(name) for name in _CORRECTED},
    }


def _gold(clickhouse: ClickHouse, model: Model) -> GoldItems:
    """What gold items in the domain of the model say of people, as the fairness report counts them."""
    return known_errors(clickhouse).get(model.domain, KnownErrors()).items


def _certificates(
    clickhouse: ClickHouse, instance: RunningInstance, signed: Sequence[Record], wrong: Mapping[str, bool]
) -> dict[str, Any]:
    """The errors that signed thresholds let through in the year that was held back."""
    query = """
    SELECT decision_id, prediction FROM routed_decisions
    WHERE domain = {domain:String} AND route = 'auto' AND NOT review_copy
    """
    automatic = _query(clickhouse, query, CERTIFIED)
    accepted = []
    for proposal in signed:
        lane = json.loads(proposal["change"])["prediction"]
        errors = [wrong[row["decision_id"]] for row in automatic if row["prediction"] == lane]
        kept = promise(proposal, np.array(errors, dtype=np.float64))
        accepted.append({"proposal_id": proposal["proposal_id"], **kept})
    ids = {proposal["proposal_id"] for proposal in signed}
    return {
        "alpha": ALPHA,
        "delta": DELTA,
        "accepted": accepted,
        "automatic": len(automatic),
        "states": {
            proposal["proposal_id"]: proposal["state"]
            for proposal in _proposals(instance)
            if proposal["proposal_id"] in ids
        },
    }


def _calibration(clickhouse: ClickHouse, last: Sequence[Decision], wrong: Mapping[str, bool]) -> dict[str, Any]:
    """Log-loss in the year that was held back: of the confidence that the router used, and of the model's own."""
    query = """
    SELECT decision_id, confidence, calibrated_confidence, calibration_version FROM routed_decisions
    WHERE domain = {domain:String} AND NOT review_copy
    """
    routed = {row["decision_id"]: row for row in _query(clickhouse, query, TOO_SURE)}
    rows = [routed[decision.decision_id] for decision in last]
    query = "SELECT count() AS published FROM calibration_models WHERE model_version = {version:String}"
    (models,) = _query(clickhouse, query, TOO_SURE)
    return {
        **models,
        "decisions": len(rows),
        "recalibrated": sum(row["calibration_version"] != "" for row in rows),
        **losses(
            np.array([row["confidence"] for row in rows]),
            np.array([row["calibrated_confidence"] for row in rows]),
            np.array([not wrong[row["decision_id"]] for row in rows], dtype=np.float64),
        ),
    }


def _query(clickhouse: ClickHouse, query: str, model: Model = AUDITED) -> list[Record]:
    parameters = {"domain": model.domain, "version": model.version, "model": survey.MODEL}
    result = clickhouse.query(query, parameters=parameters)
    return [dict(row) for row in result.named_results()]


def _sign(instance: RunningInstance) -> list[Record]:
    """Accepts every threshold that is proposed, as a person would."""
    proposed = [
        proposal
        for proposal in _proposals(instance)
        if (proposal["state"], proposal["kind"], proposal["domain"]) == ("open", "threshold", CERTIFIED.domain)
    ]
    for proposal in proposed:
        instance.command("proposals", "accept", proposal["proposal_id"], "--by", "ana", "--note", "for the proof")
    return proposed


def _proposals(instance: RunningInstance) -> list[Record]:
    return list(read_proposals(instance.platform.kafka()))


def _is_recalibrated(broker: Broker, model: Model) -> bool:
    topic = catalogue.CALIBRATION_MODELS.name
    return f"{survey.MODEL}@{model.version}" in newest(broker, topic, lambda key, _: key)


def _publish(instance: RunningInstance) -> None:
    for model in _MODELS:
        source = (careful() if model.careful else survey.POLICY.read_text()) + _SERVICE_LEVELS
        domain_names = [(before, before.replace("employment", model.domain)) for before in _DOMAIN_NAMES]
        for before, after in [_LEASE, *domain_names]:
            assert before in source
            source = source.replace(before, after)
        file = instance.directory / f"{model.domain}.yaml"
        file.write_text(source)
        publish_policy(instance.platform.kafka(), file, "the proof", "")


def _run(seed: int) -> str:
    return f"running-{seed}-"


def _decisions(model: Model, seed: int, size: int, years: Sequence[int]) -> list[Decision]:
    """Decisions of these years, in an order that `seed` and the model determine."""
    rows = survey.decisions(20_000, f"{_run(seed)}{model.version}", 3 * seed + model.number)
    selected = (row for row in rows if json.loads(row.input)["year"] in years)
    return [_by(model, decision) for decision in islice(selected, size)]


def _by(model: Model, decision: Decision) -> Decision:
    confidence = too_sure(decision.confidence) if model.too_sure else decision.confidence
    changes = {"domain": model.domain, "model_version": model.version, "confidence": confidence}
    return decision.model_copy(update=changes)


def _truth(decision: Mapping[str, Any]) -> str | None:
    return survey.truth_of({**decision, "domain": AUDITED.domain})


def _mixed(parts: Sequence[Sequence[Decision]]) -> list[Decision]:
    """All of them, each part spread evenly over the whole."""
    positioned = [
        (index / len(part), number, decision)
        for number, part in enumerate(parts)
        for index, decision in enumerate(part)
    ]
    return [decision for _, _, decision in sorted(positioned, key=lambda item: item[:2])]
