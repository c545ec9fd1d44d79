"""The edge: what is put into a field of a decision is refused with its name, or every reader takes it."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from interlock.schemas import wire
from interlock.schemas.models import Decision
from interlock.schemas.times import moment

GOOD: dict[str, Any] = {
    "decision_id": "1",
    "domain": "d",
    "model_id": "m",
    "model_version": "1",
    "prediction": "a",
    "confidence": 0.9,
    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
}

EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-14))

ODD: list[Any] = [
    *(10**400, -(10**400), 2**70, "9" * 5_000, 1e308, 1e39, float("nan"), float("inf"), True),
    *(Decimal("NaN"), Decimal(10) ** 5_000, {"a": 10**5_000}, {"a": Decimal("1e999999")}, [10**400], [1e39]),
    *("\ud800", ["\ud800"], {"\ud800": 1}, [{"option": "\ud800", "confidence": 1}], {"reasoning": "\ud800"}),
    *(b"\xff", [], {}, object(), {1: 2}, {None: 1}, {"a": {"b": {1.5: 2}}}),
    *(datetime.min.replace(tzinfo=EAST), datetime.max.replace(tzinfo=WEST), date.max),
    *("9999-12-31T23:59:59-14:00", 10**30, {"previous_decisions": [{"decision_id": "a", "decided_at": 10**30}]}),
]


@pytest.mark.parametrize("field", Decision.model_fields)
def test_a_field_is_refused_by_name_or_can_be_read_again(field: str) -> None:
    for value in ODD:
        with suppress(ValidationError):
            record = Decision.model_validate({**GOOD, field: value}).to_record()
            read = wire.decode("Decision", wire.encode("Decision", record))
            Decision.model_validate(read)


def test_a_time_is_taken_up_to_the_ends_of_the_calendar() -> None:
    for at in (moment(-(2**63)), moment(2**63 - 1)):
        decision = Decision.model_validate({**GOOD, "created_at": at})
        assert wire.decode("Decision", wire.encode("Decision", decision.to_record()))["created_at"] == at
    with pytest.raises(ValidationError, match="before the year 1 or after the year 9999"):
        Decision.model_validate({**GOOD, "created_at": datetime.max.replace(tzinfo=WEST)})
