"""The life of the employment model with people who miss errors and leave work open, under many seeds.

At first everything is reviewed. What is certified by then is signed; lanes without a certificate get the thresholds of
the example. From then on a twentieth of what is automatic is audited, as by default. The reviewers miss a tenth of the
model's errors, nobody takes up a tenth of the tasks, and a lead plants gold items.
"""

import json
import logging
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from bench.proofs import employment
from bench.proofs.pipeline import SECOND, Habits, Pipeline, Record
from interlock.learning.answered import span
from interlock.learning.arrays import Bools, Floats
from interlock.learning.bounds import clopper_pearson
from interlock.learning.estimates import Estimate, hajek, naive
from interlock.learning.reviewer_errors import GoldItems, corrected
from interlock.processors.outcomes import way
from interlock.schemas import catalogue

# A tenth of the errors missed and a tenth of the tasks left open. Gold items: some 700 errors and 700 others in a whole
# life, which tell the sensitivity of people to .01 and their specificity to .005; in a short one just the 30 of each
# without which nothing is concluded.
HABITS = Habits(misses=0.1, answers=0.9, gold_errors=0.7, gold_right=0.15)

_DAY = 86_400 * SECOND

# At 100 decisions a day the three days for which an open task is waited for are 300 decisions.
_PAUSE = _DAY * 20 // 100

# Lanes without a certificate, and as the example has them.
_AUTOMATIC = (("employed: {auto: 1}", "employed: {auto: 0.85}"), ("{auto: 1, notice", "{auto: 0.90, notice"))


@dataclass(frozen=True)
class Lives:
    """Decisions of 2015 and 2016, all reviewed, and of 2017, audited at the policy's rate."""

    shadow: int
    audited: int


# After 6,000 reviewed decisions nearly every life has a certificate; after 1,500 it was 3 of 40.
QUICK, FULL = Lives(100, 500), Lives(6_000, 2_000)


def lives(
    seeds: range, sizes: Lives, processes: int = 2, advance: Callable[[dict[str, Any]], None] = lambda _: None
) -> list[dict[str, Any]]:
    """One life by seed, in this order; `advance` hears of each that is over."""
    if processes == 1:
        return [_told(life(seed, sizes), advance) for seed in seeds]
    # Forked, the threads of Polars would be missing.
    with ProcessPoolExecutor(processes, get_context("spawn"), quiet) as pool:
        started = [pool.submit(partial(life, seed, sizes)) for seed in seeds]
        for done in as_completed(started):
            advance(done.result())
    return [each.result() for each in started]


def quiet() -> None:
    """Leaves out what roles would log in their own processes."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def life(seed: int, sizes: Lives) -> dict[str, Any]:
    """One life: estimates of the audited phase, what was certified and signed, and what was revoked or halted."""
    pipeline = employment.pipeline_of(employment.careful(), seed, None, HABITS)
    employment.send(pipeline, employment.early(seed, sizes.shadow), pause=_PAUSE)
    accepted = [
        proposal
        for proposal in pipeline.proposals.table
        if proposal["state"] == "open" and proposal["kind"] == "threshold"
    ]
    for proposal in accepted:
        pipeline.accept(proposal)
    pipeline.publish(_with_automatic_lanes(pipeline.source), "the shadow phase is over")
    held_back = employment.last(seed, sizes.audited)
    employment.send(pipeline, held_back, pause=_PAUSE)
    pipeline.wait(4 * _DAY)
    return {
        "seed": seed,
        "rates": _rates(pipeline, held_back),
        "certificates": [_promise(proposal, employment.last(seed, len(_ALL))) for proposal in accepted],
        "halts": [record["reason"] for record in pipeline.of(catalogue.CONTROLS) if record["halted"]],
        "signals": [signal["message"] for signal in pipeline.of(catalogue.DRIFT_SIGNALS)],
    }


def summary(lived: list[dict[str, Any]]) -> dict[str, Any]:
    """How often intervals held the truth, promises were kept and the model was halted for nothing."""
    count = len(lived)
    certified = [life for life in lived if life["certificates"]]
    broken = [life for life in certified if not all(promise["held"] for promise in life["certificates"])]
    return {
        "seeds": count,
        "covered": {
            name: sum(life["rates"][name]["covers"] for life in lived) / count
            for name in ("naive", "as_people_judge", "corrected_for_people")
        },
        "seeds_with_a_certificate": len(certified),
        "seeds_with_a_broken_promise": len(broken),
        "errors_of_certified": sorted(
            round(promise["error"], 4) for life in certified for promise in life["certificates"]
        ),
        "false_halts": sum(bool(life["halts"]) for life in lived if life not in broken),
    }


def in_one_line(life: dict[str, Any]) -> str:
    """A life in a few words."""
    rates = life["rates"]
    held = ", ".join(
        f"{name} {estimate['low']:.3f}–{estimate['high']:.3f}{'' if estimate['covers'] else ' misses'}"
        for name, estimate in rates.items()
        if isinstance(estimate, dict) and "low" in estimate
    )
    promises = life["certificates"]
    certified = [f"{each['prediction']} {each['threshold']:g} errs in {each['error']:.3f}" for each in promises]
    truths = f"truth {rates['truth']:.3f}, as judged {rates['truth_as_judged']:.3f}"
    return "; ".join((truths, held, *certified, *life["halts"]))


def _told(result: dict[str, Any], advance: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    advance(result)
    return result


# More than there are decisions of 2017.
_ALL = range(20_000)


def _with_automatic_lanes(source: str) -> str:
    for careful, automatic in _AUTOMATIC:
        source = source.replace(careful, automatic)
    return source


def _rates(pipeline: Pipeline, rows: list[Record]) -> dict[str, Any]:
    """The share of wrong decisions: the truth, as these people would judge all of them, and what is estimated."""
    outcomes = {
        outcome["decision_id"]: outcome for outcome in pipeline.of(catalogue.OUTCOMES) if outcome["kind"] != "gold"
    }
    ids = [row["decision_id"] for row in rows]
    judged = np.array([name in outcomes for name in ids])
    overridden = np.array([outcomes[name]["overridden"] if name in outcomes else False for name in ids], dtype=float)
    routed = [pipeline.routed[name] for name in ids]
    propensity = np.array([decision["propensity"] for decision in routed])
    automatic = np.array([decision["route"] == "auto" for decision in routed])
    chosen = ~automatic | np.array([bool(decision["audit"]) for decision in routed])
    wrong = np.array([employment.is_wrong(row) for row in rows])
    as_judged = np.array([pipeline.sees(row) != row["prediction"] for row in rows])
    ways = np.array(["audit" if decision["route"] == "auto" else decision["route"] for decision in routed])
    answered = _answered(ways, chosen, judged)
    estimate = hajek(overridden, judged, propensity, answered=answered)
    return {
        "truth": float(wrong.mean()),
        "truth_as_judged": float(as_judged.mean()),
        "answered": float(judged.sum() / chosen.sum()),
        "answered_as_told": _as_told(list(outcomes.values())),
        "automatic": float(automatic.mean()),
        "naive": _compared(naive(overridden, judged), wrong.mean()),
        "as_people_judge": _compared(estimate, as_judged.mean()),
        "corrected_for_people": _compared(corrected(estimate, _gold(pipeline.of(catalogue.OUTCOMES))), wrong.mean()),
    }


def _answered(ways: NDArray[np.str_], chosen: Bools, judged: Bools) -> Floats:
    """The answered share of the way in which each decision would come to a person."""
    shares = np.ones(len(chosen))
    for name in np.unique(ways):
        alike = ways == name
        shares[alike] = judged[alike].sum() / max(1, chosen[alike].sum())
    return shares


def _as_told(outcomes: list[Record]) -> dict[str, float]:
    """The same by way, as the desk tells it with every outcome: of the whole life up to the last verdict."""
    told: dict[str, list[tuple[int | None, int | None]]] = {}
    for outcome in outcomes:
        told.setdefault(way(outcome), []).append((outcome["way_settled"], outcome["way_judged"]))
    return {name: known.share for name, each in told.items() if (known := span(each, from_start=True)) is not None}


def _gold(outcomes: list[Record]) -> GoldItems:
    """What the gold items say of these people."""
    items = GoldItems()
    for outcome in outcomes:
        if outcome["kind"] == "gold":
            shown_right = outcome["gold_outcome"] == outcome["prediction"]
            items = items.with_answer(shown_right=shown_right, changed=outcome["overridden"])
    return items


def _promise(proposal: Record, rows: list[Record]) -> dict[str, Any]:
    """Whether a threshold that was certified on the first years keeps its promise in all of the last one."""
    change = json.loads(proposal["change"])
    accepted = [
        row for row in rows if row["prediction"] == change["prediction"] and row["confidence"] >= change["auto_raw"]
    ]
    wrong = sum(employment.is_wrong(row) for row in accepted)
    low, high = clopper_pearson(wrong, len(accepted))
    return {
        "prediction": change["prediction"],
        "threshold": change["auto_raw"],
        "cases": len(accepted),
        "error": wrong / len(accepted),
        "low": low,
        "high": high,
        "held": wrong <= employment.ALPHA * len(accepted),
    }


def _compared(estimate: Estimate, truth: float) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "covers": bool(estimate.low <= truth <= estimate.high),
    }
