"""Content moderation: comments are published or removed by the machine only when it is nearly certain.

    python -m examples.content_moderation > decisions.jsonl
    interlock produce decisions.jsonl

The comments are made from phrases, so that nothing offensive is shipped. With INTERLOCK_TWEETS set to a Parquet file of
the annotated tweets of Davidson et al. (2017), columns `tweet` and `class`, those are used instead.
"""

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from interlock.schemas.models import Decision, Explanation, Feature

HERE = Path(__file__).parent
POLICY = HERE / "policy.yaml"

_SAFE = (
    "thanks for the quick answer",
    "the photos are lovely",
    "does it come in blue",
    "my order arrived on time",
    "I disagree but see your point",
    "great recipe",
    "could you add subtitles",
    "the second part was better",
)
_SPAM = (
    "earn money from home",
    "click this link now",
    "cheap watches",
    "free prize for you",
    "limited offer",
    "you are a worthless clown",
    "nobody wants you here",
    "get lost loser",
    "what a stupid post",
)
_FILLER = ("honestly", "by the way", "today", "again", "I think", "for real", "as I said", "well")


def decisions(count: int, run: str, seed: int = 0) -> Iterator[Decision]:
    """`count` decisions on comments the model has not seen; ids start with `run`."""
    model = _fitted()
    texts = [text for text, _ in _corpus(count, seed + 1)]
    words = model[0].get_feature_names_out()
    weights = model[1].coef_[0]
    features = model[0].transform(texts)
    for number, (text, unsafe) in enumerate(zip(texts, model.predict_proba(texts)[:, 1], strict=True)):
        remove = unsafe >= 0.5
        row = features[number]
        strongest = sorted(zip(row.indices, row.data, strict=True), key=lambda cell: -abs(cell[1] * weights[cell[0]]))[
            :3
        ]
        yield Decision(
            decision_id=f"{run}-{number:06d}",
            domain="content_moderation",
            model_id="comment-filter",
            model_version="1",
            prediction="remove" if remove else "publish",
            confidence=float(unsafe if remove else 1 - unsafe),
            created_at=datetime.now(UTC),
            impact="one comment",
            input=json.dumps({"comment": text}),
            explanation=Explanation(
                reasoning="words that weigh most",
                top_features=tuple(
                    Feature(
                        feature=words[i],
                        value=f"{value:.2f}",
                        importance=float(value * (weights[i] if remove else -weights[i])),
                    )
                    for i, value in strongest
                ),
            ),
        )


@cache
def _fitted() -> Pipeline:
    texts, labels = zip(*_corpus(2000, seed=0), strict=True)
    return make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression(C=10, max_iter=1000)).fit(texts, labels)


def _corpus(count: int, seed: int) -> list[tuple[str, bool]]:
    """Comments and whether each should be removed."""
    tweets = os.environ.get("INTERLOCK_TWEETS")
    if tweets:
        table = pl.read_parquet(tweets).sample(count, with_replacement=True, seed=seed)
        return [(row["tweet"], row["class"] != 2) for row in table.to_dicts()]
    rng = random.Random(seed)
    return [_comment(rng) for _ in range(count)]


def _comment(rng: random.Random) -> tuple[str, bool]:
    unsafe = rng.random() < 0.3
    phrases: list[Any] = rng.sample(_SPAM if unsafe else _SAFE, 1) + rng.sample(_FILLER, rng.randrange(3))
    if rng.random() < 0.15:  # mixed signals: what people are needed for
        phrases += rng.sample(_SAFE if unsafe else _SPAM, 1)
    rng.shuffle(phrases)
    return " ".join(phrases), unsafe
