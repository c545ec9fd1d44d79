"""What owners do with policies."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response, Security
from pydantic import ConfigDict, Field

from interlock.api import policies
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.owner_fields import Body, IfMatch, Name, Reason
from interlock.api.pages import Cursor, Limit
from interlock.api.policy_history import find_version, policy_versions
from interlock.api.policy_replay import replay_source
from interlock.api.preconditions import etag
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1/policies", tags=["policies"])

# Twice the largest policy that routers take, written out (`policy/limits.py`): comments and all.
MAX_SOURCE = 1024 * 1024

Reader = Annotated[Principal, Security(authenticated, scopes=["policies:read"])]
Owner = Annotated[Principal, Security(authenticated, scopes=["policies:write"])]
PolicyName = Annotated[str, Path(description="Name of the policy.", max_length=MAX_ID_BYTES)]
Version = Annotated[str, Path(description="Version: 16 hex digits.", max_length=64)]

EXAMPLE = """\
name: lending
domains:
  loans:
    models: [scorer]
    outcomes: [approve, reject]
    lanes:
      approve: {auto: 0.95, async: 0.50}
      reject: {async: 0.50}
    queue: underwriting
"""


class Source(Body):
    """The text of a policy, as in a policy file (YAML)."""

    source: Annotated[str, Field(max_length=MAX_SOURCE)]

    model_config = ConfigDict(json_schema_extra={"example": {"source": EXAMPLE}})


class Candidate(Source):
    """A candidate, and on which decisions to try it. `since`, `until`: how long ago, such as 7d, or a time in UTC; an
    empty `until` is now."""

    since: Annotated[str, Field(max_length=64)] = "7d"
    until: Annotated[str, Field(max_length=64)] = ""

    model_config = ConfigDict(json_schema_extra={"example": {"source": EXAMPLE, "since": "7d"}})


class Publish(Source):
    """`second_person`: who is told that a signature is asked for."""

    note: Reason
    second_person: Name = ""

    model_config = ConfigDict(
        json_schema_extra={"example": {"source": EXAMPLE, "note": "as agreed in May", "second_person": "ben"}}
    )


class Rollback(Body):
    """The version whose text is to be in force again."""

    version: Annotated[str, Field(max_length=64)]
    note: Reason
    second_person: Name = ""

    model_config = ConfigDict(json_schema_extra={"example": {"version": "0123456789abcdef", "note": "too strict"}})


@router.get("", summary="The policies in force")
def listed(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """With version, author, note and domains."""
    return answer({"policies": policies.policy_rows(backend_of(request))})


@router.post("/check", summary="Check the text of a policy")
def check(person: Reader, body: Source) -> Response:  # noqa: ARG001
    """Every problem with line, field and hint. A wrong policy is 200 with `valid` false. Changes nothing."""
    return answer(policies.check_source(body.source))


@router.post("/diff", summary="What a text changes in the policy in force of its name")
def diff(request: Request, person: Reader, body: Source) -> Response:  # noqa: ARG001
    """Differences in meaning. `in_force` is null where no policy of that name is. Changes nothing."""
    return answer(policies.diff_source(backend_of(request), body.source))


@router.post("/replay", summary="What a text would have done with the decisions of the past")
def replay(request: Request, person: Reader, body: Candidate) -> Response:  # noqa: ARG001
    """Decisions by route then and route now, the rules that are responsible, examples, and tasks by queue and hour.
    409 `nothing-to-replay` where no decision was routed in the range. Changes nothing."""
    return answer(replay_source(backend_of(request), body.source, body.since, body.until).facts())


@router.get("/{name:id}/versions", summary="Every version of a policy that was in force, newest first")
def versions(
    request: Request,
    person: Reader,  # noqa: ARG001
    name: PolicyName,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response:
    """With author and note. Where ClickHouse is away: what Kafka still has, and `unavailable` says so."""
    return answer(policy_versions(backend_of(request), name, cursor, limit))


@router.get("/{name:id}/versions/{version:id}", summary="One version of a policy")
def one_version(
    request: Request,
    person: Reader,  # noqa: ARG001
    name: PolicyName,
    version: Version,
) -> Response:
    """As it was written, and with everything written out. A version never changes."""
    return _policy(find_version(backend_of(request), name, version))


@router.post("/{name:id}/publish", summary="Publish a policy, or ask a second person to")
def publish(request: Request, person: Owner, name: PolicyName, body: Publish, if_match: IfMatch = None) -> Response:
    """202 with a proposal, which another person with `policies:write` accepts; 200 where one person is enough
    (`INTERLOCK_API__FOUR_EYES=false`). `If-Match`, with the version in force, is required where one is in force."""
    facts = policies.publish(
        backend_of(request), person.person, name, body.source, body.note, if_match, body.second_person
    )
    return _published(request, facts)


@router.post("/{name:id}/rollback", summary="Publish an earlier version again, or ask a second person to")
def rollback(request: Request, person: Owner, name: PolicyName, body: Rollback, if_match: IfMatch = None) -> Response:
    """As `publish` with the text of that version."""
    facts = policies.roll_back(
        backend_of(request), person.person, name, body.version, body.note, if_match, body.second_person
    )
    return _published(request, facts)


@router.get("/{name:id}", summary="The policy in force")
def one(request: Request, person: Reader, name: PolicyName) -> Response:  # noqa: ARG001
    """As it was written, and with everything written out. The ETag is its version."""
    return _policy(policies.in_force(backend_of(request), name))


def _policy(record: policies.Record) -> Response:
    return answer(policies.policy_facts(record), headers={"ETag": etag(record["version"])})


def _published(request: Request, facts: dict[str, Any]) -> Response:
    if facts["state"] == "waiting":
        place = request.app.url_path_for("one_proposal", proposal_id=facts["proposal"]["proposal_id"])
        return answer(facts, 202, {"Location": str(place)})
    return answer(facts, headers={"ETag": etag(facts["policy"]["version"])})
