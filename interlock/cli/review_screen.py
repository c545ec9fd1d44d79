"""A task on the terminal."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from interlock.platform.printing import all_visible, visible, visible_json
from interlock.processors.review.times import due, span
from interlock.processors.review.view import AIAnswer, TaskView
from interlock.review.local_time import local_time
from interlock.schemas.times import moment

# A quarter of an hour: who starts now still makes it.
_SOON_SECONDS = 900

_INDENT = (0, 2)

_CONFIDENCE = "model's confidence"


def screen(view: TaskView) -> RenderableType:
    """Everything a reviewer may see of a task, most urgent first."""
    # What producers and others wrote is made visible here, all at once, so that no part can be forgotten; `_facts` does
    # it for the input, whose values print as JSON.
    view = replace(all_visible(view), input=view.input)
    parts = [part for part in _parts(view) if part is not None]
    title = Text.assemble((view.task_id, "bold"), f"  {view.domain}")
    return Panel(Group(_status(view), *parts), title=title, title_align="left")


def _status(view: TaskView) -> Text:
    urgent = "red" if view.due_seconds < 0 else "yellow" if view.due_seconds < _SOON_SECONDS else "green"
    words: list[Any] = [view.priority, ", ", (f"due {due(view.due_seconds)}", urgent), f", queue {view.queue}"]
    if view.escalated_to:
        words.append(f", {view.escalated_to}")
    if view.lease_seconds is not None:
        end = "" if view.lease_until is None else f", until {local_time(moment(view.lease_until))}"
        words.append(f", {view.lease_holder} holds it for another {span(view.lease_seconds)}{end}")
    return Text.assemble(*words)


def _parts(view: TaskView) -> Iterator[RenderableType | None]:
    if not view.verified:
        yield Text(f"Careful: {view.payload_note}", "bold red")
    if view.damage:
        yield Text(f"Careful: this record is damaged. {'; '.join(view.damage)}", "bold red")
    yield _lines("Why now", (view.why_first,))
    yield _lines("Why a person", view.why)
    yield _lines("How it stands", view.standing)
    yield _lines("Signatures", (_signatures(view),))
    yield _lines("Statement of the person concerned", (view.statement,))
    yield _lines("Note", (view.escalation_note,))
    yield _facts("The case", _case(view))
    if view.evidence == "folded":
        yield Text(_FOLDED.format(view.task_id), "italic")
    yield _lines("Earlier decisions", [_earlier(decision) for decision in view.previous_decisions])
    if view.opinion_due:
        yield Text(_OPINION.format(view.task_id), "italic")
    else:
        yield _answer(view.ai) if view.ai is not None else Text(_HIDDEN[view.ai_shown], "italic")
    yield _lines("Your first opinion", (view.first_opinion,))
    yield _options(view)
    yield _lines("Opinions so far", [_opinion(verdict) for verdict in view.opinions])
    yield _lines("In effect now", (view.effect,))
    yield _lines("Notices due to the subject", view.notices)
    yield _declarations(view.attestations)
    if not view.opinion_due:
        yield Text(f"Verdicts: {', '.join(view.verdicts)}. Reasons: {', '.join(view.reason_codes)}", "dim")
    if view.reasoned and not view.opinion_due:
        yield Text(f"For {', '.join(view.reasoned)} give a principal reason (--reason): agree is none.", "dim")


_FOLDED = "The evidence is folded: `interlock review evidence {}` opens it, which must be done before a verdict."

_OPINION = "Say what you think, `interlock review opinion {} OUTCOME`: then the AI's answer is shown, and you decide."

_HIDDEN = {
    "withheld": "The AI's answer is withheld until the verdict.",
    "hidden": "The AI's answer is hidden; --reveal shows it. Form an opinion first.",
    "shown": "",
}


def _signatures(view: TaskView) -> str:
    """What a verdict will do where more than one person must agree."""
    needed, given = view.signatures_needed, view.signatures_given
    if needed <= 1 or view.state == "done":
        return ""
    if given >= needed:
        return f"{given} people have judged it and do not agree: one more verdict decides"
    return f"{needed} people must agree before a verdict holds; {given} of {needed} have judged it so far"


def _case(view: TaskView) -> dict[str, Any]:
    facts = {
        "created": local_time(moment(view.created_at)),
        "subject": view.subject_id,
        "jurisdiction": view.jurisdiction,
        "impact": view.impact,
        "amount": None if view.amount is None else f"{view.amount:,.2f}",
        **view.attributes,
    }
    given = view.input if isinstance(view.input, dict) else {"input": view.input}
    return {name: value for name, value in {**facts, **given}.items() if value not in (None, "")}


def _answer(answer: AIAnswer) -> RenderableType:
    facts: dict[str, Any] = {"says": f"{answer.prediction} with confidence {answer.confidence:.2f}"}
    if answer.raw_confidence != answer.confidence:
        facts["before calibration"] = f"{answer.raw_confidence:.2f}"
    facts |= {"model": answer.model, "reasoning": answer.reasoning}
    for feature in answer.top_features:
        facts[feature["feature"]] = f"{feature['value']} (weight {feature['importance']:+.2f})"
    facts["similar cases"] = ", ".join(f"{case['case_id']}: {case['outcome']}" for case in answer.similar_cases)
    if answer.accuracy_on_similar is not None:
        facts["right on similar cases"] = f"{answer.accuracy_on_similar:.0%}"
    return _facts("The AI", facts) or Text()


def _options(view: TaskView) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold", title="Options", title_justify="left")
    columns = ["outcome"]
    if any(option.confidence is not None for option in view.options):
        columns.append(_CONFIDENCE)
    if any(option.pros or option.cons for option in view.options):
        columns += ["for it", "against it"]
    for name in columns:
        table.add_column(name, overflow="fold")
    for option in view.options:
        cells = {
            "outcome": option.outcome,
            _CONFIDENCE: "–" if option.confidence is None else f"{option.confidence:.2f}",
            "for it": "\n".join(option.pros),
            "against it": "\n".join(option.cons),
        }
        table.add_row(*(Text(cells[name]) for name in columns))  # producers' words are no markup
    return table


def _declarations(sentences: tuple[str, ...]) -> RenderableType | None:
    """What whoever decides it declares, by the number that `--attest` takes."""
    if not sentences:
        return None
    table = Table.grid(padding=_INDENT)
    for number, sentence in enumerate(sentences, 1):
        table.add_row(Text(str(number), "dim"), Text(sentence))
    return Group(Text("Your verdict declares (--attest)", "bold"), table)


def _earlier(decision: dict[str, Any]) -> str:
    return f"{decision['outcome']} ({decision['decision_id']}, {local_time(decision['decided_at'])})"


def _opinion(verdict: dict[str, Any]) -> str:
    reason = f"{verdict['reason_code']}: {verdict['reason_text']}"
    return f"{verdict['reviewer'] or 'policy'}: {verdict['outcome']} ({reason})"


def _lines(title: str, lines: Any) -> RenderableType | None:
    texts = [line for line in lines if line]
    return Text.assemble((f"{title}: ", "bold"), "; ".join(texts)) if texts else None


def _facts(title: str, facts: dict[str, Any]) -> RenderableType | None:
    if not facts:
        return None
    table = Table.grid(padding=_INDENT)
    for name, value in facts.items():
        if value != "":
            text = visible(value) if isinstance(value, str) else visible_json(value)
            table.add_row(Text(visible(name), "dim"), Text(text))
    return Group(Text(title, "bold"), table)
