"""The actions on one decision keep their order when some of them are dead letters, and no other group notices."""

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.errors import InterlockError
from interlock.executors import Execution, MemorySeen, PermanentError, RetryLater, SqliteSeen
from interlock.operations.dead_letters import discard, replay
from interlock.schemas import catalogue, wire
from interlock.streams.memory import Crash, FaultPlan
from tests.interlock.executors.executor_world import World, put_action, put_bytes, put_routed

SEQUENCES = catalogue.ACTION_SEQUENCES


@pytest.fixture
def world() -> World:
    return World()


def refusing(world: World, *action_ids: str) -> Callable[[Execution], None]:
    """A handler that refuses these and carries out the others."""

    def handler(execution: Execution) -> None:
        if execution.action_id in action_ids:
            raise PermanentError("the receiver says 404", "http-404")
        world.done.append(execution)

    return handler


def restarted(world: World) -> None:
    """A process with a new memory takes over."""
    world.seen = MemorySeen()
    world.settle(world.executor(), 10)


def reasons(world: World) -> list[str]:
    return [letter.reason for letter in world.letters()]


def sequences(world: World) -> dict[str, list[tuple[str, str]]]:
    """What a process that begins now reads: action ids and states, by key."""
    world.broker.compact(SEQUENCES.name)
    held: dict[str, list[tuple[str, str]]] = {}
    consumer = world.broker.consumer(None)
    from confluent_kafka import TopicPartition

    consumer.assign([TopicPartition(SEQUENCES.name, number, 0) for number in range(SEQUENCES.partitions)])
    while messages := consumer.consume(100, 0):
        for message in messages:
            key = (message.key() or b"").decode()
            if message.value() is None:
                held.pop(key, None)
            else:
                actions = wire.decode("ActionSequence", message.value())["actions"]
                held[key] = [(action["action_id"], action["state"]) for action in actions]
    return held


def test_a_version_that_was_overruled_is_not_carried_out_when_its_dead_letter_is_replayed(world: World) -> None:
    world.handler = refusing(world, "d/1/execute")
    executor = world.executor()
    put_action(world.broker, "d", 1, outcome="publish")
    world.settle(executor, 10)
    put_action(world.broker, "d", 1, "roll_back", outcome="publish")
    put_action(world.broker, "d", 2, outcome="remove")
    world.settle(executor, 10)
    assert world.ids == ["d/2/execute"]
    world.handler = world.done.append
    assert replay(world.broker, None, None) == 1
    world.settle(executor, 10)
    assert world.ids == ["d/2/execute"]
    assert reasons(world) == ["http-404"]


@pytest.mark.parametrize("automatic", [True, False])
def test_not_even_after_a_restart_of_a_process_that_remembers_nothing(world: World, automatic: bool) -> None:
    world.handler = refusing(world, "d/1/execute")
    executor = world.executor()
    if automatic:
        put_routed(world.broker, "d")
    else:
        put_action(world.broker, "d", 1)
    world.settle(executor, 10)
    executor.close()
    world.handler = world.done.append
    put_action(world.broker, "d", 1, "roll_back")
    put_action(world.broker, "d", 2)
    restarted(world)
    assert world.ids == ["d/2/execute"]
    assert sequences(world) == {}
    replay(world.broker, None, None)
    replay(world.broker, [(letter.partition, letter.offset) for letter in world.letters()], None)
    world.broker.evict("executors")
    restarted(world)
    assert world.ids == ["d/2/execute"]


def test_what_overrules_it_counts_although_it_was_not_read_yet_when_the_letter_came_back(world: World) -> None:
    world.handler = refusing(world, "d/1/execute")
    executor = world.executor()
    names = [f"d{number}" for number in range(30)]
    world.handler = refusing(world, *(f"{name}/1/execute" for name in names))
    for name in names:
        put_action(world.broker, name, 1)
    world.settle(executor, 10)
    world.handler = world.done.append
    # The consumer in memory begins with another partition at each turn: some retries are read first.
    assert replay(world.broker, None, None) == len(names)
    for name in names:
        put_action(world.broker, name, 1, "roll_back")
        put_action(world.broker, name, 2)
    world.settle(executor, 10)
    assert sorted(world.ids) == sorted(f"{name}/2/execute" for name in names)


def test_a_dead_letter_that_nothing_has_overruled_is_carried_out_when_it_is_replayed_once(world: World) -> None:
    world.handler = refusing(world, "d/1/execute")
    executor = world.executor()
    put_routed(world.broker, "d", notices=["adverse_action"])
    world.settle(executor, 10)
    world.handler = world.done.append
    assert replay(world.broker, None, None) == 1
    assert replay(world.broker, [(letter.partition, letter.offset) for letter in world.letters()], None) == 1
    world.settle(executor, 10)
    (execution,) = world.done
    assert (execution.action_id, execution.notices) == ("d/1/execute", ("adverse_action",))
    assert execution.decision is not None
    assert sequences(world) == {}
    put_action(world.broker, "d", 1, "roll_back")
    put_action(world.broker, "d", 2)
    world.settle(executor, 10)
    assert world.ids == ["d/1/execute", "d/1/roll_back", "d/2/execute"]


def test_the_dead_letter_of_one_group_is_handed_to_no_other_one(world: World) -> None:
    put_action(world.broker, "d", 1)
    world.handler = refusing(world, "d/1/execute")
    first = world.executor()
    world.settle(first, 10)
    paid: list[str] = []
    other = World()
    other.clock, other.broker = world.clock, world.broker
    other.handler = lambda execution: paid.append(execution.action_id)
    member = other.executor(group="other")
    other.settle(member, 10)
    member.close()
    world.handler = world.done.append
    replay(world.broker, None, None)
    other.seen = MemorySeen()
    world.settle(first, 10)
    other.settle(other.executor(group="other"), 10)
    assert paid == ["d/1/execute"]
    assert world.ids == ["d/1/execute"]
    # The topics that are counted have the decision once.
    assert sum(world.broker.end_offsets(catalogue.ACTIONS.name).values()) == 1
    assert sum(world.broker.end_offsets(catalogue.AUTO_APPROVED.name).values()) == 0


def test_later_actions_wait_behind_a_roll_back_that_failed_and_follow_it_in_their_order(world: World) -> None:
    world.handler = refusing(world, "d/1/roll_back")
    executor = world.executor()
    put_action(world.broker, "d", 1)
    put_action(world.broker, "d", 1, "roll_back")
    put_action(world.broker, "d", 2)
    put_action(world.broker, "d", 2, "notify")
    put_action(world.broker, "other", 1)
    world.settle(executor, 10)
    assert sorted(world.ids) == ["d/1/execute", "other/1/execute"]
    assert reasons(world) == ["http-404", "waits-behind", "waits-behind"]
    assert "waits behind d/1/roll_back" in world.letters()[1].what["message"]
    executor.close()
    world.handler = world.done.append
    restarted(world)
    put_action(world.broker, "d", 2, "notify")
    replay(world.broker, None, None)
    world.broker.evict("executors")
    restarted(world)
    of_one = [name for name in world.ids if name.startswith("d/")]
    assert of_one == ["d/1/execute", "d/1/roll_back", "d/2/execute", "d/2/notify"]
    assert sequences(world) == {}


def test_a_letter_that_waits_behind_another_one_stays_one_when_it_is_replayed_alone(world: World) -> None:
    world.handler = refusing(world, "d/1/roll_back")
    executor = world.executor()
    for version, kind in ((1, "execute"), (1, "roll_back"), (2, "execute")):
        put_action(world.broker, "d", version, kind)
    world.settle(executor, 10)
    (_, waits) = world.letters()
    replay(world.broker, [(waits.partition, waits.offset)], None)
    world.settle(executor, 10)
    assert world.ids == ["d/1/execute"]
    assert reasons(world) == ["http-404", "waits-behind", "waits-behind"]
    (again,) = [letter for letter in world.letters() if letter not in (_, waits)]
    assert {name: again.what[name] for name in ("topic", "partition", "offset")} == {
        name: waits.what[name] for name in ("topic", "partition", "offset")
    }
    assert again.headers[0] == ("traceparent", b"00-1")
    assert world.metrics.value("dead_letters", reason="waits-behind") == 1


def test_the_roll_back_of_what_waits_unattempted_is_left_out_too(world: World) -> None:
    world.handler = refusing(world, "d/1/roll_back")
    executor = world.executor()
    for version, kind in ((1, "execute"), (1, "roll_back"), (2, "execute"), (2, "roll_back"), (3, "execute")):
        put_action(world.broker, "d", version, kind)
    world.settle(executor, 10)
    world.handler = world.done.append
    replay(world.broker, None, None)
    world.settle(executor, 10)
    assert world.ids == ["d/1/execute", "d/1/roll_back", "d/3/execute"]


def test_a_notice_of_a_version_that_was_overruled_is_not_sent_any_more(world: World) -> None:
    world.handler = refusing(world, "d/1/notify")
    executor = world.executor()
    put_action(world.broker, "d", 1)
    put_action(world.broker, "d", 1, "notify")
    put_action(world.broker, "d", 1, "roll_back")
    put_action(world.broker, "d", 2)
    world.settle(executor, 10)
    world.handler = world.done.append
    replay(world.broker, None, None)
    world.settle(executor, 10)
    assert world.ids == ["d/1/execute", "d/1/roll_back", "d/2/execute"]


@pytest.mark.parametrize(
    ("failure", "rolled_back"),
    [
        (PermanentError("404"), False),
        (RetryLater("the receiver is away"), False),
        (RetryLater("no answer", in_doubt=True), True),
        (TimeoutError("no answer"), True),
    ],
)
def test_what_may_have_taken_effect_although_it_failed_is_rolled_back(
    world: World, failure: Exception, rolled_back: bool
) -> None:
    def handler(execution: Execution) -> None:
        if execution.action_id == "d/1/execute":
            raise failure
        world.done.append(execution)

    world.handler = handler
    put_action(world.broker, "d", 1)
    world.settle(world.executor(attempts=2), 20)
    put_action(world.broker, "d", 1, "roll_back")
    put_action(world.broker, "d", 2)
    world.broker.evict("executors")
    restarted(world)
    assert world.ids == [*(["d/1/roll_back"] if rolled_back else []), "d/2/execute"]


def test_what_cannot_be_read_holds_back_its_decision_until_it_is_discarded(world: World) -> None:
    damaged = wire.header("Action") + b"\x02"
    put_bytes(world.broker, catalogue.ACTIONS, "d", damaged)
    put_action(world.broker, "d", 2)
    executor = world.executor()
    world.settle(executor, 10)
    assert world.ids == []
    assert reasons(world) == ["malformed-avro", "waits-behind"]
    first = world.letters()[0]
    assert discard(world.broker, [(first.partition, first.offset)]) == 1
    replay(world.broker, None, None)
    world.settle(executor, 10)
    assert world.ids == ["d/2/execute"]
    assert sequences(world) == {}


def test_the_roll_back_of_a_discarded_execute_is_left_out(world: World) -> None:
    world.handler = refusing(world, "d/1/execute")
    executor = world.executor()
    put_action(world.broker, "d", 1)
    world.settle(executor, 10)
    discard(world.broker, [(letter.partition, letter.offset) for letter in world.letters()])
    world.settle(executor, 10)
    put_action(world.broker, "d", 1, "notify")
    world.settle(executor, 10)
    assert world.ids == ["d/1/notify"]
    executor.close()
    put_action(world.broker, "d", 1, "roll_back")
    put_action(world.broker, "d", 2)
    restarted(world)
    assert world.ids == ["d/1/notify", "d/2/execute"]
    world.settle(world.executor(), 10)
    assert sequences(world) == {}


def test_a_roll_back_left_out_is_not_handed_over_when_it_is_read_again(world: World) -> None:
    def handler(execution: Execution) -> None:
        if execution.action_id == "d/1/execute":
            raise PermanentError("404")
        if execution.decision_id.startswith("busy"):
            raise RetryLater("busy")  # holds the committed offset back
        world.done.append(execution)

    world.handler = handler
    partition_of = {}
    for number in itertools.count():
        put_action(world.broker, f"busy{number}", 1)
        put_action(world.broker, f"probe{number}", 1)
        partition_of = world.broker.end_offsets(catalogue.ACTIONS.name)
        if all(partition_of.values()):
            break
    for version, kind in ((1, "execute"), (1, "roll_back"), (2, "execute")):
        put_action(world.broker, "d", version, kind)
    world.settle(world.executor(), 10)
    assert "d/2/execute" in world.ids
    world.broker.evict("executors")
    world.handler = world.done.append
    restarted(world)
    assert world.ids.count("d/2/execute") == 2  # read again
    assert "d/1/roll_back" not in world.ids
    assert "d/1/execute" not in world.ids


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


def test_only_what_executors_wait_for_can_be_discarded(world: World) -> None:
    from interlock.schemas.error_headers import with_error_headers

    producer = world.broker.producer(None)
    headers = with_error_headers([], reason="r", message="m", topic="decisions", partition=0, offset=0)
    producer.produce(catalogue.DEAD_LETTER.name, b"v", b"k", 0, headers=[*headers])
    producer.flush()
    with pytest.raises(InterlockError, match="can be discarded; any other is left where it is; nothing was sent"):
        discard(world.broker, [(0, 0)])


def test_a_long_replay_asks_kafka_nothing_for_every_letter(world: World) -> None:
    names = [f"d{number}" for number in range(200)]
    world.handler = refusing(world, *(f"{name}/1/execute" for name in names))
    executor = world.executor()
    for name in names:
        put_action(world.broker, name, 1)
    while len(world.letters()) < len(names):
        world.settle(executor, 10)
    world.handler = world.done.append
    replay(world.broker, None, None)
    for _ in range(20):
        executor.step()
    assert len(world.done) == len(names)


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
