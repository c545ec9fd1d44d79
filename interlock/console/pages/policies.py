"""Policies: what is in force, every version and what they differ in, the editor, and what waits for a signature."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from interlock.api import policies, policy_trials, proposals
from interlock.api.access.principal import Principal
from interlock.api.access.roles import roles_with
from interlock.api.backend import Backend, backend_of
from interlock.api.policy_history import find_version, forecast_beside_what_came, policy_versions
from interlock.api.preconditions import etag
from interlock.api.problems import Problem
from interlock.console.attempts import attempted
from interlock.console.pages.showing import needs, show
from interlock.console.source import compared
from interlock.policies.history import unpacked
from interlock.policies.observed import ROUTES
from interlock.policies.packs import pack_facts, published_uses
from interlock.policy.errors import PolicyError
from interlock.policy.regulation import NO_ADVICE, pack_names, regulation
from interlock.policy.version import from_resolved

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("policies:read"))]
Owner = Annotated[Principal, Depends(needs("policies:write"))]
Version = Annotated[str, Query(max_length=64)]

# A screen and a half; the rest comes with "next rows".
_VERSIONS = 30

# More requests than that for one policy are no longer read one by one.
_REQUESTS = 100

_NEW = """\
name: my-policy
domains:
  my-domain:
    models: [my-model]
    outcomes: [approve, reject]
    lanes:
      approve: {auto: 0.95, async: 0.50}
      reject: {async: 0.50}
    queue: my-queue
"""


@router.get("/policies")
def listed(request: Request, person: Reader) -> Response:
    backend = backend_of(request)
    rows, problem = attempted(lambda: policies.policy_rows(backend))
    waiting, waiting_problem = _requests(backend, person)
    template = "parts/policy_list.html" if "hx-request" in request.headers else "policies.html"
    return show(
        request,
        template,
        policies=rows or [],
        problem=problem,
        requests=waiting,
        requests_problem=waiting_problem,
        **_eyes(backend),
    )


@router.get("/packs")
def packs(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """What regulation demands, what fulfils it, and which policies say that they are under it."""
    uses, problem = attempted(lambda: published_uses(backend_of(request).broker))
    found = [pack_facts(name, regulation(name), uses) for name in pack_names()]
    return show(request, "packs.html", packs=found, advice=NO_ADVICE, problem=problem)


@router.get("/new-policy")
def new(request: Request, person: Owner) -> Response:  # noqa: ARG001 - who may
    return _editor(request, "", _NEW, None)


@router.get("/policies/{name:id}")
def one(
    request: Request,
    person: Reader,
    name: str,
    cursor: Annotated[str, Query(max_length=1_000)] = "",
) -> Response:
    """The version in force, what waits, and every version. A policy that only waits to be published has no version."""
    backend = backend_of(request)
    in_force, problem = attempted(lambda: _in_force(backend, name))
    waiting, waiting_problem = _requests(backend, person, name)
    found, versions_problem = attempted(lambda: _versions(backend, name, cursor))
    versions = found or _NO_VERSIONS
    candidate, candidate_problem = attempted(lambda: _candidate(backend, name))
    if not (
        candidate
        or in_force
        or waiting
        or versions["versions"]
        or problem
        or versions_problem
        or versions["unavailable"]
    ):
        raise Problem(404, "unknown-policy", f"there is no policy {name!r}")
    template = "parts/policy_requests.html" if "hx-request" in request.headers else "policy.html"
    return show(
        request,
        template,
        name=name,
        record=in_force,
        meaning=None if in_force is None else policies.policy_facts(in_force)["resolved"],
        problem=problem,
        requests=waiting,
        requests_problem=waiting_problem,
        versions=versions,
        versions_problem=versions_problem,
        tag="" if in_force is None else etag(in_force["version"]),
        paged=bool(cursor),
        candidate=candidate,
        candidate_problem=candidate_problem,
        **_matrix(candidate),
        **_eyes(backend),
    )


@router.get("/policies/{name:id}/edit")
def edit(request: Request, person: Owner, name: str, version: Version = "") -> Response:  # noqa: ARG001
    """The text in force, or that of another version, to be changed."""
    backend = backend_of(request)
    record = _in_force(backend, name)
    text = find_version(backend, name, version)["source"] if version else record["source"] if record else _NEW
    return _editor(request, name, text, record)


@router.get("/policies/{name:id}/compare")
def compare(
    request: Request,
    person: Reader,  # noqa: ARG001
    name: str,
    before: Version,
    after: Version,
) -> Response:
    """Two versions: in meaning, and line by line."""
    backend = backend_of(request)
    old, new_one = find_version(backend, name, before), find_version(backend, name, after)
    meaning, problem = _meaning(old, new_one)
    return show(
        request,
        "policy_compare.html",
        name=name,
        before=old,
        after=new_one,
        meaning=meaning,
        meaning_problem=problem,
        lines=compared(old["source"], new_one["source"]),
    )


@router.get("/policies/{name:id}/versions/{version:id}")
def version_page(request: Request, person: Reader, name: str, version: str) -> Response:  # noqa: ARG001
    backend = backend_of(request)
    record = find_version(backend, name, version)
    in_force, problem = attempted(lambda: _in_force(backend, name))
    meaning, meaning_problem = ([], "") if in_force is None else _meaning(in_force, record)
    return show(
        request,
        "policy_version.html",
        name=name,
        record=unpacked(record),
        in_force=in_force,
        problem=problem,
        tag="" if in_force is None else etag(in_force["version"]),
        meaning=meaning,
        meaning_problem=meaning_problem,
        lines=[] if in_force is None else compared(in_force["source"], record["source"]),
        forecast=forecast_beside_what_came(backend, record),
        **_eyes(backend),
    )


def _editor(request: Request, name: str, text: str, record: policies.Record | None) -> Response:
    backend = backend_of(request)
    return show(
        request,
        "policy_edit.html",
        name=name,
        text=text,
        in_force=record,
        tag="" if record is None else etag(record["version"]),
        reviewers=backend.board.reviewers,
        **_eyes(backend),
    )


def _eyes(backend: Backend) -> dict[str, Any]:
    """Whether a second person must accept, and who may."""
    return {
        "four_eyes": backend.platform.settings.api.four_eyes,
        "owners": [role.replace("_", " ") for role in roles_with("policies:write")],
    }


def _in_force(backend: Backend, name: str) -> policies.Record | None:
    try:
        return policies.in_force(backend, name)
    except Problem:
        return None


def _candidate(backend: Backend, name: str) -> dict[str, Any] | None:
    try:
        return policy_trials.candidate(backend, name)
    except Problem as problem:
        if problem.status != 404:
            raise
        return None


def _matrix(candidate: dict[str, Any] | None) -> dict[str, Any]:
    """What a candidate has shown, as a table: routes of the version in force by routes of the candidate."""
    cells = candidate["observed"]["matrix"] if candidate and candidate["observed"] else []
    counts = {(cell["live"], cell["candidate"]): cell["decisions"] for cell in cells}
    live = [route for route in ROUTES if any(route == old for old, _ in counts)]
    tried = [route for route in ROUTES if any(route == new for _, new in counts)]
    return {
        "candidate_routes": [{"key": route, "label": route, "number": True} for route in tried],
        "candidate_rows": [{"live": old, "counts": [counts.get((old, new), 0) for new in tried]} for old in live],
    }


_NO_VERSIONS: dict[str, Any] = {"versions": [], "next": None, "unavailable": ""}


def _versions(backend: Backend, name: str, cursor: str) -> dict[str, Any]:
    try:
        return policy_versions(backend, name, cursor, _VERSIONS)
    except Problem as problem:
        if problem.status != 404:
            raise
        return _NO_VERSIONS


def _requests(backend: Backend, person: Principal, name: str = "") -> tuple[list[dict[str, Any]], str]:
    """Policies that somebody asks to have published, of one name or all, and why they cannot be shown."""
    if "proposals:read" not in person.scopes:
        return [], ""
    found, problem = attempted(lambda: proposals.proposal_rows(backend, "open", "policy", "", _REQUESTS)["proposals"])
    return [row for row in found or [] if name in ("", row["policy"])], problem


def _meaning(old: policies.Record, new_one: policies.Record) -> tuple[list[dict[str, Any]], str]:
    """What differs in meaning, or why it cannot be told of a version that another release wrote."""
    try:
        return policies.differences(from_resolved(old["resolved"]), from_resolved(new_one["resolved"])), ""
    except (PolicyError, ValueError) as error:
        return [], str(error).splitlines()[0]
