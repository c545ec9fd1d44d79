"""Proposals: what people's answers justify and what a person asks for, with the evidence and what would change."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from interlock.api import policies, proposals
from interlock.api.access.principal import Principal
from interlock.api.backend import Backend, backend_of
from interlock.api.preconditions import etag
from interlock.api.problems import Problem
from interlock.console.attempts import attempted
from interlock.console.pages.showing import needs, show
from interlock.console.source import Line, compared
from interlock.learning.answered import read, said
from interlock.policies import progress, slice_rows
from interlock.policies.group_rows import COLUMNS, group_rows

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("proposals:read"))]

# A screen and a half; the rest comes with "next rows".
_ROWS = 50

# More open ones than that are not read one by one any more.
_OPEN = 200

_NOTHING: dict[str, Any] = {"proposals": [], "next": None}

KINDS = ("threshold", "safe_rule", "policy", "retraining", "coaching")
STATES = ("accepted", "refused", "revoked")


@router.get("/proposals")
def listed(
    request: Request,
    person: Reader,  # noqa: ARG001 - who may
    state: Literal["", "accepted", "refused", "revoked"] = "",
    kind: Literal["", "threshold", "safe_rule", "policy", "retraining", "coaching"] = "",
    cursor: Annotated[str, Query(max_length=1_000)] = "",
) -> Response:
    """What is open comes first."""
    backend = backend_of(request)
    found, problem = attempted(lambda: proposals.proposal_rows(backend, "open", kind, "", _OPEN))
    lanes, _ = attempted(lambda: progress.lanes(backend.broker))
    risks, _ = attempted(lambda: progress.risks(lanes or [], backend.broker))
    latest, _ = attempted(lambda: proposals.proposal_rows(backend, state, kind, cursor, _ROWS))
    waiting, decided = found or _NOTHING, latest or _NOTHING
    filters = {name: value for name, value in (("state", state), ("kind", kind)) if value}
    following = urlencode({**filters, "cursor": decided["next"]}) if decided["next"] else ""
    template = "parts/proposal_list.html" if "hx-request" in request.headers else "proposals.html"
    return show(
        request,
        template,
        waiting=waiting["proposals"],
        more_wait=waiting["next"] is not None,
        decided=[row for row in decided["proposals"] if row["state"] != "open"],
        lanes=lanes or [],
        risks=[progress.risk_said(risk) for risk in risks or []],
        problem=problem,
        chosen={"state": state, "kind": kind},
        kinds=KINDS,
        states=STATES,
        here=f"/proposals?{urlencode(filters | ({'cursor': cursor} if cursor else {}))}",
        first=f"/proposals?{urlencode(filters)}" if cursor else "",
        following=f"/proposals?{following}" if following else "",
    )


@router.get("/proposals/{proposal_id:id}")
def one(request: Request, person: Reader, proposal_id: str) -> Response:
    backend = backend_of(request)
    proposal, version = proposals.proposal_facts(backend, proposal_id)
    effect = proposal["effect"]
    lines, lines_problem = attempted(lambda: _lines(backend, proposal))
    template = "parts/proposal.html" if "hx-request" in request.headers else "proposal.html"
    return show(
        request,
        template,
        proposal=proposal,
        effect=effect,
        tag=etag(version),
        lines=lines or [],
        lines_problem=lines_problem,
        certificate=certificate(proposal),
        groups=group_rows((proposal["evidence"] or {}).get("groups", [])),
        group_columns=[{"key": name, "label": name.capitalize()} for name in COLUMNS],
        answered=said(read((proposal["evidence"] or {}).get("answered", []))),
        slices=slice_rows.slice_rows(proposal["evidence"] or {}),
        slice_columns=[{"key": name, "label": name.capitalize()} for name in slice_rows.COLUMNS],
        evidence={
            name: value
            for name, value in (proposal["evidence"] or {}).items()
            if name not in ("answered", "changes", "groups", *slice_rows.SPANS)
        },
        four_eyes=backend.platform.settings.api.four_eyes,
        blind_to_sign="proposals:write" not in person.scopes,
    )


def certificate(proposal: dict[str, Any]) -> str:
    """What is promised, in a sentence; empty where nothing was certified."""
    evidence = proposal["evidence"] or {}
    if not {"alpha", "delta"} <= evidence.keys():
        return ""
    since = f" It counts reviews since {evidence['since']}." if isinstance(evidence.get("since"), str) else ""
    return (
        f"Certified: with a probability of at least {1 - evidence['delta']:.1%}, at most {evidence['alpha']:.2%} of "
        f"what it covers is wrong, whenever one looks.{since} It is watched from then on, and revoked when it no "
        "longer holds."
    )


def _lines(backend: Backend, proposal: dict[str, Any]) -> list[Line]:
    """The text in force against the text that accepting would put in force."""
    effect = proposal["effect"]
    if not effect or effect["source"] is None:
        return []
    try:
        source = policies.in_force(backend, proposal["policy"])["source"]
    except Problem:
        source = ""
    return compared(source, effect["source"])
