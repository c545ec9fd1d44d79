"""Version 2 of the model, trained on what people answered, and a comparison of it with version 1.

interlock export training-examples --domain loan_approval --out examples.parquet
python -m examples.loan_approval.retrain examples.parquet > comparison.jsonl
interlock produce comparison.jsonl
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from examples.loan_approval import NUMBERS, WORDS, Fitted, decisions, fit, training_rows
from interlock.schemas.models import Decision

VERSION = "2"

# `python -m examples.loan_approval 200` decides about the first applicants, the others are for the comparison.
FIRST, COUNT = 200, 200

_COLUMNS = [*NUMBERS, *WORDS, "credit"]


@dataclass(frozen=True)
class Examples:
    """Rows to train on with their weights. `kept_out`: examples about applicants of the comparison, which a model
    trained on them would know already; `unusable`: without an input or with an answer that is no outcome."""

    rows: pl.DataFrame
    weights: list[float]
    kept_out: int
    unusable: int


def read(path: Path) -> Examples:
    """Training examples as `interlock export training-examples` writes them, Parquet or JSON Lines.

    Of several examples about one decision the last one counts.
    """
    examples = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ndjson(path)
    in_shadow = {decision.input for decision in decisions(COUNT, "", first=FIRST)}
    rows, weights, kept_out, unusable = [], [], 0, 0
    for example in examples.unique("decision_id", keep="last", maintain_order=True).iter_rows(named=True):
        answer = {"approve": "good", "reject": "bad"}.get(example["final"])
        if example["input"] in in_shadow:
            kept_out += 1
        elif example["domain"] != "loan_approval" or not example["input"] or answer is None:
            unusable += 1
        else:
            rows.append({**json.loads(example["input"]), "credit": answer})
            weights.append(example["weight"])
    schema = training_rows().select(_COLUMNS).schema
    return Examples(pl.DataFrame(rows, schema=schema), weights, kept_out, unusable)


def retrained(examples: Examples) -> Fitted:
    """Version 2: what version 1 was trained on, and what people answered since.

    A decision that was audited at 5 % stands for twenty like it that nobody saw; without the weights the model would
    believe that all applicants are as doubtful as those that people are sent.
    """
    before = training_rows().select(_COLUMNS)
    return fit(VERSION, pl.concat([before, examples.rows]), np.concatenate([np.ones(len(before)), examples.weights]))


def decided_by_both(model: Fitted) -> Iterator[Decision]:
    """The same applicants, decided by both versions; none of them has a part in the training of either."""
    both = (
        decisions(COUNT, run, first=FIRST, model=version)
        for run, version in (("comparison-v1", None), ("comparison-v2", model))
    )
    for pair in zip(*both, strict=True):
        yield from pair


def main(path: str) -> None:
    """Writes the comparison as JSON Lines on standard output."""
    examples = read(Path(path))
    print(
        f"trained on {len(examples.rows)} examples; kept out {examples.kept_out} about applicants of the comparison, "
        f"could not use {examples.unusable}",
        file=sys.stderr,
    )
    for decision in decided_by_both(retrained(examples)):
        print(decision.model_dump_json())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.loan_approval.retrain EXAMPLES.parquet > comparison.jsonl")
    main(sys.argv[1])
