import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from interlock.processors.desk.assignment import assign

Case = tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


@st.composite
def cases(draw: st.DrawFn, most_tasks: int, most_reviewers: int) -> Case:
    tasks, reviewers = draw(st.integers(0, most_tasks)), draw(st.integers(0, most_reviewers))
    pairs = tasks * reviewers
    eligible = np.array(draw(st.lists(st.booleans(), min_size=pairs, max_size=pairs)), bool)
    load, capacity = (
        np.array(draw(st.lists(st.integers(0, 3), min_size=reviewers, max_size=reviewers)), np.int64) for _ in range(2)
    )
    cost = np.array(draw(st.lists(st.integers(0, 8), min_size=pairs, max_size=pairs)), float) / 4
    return eligible.reshape(tasks, reviewers), load, capacity, cost.reshape(tasks, reviewers)


def everybody(tasks: int, reviewers: int) -> NDArray[np.bool_]:
    return np.ones((tasks, reviewers), bool)


def of(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def total(places: list[int], load: NDArray[np.int64], capacity: NDArray[np.int64], cost: NDArray[np.float64]) -> float:
    """The sum of relative load, as each task adds it, and handling cost."""
    loads, summed = load.copy(), 0.0
    for task, place in enumerate(places):
        if place >= 0:
            summed += loads[place] / capacity[place] + cost[task, place]
            loads[place] += 1
    return summed


def test_the_textbook_example_is_solved() -> None:
    cost = np.array([[4.0, 1, 3], [2, 0, 5], [3, 2, 2]])
    places = assign(everybody(3, 3), of(0, 0, 0), of(1, 1, 1), cost)
    assert places == [1, 0, 2]
    assert sum(cost[task, place] for task, place in enumerate(places)) == 5


def test_the_best_for_all_beats_the_best_for_the_first() -> None:
    gain = np.array([[0.9, 0.8], [0.9, 0.1]])
    places = assign(everybody(2, 2), of(0, 0), of(1, 1), 1 - gain)
    assert sum(gain[task, place] for task, place in enumerate(places)) == pytest.approx(1.7)


def test_the_least_loaded_come_first_and_loads_become_even() -> None:
    assert assign(everybody(1, 3), of(2, 0, 1), of(5, 5, 5)) == [1]
    places = assign(everybody(6, 3), of(0, 2, 4), of(5, 5, 5))
    assert sorted(places) == [0, 0, 0, 0, 1, 1]


def test_load_counts_relative_to_capacity() -> None:
    assert assign(everybody(1, 2), of(2, 3), of(4, 12)) == [1]


def test_where_there_is_not_room_for_all_the_earlier_tasks_win_even_if_they_cost_more() -> None:
    cost = np.array([[9.0], [5.0], [1.0]])
    assert assign(everybody(3, 1), of(0), of(2), cost) == [0, 0, -1]


def test_an_earlier_task_yields_the_reviewer_whom_alone_a_later_one_may_have() -> None:
    eligible = np.array([[True, True], [True, False]])
    assert assign(eligible, of(0, 0), of(1, 1), np.array([[0.0, 9.0], [0.0, 0.0]])) == [1, 0]


def test_nobody_free_nobody_fit_and_nothing_to_do_are_no_faults() -> None:
    assert assign(everybody(2, 2), of(5, 7), of(5, 5)) == [-1, -1]
    assert assign(np.zeros((2, 2), bool), of(0, 0), of(5, 5)) == [-1, -1]
    assert assign(everybody(2, 0), of(), of()) == [-1, -1]
    assert assign(everybody(0, 2), of(0, 0), of(5, 5)) == []


@given(cases(most_tasks=12, most_reviewers=4))
def test_only_fit_people_get_tasks_within_capacity_and_no_task_is_left_while_one_has_room(case: Case) -> None:
    eligible, load, capacity, cost = case
    places = assign(eligible, load, capacity, cost)
    loads = load.copy()
    for task, place in enumerate(places):
        if place >= 0:
            assert eligible[task, place]
            loads[place] += 1
    assert all(loads <= np.maximum(capacity, load))
    for task, place in enumerate(places):
        assert place >= 0 or not any(eligible[task] & (loads < capacity))
    assert assign(*case) == places


@given(cases(most_tasks=4, most_reviewers=3))
def test_it_is_the_best_of_all_possible_assignments(case: Case) -> None:
    eligible, load, capacity, cost = case
    reviewers = eligible.shape[1]

    def possible(places: tuple[int, ...]) -> bool:
        fit = all(place < 0 or eligible[task, place] for task, place in enumerate(places))
        return fit and all(
            places.count(reviewer) <= max(capacity[reviewer] - load[reviewer], 0) for reviewer in range(reviewers)
        )

    def worth(places: list[int]) -> tuple[list[bool], float]:
        """Earlier tasks first, then cost; greater is better."""
        return [place >= 0 for place in places], -round(total(places, load, capacity, cost), 9)

    every = (
        list(assignment) for assignment in product(range(-1, reviewers), repeat=len(eligible)) if possible(assignment)
    )
    assert worth(assign(*case)) == max(worth(assignment) for assignment in every)


def test_a_thousand_tasks_and_fifty_reviewers_take_the_optimum_in_a_moment() -> None:
    draw = np.random.default_rng(8)
    cost = draw.random((1000, 50))
    load, capacity = np.zeros(50, np.int64), np.full(50, 20, np.int64)
    started = time.process_time()
    places = assign(everybody(1000, 50), load, capacity, cost)
    # Some 0.3 s, most of it for the ties of equal slots.
    assert time.process_time() - started < 5
    assert max(places.count(reviewer) for reviewer in range(50)) == 20
    # Everybody is filled up, so the loads add up to the same for every assignment: only the handling cost decides.
    rows, columns = linear_sum_assignment(np.repeat(cost, 20, axis=1))
    best = cost[rows, columns // 20].sum()
    assert sum(cost[task, place] for task, place in enumerate(places)) == pytest.approx(best)
