"""Reconciliation: agreement where there is agreement, and a precise complaint where there is not."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.executors import Execution, Executor, PermanentError
from interlock.operations.dead_letters import replay
from interlock.schemas import catalogue, wire
from interlock.schemas.copy_headers import TASK_HEADER
from interlock.schemas.error_headers import with_error_headers
from interlock.schemas.reasons import ACTIVE_POOL, PICKED_GREEDY
from interlock.sinks import ledger
from interlock.sinks.reconcile import Reconciliation
from interlock.streams.memory import InlineExecutor
from tests.sinks import review_records
from tests.sinks.sink_world import ASYNC, AUTO, DEAD, DECISIONS, MANUAL, OUTCOMES, SYNC, TASKS, World, decision, routed

pytestmark = pytest.mark.warehouse

SHADOW = catalogue.SHADOW.name

# More than any world here has: how a writer cuts its chunks is tested elsewhere, and every insert fills all roll-ups.
AT_ONCE: dict[str, Any] = {"max_rows": 1_000, "max_consumed": 1_000}


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference that a test makes is there for good: two comparisons show that it is not taken at once."""
    monkeypatch.setattr(ledger, "_ATTEMPTS", 2)


def complaints(result: Reconciliation) -> dict[str, str]:
    _, rows = result.as_table()
    return {str(row[0]): str(row[-1]) for row in rows if row[-1] != "ok"}


def test_a_settled_pipeline_agrees_everywhere(shared: Client, run_id: str) -> None:
    world = World(run_id, shared)
    world.pipeline(18)
    world.settle(world.writer(**AT_ONCE))
    result = world.reconcile()
    assert complaints(result) == {}
    assert result.ok
    assert result.lag == 0
    assert result.routes.decisions == 18
    assert result.routes.copies > 0
    assert result.routes.dead_letters > 0
    assert sum(partition.in_kafka for partition in result.partitions) == sum(world.in_kafka().values())
    assert json.loads(json.dumps(result.facts()))["ok"] is True


def test_what_is_not_inserted_yet_is_lag_and_no_disagreement(shared: Client, run_id: str) -> None:
    world = World(run_id, shared)
    world.pipeline(10)
    world.settle(world.writer(**AT_ONCE))
    world.pipeline(12)
    result = world.reconcile()
    assert result.ok
    assert result.lag == sum(world.in_kafka().values()) - sum(world.in_clickhouse().values())


def test_nothing_at_all_agrees(shared: Client, run_id: str) -> None:
    assert World(run_id, shared).reconcile().ok


def test_transaction_markers_and_aborted_records_are_no_disagreement(shared: Client, run_id: str) -> None:
    world = World(run_id, shared, partitions=1)
    producer = world.broker.producer("router")
    producer.init_transactions()
    for commit in (True, False, True):
        producer.begin_transaction()
        producer.produce(DECISIONS, b"unreadable", b"k")
        producer.commit_transaction() if commit else producer.abort_transaction()
    world.settle(world.writer(**AT_ONCE))
    result = world.reconcile()
    assert result.ok
    assert result.partitions[0].in_kafka == 2


def test_missing_doubled_and_swapped_rows_are_found(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    world.pipeline(12)
    world.settle(world.writer(**AT_ONCE))
    assert world.reconcile().ok
    own.command(f"DELETE FROM decisions WHERE kafka_stream = '{run_id}' AND kafka_offset = 3")
    assert complaints(world.reconcile()) == {"decisions 0": "1 rows missing"}
    twice = "SELECT * REPLACE (100000 AS kafka_chunk_first) FROM decisions WHERE kafka_offset = 4"
    own.command(f"INSERT INTO decisions {twice}")
    assert complaints(world.reconcile()) == {"decisions 0": "1 rows doubled"}
    own.command("DELETE FROM decisions WHERE kafka_chunk_first = 100000")
    # The right number of rows, one of them of another offset: twice in the log, or nowhere in it.
    own.command(
        "INSERT INTO dead_letters SELECT * REPLACE (0 AS kafka_offset) FROM (SELECT * FROM dead_letters) LIMIT 1"
    )
    own.command("DELETE FROM dead_letters WHERE kafka_offset = 1")
    assert complaints(world.reconcile())["dead-letter 0"] == "1 rows doubled"


def test_another_offset_in_the_place_of_the_right_one_is_found(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    producer = world.broker.producer("router")
    producer.init_transactions()
    for _ in range(3):
        producer.begin_transaction()
        producer.produce(DECISIONS, b"unreadable", b"k")
        producer.commit_transaction()
    world.settle(world.writer(**AT_ONCE))
    # Offset 1 is a transaction marker.
    own.command("INSERT INTO decisions SELECT * REPLACE (1 AS kafka_offset) FROM (SELECT * FROM decisions) LIMIT 1")
    own.command("DELETE FROM decisions WHERE kafka_offset = 2")
    assert complaints(world.reconcile()) == {"decisions 0": "other offsets than in Kafka"}


def test_a_roll_up_that_is_wrong_is_found(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    world.pipeline(12)
    world.settle(world.writer(**AT_ONCE))
    own.command("INSERT INTO routed_by_hour SELECT * REPLACE ('another' AS queue) FROM routed_by_hour LIMIT 1")
    own.command("ALTER TABLE dead_letters_by_minute DELETE WHERE 1 SETTINGS mutations_sync = 1")
    result = world.reconcile()
    assert not result.ok
    assert {comparison.roll_up for comparison in result.roll_ups if not comparison.ok} == {
        "routed_by_hour",
        "dead_letters_by_minute",
    }


def test_roll_ups_of_the_review_side_that_are_wrong_are_found(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    world.pipeline(12)
    for record in (review_records.task("forgotten", "resolved", state="done"), None):
        world.tell(TASKS, "forgotten", record)
    world.send(TASKS, b"unreadable", b"unreadable")
    world.settle(world.writer(**AT_ONCE))
    result = world.reconcile()
    found = {comparison.roll_up for comparison in result.roll_ups if comparison.topic in (TASKS, OUTCOMES)}
    assert result.ok
    assert len(found) == 5
    for roll_up in found:
        own.command(f"INSERT INTO {roll_up} SELECT * REPLACE ('again' AS domain) FROM {roll_up} LIMIT 1")
    assert {comparison.roll_up for comparison in world.reconcile().roll_ups if not comparison.ok} == found


def routed_bytes(world: World, decision_id: str, route: str = "auto", *, audit: bool = False) -> bytes:
    return wire.encode("RoutedDecision", routed(decision(decision_id, world.name), route, audit=audit))


def lose_a_route(world: World) -> None:
    world.send(DECISIONS, b"lost", wire.encode("Decision", decision("lost", world.name)))


def route_twice(world: World) -> None:
    world.send(DECISIONS, b"twice", wire.encode("Decision", decision("twice", world.name)))
    world.send(AUTO, b"twice", routed_bytes(world, "twice"))
    world.send(SYNC, b"twice", routed_bytes(world, "twice", "sync"))


def route_what_nobody_sent(world: World) -> None:
    world.send(AUTO, b"invented", routed_bytes(world, "invented"))


def forget_the_copy_of_an_audit(world: World) -> None:
    world.send(DECISIONS, b"audited", wire.encode("Decision", decision("audited", world.name)))
    world.send(AUTO, b"audited", routed_bytes(world, "audited", audit=True))


def copy_what_is_no_audit(world: World) -> None:
    world.send(DECISIONS, b"copied", wire.encode("Decision", decision("copied", world.name)))
    world.send(AUTO, b"copied", routed_bytes(world, "copied"))
    world.send(ASYNC, b"copied", routed_bytes(world, "copied"))


def route_and_try(world: World) -> None:
    world.send(DECISIONS, b"tried", wire.encode("Decision", decision("tried", world.name)))
    world.send(AUTO, b"tried", routed_bytes(world, "tried"))
    world.send(SHADOW, b"tried", routed_bytes(world, "tried"))


def pick(world: World, decision_id: str, *, from_pool: bool = True, times: int = 1) -> None:
    """A decision that took effect, left to the sampler or not, which the sampler sent to review."""
    key, record = decision_id.encode(), decision(decision_id, world.name)
    pool = ["lane", *[ACTIVE_POOL] * from_pool]
    world.send(DECISIONS, key, wire.encode("Decision", record))
    world.send(AUTO, key, wire.encode("RoutedDecision", routed(record, "auto", reasons=pool)))
    picked = routed(record, "auto", reasons=[*pool, PICKED_GREEDY], audit=True, propensity=0.9)
    for _ in range(times):
        world.send(ASYNC, key, wire.encode("RoutedDecision", picked))


def pick_what_was_not_in_the_pool(world: World) -> None:
    pick(world, "grabbed", from_pool=False)


def pick_twice(world: World) -> None:
    pick(world, "liked", times=2)


def bury_and_route(world: World) -> None:
    world.send(DECISIONS, b"both", b"unreadable")
    world.bury(b"both", b"unreadable")
    world.send(AUTO, b"both", routed_bytes(world, "both"))


def bury_twice(world: World) -> None:
    world.send(DECISIONS, b"buried", b"unreadable")
    world.bury(b"buried", b"unreadable")
    world.bury(b"buried", b"unreadable")


def bury_what_nobody_sent(world: World) -> None:
    errors = [("__streams.errors.topic", b"decisions"), ("__streams.errors.partition", b"0")]
    world.send(DEAD, b"nothing", b"x", [*errors, ("__streams.errors.offset", b"99999")])


@pytest.mark.parametrize(
    ("damage", "verdict"),
    [
        (lose_a_route, "1 missing (lost)"),
        (route_twice, "1 doubled (twice)"),
        (route_what_nobody_sent, "1 unknown (invented)"),
        (forget_the_copy_of_an_audit, "1 wrong copies (audited)"),
        (copy_what_is_no_audit, "1 wrong copies (copied)"),
        (route_and_try, "1 doubled (tried)"),
        (pick_what_was_not_in_the_pool, "1 wrong copies (grabbed)"),
        (pick_twice, "1 wrong copies (liked)"),
        (bury_and_route, "1 unknown (both)"),
        (bury_twice, "1 doubled"),
        (bury_what_nobody_sent, "1 unknown"),
    ],
)
def test_a_decision_without_exactly_one_route_is_named(
    shared: Client, run_id: str, damage: Callable[[World], None], verdict: str
) -> None:
    world = World(run_id, shared)
    world.pipeline(12)
    damage(world)
    world.commit_router()
    result = world.reconcile()
    assert complaints(result) == {"decisions and their routes": verdict}
    assert not result.ok


def test_a_decision_of_a_challenger_has_its_place_and_so_has_what_the_sampler_sends_to_people(
    shared: Client, run_id: str
) -> None:
    world = World(run_id, shared)
    world.pipeline(6)
    for decision_id in ("tried-1", "tried-2"):
        world.send(DECISIONS, decision_id.encode(), wire.encode("Decision", decision(decision_id, world.name)))
        world.send(SHADOW, decision_id.encode(), routed_bytes(world, decision_id))
    pick(world, "picked")
    pick(world, "left", times=0)
    world.commit_router()
    world.settle(world.writer(**AT_ONCE))
    result = world.reconcile()
    assert complaints(result) == {}
    # One audit of the pipeline, and the picked one.
    assert (result.routes.decisions, result.routes.copies) == (10, 2)


def test_a_decision_that_the_router_has_not_read_is_not_missing(shared: Client, run_id: str) -> None:
    world = World(run_id, shared)
    world.pipeline(12)
    lose_a_route(world)  # on its way
    assert world.reconcile().routes.ok


@pytest.mark.parametrize("routes", [1, 2])
def test_an_id_that_was_sent_twice_is_one_decision_routed_once_or_again_when_it_was_forgotten(
    shared: Client, run_id: str, routes: int
) -> None:
    world = World(run_id, shared)
    for _ in range(2):
        world.send(DECISIONS, b"again", wire.encode("Decision", decision("again", world.name)))
    for _ in range(routes):
        world.send(AUTO, b"again", routed_bytes(world, "again"))
    world.commit_router()
    result = world.reconcile().routes
    assert result.ok
    assert result.repetitions == 1


def test_a_dead_letter_of_an_executor_that_is_replayed_leaves_the_decision_counted_once(own: Client) -> None:
    world = World("retry", own)
    record = decision("d-1", "retry")
    world.send(DECISIONS, b"d-1", wire.encode("Decision", record))
    world.route(record, "auto")
    world.commit_router()

    def refuse(_: Execution) -> None:
        raise PermanentError("the receiver answered 401", "http-401")

    executor = Executor(world.broker, "webhooks", refuse, pool=InlineExecutor())
    _turn(executor, until=lambda: world.in_kafka()[DEAD] == 1)
    writer = world.writer(**AT_ONCE)
    world.settle(writer)
    before = _counts(own)
    assert replay(world.broker, None, None) == 1
    _turn(executor, until=lambda: world.in_kafka()[DEAD] == 2)
    world.settle(writer)
    assert _counts(own) == before == (1, 1, 0)
    result = world.reconcile()
    assert complaints(result) == {}
    assert own.query("SELECT executor_group, request FROM action_retries").result_rows == [("webhooks", "retry")]


def test_a_dead_letter_of_the_desk_that_is_replayed_leaves_the_decision_counted_once(own: Client) -> None:
    world = World("again", own, partitions=1)
    record = decision("d-1", "again")
    value = wire.encode("RoutedDecision", routed(record, "async"))
    world.send(DECISIONS, b"d-1", wire.encode("Decision", record))
    world.send(ASYNC, b"d-1", value)
    world.commit_router()
    errors = with_error_headers([], reason="oversized", message="m", topic=ASYNC, partition=0, offset=0, step="desk")
    world.send(DEAD, b"d-1", value, errors)
    assert replay(world.broker, None, None) == 1
    world.settle(world.writer(**AT_ONCE))
    assert world.in_kafka()[ASYNC] == 2
    assert _counts(own) == (1, 2, 0)
    assert complaints(world.reconcile()) == {}


def test_a_decision_that_is_filed_again_for_an_appeal_stays_counted_once(own: Client) -> None:
    world = World("filed", own, partitions=1)
    record = decision("d-1", "filed")
    value = wire.encode("RoutedDecision", routed(record, "async"))
    world.send(DECISIONS, b"d-1", wire.encode("Decision", record))
    world.send(ASYNC, b"d-1", value)
    world.commit_router()
    world.send(MANUAL, b"d-1", value, [(TASK_HEADER, b"decided")])
    world.settle(world.writer(**AT_ONCE))
    assert _counts(own) == (1, 2, 0)
    assert complaints(world.reconcile()) == {}


def _turn(executor: Executor, until: Callable[[], bool]) -> None:
    for _ in range(200):
        executor.step()
        if until():
            return
    raise AssertionError("it did not come to that")


def _counts(client: Client) -> tuple[int, ...]:
    """Decisions, their records, ordered actions."""
    counts = (
        "SELECT total_decisions FROM metrics",
        "SELECT count() FROM routed_decisions",
        "SELECT count() FROM actions",
    )
    return tuple(client.query(count).result_rows[0][0] for count in counts)


@pytest.mark.parametrize(("routes", "verdict"), [(0, "1 missing (again)"), (3, "1 doubled (again)")])
def test_an_id_that_was_sent_twice_is_neither_lost_nor_routed_more_often_than_it_came(
    shared: Client, run_id: str, routes: int, verdict: str
) -> None:
    world = World(run_id, shared)
    for _ in range(2):
        world.send(DECISIONS, b"again", wire.encode("Decision", decision("again", world.name)))
    for _ in range(routes):
        world.send(AUTO, b"again", routed_bytes(world, "again"))
    world.commit_router()
    assert complaints(world.reconcile()) == {"decisions and their routes": verdict}
