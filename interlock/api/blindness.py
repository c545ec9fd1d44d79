"""Nobody who judges may look up elsewhere what a blind review withholds, or which case is a gold item."""

from interlock.api.access.principal import Principal
from interlock.api.live_board import LiveBoard
from interlock.api.problems import Problem

# What a person reads instead of a story.
TOLD_AFTER_VERDICT = "it is told after the verdict; the page of the case has what it takes to judge it"


def check_not_blind(board: LiveBoard, person: Principal, decision_id: str) -> None:
    """Raises Problem where the decision is under a blind review and the person may judge."""
    if "tasks:write" in person.scopes and board.is_blind(decision_id):
        raise Problem(
            403,
            "blind",
            f"{decision_id} is under a blind review: who may judge it learns what the AI said after the verdict",
        )


def tells_after_verdict(board: LiveBoard, person: Principal, decision_id: str) -> bool:
    """Whether the person may judge the decision and nobody has decided it yet.

    Its story is told later then: a gold item has none, since the router never saw it, and would stand out by that.
    """
    return "tasks:write" in person.scopes and board.is_undecided(decision_id)


def check_told(board: LiveBoard, person: Principal, decision_id: str) -> None:
    """Raises Problem where the person may still judge the decision, before anybody knows whether it is one."""
    check_not_blind(board, person, decision_id)
    if tells_after_verdict(board, person, decision_id):
        raise Problem(403, "not-decided-yet", f"{decision_id} is not decided: {TOLD_AFTER_VERDICT}")
