"""A decision at the edge of the system: validated with messages a producer's developer can act on.

Used where people and programs hand in single decisions; the hot path reads columns (`interlock.schemas.columns`).
"""

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from interlock.schemas import json_text

# The limit of the router: the id is written into every table, log line and URL.
MAX_ID_BYTES = 200

# The limit of the router for every routing string.
MAX_STRING_BYTES = 8 * 1024

# The largest number of 32 bits, the type of a vector's elements.
_MAX_FLOAT = 3.4028234663852886e38

Finite = Annotated[float, Field(allow_inf_nan=False)]


def _short(text: str) -> str:
    json_text.check_text(text)
    if len(text.encode()) > MAX_STRING_BYTES:
        raise ValueError(f"is longer than {MAX_STRING_BYTES} bytes; long texts belong into input or explanation")
    return text


def as_text(value: Any) -> str:
    """The canonical text of an attribute: `true`, `42`, `0.5`, `2026-01-31`, or the string itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("an attribute must be a finite number")
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, int | str | Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(f"an attribute is a string, a number, true or false, not {type(value).__name__}")


def _attributes(value: Any) -> Any:
    return {key: as_text(item) for key, item in value.items()} if isinstance(value, dict) else value


def _input(value: Any) -> Any:
    """A JSON object, given as such or as text; empty text for none."""
    if isinstance(value, dict):
        return json_text.as_json(value)
    if isinstance(value, str) and value and not isinstance(json_text.parse(value), dict):
        raise ValueError("must be a JSON object")
    return value


def _in_calendar(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is before the year 1 or after the year 9999 in UTC") from error


Text = Annotated[str, BeforeValidator(lambda v: json_text.check_text(v) if isinstance(v, str) else v)]

Time = Annotated[AwareDatetime, AfterValidator(_in_calendar)]

Element = Annotated[float, Field(ge=-_MAX_FLOAT, le=_MAX_FLOAT, allow_inf_nan=False)]

Short = Annotated[
    str, Field(max_length=MAX_STRING_BYTES), BeforeValidator(lambda v: _short(v) if isinstance(v, str) else v)
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Alternative(_Part):
    """Another option the model weighed."""

    option: Text
    confidence: Finite
    pros: tuple[Text, ...] = ()
    cons: tuple[Text, ...] = ()


class Feature(_Part):
    """A feature that counted for the prediction."""

    feature: Text
    value: Text
    importance: Finite


class SimilarCase(_Part):
    """A similar case and its outcome."""

    case_id: Text
    outcome: Text


class Explanation(_Part):
    """Why the model decided so."""

    top_features: tuple[Feature, ...] = ()
    reasoning: Text = ""
    similar_cases: tuple[SimilarCase, ...] = ()


class PreviousDecision(_Part):
    """An earlier decision about the same subject."""

    decision_id: Text
    outcome: Text
    decided_at: Time


class History(_Part):
    """What was decided before."""

    previous_decisions: tuple[PreviousDecision, ...] = ()
    model_accuracy_on_similar: Finite | None = None


class Decision(_Part):
    """One prediction of one model about one subject; the fields of `Decision.avsc`."""

    decision_id: Annotated[Text, Field(min_length=1)]
    domain: Annotated[Short, Field(min_length=1)]
    model_id: Annotated[Short, Field(min_length=1)]
    model_version: Short
    prediction: Annotated[Short, Field(min_length=1)]
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    created_at: Time
    impact: Short = ""
    amount: Finite | None = None
    novel: bool = False
    compliance_review: bool = False
    jurisdiction: Short = ""
    subject_id: Short = ""
    attributes: Annotated[dict[Text, Text], BeforeValidator(_attributes)] = Field(default_factory=dict)
    input: Annotated[str, BeforeValidator(_input)] = ""
    alternatives: tuple[Alternative, ...] = ()
    explanation: Explanation = Explanation()
    history: History = History()
    vector: tuple[Element, ...] = ()

    @field_validator("decision_id")
    @classmethod
    def _id_fits(cls, value: str) -> str:
        if len(value.encode()) > MAX_ID_BYTES:
            raise ValueError(f"is longer than {MAX_ID_BYTES} bytes")
        return value

    def to_record(self) -> dict[str, Any]:
        """The record that `interlock.schemas.wire.encode("Decision", …)` takes."""
        return self.model_dump()

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """The decision in a decoded record; raises pydantic's ValidationError."""
        return cls.model_validate(record)
