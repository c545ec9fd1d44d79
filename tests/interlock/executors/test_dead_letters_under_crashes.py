"""Executors and their dead letters while processes die at every step, and while anything fails at random."""

import itertools
import random
from pathlib import Path

import pytest

from interlock.executors import Execution, MemorySeen, PermanentError, SqliteSeen
from interlock.operations.dead_letters import replay
from interlock.streams.memory import Crash, FaultPlan
from tests.interlock.executors.executor_world import World, put_action, put_routed, refusing, sequences


def test_killed_at_any_step_an_overruled_version_is_never_carried_out(tmp_path: Path) -> None:
    """The process dies at every step that it makes on the broker, one after the other; another one goes on."""
    for step in itertools.count():
        world = World()
        world.seen = SqliteSeen(tmp_path / f"{step}.sqlite")
        world.handler = refusing(world, "d/1/execute")
        put_action(world.broker, "d", 1)
        put_action(world.broker, "d", 1, "roll_back")
        put_action(world.broker, "d", 2)
        plan = FaultPlan({step: Crash()})
        try:
            world.settle(world.executor(world.broker.process(plan)), 10)
        except Crash:
            crashed = True
        else:
            crashed = False
        world.clock.advance(60)
        member = world.executor(world.broker.process())
        world.settle(member, 10)
        world.handler = world.done.append
        replay(world.broker.process(), None, None)
        world.settle(member, 10)
        assert set(world.ids) == {"d/2/execute"}, (step, plan.steps)
        assert sequences(world) == {}, (step, plan.steps)
        if not crashed:
            assert step > 20
            return


def test_killed_at_any_step_of_a_retry_it_is_carried_out_and_the_others_follow(tmp_path: Path) -> None:
    for step in itertools.count():
        world = World()
        world.seen = SqliteSeen(tmp_path / f"{step}.sqlite")
        world.handler = refusing(world, "d/1/roll_back")
        for version, kind in ((1, "execute"), (1, "roll_back"), (2, "execute")):
            put_action(world.broker, "d", version, kind)
        first = world.executor()
        world.settle(first, 10)
        first.close()
        world.handler = world.done.append
        replay(world.broker, None, None)
        plan = FaultPlan({step: Crash()})
        try:
            world.settle(world.executor(world.broker.process(plan)), 10)
        except Crash:
            crashed = True
        else:
            crashed = False
        world.clock.advance(60)
        world.settle(world.executor(world.broker.process()), 10)
        # What was carried out a moment before the process died is handed over again, before anything else is.
        in_order = [action_id for action_id, _ in itertools.groupby(world.ids)]
        assert in_order == ["d/1/execute", "d/1/roll_back", "d/2/execute"], (step, plan.steps)
        assert sequences(world) == {}, (step, plan.steps)
        if not crashed:
            assert step > 20
            return


class Desk:
    """Orders actions on a few decisions, as people change their minds."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.versions = {f"d{number}": 0 for number in range(3)}

    def order(self) -> None:
        name = self.chance.choice([*self.versions])
        version = self.versions[name] = self.versions[name] + 1
        if version == 1 and self.chance.random() < 0.5:
            put_routed(self.world.broker, name)
            return
        if version > 1:
            put_action(self.world.broker, name, version - 1, "roll_back")
        put_action(self.world.broker, name, version)
        if self.chance.random() < 0.3:
            put_action(self.world.broker, name, version, "notify")


class Outside:
    """What executors act upon. It knows action ids, as every receiver must, for a process that dies before it remembers
    what it has done."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.failing = 0.4
        self.in_force: dict[str, int] = {}
        self.latest: dict[str, int] = {}
        self.carried_out: set[str] = set()
        self.problems: list[str] = []

    def __call__(self, execution: Execution) -> None:
        name, version, kind = execution.decision_id, execution.version, execution.kind
        if execution.action_id in self.carried_out:
            return
        if version < self.latest.get(name, 0):
            self.problems.append(f"{execution.action_id} was overruled")
        if kind == "execute" and name in self.in_force:
            self.problems.append(f"{execution.action_id}: what was in force was not rolled back")
        if kind != "execute" and self.in_force.get(name) != version:
            self.problems.append(f"{execution.action_id}: that version was never carried out")
        if self.chance.random() < self.failing:
            raise PermanentError("not now")
        if kind == "execute":
            self.in_force[name] = version
        elif kind == "roll_back":
            self.in_force.pop(name, None)
        self.latest[name] = version
        self.carried_out.add(execution.action_id)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_fails_and_whenever_letters_are_replayed_the_world_follows_the_versions_to_the_last(seed: int) -> None:
    """Actions fail at random, letters are replayed, all or some, processes come and go; at last nothing fails."""
    chance, world = random.Random(seed), World()
    outside, desk = Outside(chance), Desk(world, chance)
    world.handler = outside
    executor = world.executor()
    for _ in range(40):
        match chance.choice(["order", "order", "order", "settle", "settle", "replay", "some", "restart", "crash"]):
            case "order":
                desk.order()
            case "settle":
                world.settle(executor, 10)
            case "replay":
                replay(world.broker, None, None)
            case "some":
                places = [(letter.partition, letter.offset) for letter in world.letters()]
                replay(world.broker, chance.sample(places, min(2, len(places))), None)
            case end:
                executor.close() if end == "restart" else world.broker.evict("executors")
                world.seen = MemorySeen()
                executor = world.executor()
    outside.failing = 0.0
    while True:
        world.settle(executor, 10)
        if not replay(world.broker, None, None):
            break
    assert outside.problems == []
    assert outside.in_force == {name: version for name, version in desk.versions.items() if version}
    assert sequences(world) == {}
