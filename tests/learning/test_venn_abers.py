import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.venn_abers import isotonic, venn_abers

F = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
Y = np.array([0, 0, 1, 0, 1, 0, 1, 1, 1, 0])

# Few distinct confidences, so that ties are common.
labels = st.lists(st.tuples(st.integers(0, 10).map(lambda k: k / 10), st.booleans()), min_size=1, max_size=25)


def test_venn_abers_gives_the_reference_intervals() -> None:
    result = venn_abers(F, Y, [0.35, 0.65, 0.99])
    assert result.low == pytest.approx([1 / 3, 0.4, 0.6], abs=1e-12)
    assert result.high == pytest.approx([0.6, 0.8, 1.0], abs=1e-12)
    assert result.point == pytest.approx([0.473684, 0.571429, 0.714286], abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(labels, st.lists(st.integers(0, 20).map(lambda k: k / 20), min_size=1, max_size=8))
def test_venn_abers_is_two_isotonic_fits_with_the_query_among_the_labels(
    given_labels: list[tuple[float, bool]], queries: list[float]
) -> None:
    f, y = (np.array(column, dtype=float) for column in zip(*given_labels, strict=True))
    result = venn_abers(f, y, queries)
    for index, query in enumerate(queries):
        for label, answer in ((0, result.low), (1, result.high)):
            with_query = IsotonicRegression().fit(np.append(f, query), np.append(y, label))
            assert answer[index] == pytest.approx(with_query.predict([query])[0], abs=1e-9)
    assert (result.low < result.high).all()
    assert ((result.point >= result.low - 1e-12) & (result.point <= result.high + 1e-12)).all()


@settings(max_examples=100, deadline=None)
@given(labels, st.lists(st.floats(0.01, 50), min_size=25, max_size=25))
def test_isotonic_equals_that_of_scikit_learn(given_labels: list[tuple[float, bool]], weights: list[float]) -> None:
    f, y = (np.array(column, dtype=float) for column in zip(*given_labels, strict=True))
    at = np.linspace(0, 1, 31)
    w = np.array(weights[: len(f)])
    oracle = IsotonicRegression(out_of_bounds="clip").fit(f, y, w)
    assert isotonic(f, y, at, w) == pytest.approx(oracle.predict(at), abs=1e-9)


def test_one_label_leaves_a_wide_interval() -> None:
    result = venn_abers([0.5], [1], [0.9])
    assert (result.low[0], result.high[0]) == (0.5, 1.0)


def test_more_labels_narrow_the_interval() -> None:
    few, many = venn_abers(F, Y, [0.8]), venn_abers(np.tile(F, 20), np.tile(Y, 20), [0.8])
    assert many.high[0] - many.low[0] < (few.high[0] - few.low[0]) / 5


def test_equal_weights_are_no_weights_and_unequal_ones_widen_the_interval() -> None:
    plain, equal = venn_abers(F, Y, [0.65]), venn_abers(F, Y, [0.65], np.full(10, 20.0))
    assert equal.low == pytest.approx(plain.low, abs=1e-12)
    # One label of weight 20 among nine of 1 leaves two labels' worth of knowledge.
    uneven = venn_abers(F, Y, [0.65], np.where(F == 0.6, 20.0, 1.0))
    assert uneven.high[0] - uneven.low[0] > plain.high[0] - plain.low[0]


def test_without_labels_or_queries_it_refuses() -> None:
    with pytest.raises(InsufficientDataError, match="confidence is empty"):
        venn_abers([], [], [0.5])
    with pytest.raises(InsufficientDataError, match="at is empty"):
        venn_abers(F, Y, [])
