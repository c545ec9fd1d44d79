import math
import random
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors.desk.impact import WINDOW_SIZE, ImpactScale
from interlock.processors.desk.order import Demands, QueueOrder, WaitingTask, full_score, score
from interlock.processors.desk.turns import Debts, OpenLane, floors_of, in_turn

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 1_700_000_000_000_000

PRIORITIES = ("critical", "high", "medium", "low")
ORDERS: tuple[Literal["deadline", "score"], ...] = ("deadline", "score")


def waiting(
    task_id: str = "a",
    *,
    priority: str = "medium",
    due: int = HOUR,
    scored: float = 0.3,
    waited: int = 0,
    breached: bool = False,
) -> WaitingTask:
    """`due` and `waited` count from NOW."""
    return WaitingTask(task_id, priority, NOW + due, scored, NOW - waited, breached)


class OneQueue:
    """A queue, and the debts of people who serve it alone; `unfit` demands are those that they do not meet."""

    def __init__(self, kind: Literal["deadline", "score"], floors: dict[str, float] | None = None) -> None:
        self.order = QueueOrder(kind, floors)
        self._debts = Debts()

    def __len__(self) -> int:
        return len(self.order)

    def _lanes(self, unfit: frozenset[Demands] = frozenset()) -> list[OpenLane]:
        open_to = [classes for demands, classes in self.order.lanes().items() if demands not in unfit]
        return [OpenLane(self.order, priority, lane) for lanes in open_to for priority, lane in lanes.items()]

    def first(self, count: int, now: int, unfit: frozenset[Demands] = frozenset()) -> list[str]:
        return list(islice(in_turn(self._lanes(unfit), self._debts, now), count))

    def candidates(self, now: int) -> list[str]:
        return self.first(len(self), now)

    def served(self, priority: str) -> None:
        self._debts.hand_out(floors_of(self._lanes()), priority)


def filled(queue: OneQueue, *tasks: WaitingTask) -> OneQueue:
    for task in tasks:
        queue.order.add(task)
    return queue


def emptied(queue: OneQueue, *tasks: WaitingTask) -> OneQueue:
    for task in tasks:
        queue.order.remove(task.task_id)
    return queue


def by_deadline(*tasks: WaitingTask) -> list[str]:
    return filled(OneQueue("deadline"), *tasks).candidates(NOW)


def by_score(*tasks: WaitingTask) -> list[str]:
    return filled(OneQueue("score"), *tasks).candidates(NOW)


instants = st.integers(-5, 5).map(lambda number: number * HOUR)
# A tenth of score is worth eight hours of waiting: many tasks draw level, and some reach a full day.
waits = st.builds(lambda hours, micros: 8 * hours * HOUR + micros, st.integers(0, 6), st.integers(-1, 1)).map(abs)
tasks = st.builds(
    waiting,
    st.integers(0, 30).map(lambda number: f"t{number:02}"),
    priority=st.sampled_from(PRIORITIES),
    due=instants,
    scored=st.integers(0, 7).map(lambda tenths: tenths / 10),
    waited=waits,
    breached=st.booleans(),
)


# By deadline


def test_the_earliest_deadline_comes_first_whatever_the_score_and_the_priority() -> None:
    late_but_weighty = waiting("a", due=2 * HOUR, scored=0.7, priority="critical", waited=DAY)
    assert by_deadline(late_but_weighty, waiting("b", due=HOUR, scored=0.0, priority="low")) == ["b", "a"]


def test_what_is_late_comes_after_all_that_can_still_be_in_time() -> None:
    told = waiting("a", due=-HOUR, breached=True)
    not_told_yet = waiting("b", due=-2 * HOUR)
    assert by_deadline(told, not_told_yet, waiting("c", due=3 * DAY)) == ["c", "b", "a"]


def test_a_deadline_that_is_now_has_passed() -> None:
    assert by_deadline(waiting("a", due=0), waiting("b", due=1)) == ["b", "a"]


def test_of_equal_deadlines_the_longer_wait_comes_first_then_the_id() -> None:
    assert by_deadline(waiting("c"), waiting("b"), waiting("a", waited=1), waiting("d", waited=2)) == list("dabc")


# By score


def test_the_score_weighs_impact_doubt_and_compliance() -> None:
    assert score(1.0, 0.0, True) == pytest.approx(0.7)
    assert score(0.5, 0.9, False) == pytest.approx(0.4 * 0.5 + 0.2 * 0.1)


def test_waiting_counts_evenly_up_to_a_day_and_no_further() -> None:
    assert full_score(waiting(scored=0.7), NOW) == pytest.approx(0.7)
    assert full_score(waiting(scored=0.7, waited=DAY // 2), NOW) == pytest.approx(0.85)
    assert full_score(waiting(scored=0.7, waited=DAY), NOW) == pytest.approx(1.0)
    assert full_score(waiting(scored=0.7, waited=30 * DAY), NOW) == full_score(waiting(scored=0.7, waited=DAY), NOW)


@given(st.floats(0, 0.7), st.integers(0, 3 * DAY))
def test_the_full_score_is_the_formula(scored: float, waited: int) -> None:
    expected = scored + 0.3 * min(waited / DAY, 1)
    assert full_score(waiting(scored=scored, waited=waited), NOW) == pytest.approx(expected, abs=1e-11)


def test_the_greatest_score_comes_first_whatever_the_deadline() -> None:
    assert by_score(waiting("a", scored=0.2, due=-HOUR), waiting("b", scored=0.5, due=DAY)) == ["b", "a"]


def test_the_younger_task_overtakes_while_it_still_ages_and_the_older_one_does_not() -> None:
    order = filled(OneQueue("score"), waiting("a", scored=0.2, waited=DAY), waiting("b", scored=0.3, waited=HOUR))
    assert order.candidates(NOW) == ["a", "b"]
    assert order.candidates(NOW + DAY) == ["b", "a"]


@given(st.lists(st.tuples(tasks, st.booleans(), st.integers(-6, 6), st.integers(-1, 1)), max_size=30), st.booleans())
def test_by_score_the_order_is_right_at_every_instant_wherever_time_went_before(
    steps: list[tuple[WaitingTask, bool, int, int]], low_first: bool
) -> None:
    order = OneQueue("score", {"low": 1.0} if low_first else {})
    waits: dict[str, WaitingTask] = {}
    now = NOW
    for task, leaves, hours, micros in steps:
        if leaves:
            order.order.remove(task.task_id)
            waits.pop(task.task_id, None)
        else:
            order.order.add(task)
            waits[task.task_id] = task
        order.served("critical")
        now += 8 * hours * HOUR + micros
        ranked = sorted(waits.values(), key=lambda task: (-full_score(task, now), task.since, task.task_id))
        handed_out = sorted(ranked, key=lambda task: low_first and task.priority != "low")
        assert order.candidates(now) == [task.task_id for task in handed_out]
        assert order.first(len(order), now) == [task.task_id for task in handed_out]
        for place, waiting_task in enumerate(ranked, start=1):
            told = f"first of {len(order)} by" if place == 1 else f"number {place} of {len(order)} by"
            assert told in order.order.why(waiting_task.task_id, now)


# Both


@given(st.lists(st.tuples(tasks, st.booleans()), max_size=40), st.sampled_from(ORDERS))
def test_the_order_depends_on_what_waits_and_not_on_how_it_came_there(
    steps: list[tuple[WaitingTask, bool]], kind: Literal["deadline", "score"]
) -> None:
    order = OneQueue(kind, {"low": 0.2})
    waits: dict[str, WaitingTask] = {}
    for task, leaves in steps:
        if leaves:
            order.order.remove(task.task_id)
            waits.pop(task.task_id, None)
        else:
            order.order.add(task)
            waits[task.task_id] = task
    keys: dict[str, Callable[[WaitingTask], tuple[float | str, ...]]] = {
        "deadline": lambda task: (task.breached or task.deadline <= NOW, task.deadline, task.since, task.task_id),
        "score": lambda task: (-full_score(task, NOW), task.since, task.task_id),
    }
    assert order.candidates(NOW) == [task.task_id for task in sorted(waits.values(), key=keys[kind])]
    assert len(order) == len(waits)
    assert all(task_id in order.order for task_id in waits)


@pytest.mark.parametrize("kind", ORDERS)
def test_a_task_that_is_added_again_stands_where_it_belongs_now(kind: Literal["deadline", "score"]) -> None:
    order = filled(OneQueue(kind, {"low": 0.1}), waiting("a", due=HOUR, scored=0.5), waiting("b", due=2 * HOUR))
    order.order.add(waiting("a", due=3 * HOUR, scored=0.1, priority="low"))
    assert order.candidates(NOW) == ["b", "a"]
    assert len(order) == 2


def test_removing_what_does_not_wait_is_harmless() -> None:
    order = filled(OneQueue("deadline"), waiting("a"))
    order.order.remove("b")
    order.order.remove("a")
    order.order.remove("a")
    assert order.candidates(NOW) == []
    assert "a" not in order.order


# Floors


def hand_out(order: OneQueue, times: int) -> list[str]:
    """Takes the first each time; ids begin with the letter of the priority, and each is followed by its like."""
    found = []
    for number in range(times):
        task_id = order.first(1, NOW)[0]
        priority = next(priority for priority in PRIORITIES if priority[0] == task_id[0])
        order.served(priority)
        order.order.remove(task_id)
        order.order.add(waiting(f"{task_id[0]}{number}", priority=priority, due=_DUE[priority]))
        found.append(priority)
    return found


# Without floors, critical ones always come first.
_DUE = {priority: (number + 1) * HOUR for number, priority in enumerate(PRIORITIES)}
_ONE_OF_EACH = [waiting(f"{priority[0]}-", priority=priority, due=due) for priority, due in _DUE.items()]

shares = st.dictionaries(st.sampled_from(PRIORITIES), st.integers(1, 25).map(lambda number: number / 100))


@pytest.mark.parametrize(("floors", "expected"), [({}, 0), ({"low": 0.1}, 9)])
def test_what_scores_low_waits_for_ever_by_score_under_overload_unless_its_class_has_a_floor(
    floors: dict[str, float], expected: int
) -> None:
    """Weighty work comes every hour for a hundred hours; one review an hour is done."""
    order = OneQueue("score", floors)
    filled(order, *(waiting(f"l{number}", priority="low", scored=0.0, waited=30 * DAY) for number in range(100)))
    done = Counter[str]()
    for hour in range(100):
        now = NOW + hour * HOUR
        order.order.add(waiting(f"c{hour}", priority="critical", scored=0.5, waited=-hour * HOUR))
        task_id = order.first(1, now)[0]
        order.served("low" if task_id[0] == "l" else "critical")
        order.order.remove(task_id)
        done[task_id[0]] += 1
    assert done["l"] == expected


def test_without_floors_the_later_deadlines_never_get_a_turn_under_overload() -> None:
    assert set(hand_out(filled(OneQueue("deadline"), *_ONE_OF_EACH), 100)) == {"critical"}


def test_a_floor_gives_its_share_of_the_hand_outs_and_no_more() -> None:
    given_out = Counter(hand_out(filled(OneQueue("deadline", {"low": 0.1}), *_ONE_OF_EACH), 100))
    assert given_out == {"critical": 91, "low": 9}


@given(shares, st.integers(1, 200))
def test_every_class_with_a_floor_gets_its_share_in_every_stretch_of_hand_outs(
    floors: dict[str, float], length: int
) -> None:
    given_out = hand_out(filled(OneQueue("deadline", floors), *_ONE_OF_EACH), 300)
    for start in range(0, 300 - length, 17):
        got = Counter(given_out[start : start + length])
        for priority, floor in floors.items():
            assert got[priority] >= floor * length - 1 - len(floors)


def test_the_class_with_the_greatest_debt_is_paid_first() -> None:
    order = filled(OneQueue("deadline", {"high": 0.4, "low": 0.6}), *_ONE_OF_EACH)
    for _ in range(3):
        order.served("critical")
    assert order.candidates(NOW) == ["l-", "h-", "c-", "m-"]


def test_what_a_class_got_beyond_its_floor_is_not_held_against_it_later() -> None:
    order = filled(OneQueue("deadline", {"low": 0.5}), *_ONE_OF_EACH)
    for _ in range(100):
        order.served("low")
    assert hand_out(order, 4) == ["critical", "critical", "low", "critical"]


def test_a_class_is_owed_nothing_for_the_time_in_which_it_did_not_wait() -> None:
    order = filled(OneQueue("deadline", {"low": 0.5}), waiting("a", priority="critical"))
    for _ in range(100):
        order.served("critical")
    order.order.add(waiting("z", priority="low", due=DAY))
    assert order.candidates(NOW) == ["a", "z"]


def test_what_nobody_could_do_does_not_fill_the_day_of_the_first_who_can() -> None:
    order = OneQueue("deadline", {"low": 0.5})
    filled(order, *(waiting(f"c{number}", priority="critical") for number in range(20)))
    filled(order, *(waiting(f"l{number}", priority="low", due=DAY) for number in range(20)))
    for _ in range(100):
        order.served("critical")
    kinds = "".join(task_id[0] for task_id in order.first(12, NOW))
    assert kinds == "lllclclclclc"


def test_somebody_who_cannot_do_the_first_task_of_an_owed_class_is_offered_its_others() -> None:
    order = filled(OneQueue("deadline", {"low": 0.5}), *_ONE_OF_EACH)
    order.order.add(waiting("l1", priority="low", due=HOUR), clinical := Demands(("clinician",)))
    order.served("critical")
    order.served("critical")
    assert order.first(1, NOW) == ["l1"]
    assert order.first(2, NOW, frozenset({clinical})) == ["l-", "c-"]


def test_floors_that_together_are_more_than_all_are_cut_in_proportion() -> None:
    queues = [QueueOrder("deadline", {"low": 0.9}), QueueOrder("deadline", {"high": 0.3})]
    for number, task in enumerate((waiting("l", priority="low"), waiting("h", priority="high"))):
        queues[number].add(task)
    lanes = [OpenLane(queue, *item) for queue in queues for lanes in queue.lanes().values() for item in lanes.items()]
    assert floors_of(lanes) == {"high": pytest.approx(0.25), "low": pytest.approx(0.75)}


@given(st.lists(tasks, max_size=25), shares, st.integers(0, 30), st.sampled_from(ORDERS), st.integers(0, 6))
def test_the_next_few_are_those_that_would_be_handed_out_one_by_one(
    some: list[WaitingTask], floors: dict[str, float], count: int, kind: Literal["deadline", "score"], before: int
) -> None:
    order = filled(OneQueue(kind, floors), *some)
    priorities = {task.task_id: task.priority for task in some}
    for _ in range(before):
        order.served("critical")
    at_once = order.first(count, NOW)
    one_by_one: list[str] = []
    while len(one_by_one) < count and len(order):
        one_by_one.append(order.first(1, NOW)[0])
        order.order.remove(one_by_one[-1])
        order.served(priorities[one_by_one[-1]])
    assert at_once == one_by_one


# Why


def test_the_place_by_deadline_is_explained() -> None:
    order = filled(OneQueue("deadline"), waiting("a", due=12 * MINUTE), waiting("b", due=3 * HOUR + 5 * MINUTE))
    filled(order, waiting("c", due=-50 * HOUR, breached=True), waiting("d", due=-49 * HOUR))
    assert order.order.why("a", NOW) == "due in 12 min, first of 4 by deadline"
    assert order.order.why("b", NOW) == "due in 3 h 5 min, number 2 of 4 by deadline"
    assert order.order.why("c", NOW) == "late by 2 d 2 h, after all that can still be in time: number 3 of 4"
    assert order.order.why("d", NOW) == "late by 2 d 1 h, after all that can still be in time: number 4 of 4"


def test_the_place_by_score_is_explained() -> None:
    order = filled(OneQueue("score"), waiting("a", scored=0.52, waited=8 * HOUR), waiting("b", scored=0.3))
    told = order.order.why("a", NOW)
    assert (
        told == "score 0.62 = 0.52 for impact, doubt and compliance + 0.10 for waiting 8 h 0 min, first of 2 by score"
    )


def test_what_has_not_waited_yet_has_nothing_for_waiting() -> None:
    for hundredths in range(71):
        order = filled(OneQueue("score"), waiting("a", scored=hundredths / 100))
        assert "+ 0.00 for waiting" in order.order.why("a", NOW)


@given(st.lists(tasks, min_size=1, max_size=25), st.sampled_from(ORDERS))
def test_the_place_that_is_told_is_the_place_in_the_order(
    some: list[WaitingTask], kind: Literal["deadline", "score"]
) -> None:
    order = filled(OneQueue(kind), *some)
    for place, task_id in enumerate(order.candidates(NOW), start=1):
        expected = f"first of {len(order)}" if place == 1 else f"number {place} of {len(order)}"
        assert expected in order.order.why(task_id, NOW)


def test_nothing_is_told_about_what_does_not_wait() -> None:
    with pytest.raises(KeyError):
        QueueOrder("deadline").why("a", NOW)


@pytest.mark.parametrize("kind", ORDERS)
def test_many_waiting_tasks_slow_nothing_down(kind: Literal["deadline", "score"], campaign: bool) -> None:
    draw = random.Random(7)
    many = [
        waiting(
            f"t{number}",
            priority=draw.choice(PRIORITIES),
            due=draw.randrange(-DAY, 3 * DAY),
            scored=draw.random() * 0.7,
            waited=draw.randrange(2 * DAY),
        )
        for number in range(200_000 if campaign else 20_000)
    ]
    order = OneQueue(kind, {"low": 0.1})
    added = _microseconds(lambda: filled(order, *many), len(many))
    # Those that have waited for a day already; then one that reaches it about every second.
    passed = _microseconds(lambda: order.first(1, NOW), len(many) // 2)
    instants = range(NOW, NOW + 1000 * SECOND, SECOND)
    first = _microseconds(lambda: [order.first(1, now) for now in instants], 1000)
    removed = _microseconds(lambda: emptied(order, *many[:10_000]), 10_000)
    # Quiet machine, by score: 9, 7, 18 and 13. A list that is sorted or searched from its start takes thousands.
    assert max(added, passed, first, removed) < 200


def _microseconds(work: Callable[[], object], times: int) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) / times * 1e6


# Impact


def test_an_amount_counts_by_its_rank_among_the_latest_of_its_queue() -> None:
    scale = ImpactScale()
    for amount in range(99):
        scale.of(float(amount), "")
    assert scale.of(1e12, "") == pytest.approx(0.995)
    assert scale.of(-1.0, "") == pytest.approx(0.5 / 101)


def test_the_first_amount_of_a_queue_and_equal_amounts_are_in_the_middle() -> None:
    scale = ImpactScale()
    assert [scale.of(100.0, "low") for _ in range(5)] == [0.5] * 5


def test_old_amounts_are_forgotten() -> None:
    scale = ImpactScale()
    for _ in range(WINDOW_SIZE):
        scale.of(1e6, "")
    assert scale.of(10.0, "") == pytest.approx(0.5 / WINDOW_SIZE)
    for _ in range(WINDOW_SIZE - 1):
        scale.of(1.0, "")
    assert scale.of(5.0, "") == pytest.approx((WINDOW_SIZE - 0.5) / WINDOW_SIZE)


@pytest.mark.parametrize(
    ("word", "impact"), [("low", 0.25), (" Very  HIGH ", 1.0), ("", 0.5), ("not critical", 0.5), ("household", 0.5)]
)
def test_without_an_amount_a_usual_word_counts_and_nothing_else(word: str, impact: float) -> None:
    assert ImpactScale().of(None, word) == impact
    assert ImpactScale().of(float("nan"), word) == impact


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=60))
def test_impact_stays_between_0_and_1_and_is_the_rank_by_definition(amounts: list[float | None]) -> None:
    scale = ImpactScale(latest=10)
    latest: list[float] = []
    for amount in amounts:
        found = scale.of(amount, "")
        assert 0 <= found <= 1
        if amount is not None and not math.isnan(amount):
            latest = [*latest, amount][-10:]
            below, equal = sum(other < amount for other in latest), sum(other == amount for other in latest)
            assert found == pytest.approx((below + equal / 2) / len(latest))
