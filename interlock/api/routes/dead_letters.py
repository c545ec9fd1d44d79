"""Messages that could not be read."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response, Security
from pydantic import ConfigDict, Field, model_validator

from interlock.api import dead_letters
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.owner_fields import Body
from interlock.api.pages import Cursor, Limit

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

# Each is looked up by itself, which takes some hundredths of a second.
_MAX_NAMED = 100

Reader = Annotated[Principal, Security(authenticated, scopes=["dead-letters:read"])]
Operator = Annotated[Principal, Security(authenticated, scopes=["dead-letters:write"])]
LetterName = Annotated[str, Field(max_length=40)]
Reason = Annotated[str, Field(max_length=200)]


class Replay(Body):
    """Either `letters` (PARTITION:OFFSET as listed), or `all` that were not sent again yet; with `reason`: those."""

    letters: Annotated[list[LetterName], Field(default_factory=list, max_length=_MAX_NAMED)]
    all: bool = False
    reason: Reason = ""

    model_config = ConfigDict(json_schema_extra={"example": {"all": True, "reason": "unknown-schema"}})

    @model_validator(mode="after")
    def _either(self) -> "Replay":
        if self.all == bool(self.letters) or (self.reason and not self.all):
            raise ValueError("name letters, or say all (with a reason: all of that reason)")
        return self


class Discard(Body):
    """PARTITION:OFFSET as listed."""

    letters: Annotated[list[LetterName], Field(min_length=1, max_length=_MAX_NAMED)]

    model_config = ConfigDict(json_schema_extra={"example": {"letters": ["0:17"]}})


@router.get("", summary="Dead letters, newest first")
def listed(
    request: Request,
    person: Reader,  # noqa: ARG001 - who may
    reason: Annotated[str, Query(max_length=200, description="Only those, for example malformed-avro.")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """With reason, source and size. A page may be short although `next` says that there are more."""
    return answer(dead_letters.letter_rows(backend_of(request), reason, cursor, limit))


@router.get("/counts", summary="How many dead letters there have been, by reason and topic")
def counts(request: Request, person: Reader) -> Response:  # noqa: ARG001
    """As ClickHouse counts them, those too that Kafka no longer has; `counts` is null while it is away."""
    return answer(dead_letters.letter_counts(backend_of(request)))


@router.post("/replay", summary="Send dead letters again")
def replay(request: Request, person: Operator, body: Replay) -> Response:
    """To the step that gave up on them, with their original key, value and headers. Named ones are sent all or none.
    `all` remembers how far it came: repeated after any error, it sends nothing twice."""
    named = None if body.all else body.letters
    return answer(dead_letters.replay(backend_of(request), person.person, named, body.reason))


@router.post("/discard", summary="Give up dead letters of executors")
def discard(request: Request, person: Operator, body: Discard) -> Response:
    """Later actions on their decisions need not wait for them any more. What waits behind is not sent by that."""
    return answer(dead_letters.discard(backend_of(request), person.person, body.letters))


@router.get("/{letter:id}", summary="One dead letter with its headers and original bytes")
def one(request: Request, person: Reader, letter: Annotated[str, Path(max_length=40)]) -> Response:  # noqa: ARG001
    """Key and value as text and base64; `decision` where they can be read as one."""
    return answer(dead_letters.letter_facts(backend_of(request), letter))
