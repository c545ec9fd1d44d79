"""Who gets which task of a waiting batch.

Only load and handling cost count. How often a person approves is no argument here and must never become one: it would
send most work to those who look least.
"""

import numpy as np
from numpy.typing import NDArray


def assign(
    eligible: NDArray[np.bool_],
    load: NDArray[np.int64],
    capacity: NDArray[np.int64],
    cost: NDArray[np.float64] | None = None,
) -> list[int]:
    """For each task the index of its reviewer, -1 for none.

    `eligible`, and `cost` (finite; the expected handling cost, in shares of a reviewer's whole capacity): tasks in the
    order of their queue × reviewers. `load`: how many tasks each reviewer has already, of at most `capacity`.

    As many tasks as possible get a reviewer; where there is no room for all, earlier tasks win. Of these assignments it
    is the one with the least sum of relative load, as each task adds it, and handling cost.
    """
    tasks, reviewers = eligible.shape
    free = np.maximum(capacity - load, 0)
    # No reviewer needs more slots than there are tasks.
    slots = np.repeat(np.arange(reviewers), np.minimum(free, tasks))
    assigned = np.full(tasks, -1)
    if slots.size == 0 or tasks == 0:
        return assigned.tolist()
    possible = eligible[:, slots]
    first_slot = np.searchsorted(slots, slots)
    loads = (load[slots] + np.arange(slots.size) - first_slot) / capacity[slots]
    costs = np.broadcast_to(loads, possible.shape) if cost is None else loads + cost[:, slots]
    placeable = _placeable(possible)
    rows, columns = _pairs(np.where(possible[placeable], costs[placeable], np.inf))
    assigned[placeable[rows]] = slots[columns]
    return assigned.tolist()


def _placeable(possible: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The tasks that get a slot.

    Sets of tasks that can be placed together form a matroid, so any weights that fall along the queue choose the same
    set as the greedy algorithm that takes each task in turn if it still fits. Integers avoid rounding.
    """
    tasks, slots = possible.shape
    # Never more rows than columns: scipy would transpose the matrix, which takes sixty times as long.
    weights = np.zeros((tasks, max(tasks, slots)))
    weights[:, :slots] = possible * np.arange(tasks, 0, -1)[:, None]
    rows, columns = _pairs(weights, maximize=True)
    return np.sort(rows[weights[rows, columns] > 0])


def _pairs(weights: NDArray[np.float64], *, maximize: bool = False) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and their columns with the least, or the largest, sum of weights."""
    # Takes 10 MB and a third of a second, and few desks give tasks to people by themselves.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(weights, maximize)
    return rows, columns
