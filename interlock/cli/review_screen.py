"""A task on the terminal."""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from interlock.processors.review.times import due, span
from interlock.processors.review.view import Answer, View

# A quarter of an hour: who starts now still makes it.
_SOON_SECONDS = 900

_INDENT = (0, 2)

_CONFIDENCE = "model's confidence"


def screen(view: View) -> RenderableType:
    """Everything a reviewer may see of a task, most urgent first."""
    parts = [one for one in _parts(view) if one is not None]
    title = Text.assemble((view.task_id, "bold"), f"  {view.domain}")
    return Panel(Group(*parts), title=title, title_align="left", subtitle=_status(view), subtitle_align="left")


def _status(view: View) -> Text:
    urgent = "red" if view.due_seconds < 0 else "yellow" if view.due_seconds < _SOON_SECONDS else "green"
    words: list[Any] = [view.priority, ", ", (f"due {due(view.due_seconds)}", urgent), f", queue {view.queue}"]
    if view.lease_seconds is not None:
        words.append(f", {view.lease_holder} holds it for another {span(view.lease_seconds)}")
    return Text.assemble(*words)


def _parts(view: View) -> Iterator[RenderableType | None]:
    if not view.verified:
        yield Text(f"Careful: {view.payload_note}", "bold red")
    yield _lines("Why now", (view.why_first,))
    yield _lines("Why a person", view.why)
    yield _lines("Statement of the person concerned", (view.statement,))
    yield _lines("Escalated with the note", (view.escalation_note,))
    yield _facts("The case", _case(view))
    yield _lines("Earlier decisions", [f"{one['outcome']} ({one['decision_id']})" for one in view.previous_decisions])
    yield _answer(view.ai) if view.ai is not None else Text(_HIDDEN[view.ai_shown], "italic")
    yield _options(view)
    yield _lines("Opinions so far", [_opinion(one) for one in view.opinions])
    yield _lines("In effect now", (view.effect,))
    yield _lines("Notices due to the subject", view.notices)
    yield Text(f"Verdicts: {', '.join(view.verdicts)}. Reasons: {', '.join(view.reason_codes)}", "dim")


_HIDDEN = {
    "withheld": "The AI's answer is withheld until the verdict.",
    "folded": "The AI's answer is folded away; --reveal shows it. Form an opinion first.",
    "shown": "",
}


def _case(view: View) -> dict[str, Any]:
    facts = {
        "subject": view.subject_id,
        "jurisdiction": view.jurisdiction,
        "impact": view.impact,
        "amount": None if view.amount is None else f"{view.amount:,.2f}",
        **view.attributes,
    }
    shown = view.input if isinstance(view.input, dict) else {"input": view.input}
    return {name: value for name, value in {**facts, **shown}.items() if value not in (None, "")}


def _answer(answer: Answer) -> RenderableType:
    facts: dict[str, Any] = {"says": f"{answer.prediction} with confidence {answer.confidence:.2f}"}
    if answer.raw_confidence != answer.confidence:
        facts["before calibration"] = f"{answer.raw_confidence:.2f}"
    facts |= {"model": answer.model, "reasoning": answer.reasoning}
    for one in answer.top_features:
        facts[one["feature"]] = f"{one['value']} (weight {one['importance']:+.2f})"
    facts["similar cases"] = ", ".join(f"{one['case_id']}: {one['outcome']}" for one in answer.similar_cases)
    if answer.accuracy_on_similar is not None:
        facts["right on similar cases"] = f"{answer.accuracy_on_similar:.0%}"
    return _facts("The AI", facts) or Text()


def _options(view: View) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold", title="Options", title_justify="left")
    columns = ["outcome"]
    if any(one.confidence is not None for one in view.options):
        columns.append(_CONFIDENCE)
    if any(one.pros or one.cons for one in view.options):
        columns += ["for it", "against it"]
    for name in columns:
        table.add_column(name, overflow="fold")
    for one in view.options:
        cells = {
            "outcome": one.outcome,
            _CONFIDENCE: "–" if one.confidence is None else f"{one.confidence:.2f}",
            "for it": "\n".join(one.pros),
            "against it": "\n".join(one.cons),
        }
        table.add_row(*(Text(cells[name]) for name in columns))  # producers' words are no markup
    return table


def _opinion(one: dict[str, Any]) -> str:
    return f"{one['reviewer'] or 'policy'}: {one['outcome']} ({one['reason_code']}: {one['reason_text']})"


def _lines(title: str, lines: Any) -> RenderableType | None:
    shown = [line for line in lines if line]
    return Text.assemble((f"{title}: ", "bold"), "; ".join(shown)) if shown else None


def _facts(title: str, facts: dict[str, Any]) -> RenderableType | None:
    if not facts:
        return None
    table = Table.grid(padding=_INDENT)
    for name, value in facts.items():
        if value != "":
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            table.add_row(Text(name, "dim"), Text(shown))
    return Group(Text(title, "bold"), table)
