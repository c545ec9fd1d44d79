"""What took effect without a person in the scope of a halt, and can still be sent to people."""

from typing import Any

from interlock.api.backend import Backend
from interlock.api.pages import newest_first
from interlock.review.recalling import Recallable, recallable
from interlock.schemas.times import moment


def recall_page(backend: Backend, scope: str, cursor: str, limit: int) -> dict[str, Any]:
    """For JSON: how many there are, and a page of them, first the one whose window ends first.

    Raises UnknownScopeError, and Problem for a cursor of somewhere else.
    """
    found = found_in(backend, scope)
    # The end of the window, turned around: the least time left is the greatest key.
    page, following = newest_first(found, lambda decision: (-decision.until, decision.task_id), cursor, limit)
    return {"scope": scope, "count": len(found), "decisions": [_listed(each) for each in page], "next": following}


def found_in(backend: Backend, scope: str) -> list[Recallable]:
    """Everything in `scope`. Raises UnknownScopeError."""
    return recallable(backend.board.recallable, scope, backend.now())


def _listed(decision: Recallable) -> dict[str, Any]:
    return {
        "task_id": decision.task_id,
        "domain": decision.domain,
        "model_id": decision.model_id,
        "model_version": decision.model_version,
        "routed_at": moment(decision.routed_at),
        "until": moment(decision.until),
    }
