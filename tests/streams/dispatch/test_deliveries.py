"""Order, pauses and offsets of what is under way."""

from collections import defaultdict

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from interlock.streams.dispatch.deliveries import Deliveries, Delivery, Job, Schedule

SECOND = 1_000_000


def message(offset: int, partition: int = 0) -> Message:
    return Message(topic="t", partition=partition, offset=offset)


def filled(*lanes: str, schedule: Schedule | None = None) -> Deliveries[None]:
    """One message a lane, in this order, on one partition."""
    deliveries: Deliveries[None] = Deliveries(schedule or Schedule())
    for offset, lane in enumerate(lanes):
        deliveries.add(message(offset), [Job(f"{lane}/{offset}", lane, None)])
    return deliveries


def names(found: list[Delivery[None]]) -> list[str]:
    return [delivery.job.id for delivery in found]


def test_jobs_of_one_lane_follow_each_other_and_others_go_side_by_side() -> None:
    deliveries = filled("a", "a", "b")
    first, other = deliveries.due(0)
    assert names([first, other]) == ["a/0", "b/2"]
    assert deliveries.due(0) == []
    deliveries.done(first)
    assert names(deliveries.due(0)) == ["a/1"]


def test_what_failed_keeps_its_place_and_comes_again_after_its_pause() -> None:
    deliveries = filled("a", "a")
    (first,) = deliveries.due(0)
    pause = deliveries.failed(first, 0)
    assert pause is not None
    assert 0.5 <= pause <= 1.0
    assert deliveries.due(round(pause * SECOND) - 1) == []
    assert names(deliveries.due(round(pause * SECOND))) == ["a/0"]


def test_the_other_side_s_wish_to_be_left_alone_is_respected() -> None:
    deliveries = filled("a")
    (first,) = deliveries.due(0)
    assert deliveries.failed(first, 0, at_least=120.0) == 120.0
    assert deliveries.due(120 * SECOND - 1) == []
    assert names(deliveries.due(120 * SECOND)) == ["a/0"]


def test_after_the_last_attempt_the_caller_ends_it() -> None:
    deliveries = filled("a", schedule=Schedule(attempts=2))
    (first,) = deliveries.due(0)
    assert deliveries.failed(first, 0) is not None
    (again,) = deliveries.due(10 * SECOND)
    assert deliveries.failed(again, 10 * SECOND) is None


def test_pauses_double_up_to_the_longest_and_differ_between_jobs_but_not_between_replays() -> None:
    schedule = Schedule(first_seconds=1, longest_seconds=60)
    pauses = [schedule.pause("d/1/execute", attempt) for attempt in range(1, 12)]
    for attempt, pause in enumerate(pauses):
        assert min(60, 2**attempt) / 2 <= pause <= min(60, 2**attempt)
    assert pauses == [schedule.pause("d/1/execute", attempt) for attempt in range(1, 12)]
    assert len({schedule.pause(f"d{number}", 1) for number in range(100)}) == 100


def test_offsets_are_committed_up_to_the_first_unfinished_one() -> None:
    deliveries = filled("a", "b", "c")
    a, b, c = deliveries.due(0)
    deliveries.done(c)
    assert deliveries.offsets() == {("t", 0): 0}
    deliveries.done(a)
    assert deliveries.offsets() == {("t", 0): 1}
    deliveries.committed({("t", 0): 1})
    assert deliveries.offsets() == {}
    deliveries.done(b)
    assert deliveries.offsets() == {("t", 0): 3}


def test_a_record_is_finished_with_the_last_of_its_jobs_or_at_once_without_any() -> None:
    deliveries: Deliveries[None] = Deliveries(Schedule())
    deliveries.add(message(0), [Job("a", "a", None), Job("b", "b", None)])
    deliveries.add(message(1), [])
    a, b = deliveries.due(0)
    deliveries.done(a)
    assert deliveries.offsets() == {("t", 0): 0}
    deliveries.done(b)
    assert deliveries.offsets() == {("t", 0): 2}


def test_a_partition_that_goes_to_others_takes_along_what_is_not_running() -> None:
    deliveries: Deliveries[None] = Deliveries(Schedule())
    for offset, lane in enumerate(["running", "running", "later"]):
        deliveries.add(message(offset), [Job(f"{lane}/{offset}", lane, None)])
    deliveries.add(message(0, partition=1), [Job("mine", "mine", None)])
    running, later, mine = deliveries.due(0)
    deliveries.failed(later, 0)
    deliveries.drop([("t", 0)])
    assert names([running, mine]) == ["running/0", "mine"]
    assert running.orphaned
    assert not mine.orphaned
    assert deliveries.due(3600 * SECOND) == []
    # It comes back while the attempt from before still runs: the order is kept all the same.
    deliveries.add(message(0), [Job("running/0", "running", None)])
    assert deliveries.due(0) == []
    deliveries.failed(running, 0)
    assert names(deliveries.due(0)) == ["running/0"]
    assert deliveries.offsets() == {("t", 1): 0, ("t", 0): 0}
    assert len(deliveries) == 2


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 1), st.integers(0, 3)),
        st.tuples(st.sampled_from(["done", "failed", "time", "drop"]), st.integers(0, 7), st.just(0)),
    ),
    max_size=80,
)


@given(STEPS)
def test_whatever_happens_the_order_holds_and_nothing_unfinished_is_committed(
    steps: list[tuple[str, int, int]],
) -> None:
    deliveries: Deliveries[None] = Deliveries(Schedule(attempts=10**9))
    now, ends = 0, [0, 0]
    running: list[Delivery[None]] = []
    unfinished: dict[int, set[int]] = defaultdict(set)
    finished: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for what, number, lane in steps:
        if what == "add":
            # One lane, one partition: as with records keyed by decision.
            name = f"{number}-{lane}"
            deliveries.add(message(ends[number], number), [Job(f"{number}/{ends[number]}", name, None)])
            unfinished[number].add(ends[number])
            ends[number] += 1
        elif what == "time":
            now += number * 100 * SECOND
        elif what == "drop":
            partition = number % 2
            deliveries.drop([("t", partition)])
            ends[partition] = min(unfinished[partition], default=ends[partition])  # read again from there
            unfinished[partition].clear()
            finished.clear()
        elif running:
            delivery = running.pop(number % len(running))
            place = (delivery.message.partition(), delivery.message.offset())
            if what == "failed" and not delivery.orphaned:
                deliveries.failed(delivery, now)
            else:
                if not delivery.orphaned:
                    unfinished[place[0]].discard(place[1])
                    assert finished[delivery.job.lane] == sorted({*finished[delivery.job.lane]})
                    finished[delivery.job.lane].append(place)
                deliveries.done(delivery)
        running += deliveries.due(now)
        lanes = [delivery.job.lane for delivery in running]
        assert len(lanes) == len(set(lanes))
        for (_, partition), offset in deliveries.offsets().items():
            assert offset <= min(unfinished[partition], default=ends[partition])
    while running:
        deliveries.done(running.pop())
        running += deliveries.due(now + 10**12)
    running += deliveries.due(now + 10**12)
    while running:
        deliveries.done(running.pop())
        running += deliveries.due(now + 10**12)
    assert len(deliveries) == 0
    assert all(offset == ends[partition] for (_, partition), offset in deliveries.offsets().items())


@pytest.mark.parametrize("attempts", [1, 3])
def test_so_many_attempts_are_made(attempts: int) -> None:
    deliveries = filled("a", schedule=Schedule(attempts=attempts))
    made = 0
    now = 0
    while found := deliveries.due(now):
        made += 1
        now += 1000 * SECOND
        deliveries.failed(found[0], now)
        now += 1000 * SECOND
    assert made == attempts
