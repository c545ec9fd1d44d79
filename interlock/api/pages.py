"""Lists in pages. A cursor names the last row of a page, so that rows which come or go meanwhile shift nothing."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from interlock.api.problems import Problem

MAX_CURSOR = 1000

Cursor = Annotated[str, Query(max_length=MAX_CURSOR, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Rows of a page.")]

_T = TypeVar("_T")


def encoded(place: Any) -> str:
    """A cursor for a place, which JSON can say."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def decoded(cursor: str) -> Any:
    """The place that a cursor names, None for an empty one. Raises Problem."""
    if not cursor:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, RecursionError):
        raise foreign() from None
    if place is None:
        raise foreign()
    return place


def foreign() -> Problem:
    """The refusal of a cursor that was never given out."""
    return Problem(422, "invalid", "the cursor is none of ours: begin at the first page")


def newest_first(
    rows: Sequence[_T], key: Callable[[_T], tuple[int, str]], cursor: str, limit: int
) -> tuple[list[_T], str | None]:
    """A page of `rows`, those with the greatest key first, and the cursor of the next page. Raises Problem."""
    place = decoded(cursor)
    if place is not None:
        match place:
            case [int(), str()] if type(place[0]) is int:
                last = (place[0], place[1])
            case _:
                raise foreign()
        rows = [row for row in rows if key(row) < last]
    ordered = sorted(rows, key=key, reverse=True)
    page = ordered[:limit]
    return page, encoded(key(page[-1])) if len(ordered) > limit else None
