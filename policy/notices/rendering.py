"""The text of a notice: a pure function of its template and of what it says.

Jinja's sandbox, narrowed: no calls, no loops in loops, no arithmetic that makes texts longer, no filters that depend on
the machine or on chance. So a template is harmless to the process, and gives the same bytes on every machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment

from interlock.errors import InterlockError

# None depends on time, place, chance or the order of a set.
_FILTERS = ("capitalize", "default", "first", "join", "last", "length", "lower", "trim", "upper")

# Each could turn a few characters into gigabytes.
_REFUSED_OPERATORS = frozenset({"*", "**", "%", "//", "/"})

# Calls of methods, and what would need other templates.
_REFUSED_NODES = (
    nodes.Call,
    nodes.CallBlock,
    nodes.Extends,
    nodes.FromImport,
    nodes.Import,
    nodes.Include,
    nodes.Macro,
)

# A process knows the texts of a handful of policies, each in some languages.
_MAX_TEMPLATES = 200


class NoticeTemplateError(InterlockError, ValueError):
    """A text that cannot be rendered; says what it uses that is not there, or where it is wrong."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a notice says.

    `reference`: names this notice. `date`: of the decision, YYYY-MM-DD in UTC. `action_taken`: what the outcome means
    for the subject. `principal_reasons`: sentences, the weightiest first. `automated`: nobody but the policy decided.
    `corrects`: the reference of the earlier notice that this one replaces or takes back; empty: of none.
    """

    reference: str
    date: str
    action_taken: str
    principal_reasons: tuple[str, ...]
    automated: bool
    facts: Mapping[str, str] = field(default_factory=dict)
    corrects: str = ""


class _Sandbox(SandboxedEnvironment):
    intercepted_binops = _REFUSED_OPERATORS

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002  # as Jinja calls it
        raise SecurityError(f"{operator} is not possible in a notice")

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002  # nothing is called
        return False


def _environment() -> _Sandbox:
    environment = _Sandbox(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    return environment


_ENVIRONMENT = _environment()


def render(text: str, letter: Letter) -> str:
    """The notice, which ends with one line break. Raises NoticeTemplateError."""
    template = _compiled(text)
    try:
        said = template.render(
            reference=letter.reference,
            date=letter.date,
            action_taken=letter.action_taken,
            principal_reasons=list(letter.principal_reasons),
            automated=letter.automated,
            facts=dict(letter.facts),
            corrects=letter.corrects,
        )
    except TemplateError as error:
        raise NoticeTemplateError(_undefined(error)) from error
    except Exception as error:  # whatever a template does with values of the wrong type
        raise NoticeTemplateError(f"cannot be rendered: {error}") from error
    return said.strip() + "\n"


@lru_cache(_MAX_TEMPLATES)
def _compiled(text: str) -> Template:
    try:
        tree = _ENVIRONMENT.parse(text)
        for loop in tree.find_all(nodes.For):
            if next(loop.find_all(nodes.For), None) is not None:
                raise NoticeTemplateError(f"line {loop.lineno}: a loop in a loop is not possible in a notice")
        for name in _REFUSED_NODES:
            found = next(tree.find_all(name), None)
            if found is not None:
                raise NoticeTemplateError(f"line {found.lineno}: {name.__name__.lower()} is not possible in a notice")
        return _ENVIRONMENT.from_string(text)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise NoticeTemplateError(f"line {line}: {error.message}" if line else str(error)) from error


def _undefined(error: TemplateError) -> str:
    return str(error).replace("'dict object' has no attribute", "uses a fact that is not given:")
