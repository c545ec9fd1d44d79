"""Decisions: finding them, and the story of one from its arrival to the final word."""

import base64
import json
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from interlock.api.access.principal import Principal
from interlock.api.audit import verify_decision
from interlock.api.backend import Backend, backend_of
from interlock.api.blindness import TOLD_AFTER_VERDICT, tells_after_verdict
from interlock.api.explanation import explanation_of
from interlock.api.problems import Problem, not_found, problem_of
from interlock.api.story import story_of
from interlock.console.asking import Asked, asked, asked_together
from interlock.console.headers import PAGE
from interlock.console.pages.showing import Auditor, Decisions, show
from interlock.console.private import private_fields
from interlock.console.rendering import theme_of
from interlock.console.text import instant, iso, segment
from interlock.errors import InterlockError
from interlock.explanations.page import Toolbar, content_security_policy
from interlock.explanations.page import page as explanation_page
from interlock.schemas import json_text
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter()

# A screen and a half; the rest comes with "next rows".
_ROWS = 50

# How far the list looks back where nothing is asked for: a search through years takes seconds.
_LATEST = timedelta(days=30)

Text = Annotated[str, Query(max_length=MAX_ID_BYTES)]
Day = Annotated[str, Query(max_length=10, description="A day of UTC, YYYY-MM-DD.")]


@router.get("/decisions")
def decisions(
    request: Request,
    person: Decisions,
    decision_id: Text = "",
    subject_id: Text = "",
    domain: Text = "",
    model_id: Text = "",
    outcome: Text = "",
    since: Day = "",
    until: Day = "",
    cursor: Annotated[str, Query(max_length=8_000)] = "",
) -> Response:
    """The latest decisions that match, latest first."""
    backend = backend_of(request)
    filters = {
        "decision_id": decision_id,
        "subject_id": subject_id,
        "domain": domain,
        "model_id": model_id,
        "outcome": outcome,
        "since": since,
        "until": until,
    }
    before, before_id = from_cursor(cursor)
    start, end = _day("since", since), _day("until", until)
    latest_only = not (start or decision_id or subject_id)
    begin = instant(backend.now()) - _LATEST if latest_only else start
    found = asked(
        backend,
        "decision_search",
        **{name: filters[name] for name in ("decision_id", "subject_id", "domain", "model_id", "outcome")},
        since=iso(begin) if begin else "",
        # The day itself is meant too.
        until=iso(end + timedelta(days=1)) if end else "",
        before=before,
        before_id=before_id,
        limit=_ROWS + 1,
    )
    given = {name: value for name, value in filters.items() if value}
    more = len(found.rows) > _ROWS
    following = urlencode({**given, "cursor": cursor_of(found.rows[_ROWS - 1])}, errors="replace") if more else ""
    return show(
        request,
        "decisions.html",
        found=found,
        rows=[_shown(backend, person, row) for row in found.rows[:_ROWS]],
        filters=filters,
        latest_only=latest_only,
        latest_days=_LATEST.days,
        domains=sorted({domain for policy in backend.policies.in_force.values() for domain in policy.domains}),
        following=f"/decisions?{following}" if following else "",
        first=f"/decisions?{urlencode(given, errors='replace')}" if cursor else "",
    )


@router.get("/decisions/{decision_id:id}")
def decision(
    request: Request, person: Decisions, decision_id: Annotated[str, Path(max_length=MAX_ID_BYTES)]
) -> Response:
    """Everything that is known of one decision. Refused to who may judge it without knowing what the AI said."""
    backend = backend_of(request)
    story = story_of(backend, person, decision_id)
    if story is None:
        raise not_found("decision", decision_id)
    told = ("routing", "resolutions", "actions")
    about = {"decision_id": decision_id}
    if tells_after_verdict(backend.board, person, decision_id):
        found = {name: Asked(f"decision_{name}", [], TOLD_AFTER_VERDICT, about) for name in told}
    else:
        found = asked_together(backend, {name: (f"decision_{name}", about) for name in told})
    return show(
        request,
        "decision.html",
        decision_id=decision_id,
        story=story,
        # The page of a case has the button where the desk has the case.
        may_appeal=_may_appeal(person, story),
        may_prove="audit:read" in person.scopes and not tells_after_verdict(backend.board, person, decision_id),
        may_explain=not tells_after_verdict(backend.board, person, decision_id),
        routing=found["routing"],
        resolutions=found["resolutions"],
        actions=found["actions"],
        policies=_policy_names(backend, found),
        changes={row["version"]: _changes(row["modifications"]) for row in found["resolutions"].rows},
        timeline=Asked("decision_timeline", story["timeline"], parameters=about),
    )


@router.get("/decisions/{decision_id:id}/proof")
def proof(request: Request, person: Auditor, decision_id: Annotated[str, Path(max_length=MAX_ID_BYTES)]) -> Response:
    """The part of the page that tells what the records of the decision prove."""
    try:
        found = verify_decision(backend_of(request), person, decision_id)
    except (InterlockError, ClickHouseError, OSError) as error:
        return show(request, "parts/proof.html", problem=problem_of(error).detail, proof=None)
    return show(request, "parts/proof.html", problem="", proof=found)


@router.get("/decisions/{decision_id:id}/explanation")
def explanation(
    request: Request,
    person: Decisions,
    decision_id: Annotated[str, Path(max_length=MAX_ID_BYTES)],
    reader: Annotated[Literal["auditor", "subject"], Query(alias="for")] = "auditor",
) -> Response:
    """The decision in words, as the file has it that can be downloaded, with links above."""
    told = explanation_of(backend_of(request), person, decision_id, for_subject=reader == "subject")
    here, other = f"/decisions/{segment(decision_id)}", "auditor" if reader == "subject" else "subject"
    toolbar = Toolbar(
        back=here,
        download=f"/v1{here}/explanation?format=html&for={reader}",
        other=f"{here}/explanation?for={other}",
        other_label="For the person concerned" if other == "subject" else "The whole explanation",
    )
    headers = {**PAGE, "Content-Security-Policy": content_security_policy()}
    return HTMLResponse(explanation_page(told, theme=theme_of(request), toolbar=toolbar), headers=headers)


def _may_appeal(person: Principal, story: dict[str, Any]) -> bool:
    """Whether the decision holds and the desk does not have it, as far as can be told."""
    word = story["resolution"]
    unseen = story["task"] is None and "task" not in story["unavailable"]
    return "tasks:write" in person.scopes and unseen and word is not None and word["status"] == "decided"


def cursor_of(row: dict[str, Any]) -> str:
    """Where the list goes on behind this row."""
    return base64.urlsafe_b64encode(json.dumps([iso(row["at"]), row["decision_id"]]).encode()).decode()


def from_cursor(cursor: str) -> tuple[str, str]:
    """Time and id of the last decision that was shown; empty texts for an empty cursor. Raises Problem."""
    if not cursor:
        return "", ""
    try:
        at, decision_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        if isinstance(at, str) and isinstance(decision_id, str):
            return at, decision_id
    except ValueError:
        pass
    raise Problem(422, "invalid", "the cursor is none of ours: begin at the first page")


def _day(name: str, text: str) -> datetime | None:
    """Midnight of UTC. Raises Problem."""
    try:
        return instant(datetime.combine(date.fromisoformat(text), datetime.min.time())) if text else None
    except ValueError as error:
        raise Problem(422, "invalid", f"{name} is no day such as 2026-01-31") from error


def _shown(backend: Backend, person: Principal, row: dict[str, Any]) -> dict[str, Any]:
    """The row without what a blind review withholds: the board knows of the review before ClickHouse does."""
    if "tasks:write" in person.scopes and backend.board.is_blind(row["decision_id"]):
        return {**row, "is_open": True, "route": "", "prediction": "", "outcome": "", "source": ""}
    return row


def _policy_names(backend: Backend, found: dict[str, Asked]) -> dict[str, str]:
    """Names of the policies by the versions that the page shows; without those that Kafka has forgotten."""
    versions = {row["policy_version"] for name in ("routing", "resolutions") for row in found[name].rows}
    known = {version: backend.policies.routed_by(version) for version in versions if version}
    return {version: policy.name for version, policy in known.items() if policy is not None}


def _changes(text: str) -> dict[str, Any] | None:
    """The fields that a verdict changed, and which of them are personal; None where it changed none."""
    if not text:
        return None
    try:
        value = json_text.parse(text)
    except ValueError:
        value = text
    return {"value": value, "private": private_fields(value)}
