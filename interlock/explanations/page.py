"""An explanation as one HTML file: everything it needs stands in it, nothing is loaded and nothing is executed."""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from interlock.explanations.bar import WIDTH, confidence_bar, weights
from interlock.platform.printing import visible
from interlock.processors.explanation.for_subject import SubjectExplanation
from interlock.processors.explanation.model import Explanation, Happening
from interlock.processors.explanation.people import NOT_KEPT
from interlock.processors.explanation.words import day, from_iso, plain, quoted, share, when

Told = Explanation | SubjectExplanation


@dataclass(frozen=True)
class Toolbar:
    """Links above the page where it is shown by a server; the file has none. Addresses of the same server."""

    back: str
    download: str
    other: str
    other_label: str


def page(told: Told, *, theme: str = "auto", toolbar: Toolbar | None = None) -> str:
    """The file. `theme`: light, dark, or auto, as the reader's system has it."""
    common = {"style": Markup(style()), "theme": theme, "toolbar": toolbar, "fingerprint": fingerprint(told)}
    if isinstance(told, SubjectExplanation):
        template = _environment().get_template("subject.html")
        return template.render(told=told, weights=weights(told.factors), **common)
    return (
        _environment()
        .get_template("explanation.html")
        .render(
            told=told,
            bar=confidence_bar(told),
            bar_width=WIDTH,
            weights=weights(told.answer.factors if told.answer else ()),
            not_kept=NOT_KEPT,
            days=[(name, tuple(happened)) for name, happened in groupby(told.timeline, _day)],
            **common,
        )
    )


def fingerprint(told: Told) -> str:
    """SHA-256 of the facts as canonical JSON: who has two explanations sees whether they say the same."""
    text = json.dumps(told.facts(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


@cache
def style() -> str:
    """The style sheet."""
    return files("interlock.explanations").joinpath("templates/explanation.css").read_text()


@cache
def content_security_policy() -> str:
    """For a server that shows the page: its own style sheet and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    nothing = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return f"{nothing}; style-src 'sha256-{digest}'"


@cache
def _environment() -> Environment:
    jinja = Environment(
        loader=PackageLoader("interlock.explanations"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    jinja.filters.update(day=_day_of, moment=_moment, plain=plain, quoted=quoted, share=share, clock=_clock)
    return jinja


def _shown(value: Any) -> Any:
    """What is printed for the value of an expression: without characters that hide or reorder text."""
    if isinstance(value, Markup):
        return value
    # No line ends between a number and its sign.
    return visible(value).replace(" %", "\u00a0%") if isinstance(value, str) else value


def _moment(text: str) -> str:
    return when(from_iso(text))


def _day_of(text: str) -> str:
    return day(from_iso(text))


def _day(happening: Happening) -> str:
    return _day_of(happening.at)


def _clock(text: str) -> str:
    """The time of day."""
    return text[11:19]
