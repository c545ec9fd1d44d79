"""Pages from templates. Whatever is printed is escaped, and shown without characters that hide or reorder text."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from interlock.console import navigation, static_files, text
from interlock.console.headers import PAGE
from interlock.console.json_block import json_block
from interlock.platform.printing import visible

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "interlock-theme"
ZONE_COOKIE = "interlock-zone"


@cache
def environment() -> Environment:
    """The templates of the console with their filters. A name that a template lacks is an error, not nothing."""
    jinja = Environment(
        loader=PackageLoader("interlock.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        # A page under way sees one version of a template; tests of a running server do not edit them.
        auto_reload=False,
    )
    jinja.filters.update(
        exact=text.exact,
        interval=text.interval,
        iso=text.iso,
        json_block=json_block,
        moment=_moment,
        number=text.number,
        percent=text.percent,
        seconds_from=text.seconds_from,
        segment=text.segment,
        span=text.span,
        visible=visible,
    )
    jinja.globals.update(static=static_files.address, navigation=navigation.offered, UNKNOWN=text.UNKNOWN)
    return jinja


def render(template: str, context: Mapping[str, Any]) -> str:
    """The text of a template; raises jinja2.UndefinedError if it uses a name that the context lacks."""
    return environment().get_template(template).render(context)


def page(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
) -> HTMLResponse:
    """A page, or a fragment of one, with the headers that keep it from executing anything.

    Templates know `principal`, `csrf_token`, `demo_login` and `halts` from the context, as nobody, empty and false
    where it has none; `theme` and `zone` from the reader's cookies; `request_path`; and `now`.
    """
    known: dict[str, Any] = {
        "principal": None,
        "csrf_token": "",
        "demo_login": False,
        "halts": [],
        "theme": theme_of(request),
        "zone": zone_name_of(request),
        "request_path": request.url.path,
        "now": datetime.now(UTC),
    }
    return HTMLResponse(render(template, known | context), status_code=status, headers={**PAGE, **(headers or {})})


def theme_of(request: Request) -> str:
    """What the reader chose, so that the first paint has it."""
    chosen = request.cookies.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


def zone_name_of(request: Request) -> str:
    """The name of the zone that the reader chose; empty for the zone of the browser."""
    chosen = unquote(request.cookies.get(ZONE_COOKIE, ""))
    return chosen if text.zone_of(chosen) else ""


@pass_context
def _moment(context: Context, value: int | datetime | str | None) -> Markup:
    return text.moment(value, context.get("zone", ""))


def _shown(value: Any) -> Any:
    """What is printed for the value of an expression."""
    match value:
        case Markup():
            return Markup(visible(value))
        case None:
            return "–"
        case str():
            return visible(value)
        case _:
            return value
