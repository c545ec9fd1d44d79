"""Simulated reviewers: how they differ, what they make of a task, how long it takes them. Pure behaviour.

Everything random comes from a generator that the caller seeds by reviewer and task, so that the same reviewer says the
same of the same task in every run, in whatever order the tasks come.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from interlock.processors.review.view import TaskView

# The true outcome of a `Decision` record, None where it is unknown.
TruthSource = Callable[[Mapping[str, Any]], str | None]

_AGREE, _OTHER = "agree", "other"


@dataclass(frozen=True)
class Persona:
    """A simulated person.

    `median_seconds` and `spread`: handling times are lognormal. `accuracy`: how often the own opinion is right.
    `deference`: how often a different opinion yields to an AI answer that is on the screen (automation bias).
    `absence`: probability of a break after a task, of `break_seconds` on average.
    """

    id: str
    name: str
    role: str
    median_seconds: float
    spread: float
    accuracy: float
    deference: float
    absence: float
    break_seconds: float


@dataclass(frozen=True)
class Judgement:
    """What a simulated person answers. `own`: the opinion before the AI's answer had its influence."""

    verdict: str
    outcome: str
    own: str
    reason_code: str
    reason_text: str


def personas(count: int, seed: int) -> list[Persona]:
    """`count` people, the first of them a lead; the same for the same seed, however many are asked for."""
    return [_persona(index, Random(f"{seed}/persona/{index}")) for index in range(count)]


def generator(seed: int, persona: Persona, task_id: str) -> Random:
    """The generator for one person and one task."""
    return Random(f"{seed}/{persona.id}/{task_id}")


def judge(view: TaskView, truth: str | None, persona: Persona, rng: Random) -> Judgement:
    """The verdict on what is shown. Where the truth is unknown, the person agrees with the AI."""
    outcomes = [option.outcome for option in view.options]
    prediction = view.ai.prediction if view.ai is not None else None
    right = truth if truth in outcomes else prediction or (rng.choice(outcomes) if outcomes else "")
    wrong = [outcome for outcome in outcomes if outcome != right]
    own = right if not wrong or rng.random() < persona.accuracy else rng.choice(wrong)
    outcome = own
    if prediction is not None and own != prediction and rng.random() < persona.deference:
        outcome = prediction
    if prediction is None:
        return Judgement("choose", outcome, own, _OTHER, f"looks like {outcome} to {persona.name}")
    if outcome == prediction:
        return Judgement("approve", outcome, own, _agreeing(view), f"{persona.name} finds nothing against {outcome}")
    return Judgement("reject", outcome, own, _differing(view), f"{persona.name} finds {outcome} more fitting")


def handling_seconds(persona: Persona, rng: Random) -> float:
    """How long this person takes for a task."""
    return rng.lognormvariate(math.log(persona.median_seconds), persona.spread)


def absence_seconds(persona: Persona, rng: Random) -> float:
    """How long the person is away after a task; mostly not at all."""
    return rng.expovariate(1 / persona.break_seconds) if rng.random() < persona.absence else 0.0


def _persona(index: int, rng: Random) -> Persona:
    # Reading a case takes minutes, experts err in a few cases of a hundred, and in experiments on automation bias
    # people follow a wrong advice in a tenth to a half of the cases.
    lead = index == 0
    return Persona(
        id=f"sim-{index + 1:02d}",
        name=f"Simulated {'lead' if lead else 'reviewer'} {index + 1}",
        role="lead" if lead else "reviewer",
        median_seconds=rng.uniform(60, 240),
        spread=rng.uniform(0.3, 0.7),
        accuracy=rng.uniform(0.85, 0.98),
        deference=rng.uniform(0.05, 0.5),
        absence=rng.uniform(0.01, 0.05),
        break_seconds=rng.uniform(600, 1800),
    )


def _agreeing(view: TaskView) -> str:
    """A reason for the AI's outcome; where that needs one of the list, one of the packs', which stand last."""
    if view.ai is None or view.ai.prediction not in view.reasoned:
        return _AGREE
    return next((code for code in reversed(view.reason_codes) if code not in (_AGREE, _OTHER)), _OTHER)


def _differing(view: TaskView) -> str:
    """A reason for an outcome of one's own, out of those the policy offers."""
    others = [code for code in view.reason_codes if code not in (_AGREE, _OTHER)]
    return others[0] if others else _OTHER
