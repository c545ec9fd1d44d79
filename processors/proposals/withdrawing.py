"""Open proposals that cease to hold without any error: why, and when they may be made again."""

import json

from interlock.processors.proposals.lane import Lane
from interlock.processors.proposals.open_work import Answers
from interlock.processors.proposals.proposal_table import Proposal
from interlock.processors.proposals.record import LEARNING

# How reasons begin, so that what was withdrawn is told from what errors have broken.
_REPLACED = "replaced by a newer proposal"
_NOT_NOW = "no longer certified"


def withdrawn(proposal: Proposal, lane: Lane, *, newer: bool) -> str:
    """Why an open proposal of `lane` no longer stands. `newer`: another of its kind does."""
    harder = _harder(proposal, lane)
    if newer:
        return "; ".join(filter(None, (_REPLACED, harder)))
    return f"{_NOT_NOW}: {harder}" if harder else f"{_NOT_NOW}, or the policy does so already"


def is_withdrawn(proposal: Proposal, now: int) -> bool:
    """Whether it was withdrawn by `now`, and by nobody's word: it is made again as soon as it holds again."""
    return bool(
        proposal["state"] == "revoked"
        and proposal["decided_by"] == LEARNING
        and proposal["reason"].startswith((_REPLACED, _NOT_NOW))
        and proposal["decided_at"] < now
    )


def _harder(proposal: Proposal, lane: Lane) -> str:
    """Which terms have become stricter since it was made."""
    evidence = json.loads(proposal["evidence"])
    risk, limit = evidence.get("delta"), evidence.get("people", {}).get("tested_limit")
    reasons = []
    if risk is not None and lane.delta < risk:
        reasons.append(f"the policy now allows it a risk of {lane.delta * 100:.3g}% instead of {risk * 100:.3g}%")
    today = lane.tested_limit
    if limit is not None and (today is None or today < limit):
        now = "less than any evidence is for" if today is None else f"{today * 100:.3g}%"
        reasons.append(f"{_told(lane.answers)}it is tested against {now} instead of {limit * 100:.3g}%")
    return ", and ".join(reasons)


def _told(answers: Answers) -> str:
    return f"{answers}: " if str(answers) else ""
