"""One writer at a time: who works, who stands by, what a replaced one can still do, and ticks."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, KafkaException

from interlock.streams.kafka import EXCLUSIVE
from interlock.streams.memory import FaultPlan, Late, MemoryBroker, abortable, fenced, timed_out, unavailable
from interlock.streams.ports import Message, TopicSpec
from interlock.streams.runner import ProcessingError, Runner, RunnerSettings, UnrecoverableError
from tests.streams.counting import GROUP, INPUTS, TICK, Counting, CountingWorld
from tests.streams.world import Columns, Copy, Impatient, LateExecutor, LateFuture, P, T, World

SETTINGS = RunnerSettings(GROUP, "a", INPUTS, max_batch=3, exclusive=True)


def make(world: CountingWorld, counting: Counting, **more: object) -> Runner:
    """A runner that differs from those of the world in `more`: its own arguments, or fields of its settings."""
    names = RunnerSettings.__dataclass_fields__
    settings = replace(SETTINGS, **{name: value for name, value in more.items() if name in names})  # type: ignore[arg-type]
    arguments = {"clock": world.clock, "restore": counting.restore, "stop": Impatient(), "executor": LateExecutor()}
    arguments |= {name: value for name, value in more.items() if name not in names}
    return Runner(counting.broker, counting, settings, **arguments)  # type: ignore[arg-type]


def steps(times: int, *runners: Runner) -> None:
    for _ in range(times):
        for runner in runners:
            runner.step()


def test_one_instance_works_and_the_other_stands_by_without_a_producer() -> None:
    world = CountingWorld()
    world.put(9)
    standby_faults = FaultPlan()
    active, _, working = world.runner("a")
    active.step()
    standby, _, waiting = world.runner("b", standby_faults)
    world.settle(active, standby)
    assert "process" in working.calls
    assert waiting.calls == []
    assert not {"init:before", "produce", "seek"} & set(standby_faults.steps), "it would fence the active one"


def test_the_state_is_restored_once_before_the_first_message() -> None:
    world = CountingWorld()
    world.put(2)
    runner, _, counting = world.runner()
    world.settle(runner)
    assert counting.calls == ["restore", "process"]


def test_the_one_that_stands_by_takes_over_when_the_active_one_leaves() -> None:
    world = CountingWorld()
    world.put(9)
    active, _, _ = world.runner("a")
    standby, _, heir = world.runner("b")
    steps(5, active, standby)
    active.close()
    world.put(9, topic=1)
    world.settle(standby)
    assert heir.calls[0] == "restore"
    assert heir.calls.count("restore") == 1


def test_the_one_that_stands_by_takes_over_when_the_session_of_a_dead_one_has_ended() -> None:
    world = CountingWorld()
    world.put(9)
    active, process, _ = world.runner("a")
    standby, _, heir = world.runner("b")
    steps(4, active, standby)
    process.kill()
    world.put(3)
    steps(20, standby)
    assert heir.calls == [], "the dead one still counts as a member"
    world.clock.advance(45)
    world.settle(standby)


def test_a_member_that_joins_interrupts_the_active_one_which_restores_and_goes_on() -> None:
    world = CountingWorld()
    world.put(6)
    active, _, working = world.runner("a")
    steps(5, active)
    standby, _, waiting = world.runner("b")
    steps(5, active, standby)
    world.put(6)
    world.settle(active, standby)
    assert working.calls.count("restore") == 2
    assert waiting.calls == []


def in_the_middle(world: CountingWorld, faults: FaultPlan) -> Runner:
    """A runner whose commit is on its way."""
    runner, _, _ = world.runner("a", faults)
    while "produce" not in faults.steps:
        runner.step()
    assert "offsets:before" not in faults.steps
    return runner


def test_the_commit_of_a_replaced_instance_fails_and_nothing_of_it_is_seen() -> None:
    world, faults = CountingWorld(), FaultPlan()
    world.put(3)
    zombie = in_the_middle(world, faults)
    world.broker.evict(GROUP)
    heir, _, _ = world.runner("b")
    world.settle(heir)
    zombie.step()
    assert "offsets:before" in faults.steps, "it tried"
    assert "commit:after" not in faults.steps
    world.assert_every_count_is_right()
    world.put(5)
    world.settle(zombie, heir)


def test_a_replaced_instance_does_not_fence_the_one_that_replaced_it() -> None:
    world, faults, heirs_faults = CountingWorld(), FaultPlan(), FaultPlan()
    world.put(3)
    zombie = in_the_middle(world, faults)
    world.broker.evict(GROUP)
    heir, _, _ = world.runner("b", heirs_faults)
    world.settle(heir)
    steps(3, zombie)
    assert faults.steps.count("init:after") == 1, "only the producer that it had before"
    world.put(3)
    world.settle(heir, zombie)
    assert "abort:before" not in heirs_faults.steps


def test_a_replaced_instance_whose_tick_commits_no_offsets_is_fenced_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, faults = CountingWorld(), FaultPlan()
    # Nothing was ever read, so that the group has nothing to refuse.
    zombie, _, counting = world.runner("a", faults, tick_seconds=1)
    while "produce" not in faults.steps:
        zombie.step()
    assert counting.calls == ["restore", "tick"]
    world.broker.evict(GROUP)
    heir, _, _ = world.runner("b", tick_seconds=1)
    for _ in range(3):
        world.clock.advance(1)
        steps(5, heir)
    zombie.step()
    assert "offsets:before" in faults.steps, "it tried"
    assert "commit:after" not in faults.steps
    assert "a newer producer has this transactional id" in caplog.text
    counts = world.visible()[TICK]
    assert counts == list(range(1, len(counts) + 1))


def test_a_commit_that_was_still_under_way_is_part_of_the_restored_state() -> None:
    world, faults = CountingWorld(), FaultPlan()
    world.put(3)
    faults.inject_at("commit:before", Late(timed_out()))
    active, process, _ = world.runner("a", faults)
    while "commit:before" not in faults.steps:
        active.step()
    process.kill()
    assert world.visible() == {}
    world.broker.evict(GROUP)
    world.put(1)
    heir, _, _ = world.runner("b")
    world.settle(heir)
    assert world.visible() == {b"key-0": [1, 2], b"key-1": [1], b"key-2": [1]}


def test_a_replaced_instance_leaves_without_touching_what_it_has_lost(caplog: pytest.LogCaptureFixture) -> None:
    world, faults = CountingWorld(), FaultPlan()
    world.put(3)
    faults.inject_at("commit:before", timed_out())
    zombie, _, _ = world.runner("a", faults)
    while "commit:before" not in faults.steps:
        zombie.step()
    world.broker.evict(GROUP)
    heir, _, _ = world.runner("b")
    world.settle(heir)
    zombie.step()
    zombie.close()
    assert "abort:before" not in faults.steps
    assert "the group was not left in order" not in caplog.text


def test_even_a_transaction_that_could_be_aborted_is_followed_by_a_new_producer_before_the_state_is_restored() -> None:
    world, faults = CountingWorld(), FaultPlan()
    world.put(6)
    faults.inject_at("commit:before", abortable())
    runner, _, counting = world.runner("a", faults)
    world.settle(runner)
    assert "abort:before" not in faults.steps
    producers = [number for number, step in enumerate(faults.steps) if step == "init:after"]
    restored = [at for call, at in zip(counting.calls, counting.called_at, strict=True) if call == "restore"]
    first_producer, second_producer = producers
    first_restored, second_restored = restored
    assert first_producer < first_restored < second_producer < second_restored


def test_a_failure_while_restoring_is_a_passing_one() -> None:
    world = CountingWorld()
    world.put(3)
    counting = Counting(world.broker, "a")
    troubles = [timed_out(), timed_out()]

    def failing() -> None:
        counting.restore()
        if troubles:
            raise troubles.pop()

    world.settle(make(world, counting, restore=failing))
    assert counting.calls == ["restore", "restore", "restore", "process"]


def test_a_bug_while_restoring_stops_the_runner_before_anything_is_processed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = CountingWorld()
    world.put(3)
    counting = Counting(world.broker, "a")

    def broken() -> None:
        raise ZeroDivisionError("a bug")

    runner = make(world, counting, restore=broken)
    with pytest.raises(ProcessingError, match=r"desk-a stops: restoring .* failed with ZeroDivisionError\('a bug'\)"):
        world.settle(runner)
    runner.close()
    assert counting.calls == []
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


def test_what_no_retry_can_mend_stops_one_that_stands_by_too() -> None:
    world, faults = CountingWorld(), FaultPlan()
    active, _, _ = world.runner("a")
    standby, _, _ = world.runner("b", faults)
    steps(3, active, standby)
    faults.inject_at("consume", KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "the reason")))
    with pytest.raises(UnrecoverableError, match="the reason"):
        steps(3, standby)


class Patient(Impatient):
    """Notes how long it should have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0)
        return super().wait(timeout)


def test_one_that_stands_by_hears_of_its_turn_at_once_whatever_trouble_it_has_met() -> None:
    world, faults, stop = CountingWorld(), FaultPlan(), Patient()
    active, _, _ = world.runner("a")
    heir = make(world, Counting(world.broker.process(faults), "b"), instance="b", stop=stop)
    for _ in range(20):
        faults.inject(unavailable())
        steps(1, active, heir)
    world.put(4)
    active.close()
    world.settle(heir)
    assert sum(stop.waited) == 0


def test_one_that_was_fenced_waits_for_the_word_of_the_group_before_it_fences_others() -> None:
    world, faults, stop = CountingWorld(), FaultPlan(), Patient()
    world.put(4)
    faults.inject_at("commit:before", fenced())
    world.settle(make(world, Counting(world.broker.process(faults), "a"), stop=stop))
    assert max(stop.waited) > EXCLUSIVE["heartbeat.interval.ms"] / 1000


class SlowFuture(LateFuture[T]):
    """Ends when somebody waits, or after many looks."""

    looks = 0

    def done(self) -> bool:
        self.looks += 1
        return self.looks > 9 and super().done()


class SlowExecutor(Executor):
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return SlowFuture(lambda: fn(*args, **kwargs))


def test_the_commit_in_flight_ends_before_its_producer_is_replaced() -> None:
    world, faults = CountingWorld(), FaultPlan()
    world.put(9)
    runner, _, counting = world.runner("a", faults, SlowExecutor())
    while "produce" not in faults.steps:
        runner.step()
    faults.inject_at("consume", unavailable())
    world.settle(runner)
    assert counting.calls.count("restore") == 2
    second_producer = [number for number, step in enumerate(faults.steps) if step == "init:before"][1]
    assert faults.steps.index("commit:after") < second_producer
    assert faults.steps.count("produce") == 9, "what was committed was not repeated"


def test_inputs_with_several_partitions_are_refused() -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec("one", 1), TopicSpec("two", 2)])
    settings = RunnerSettings(GROUP, "a", ("one", "two"), exclusive=True)
    runner = Runner(broker, Copy(), settings, stop=Impatient(), executor=LateExecutor())
    with pytest.raises(UnrecoverableError, match="inputs must have one partition each"):
        steps(3, runner)


def test_nothing_happens_before_every_input_exists() -> None:
    world, faults = CountingWorld(), FaultPlan()
    world.put(2)
    process = world.broker.process(faults)
    counting = Counting(process, "a")
    runner = make(world, counting, inputs=(*INPUTS, "late"))
    steps(10, runner)
    assert counting.calls == []
    world.broker.create_topics([TopicSpec("late", 1)])
    world.settle(runner)


def test_time_alone_calls_the_processor_once_per_tick() -> None:
    world = CountingWorld()
    runner, _, counting = world.runner(tick_seconds=2)
    steps(10, runner)
    assert counting.calls == ["restore", "tick"], "what fell due while nobody worked is done at once"
    for _ in range(3):
        world.clock.advance(1.9)
        steps(5, runner)
        before = counting.calls.count("tick")
        world.clock.advance(0.1)
        steps(5, runner)
        assert counting.calls.count("tick") == before + 1
    assert world.visible() == {TICK: [1, 2, 3, 4]}


def test_a_message_puts_the_next_tick_off() -> None:
    world = CountingWorld()
    runner, _, counting = world.runner(tick_seconds=2)
    steps(10, runner)
    for _ in range(5):
        world.clock.advance(1.5)
        world.put(1)
        steps(5, runner)
    assert counting.calls == ["restore", "tick", *["process"] * 5]


def test_a_tick_without_outputs_commits_nothing() -> None:
    world, faults = CountingWorld(), FaultPlan()
    process = world.broker.process(faults)
    counting = Counting(process, "a", ticks=False)
    runner = make(world, counting, tick_seconds=1)
    for _ in range(5):
        world.clock.advance(1)
        steps(3, runner)
    assert counting.calls == ["restore", *["tick"] * 5]
    assert "begin" not in faults.steps
    world.put(2)
    world.settle(runner)


def test_a_clock_that_was_set_back_does_not_stop_the_ticks() -> None:
    world = CountingWorld()

    class Clock:
        time = 10_000_000

        def now(self) -> int:
            return self.time

    clock = Clock()
    counting = Counting(world.broker, "a")
    runner = make(world, counting, clock=clock, tick_seconds=1)
    steps(3, runner)
    assert counting.calls == ["restore", "tick"]
    clock.time = 3_000_000
    steps(3, runner)
    assert counting.calls == ["restore", "tick", "tick"]


def test_ticks_and_restoring_do_not_need_an_exclusive_group() -> None:
    world = World()
    calls: dict[str, list[str]] = {}

    class Noting(Copy):
        def __init__(self, instance: str) -> None:
            super().__init__()
            self.calls = calls.setdefault(instance, [])

        def restore(self) -> None:
            self.calls.append("restore")

        def process(self, messages: Sequence[Message], now: int) -> Columns:
            self.calls.append("process" if messages else "tick")
            return super().process(messages, now)

    def noting(instance: str) -> Runner:
        return Runner(
            world.broker.process(),
            processor := Noting(instance),
            RunnerSettings("copy", instance, ("in",), tick_seconds=1),
            clock=world.clock,
            restore=processor.restore,
            stop=Impatient(),
            executor=LateExecutor(),
        )

    runners = [noting(instance) for instance in "abcd"]
    for _ in range(3):
        steps(5, *runners)
        world.clock.advance(1)
    # One more than there are partitions: it has nothing to restore, and time does not pass for it.
    assert calls == {**{name: ["restore", "tick", "tick", "tick"] for name in "abc"}, "d": []}
    world.put(0, 4)
    world.settle(*runners)


def test_a_bug_in_a_tick_stops_the_runner_and_says_so() -> None:
    world = CountingWorld()

    class Broken(Counting):
        def process(self, messages: Sequence[Message], now: int) -> Columns:  # noqa: ARG002
            raise ZeroDivisionError("a bug")

    runner = make(world, Broken(world.broker, "a"), tick_seconds=1)
    with pytest.raises(ProcessingError, match="desk-a stops: processing a tick failed"):
        steps(5, runner)
    runner.close()


def test_the_log_names_the_instance_although_all_have_one_transactional_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "interlock.streams.runner")
    world = CountingWorld()
    runner, _, _ = world.runner("a")
    steps(2, runner)
    runner.close()
    assert [record.getMessage() for record in caplog.records] == [
        "desk-a: assigned commands[0], events[0]",
        "desk-a: revoked commands[0], events[0]",
    ]
    assert RunnerSettings(GROUP, "a", (), exclusive=True).transactional_id == GROUP
    assert RunnerSettings(GROUP, "a", ()).transactional_id == "desk-a"
