"""How far the certificates of a lane are: a record that is replaced at every look at the evidence."""

from collections.abc import Callable, Sequence
from typing import Any

from interlock.processors.events import Event
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.lane import Lane
from interlock.processors.proposals.people import hindrance
from interlock.processors.proposals.proposing import tested
from interlock.processors.proposals.thresholds import WARM_UP, Step
from interlock.schemas import catalogue

DAY = 86_400_000_000  # microseconds

# Days whose pace a forecast goes by: a whole week, because weekends are slower.
_PACE_DAYS = 7


def progress(lane: Lane, at: int, missing: Sequence[str] = ()) -> Event:
    """The record of a lane; `at`: time of the latest verdict; `missing`: which answers are."""
    domain, prediction, model_id, model_version = lane.name
    steps = lane.steps
    chosen = [steps[0], hoped_for(steps)] if steps else []
    certified = next((claim.proof.threshold for claim in lane.claims if claim.proof is not None), None)
    record = {
        "domain": domain,
        "prediction": prediction,
        "model_id": model_id,
        "model_version": model_version,
        "at": at,
        "since": lane.since,
        "examples": lane.count,
        "warm_up": 0 if steps else max(1, WARM_UP - lane.warm_up),
        "alpha": lane.alpha,
        "delta": lane.delta,
        "smallest_propensity": lane.lowest,
        "certified": certified,
        "missing": [*missing, *filter(None, _hindrances(lane, told=bool(missing)))],
        "tested_limit": lane.tested_limit,
        "steps": [_step(lane, step) for step in dict.fromkeys(chosen)],
        "rules_tested": lane.rules.tested,
        "rules_certified": sum(claim.rule is not None for claim in lane.claims),
        "rule_evidence": lane.rule_evidence,
        "start": lane.start,
    }
    return Event(catalogue.LANE_PROGRESS, f"{domain}/{prediction}/{model_id}@{model_version}", record)


def _hindrances(lane: Lane, *, told: bool) -> tuple[str, ...]:
    """What keeps the lane from a certificate, or makes it harder. `told`: too few answers are told of already."""
    limit = lane.tested_limit
    open_work = "" if told or limit is None else tested(lane.answers, limit).removesuffix(". ")
    return hindrance(lane.alpha, lane.seen, lane.gold, lane.pairs), open_work, lane.group_hindrance


def hoped_for(steps: list[Step]) -> Step:
    """The laxest threshold that, with all stricter ones, will be certified if the errors stay as they are; the
    strictest where none will. `steps`: strict → lax."""
    hoped = steps[0]
    for step in steps:
        if step.needed is None:
            break
        hoped = step
    return hoped


def _step(lane: Lane, step: Step) -> dict[str, Any]:
    per_day = pace(lane, lambda example: example.raw >= step.threshold)
    return {
        "threshold": step.threshold,
        "audits": step.audits,
        "needed": step.needed,
        "per_day": per_day,
        "errors": step.errors,
        "error": step.error,
        "evidence": step.evidence,
    }


def pace(lane: Lane, accepted: Callable[[Example], bool]) -> float:
    """How many audits' worth of accepted decisions arrived a day, in the latest days of the evidence."""
    latest = lane.window[-1].at
    begin = max(lane.since, latest - _PACE_DAYS * DAY)
    total = 0.0
    for example in reversed(lane.window):
        if example.at < begin:
            break
        if accepted(example):
            total += lane.lowest / example.propensity
    # Less than an hour tells no pace; so it is never divided by nothing.
    return total / max((latest - begin) / DAY, 1 / 24)
