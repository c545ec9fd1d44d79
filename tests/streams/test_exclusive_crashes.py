"""A processor with state counts right, whatever goes wrong: at every single step of a run, and in any sequence."""

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from interlock.streams.memory import (
    Crash,
    FaultPlan,
    InlineExecutor,
    Late,
    MemoryBroker,
    Step,
    abortable,
    fenced,
    timed_out,
    unavailable,
)
from interlock.streams.runner import Runner
from tests.streams.counting import GROUP, Counting, CountingWorld
from tests.streams.world import LateExecutor

EXECUTORS = pytest.mark.parametrize("executor", [InlineExecutor, LateExecutor])

ERRORS: dict[str, Callable[[], Exception]] = {
    "timed out": timed_out,
    "abortable": abortable,
    "fenced": fenced,
    "unavailable": unavailable,
}


def filled() -> CountingWorld:
    world = CountingWorld()
    for topic in (0, 1):
        world.put(7, topic)
    return world


def steps_of_a_run(executor: type[Executor]) -> list[Step]:
    world, faults = filled(), FaultPlan()
    runner, _, _ = world.runner(faults=faults, executor=executor())
    world.settle(runner)
    runner.close()
    return faults.steps


def crash(world: CountingWorld, faults: FaultPlan, executor: Executor) -> None:
    """Runs until the planned crash has happened."""
    runner, process, _ = world.runner(faults=faults, executor=executor)

    def whole_life() -> None:
        world.settle(runner)
        runner.close()

    with pytest.raises(Crash):
        whole_life()
    assert process.dead


@EXECUTORS
def test_a_run_of_an_exclusive_runner_takes_every_kind_of_step(executor: type[Executor]) -> None:
    # Otherwise the tests below would not test what they say.
    steps = steps_of_a_run(executor)
    assert set(steps) >= {"init:after", "begin", "produce", "offsets:after", "commit:after", "consume", "close"}
    assert steps.count("commit:after") >= 4


@EXECUTORS
@pytest.mark.parametrize("instance", ["a", "b"])
def test_after_a_crash_at_any_step_another_run_counts_on_at_once(instance: str, executor: type[Executor]) -> None:
    for number in range(len(steps_of_a_run(executor))):
        world = filled()
        crash(world, FaultPlan({number: Crash()}), executor())
        world.assert_no_count_is_wrong()
        # The session ends. Time stands still: what the dead one left open does not have to time out.
        world.broker.evict(GROUP)
        other, _, _ = world.runner(instance, executor=executor())
        world.settle(other)


@EXECUTORS
def test_one_that_stands_by_counts_on_after_a_crash_at_any_step(executor: type[Executor]) -> None:
    for number in range(len(steps_of_a_run(executor))):
        world = filled()
        active, _, _ = world.runner("a", FaultPlan({number: Crash()}), executor())
        standby, _, other = world.runner("b", executor=executor())
        with suppress(Crash):
            for _ in range(200):
                active.step()
                standby.step()
            active.close()
        world.assert_no_count_is_wrong()
        world.clock.advance(60)  # the dead member's session ends
        world.put(3)
        world.settle(standby)
        assert other.calls[0] == "restore"


@EXECUTORS
@pytest.mark.parametrize("kind", ERRORS)
def test_after_an_error_at_any_step_the_state_is_restored_before_anything_is_processed(
    kind: str, executor: type[Executor]
) -> None:
    steps = steps_of_a_run(executor)
    for number in range(steps.index("close")):
        world, faults = filled(), FaultPlan({number: ERRORS[kind]()})
        runner, _, counting = world.runner(faults=faults, executor=executor())
        world.settle(runner)
        after = [call for call, at in zip(counting.calls, counting.called_at, strict=True) if at > number]
        assert after[:1] in ([], ["restore"])
        assert len(faults.steps) > number, "the error was never met"


@EXECUTORS
def test_a_commit_whose_answer_is_lost_is_counted_once_whenever_it_arrives(executor: type[Executor]) -> None:
    steps = steps_of_a_run(executor)
    for number in [number for number, step in enumerate(steps) if step == "commit:before"]:
        for fault in (timed_out(), Late(timed_out())):
            world = filled()
            runner, _, _ = world.runner(faults=FaultPlan({number: fault}), executor=executor())
            world.settle(runner)


@EXECUTORS
@pytest.mark.parametrize("second", range(1, 10))
def test_a_second_failure_while_the_state_is_restored_is_mended_too(second: int, executor: type[Executor]) -> None:
    for kind in ERRORS.values():
        for number, step in enumerate(steps_of_a_run(executor)):
            if step.startswith(("offsets", "commit")):
                world = filled()
                plan = FaultPlan({number: kind(), number + second: timed_out()})
                runner, _, _ = world.runner(faults=plan, executor=executor())
                world.settle(runner)


FAULTS: dict[str, Callable[[], BaseException]] = {**ERRORS, "crash": Crash}
AHEAD = st.integers(0, 40)
INSTANCES = st.sampled_from(["a", "b"])
NAMES = st.sampled_from(["a", "b", "zombie of a", "zombie of b"])


class Desks(RuleBasedStateMachine):
    """Several instances, some of which do not know that they were replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.world = CountingWorld()
        self.alive: dict[str, tuple[Runner, MemoryBroker, Counting]] = {}

    @rule(topic=st.integers(0, 1), count=st.integers(1, 9))
    def put(self, topic: int, count: int) -> None:
        self.world.put(count, topic)

    @rule(instance=INSTANCES, late=st.booleans(), max_batch=st.integers(1, 6))
    def start(self, instance: str, late: bool, max_batch: int) -> None:
        executor = LateExecutor() if late else InlineExecutor()
        if instance in self.alive:
            zombie = self.alive.pop(f"zombie of {instance}", None)
            if zombie is not None:
                zombie[1].kill()
            self.alive[f"zombie of {instance}"] = self.alive.pop(instance)
        self.alive[instance] = self.world.runner(instance, executor=executor, max_batch=max_batch)

    @rule(name=NAMES, times=st.integers(1, 8))
    def step(self, name: str, times: int) -> None:
        if name in self.alive:
            try:
                for _ in range(times):
                    self.alive[name][0].step()
            except Crash:
                del self.alive[name]

    @rule(name=NAMES, kind=st.sampled_from(sorted(FAULTS)), ahead=AHEAD)
    def plan_a_fault(self, name: str, kind: str, ahead: int) -> None:
        if name in self.alive:
            self.alive[name][1].faults.inject(FAULTS[kind](), ahead)

    @rule(name=NAMES)
    def plan_a_late_commit(self, name: str) -> None:
        if name in self.alive:
            self.alive[name][1].faults.inject_at("commit:before", Late(timed_out()))

    @rule(name=NAMES)
    def stop(self, name: str) -> None:
        if name in self.alive:
            runner, process, _ = self.alive.pop(name)
            with suppress(Crash):
                runner.close()
            process.kill()

    @rule()
    def evict_everybody(self) -> None:
        self.world.broker.evict(GROUP)

    @rule(seconds=st.sampled_from([1, 20, 60]))
    def let_time_pass(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @invariant()
    def no_count_is_wrong(self) -> None:
        self.world.assert_no_count_is_wrong()

    def teardown(self) -> None:
        """When the troubles are over, everything is counted."""
        runners = [self.world.runner("c")[0]]
        for name, (runner, process, _) in self.alive.items():
            process.faults.clear()
            if name in ("a", "b"):
                runners.append(runner)
            else:
                process.kill()
        self.world.clock.advance(100)
        self.world.settle(*runners)


# Derandomised: the suite must not fail one day out of a hundred. Longer campaigns: raise max_examples.
Desks.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestDesks = Desks.TestCase
