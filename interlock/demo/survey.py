"""Employment: real survey records with the score of a fixed classifier, as published for monitoring research."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from interlock.schemas.models import Alternative, Decision, Explanation, Feature

HERE = Path(__file__).parent
POLICY = HERE / "policy.yaml"
SAMPLE = HERE / "sample.parquet"
MODEL = "acs-employment"


def decisions(count: int, run: str, seed: int = 0) -> Iterator[Decision]:
    """`count` decisions, the sample over and over in an order given by `seed`; ids start with `run`."""
    rows = _shuffled(seed)
    for number in range(count):
        yield _decision(rows[number % len(rows)], f"{run}-{number:07d}")


def truth(seed: int, number: int) -> str:
    """The true outcome of decision `number`: what a perfect reviewer would say. Never sent."""
    rows = _shuffled(seed)
    return _outcome(bool(rows[number % len(rows)]["employed"]))


def truth_of(decision: Mapping[str, Any]) -> str | None:
    """The true outcome of a `Decision` record of this example, whatever its run and order; None of any other."""
    employed = _labels().get(decision["subject_id"])
    return None if employed is None or decision["domain"] != "employment" else _outcome(employed)


@cache
def _labels() -> dict[str, bool]:
    table = pl.read_parquet(SAMPLE, columns=["id", "employed"])
    return {f"acs-{row['id']}": bool(row["employed"]) for row in table.to_dicts()}


@cache
def _shuffled(seed: int) -> list[dict[str, Any]]:
    return pl.read_parquet(SAMPLE).sample(fraction=1, shuffle=True, seed=seed).to_dicts()


def _decision(row: dict[str, Any], decision_id: str) -> Decision:
    probability = row["predicted_probability"]
    employed = probability >= 0.5
    other = Alternative(option=_outcome(not employed), confidence=min(probability, 1 - probability))
    return Decision(
        decision_id=decision_id,
        domain="employment",
        model_id=MODEL,
        model_version="1",
        prediction=_outcome(employed),
        confidence=max(probability, 1 - probability),
        created_at=datetime.now(UTC),
        impact="benefit eligibility",
        jurisdiction="US-MA",
        subject_id=f"acs-{row['id']}",
        attributes={"age": str(row["AGEP"]), "schooling": str(row["SCHL"]), "disability": str(row["DIS"])},
        input=json.dumps({key: row[key] for key in (*_FEATURES, "year")}),
        alternatives=(other,),
        explanation=_explanation(row, employed),
    )


# The columns that the classifier was given, and what they are.
_FEATURES = {"AGEP": "age", "SCHL": "schooling", "MAR": "marital status", "DIS": "disability", "CIT": "citizenship"}


def _explanation(row: Mapping[str, Any], employed: bool) -> Explanation:
    """What speaks for the prediction. The classifier is not known, only its scores: a value counts by how much more
    likely, in log odds, it makes people with it on average."""
    direction = 1 if employed else -1
    features = [
        Feature(feature=name, value=str(row[column]), importance=round(direction * _weights()[column][row[column]], 3))
        for column, name in _FEATURES.items()
    ]
    features.sort(key=lambda feature: -abs(feature.importance))
    strongest = features[0]
    reasoning = (
        f"The classifier gives a probability of employment of {row['predicted_probability']:.2f}. Most weight has "
        f"{strongest.feature} {strongest.value}, compared with everybody in the survey."
    )
    return Explanation(top_features=tuple(features), reasoning=reasoning)


@cache
def _weights() -> dict[str, dict[Any, float]]:
    """By column and value: mean score of the people with it less that of all, in log odds."""
    # Scores of 0 and 1 have no finite odds.
    score = pl.col("predicted_probability").clip(0.001, 0.999)
    table = pl.read_parquet(SAMPLE).with_columns((score / (1 - score)).log().alias("odds"))
    mean: Any = table["odds"].mean()
    weights: dict[str, dict[Any, float]] = {}
    for column in _FEATURES:
        groups = table.group_by(column).agg(pl.col("odds").mean())
        weights[column] = {value: odds - mean for value, odds in groups.iter_rows()}
    return weights


def _outcome(employed: bool) -> str:
    return "employed" if employed else "not_employed"
