"""Values of ClickHouse as cells of a table."""

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from interlock.console.text import UNKNOWN, moment, number
from interlock.platform.printing import visible

# Columns that name something with a page of its own, and the scope that the page needs.
_PAGES = {"decision_id": ("/decisions/", "decisions:read"), "task_id": ("/tasks/", "tasks:read")}

# A longer text would push the other columns off the screen; the answer as JSON has all of it.
_LONGEST = 300


def cell(column: str, value: Any, *, scopes: Collection[str] = (), zone: str = "") -> Markup | str:
    """Markup of one value; ids link to the pages that somebody with these scopes may open."""
    path, scope = _PAGES.get(column, ("", ""))
    if path and scope in scopes and isinstance(value, str) and value:
        return Markup('<a href="{}{}"><bdi>{}</bdi></a>').format(path, quote(value, safe="", errors="replace"), value)
    return _plain(value, zone)


def is_number(value: Any) -> bool:
    """Whether it stands to the right of its column."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _plain(value: Any, zone: str) -> Markup | str:
    match value:
        case None:
            return UNKNOWN
        case bool():
            return "yes" if value else "no"
        case int() | float() | Decimal():
            return number(value)
        case datetime():
            return moment(value, zone)
        case date():
            return value.isoformat()
        case list() | tuple():
            return _text(", ".join(str(one) for one in value))
        case _:
            return _text(str(value))


def _text(text: str) -> Markup:
    shown = visible(text)
    return Markup("<bdi>{}</bdi>").format(f"{shown[: _LONGEST - 1]}…" if len(shown) > _LONGEST else shown)
