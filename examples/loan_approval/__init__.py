"""Loan approval: a small scikit-learn model trained on German Credit, explained and routed.

python -m examples.loan_approval > decisions.jsonl
interlock produce decisions.jsonl

`examples.loan_approval.retrain` trains its second version from what people answered.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from interlock.schemas.models import Alternative, Decision, Explanation, Feature, SimilarCase

HERE = Path(__file__).parent
POLICY = HERE / "policy.yaml"
DATA = HERE / "german_credit.parquet"

# Sex, age and nationality are left out: a lender may not use them.
NUMBERS = ["duration", "credit_amount", "installment_rate", "present_residence_since", "number_of_existing_credits"]
WORDS = ["status", "credit_history", "purpose", "savings", "present_employment", "property", "housing", "job"]

# Rows before this train the model, the others are decided about.
TRAINING_ROWS = 600


@dataclass(frozen=True)
class Fitted:
    """A trained version of the model; `training`: what it was trained on."""

    version: str
    columns: Any
    classifier: Any
    neighbours: Any
    training: pl.DataFrame
    names: list[str]


def decisions(count: int, run: str, seed: int = 0, first: int = 0, model: Fitted | None = None) -> Iterator[Decision]:
    """`count` decisions about applicants version 1 has not seen, over and over; ids start with `run`.

    `first`: which of the applicants begins. `model`: by default version 1.
    """
    model = model or version_1()
    applicants = _data()[TRAINING_ROWS:].sample(fraction=1, shuffle=True, seed=seed)
    features = model.columns.transform(applicants[NUMBERS + WORDS])
    repaid = model.classifier.predict_proba(features)[:, 1]
    _, similar = model.neighbours.kneighbors(features)
    rows = applicants.to_dicts()
    for number in range(first, first + count):
        at = number % len(rows)
        yield _decision(model, rows[at], features[at], float(repaid[at]), similar[at], f"{run}-{number:06d}")


def declined(run: str) -> Decision:
    """An application that the model would decline, not surely enough to do it without a person. Its id starts with
    `run`."""
    return next(
        one
        for one in decisions(200, run)
        if one.prediction == "reject" and one.confidence < 0.6 and (one.amount or 0) < 9000
    )


def truth_of(decision: Mapping[str, Any]) -> str | None:
    """What would have been right for a `Decision` record of this example: approve what was repaid; None of any other.

    Known by the input, which no two applicants share.
    """
    if decision["domain"] != "loan_approval":
        return None
    return _labels().get(decision["input"])


@cache
def _labels() -> dict[str, str]:
    return {_input(row): "approve" if row["credit"] == "good" else "reject" for row in _data().to_dicts()}


def _decision(
    model: Fitted, row: dict[str, Any], features: Any, repaid: float, similar: Any, decision_id: str
) -> Decision:
    approve = repaid >= 0.5
    confidence = repaid if approve else 1 - repaid
    weights = features * model.classifier.coef_[0]
    strongest = np.argsort(-np.abs(weights))[:3]
    other = "reject" if approve else "approve"
    return Decision(
        decision_id=decision_id,
        domain="loan_approval",
        model_id="german-credit",
        model_version=model.version,
        prediction="approve" if approve else "reject",
        confidence=confidence,
        created_at=datetime.now(UTC),
        impact="household credit",
        amount=float(row["credit_amount"]),
        jurisdiction="DE",
        subject_id=f"applicant-{row['number']}",
        attributes={"duration": str(row["duration"]), "purpose": row["purpose"]},
        input=_input(row),
        alternatives=(Alternative(option=other, confidence=1 - confidence),),
        explanation=Explanation(
            reasoning=f"probability of repayment {repaid:.2f}",
            top_features=tuple(
                Feature(
                    feature=model.names[i],
                    value=f"{features[i]:.2f}",
                    importance=float(weights[i] if approve else -weights[i]),
                )
                for i in strongest
            ),
            similar_cases=tuple(
                SimilarCase(case_id=f"german-credit-{i}", outcome=model.training["credit"][int(i)]) for i in similar
            ),
        ),
    )


@cache
def _data() -> pl.DataFrame:
    return pl.read_parquet(DATA).with_row_index("number")


def _input(row: Mapping[str, Any]) -> str:
    return json.dumps({name: row[name] for name in NUMBERS + WORDS})


@cache
def version_1() -> Fitted:
    """The model as it was before anybody reviewed it."""
    training = training_rows()
    return fit("1", training, np.ones(len(training)))


def training_rows() -> pl.DataFrame:
    """What version 1 is trained on."""
    return _data()[:TRAINING_ROWS]


def fit(version: str, training: pl.DataFrame, weights: ArrayLike) -> Fitted:
    """A version trained on rows with the columns of the data; `weights`: how many cases each row stands for."""
    columns = make_column_transformer(
        (make_pipeline(StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), WORDS),
        verbose_feature_names_out=False,
    )
    features = columns.fit_transform(training[NUMBERS + WORDS])
    classifier = LogisticRegression(max_iter=1000).fit(
        features, (training["credit"] == "good").to_numpy(), sample_weight=weights
    )
    neighbours = NearestNeighbors(n_neighbors=3).fit(features)
    return Fitted(version, columns, classifier, neighbours, training, list(columns.get_feature_names_out()))
