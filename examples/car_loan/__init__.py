"""Car loans: a published synthetic stream of 100,000 predictions whose inputs change at row 75,000."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from interlock.schemas.models import Decision

HERE = Path(__file__).parent
POLICY = HERE / "policy.yaml"
STREAM = HERE / "stream.parquet"

# The first row after the change.
CHANGE = 75_000


def decisions(start: int = 0, end: int | None = None) -> Iterator[Decision]:
    """The decisions of rows `start` to `end`, in their order and with the times of their publication."""
    for number in range(start, len(_rows()) if end is None else end):
        row = _rows()[number]
        probability = row["probability_percent"] / 100
        yield Decision(
            decision_id=f"loan-{number:06d}",
            domain="car_loan",
            model_id="car-loan",
            model_version="1",
            prediction=_outcome(row["predicted_repaid"]),
            # Whole per cents again: 1 - 0.93 is not 0.07.
            confidence=round(probability if row["predicted_repaid"] else 1 - probability, 2),
            created_at=row["timestamp"].replace(tzinfo=UTC),
            impact="car loan",
            subject_id=f"applicant-{number:06d}",
        )


def truth_of(decision: Mapping[str, Any]) -> str | None:
    """Whether the loan of a `Decision` record of this example was repaid; None of any other. Never sent."""
    if decision["domain"] != "car_loan":
        return None
    return _outcome(_rows()[int(decision["subject_id"].rpartition("-")[2])]["repaid"])


def wrong() -> list[bool]:
    """Whether the prediction was wrong, row by row."""
    return [row["predicted_repaid"] != row["repaid"] for row in _rows()]


@cache
def _rows() -> list[dict[str, Any]]:
    return pl.read_parquet(STREAM).to_dicts()


def _outcome(repaid: bool) -> str:
    return "repaid" if repaid else "not_repaid"
