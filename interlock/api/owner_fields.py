"""What the bodies and headers of owners and operators have in common."""

from typing import Annotated

from fastapi import Header
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from interlock.schemas.models import MAX_ID_BYTES

# A reason is a sentence or two; more stands somewhere else.
MAX_TEXT = 4_000

IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=400, description="The ETag of what was seen.")]


class Body(BaseModel):
    """A body in which a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid")


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("say why: whoever comes next reads it")
    return text


Reason = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_said)]
Note = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(max_length=MAX_ID_BYTES)]
