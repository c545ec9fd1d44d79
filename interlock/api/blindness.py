"""Nobody who judges may look up elsewhere what a blind review withholds."""

from interlock.api.access.principal import Principal
from interlock.api.live_board import LiveBoard
from interlock.api.problems import Problem


def check_not_blind(board: LiveBoard, person: Principal, decision_id: str) -> None:
    """Raises Problem where the decision is under a blind review and the person may judge."""
    if "tasks:write" in person.scopes and board.is_blind(decision_id):
        raise Problem(
            403,
            "blind",
            f"{decision_id} is under a blind review: who may judge it learns what the AI said after the verdict",
        )
