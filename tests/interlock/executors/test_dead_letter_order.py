"""The actions on one decision keep their order when some of them are dead letters, and no other group notices."""

import itertools

import pytest

from interlock.errors import InterlockError
from interlock.executors import Execution, MemorySeen, PermanentError, RetryLater
from interlock.operations.dead_letters import discard, replay
from interlock.schemas import catalogue, wire
from tests.interlock.executors.executor_world import (
    World,
    action,
    put_action,
    put_bytes,
    put_routed,
    refusing,
    sequences,
)


@pytest.fixture
def world() -> World:
    return World()


def restarted(world: World) -> None:
    """A process with a new memory takes over."""
    world.seen = MemorySeen()
    world.settle(world.executor(), 10)


def reasons(world: World) -> list[str]:
    return [letter.reason for letter in world.letters()]


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


def test_a_retry_does_not_wait_for_transaction_markers_behind_actions_that_waited_themselves(world: World) -> None:
    names = [f"d{number}" for number in range(20)]
    world.handler = refusing(world, *(f"{name}/1/execute" for name in names))
    executor = world.executor()
    for name in names:
        put_action(world.broker, name, 1)
    world.settle(executor, 10)
    producer = world.broker.producer("desk")
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(20):  # each waits until it is known that its execute does not come
        value = wire.encode("Action", action(f"old{number}", 1, "roll_back"))
        producer.produce(catalogue.ACTIONS.name, value, f"old{number}".encode())
    producer.commit_transaction()
    world.handler = world.done.append
    replay(world.broker, None, None)
    for _ in range(60):
        executor.step()
    assert sorted(world.ids) == sorted(
        [*(f"{name}/1/execute" for name in names), *(f"old{number}/1/roll_back" for number in range(20))]
    )
