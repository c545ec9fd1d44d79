"""How chance sent a decision to a person, or could have, in words."""

from collections.abc import Mapping
from typing import Any

from interlock.processors.explanation.records import Records
from interlock.processors.explanation.words import share
from interlock.schemas.reasons import ACTIVE_POOL, PICKED, PICKED_AUDIT, PICKED_CHANCE, PICKED_GREEDY, SHADOW

_PICKED: Mapping[str, str] = {
    PICKED_AUDIT: "It was drawn at random for a check by a person who does not see the model's answer.",
    PICKED_GREEDY: "It was picked for review because a verdict on it should teach the model the most.",
    PICKED_CHANCE: "It was drawn at random for review, so that the model learns.",
}


def text(records: Records, record: Mapping[str, Any]) -> str:
    """What the coin decided about a routed decision."""
    chance = record["propensity"]
    if record["audit"] and chance >= 1:
        return "It took effect, and a person checks it who does not see the model's answer, as every such decision."
    if record["audit"]:
        return (
            f"It took effect, and it was drawn at random for a check by a person who does not see the model's answer: "
            f"{share(chance)} of such decisions are."
        )
    if SHADOW in record["reasons"]:
        return "No person reviews what a challenger answers."
    later = _picked_later(records)
    if later is not None:
        reason, exact = later
        return f"{_PICKED.get(reason, 'It was picked for review.')} The chance of that was {share(exact)}."
    if record["route"] != "auto" or chance >= 1:
        return "No chance was involved: every such decision goes to a person."
    if chance <= 0:
        return "Decisions like this one are not checked at random."
    if ACTIVE_POOL in record["reasons"]:
        return f"It could have been picked for a check by a person, with a chance of at least {share(chance)}."
    return f"It could have been drawn at random for a check by a person, with a chance of {share(chance)}; it was not."


def _picked_later(records: Records) -> tuple[str, float] | None:
    """Why the sampler sent it to a person, and with which probability."""
    for entry in records.routed:
        for reason in entry.record["reasons"]:
            if reason.startswith(PICKED):
                return reason, entry.record["propensity"]
    return None
