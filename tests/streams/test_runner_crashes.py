"""Exactly once, whatever goes wrong: a crash and every kind of error at every single step of a run."""

from collections.abc import Callable
from concurrent.futures import Executor

import pytest

from interlock.streams.memory import (
    Crash,
    FaultPlan,
    InlineExecutor,
    Late,
    Step,
    abortable,
    fenced,
    timed_out,
    unavailable,
)
from tests.streams.world import LateExecutor, World

EXECUTORS = pytest.mark.parametrize("executor", [InlineExecutor, LateExecutor])

ERRORS: dict[str, Callable[[], Exception]] = {
    "timed out": timed_out,
    "abortable": abortable,
    "fenced": fenced,
    "unavailable": unavailable,
}


def filled() -> World:
    world = World()
    for partition in range(3):
        world.put(partition, 4)
    return world


def steps_of_a_run(executor: type[Executor]) -> list[Step]:
    """The steps of a run in which nothing goes wrong, from joining to leaving."""
    world, faults = filled(), FaultPlan()
    runner, _ = world.runner(faults=faults, executor=executor())
    world.settle(runner)
    runner.close()
    return faults.steps


def crash(world: World, faults: FaultPlan, executor: Executor) -> None:
    """Runs until the planned crash has happened."""
    runner, process = world.runner(faults=faults, executor=executor)

    def whole_life() -> None:
        world.settle(runner)
        runner.close()

    with pytest.raises(Crash):
        whole_life()
    assert process.dead


@EXECUTORS
def test_a_run_takes_every_kind_of_step(executor: type[Executor]) -> None:
    # Otherwise the tests below would not test what they say.
    assert (
        {
            "init:before",
            "init:after",
            "begin",
            "produce",
            "offsets:before",
            "offsets:after",
            "commit:before",
            "commit:after",
            "consume",
            "committed",
            "seek",
            "close",
        }
        >= set(steps_of_a_run(executor))
        >= {"begin", "produce", "offsets:after", "commit:after", "consume", "close"}
    )


@EXECUTORS
def test_a_crash_at_any_step_loses_nothing_and_doubles_nothing(executor: type[Executor]) -> None:
    for number in range(len(steps_of_a_run(executor))):
        world = filled()
        crash(world, FaultPlan({number: Crash()}), executor())
        world.assert_nothing_doubled_or_reordered()
        world.clock.advance(60)  # the dead member's session ends
        runner, _ = world.runner(executor=executor())
        world.settle(runner)


@EXECUTORS
def test_another_instance_may_take_over_after_a_crash_at_any_step(executor: type[Executor]) -> None:
    for number in range(len(steps_of_a_run(executor))):
        world = filled()
        crash(world, FaultPlan({number: Crash()}), executor())
        world.clock.advance(60)  # the session ends, and the transaction it may have left open times out
        other, _ = world.runner("b", executor=executor())
        world.settle(other)


@EXECUTORS
@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_at_any_step_is_mended_without_a_restart(kind: str, executor: type[Executor]) -> None:
    steps = steps_of_a_run(executor)
    for number in range(steps.index("close")):
        world, faults = filled(), FaultPlan({number: ERRORS[kind]()})
        runner, _ = world.runner(faults=faults, executor=executor())
        world.settle(runner)
        assert len(faults.steps) > number, "the error was never met"


@EXECUTORS
def test_a_commit_that_arrives_after_its_time_out_is_not_repeated(executor: type[Executor]) -> None:
    steps = steps_of_a_run(executor)
    commits = [number for number, step in enumerate(steps) if step == "commit:before"]
    assert len(commits) >= 3
    for number in commits:
        world = filled()
        runner, _ = world.runner(faults=FaultPlan({number: Late(timed_out())}), executor=executor())
        world.settle(runner)


@EXECUTORS
def test_a_commit_that_arrives_late_cannot_tear_the_next_transaction(executor: type[Executor]) -> None:
    commit = steps_of_a_run(executor).index("commit:before")
    # The replayed batch has at most 20 steps from the failed commit to its own.
    for ahead in range(1, 20):
        world = filled()
        crash(world, FaultPlan({commit: Late(timed_out()), commit + ahead: Crash()}), executor())
        world.clock.advance(60)
        runner, _ = world.runner(executor=executor())
        world.settle(runner)


@EXECUTORS
@pytest.mark.parametrize("second", range(1, 8))
def test_a_second_failure_during_the_repair_is_mended_too(second: int, executor: type[Executor]) -> None:
    for kind in ERRORS.values():
        for number, step in enumerate(steps_of_a_run(executor)):
            if not step.startswith(("offsets", "commit")):
                continue
            world = filled()
            plan = FaultPlan({number: kind(), number + second: timed_out()})
            runner, _ = world.runner(faults=plan, executor=executor())
            world.settle(runner)


@EXECUTORS
def test_a_full_queue_at_any_record_delays_and_loses_nothing(executor: type[Executor]) -> None:
    steps = steps_of_a_run(executor)
    for number in [number for number, step in enumerate(steps) if step == "produce"]:
        world = filled()
        plan = FaultPlan({number: BufferError("Local: Queue full"), number + 1: BufferError("Local: Queue full")})
        runner, _ = world.runner(faults=plan, executor=executor())
        world.settle(runner)
