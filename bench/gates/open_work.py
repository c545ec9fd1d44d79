"""Certificates where work stays open: what nobody judged errs twice as often as what people judged.

Audits of one π, errors that depend on no confidence, and slightly more than the promise wrong of all: every certificate
is false. The desk tells only what is answered in the domain, and in one design the lane beside this one answers
everything.
"""

import numpy as np

from bench.gates.gate import Gate, Promise
from interlock.learning.answered import UNANSWERED_FACTOR, Answered, most
from interlock.processors.outcomes import AUDIT
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.lane import Claim, Lane

ALPHA, DELTA = 0.05, 0.10

# Of all audits of the lane, answered or not. Nearer to alpha would take longer to tell.
_ERROR = 0.0505

_AUDITS = 10_000
_LOOK = 500
_RATE = 0.05


def false(runs: int, answered: float, *, beside: bool = False, told: bool = True) -> float:
    """The share of runs with a false certificate, of a lane of which the share `answered` of the audits is judged.
    `beside`: another lane of the domain answers as many audits, all of its own. `told`: the desk tells it."""
    judged_error = _ERROR / most(answered)
    found = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        lane = Lane(("d", "yes", "m", "1"), ALPHA, DELTA)
        answers = rng.random(_AUDITS) < answered
        wrong = rng.random(_AUDITS) < np.where(answers, judged_error, UNANSWERED_FACTOR * judged_error)
        found += _ever(lane, rng.random(_AUDITS), answers, wrong, beside=beside, told=told) is not None
    return found / runs


def audits_until(runs: int, answered: float, error: float = 0.01) -> float:
    """The median number of audits, judged or not, until the first certificate of a lane that errs so rarely."""
    first = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        lane = Lane(("d", "yes", "m", "1"), ALPHA, DELTA)
        answers, wrong = rng.random(_AUDITS) < answered, rng.random(_AUDITS) < error
        at = _ever(lane, rng.random(_AUDITS), answers, wrong, beside=False, told=True, look=50)
        first.append(np.inf if at is None else at)
    return float(np.median(first))


def _ever(
    lane: Lane,
    confidence: np.ndarray[tuple[int], np.dtype[np.float64]],
    answers: np.ndarray[tuple[int], np.dtype[np.bool_]],
    wrong: np.ndarray[tuple[int], np.dtype[np.bool_]],
    *,
    beside: bool,
    told: bool,
    look: int = _LOOK,
) -> int | None:
    """After how many audits the lane has its first certificate."""
    judged = 0
    for number in range(len(answers)):
        judged += bool(answers[number])
        others = number + 1 if beside else 0
        count = Answered(number + 1 + others, judged + others)
        if not answers[number]:
            continue
        lane.add(_example(number, float(confidence[number]), count, right=not wrong[number]))
        if judged % look == 0:
            lane.look(DELTA, {AUDIT: count} if told else {})
            lane.prove({})
            if _threshold(lane.claims) is not None:
                return number + 1
    return None


def _threshold(claims: tuple[Claim, ...]) -> float | None:
    return next((claim.proof.threshold for claim in claims if claim.proof), None)


def _example(number: int, confidence: float, count: Answered, *, right: bool) -> Example:
    return Example(
        example_id=str(number),
        domain="d",
        model_id="m",
        model_version="1",
        prediction="yes",
        confidence=confidence,
        raw=confidence,
        correct=right,
        propensity=_RATE,
        waited=False,
        attributes={},
        at=number,
        final="yes" if right else "no",
        way=AUDIT,
        answered=count,
    )


def designs(runs: int) -> dict[str, float]:
    """False certificates by how much is answered."""
    return {
        "85 % answered": false(runs, 0.85),
        "85 % answered, all of the lane beside": false(runs, 0.85, beside=True),
        "95 % answered": false(runs, 0.95),
        "85 % answered, taken as all": false(runs, 0.85, told=False),
    }


def price(runs: int) -> dict[str, float]:
    """What open work costs."""
    return {
        "audits until a certificate, all answered": audits_until(runs, 1.0),
        "audits until a certificate, 97 % answered": audits_until(runs, 0.97),
        "audits until a certificate, 85 % answered": audits_until(runs, 0.85),
    }


GATES = {
    "certificates where what nobody judged errs twice as often": Gate(
        designs,
        100,
        (
            Promise("85 % answered", at_most=DELTA),
            Promise("85 % answered, all of the lane beside", at_most=DELTA),
            Promise("95 % answered", at_most=DELTA),
        ),
        quick=2,
    ),
    "audits that open work costs": Gate(price, 20, quick=2),
}
