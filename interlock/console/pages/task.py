"""A case: everything it takes to judge it, and the form to decide it."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from interlock.api import work
from interlock.api.access.principal import Principal
from interlock.api.backend import Backend, backend_of
from interlock.api.viewing import viewers_of
from interlock.console.appeal_offer import appeal_offer
from interlock.console.asking import FAILURES, Asked, asked, reason_of
from interlock.console.charts import Chart, Feature, bars
from interlock.console.pages.showing import Tasks, show
from interlock.console.private import private_fields
from interlock.console.text import interval, percent
from interlock.processors.desk.overriding import CORRECTION
from interlock.processors.desk.task import CONTESTED
from interlock.processors.review.due import due_at
from interlock.processors.review.escalated import escalated_to
from interlock.processors.review.handing_out import why_handed_out
from interlock.processors.review.reasons import used_columns
from interlock.processors.review.similar import SimilarCases
from interlock.processors.review.times import micros
from interlock.processors.review.view import TaskView, terms_of_task
from interlock.processors.task_kinds import apparent_kind
from interlock.schemas import json_text

router = APIRouter()

# The band around a confidence of which is told what it has meant: wide enough to hold some cases.
_BAND = 0.05

# A glance at the subject's other cases; the link behind the table lists all.
_RELATED = 20

# Pixels of the column beside the case on a screen of 1,366: charts are drawn for it, so that letters keep their size.
_COLUMN = 300


@dataclass(frozen=True)
class Permissions:
    """What the person may try; the desk decides."""

    holds: bool
    claim: bool
    decide: bool
    override: bool
    correct: bool
    appeal: bool
    hand_back: bool
    lead: bool


@router.get("/tasks/{task_id:id}/status")
def status(request: Request, person: Tasks, task_id: str) -> Response:
    """The part that changes while somebody reads: state, lease, who else looks."""
    backend = backend_of(request)
    task = work.find_task(backend, task_id)
    return show(request, "parts/task_status.html", **_status(backend, task, person))


@router.get("/tasks/{task_id:id}/similar")
def similar(request: Request, person: Tasks, task_id: str, reveal: bool = False) -> Response:
    """Similar cases, for which the page does not wait."""
    backend = backend_of(request)
    shown = work.show_task(backend, work.find_task(backend, task_id), reveal=reveal, reader=person.person)
    found, problem = _similar(backend, shown) if shown.view.ai is not None else (None, "")
    return show(request, "parts/similar.html", ai=shown.view.ai, similar=found, similar_problem=problem)


@router.get("/tasks/{task_id:id}")
def task(
    request: Request,
    person: Tasks,
    task_id: str,
    reveal: bool = False,
    correct: Annotated[bool, Query(description="Opens the form that replaces what was decided.")] = False,
) -> Response:
    backend = backend_of(request)
    record = work.find_task(backend, task_id)
    in_force = backend.policies.owner(record["domain"])
    why_first = why_handed_out(record, in_force, backend.now())
    shown = work.show_task(backend, record, why_first=why_first, reveal=reveal, reader=person.person)
    view, decision = shown.view, shown.routed["decision"]
    routed_by = backend.policies.routed_by(record["policy_version"])
    return show(
        request,
        "task.html",
        view=view,
        ai=view.ai,
        features=_features(view),
        facts=(facts := _facts(view, decision)),
        private_facts=private_fields(facts),
        private_input=private_fields(view.input),
        used=used_columns(shown.routed, routed_by),
        revealed=reveal,
        meaning=(meaning := _meaning(backend, view, decision)),
        meaning_text=_in_words(meaning),
        related=_related(backend, view),
        changeable=_changeable(view),
        agreed=(agreed := terms_of_task(record, in_force)),
        offer=appeal_offer(record, agreed.appeals, "lead" if "lead" in person.roles else "reviewer", backend.now()),
        policy_version=record["policy_version"],
        correcting=correct,
        **_status(backend, record, person),
    )


def _status(backend: Backend, task: dict[str, Any], person: Principal) -> dict[str, Any]:
    now, done = backend.now(), task["state"] == "done"
    return {
        "task": task,
        "task_id": task["task_id"],
        "may": permissions(task, person, now),
        "viewers": [one for one in viewers_of(backend, task["task_id"]) if one != person.person],
        "lease_since": task["lease_since"],
        "due_at": due_at(task, now),
        "escalated": "" if done else escalated_to(task["escalation"], task["with_team"]),
        "outcome": "" if task["blind"] and not done else task["outcome"],
    }


def permissions(task: dict[str, Any], person: Principal, now: int) -> Permissions:
    """From the roles of the person and the state of the task; qualifications and hours are the desk's to check."""
    works = "tasks:write" in person.scopes
    lead = works and "lead" in person.roles
    done = task["state"] == "done"
    holds = task["lease_holder"] == person.person
    open_window = task["override_until"] is not None and now < micros(task["override_until"])
    own = task["decided_by"] == person.person and task["decided_at"] is not None
    correct = done and own and open_window and now < micros(task["decided_at"]) + CORRECTION
    kind = apparent_kind(task["kind"], task["appeals"])
    unjudged = kind in ("audit", "post_approval") and task["decided_by"] == "policy" and not task["verdicts"]
    effective = task["version"] > 0
    # What is contested, or needs two people, is claimed and decided.
    free = done or (kind not in CONTESTED and task["quorum"] == 1)
    override = works and effective and open_window and free and (lead or correct or unjudged)
    return Permissions(
        holds=holds,
        claim=works and not done and not holds and not task["lease_holder"],
        decide=holds and not done,
        # A blind audit is judged, not overridden: its prediction is not to be seen.
        override=override and (done or not task["blind"]),
        correct=correct,
        appeal=works and effective and (done or kind != "appeal"),
        # A proposed override needs another lead, whatever its team thinks.
        hand_back=not done and task["escalation"] > 0 and kind != "override" and (lead or (works and holds)),
        lead=lead,
    )


def _features(view: TaskView) -> Chart | None:
    if view.ai is None or not view.ai.top_features:
        return None
    features = [Feature(one["feature"], one["importance"], one["value"]) for one in view.ai.top_features]
    return bars(f"What weighed for {view.ai.prediction}", features, width=_COLUMN)


def _facts(view: TaskView, decision: dict[str, Any]) -> dict[str, Any]:
    """The routing fields and declared attributes that the rules look at."""
    facts: dict[str, Any] = {"impact": view.impact, "amount": view.amount, "jurisdiction": view.jurisdiction}
    facts |= {"novel": decision["novel"], "compliance_review": decision["compliance_review"]}
    return {name: value for name, value in {**facts, **view.attributes}.items() if value not in ("", None)}


def _changeable(view: TaskView) -> list[dict[str, Any]]:
    """The fields that `modify` may change: those of the input, as JSON where they are no plain values."""
    if not isinstance(view.input, dict):
        return []
    rows = []
    for name, value in view.input.items():
        plain = isinstance(value, str)
        text = value if plain else json_text.dumps(value)
        # An object is edited as JSON: it is private as soon as a field in it is.
        rows.append({"name": name, "text": text, "plain": plain, "private": bool(private_fields({name: value}))})
    return rows


def _similar(backend: Backend, shown: work.ShownTask) -> tuple[SimilarCases | None, str]:
    """Similar cases where the producer sent none, or why they cannot be shown."""
    try:
        return work.similar_cases(backend, shown), ""
    except FAILURES as error:
        return None, reason_of(error)


def _meaning(backend: Backend, view: TaskView, decision: dict[str, Any]) -> Asked | None:
    """What such a confidence has meant so far."""
    if view.ai is None:
        return None
    return asked(
        backend,
        "confidence_band",
        domain=view.domain,
        model_id=decision["model_id"],
        prediction=decision["prediction"],
        low=round(max(0.0, view.ai.confidence - _BAND), 4),
        high=round(min(1.0, view.ai.confidence + _BAND), 4),
    )


def _in_words(meaning: Asked | None) -> str:
    if meaning is None:
        return ""
    if meaning.problem:
        return f"What such a confidence has meant cannot be told: {meaning.problem}"
    row, band = meaning.row, meaning.parameters
    if not row.get("reviewed_decisions"):
        return ""
    return (
        f"People reviewed {row['reviewed_decisions']:,} answers of this kind with {percent(float(band['low']), 0)} to "
        f"{percent(float(band['high']), 0)} confidence, and confirmed {percent(row['share'], 0)} of them "
        f"({interval(row['lower'], row['upper'])})."
    )


def _related(backend: Backend, view: TaskView) -> Asked | None:
    """Other decisions about the same subject."""
    if not view.subject_id or view.evidence == "folded":
        return None
    found = asked(backend, "subject_decisions", subject_id=view.subject_id, limit=_RELATED)
    # What is under a blind review stays out; its outcome would tell what the AI said.
    rows = [
        row
        for row in found.rows
        if row["decision_id"] != view.decision_id and not backend.board.is_blind(row["decision_id"])
    ]
    return replace(found, rows=rows)
