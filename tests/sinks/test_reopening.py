"""A decision that the desk has decided and forgotten is put on file again from what ClickHouse has."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.errors import InterlockError, UnavailableError
from interlock.processors.desk.authority import Authority, KnownSigner
from interlock.processors.desk.filing import forgotten_task
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.reading import read
from interlock.review import reopening
from interlock.review.desk_connection import CommandRefusedError, Reply
from interlock.review.reopening import appeal, reopen
from interlock.schemas import wire
from interlock.schemas.copy_headers import ISSUED_HEADER, TASK_HEADER
from interlock.schemas.signed_commands import Signer
from interlock.streams.ports import Headers, Message
from interlock.streams.ranges import read_topic
from tests.processors.desk.desk_records import Record, as_written, command, policy_record, records, reviewer_record
from tests.sinks.sink_world import ASYNC, AUTO, MANUAL, START, TASKS, World, decision, routed

pytestmark = pytest.mark.warehouse

DAY = 86_400_000_000


class Store(World):
    """A world with one sink."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._sink = self.writer()

    def stored(self) -> None:
        """What was sent is in ClickHouse."""
        self.settle(self._sink)


@pytest.fixture
def world(shared: Client, run_id: str) -> Store:
    return Store(run_id, shared, partitions=1)


def routed_value(world: Store, decision_id: str) -> bytes:
    demands = {"qualifications": [], "attestations": [], "evidence_opened": False}
    record = decision(decision_id, world.name, amount=float("nan"))
    return wire.encode("RoutedDecision", routed(record, "async", **demands))


def decided(decision_id: str, value: bytes, people: Sequence[str] = ("ann", "bob")) -> list[Record]:
    """What the desk says of a decision that people reject, from its arrival until it is forgotten."""
    desk = DeskProcessor()
    for record in (policy_record(), *(reviewer_record(name) for name in people)):
        desk.follow(record)
    steps = [desk.process([Record(ASYNC, decision_id.encode(), value)], START)]
    for number, name in enumerate(people):
        on_duty = command(3 * number, "on_duty", name)
        steps.append(desk.process([on_duty, command(3 * number + 1, "claim", name, task_id=decision_id)], START))
        lease = records(steps[-1], "reviews.replies")[-1]
        given = {field: lease[field] for field in ("task_id", "epoch", "payload_hash")}
        given |= {"verdict": "reject", "reason_code": "other", "reason_text": "„fälschlich“\n\0", "outcome": "reject"}
        steps.append(desk.process([command(3 * number + 2, "submit", name, **given)], START + number + 7))
    steps += [desk.process([], START + days * DAY) for days in (2, 99)]
    said = [record for outputs in steps for record in as_written(outputs) if record.name == TASKS]
    assert said[-1].value_bytes is None
    return said


def store(world: Store, decision_id: str, value: bytes, said: list[Record]) -> None:
    world.send(ASYNC, decision_id.encode(), value)
    for record in said:
        world.send(TASKS, record.key_bytes, record.value_bytes)
    world.stored()


def unsigned(value: bytes) -> Headers:
    assert value
    return []


def copies(world: Store) -> list[Message]:
    return [message for messages in read_topic(world.broker, MANUAL) for message in messages]


def test_the_copy_carries_the_last_record_of_the_task_as_the_desk_wrote_it(world: Store) -> None:
    decision_id = f"{world.name}-1"
    value = routed_value(world, decision_id)
    said = decided(decision_id, value)
    store(world, decision_id, value, said)
    assert reopen(world.broker, world.client, decision_id, unsigned)
    (copy,) = copies(world)
    header = dict(copy.headers())[TASK_HEADER]
    # As texts: what is no number (NaN) does not equal itself.
    assert str(wire.decode_plain("Task", header)) == str(wire.decode_plain("Task", said[-2].value_bytes))
    ((arrival,), _) = read([copy])
    assert arrival is not None
    task = forgotten_task(copy, arrival, Authority(), START + 99 * DAY)
    assert task is not None
    assert (task.version, task.decided_by, task.quorum) == (2, "ann, bob", 2)


def test_the_copy_has_the_bytes_that_were_judged_in_whatever_version_they_were_written(world: Store) -> None:
    decision_id = f"{world.name}-1"
    *_, first = wire.encodings("RoutedDecision", wire.decode("RoutedDecision", routed_value(world, decision_id)))
    assert first != routed_value(world, decision_id)
    store(world, decision_id, first, decided(decision_id, first, ["ann"]))
    assert reopen(world.broker, world.client, decision_id, unsigned)
    (copy,) = copies(world)
    assert copy.value() == first


def test_nothing_is_copied_while_the_desk_has_it_as_far_as_clickhouse_knows(world: Store) -> None:
    decision_id = f"{world.name}-1"
    value = routed_value(world, decision_id)
    store(world, decision_id, value, decided(decision_id, value)[:-1])
    assert not reopen(world.broker, world.client, decision_id, unsigned)
    assert copies(world) == []


def test_a_gold_item_that_has_borrowed_the_id_since_is_not_taken_for_the_decision(world: Store) -> None:
    decision_id = f"{world.name}-1"
    value = routed_value(world, decision_id)
    said = decided(decision_id, value)
    last = wire.decode_plain("Task", said[-2].value_bytes)
    store(world, decision_id, value, said)
    world.tell(TASKS, decision_id, last | {"kind": "gold", "decision_id": "another", "state": "waiting"})
    world.stored()
    assert reopen(world.broker, world.client, decision_id, unsigned)
    (copy,) = copies(world)
    assert wire.decode_plain("Task", dict(copy.headers())[TASK_HEADER])["version"] == 2


def test_what_nobody_knows_is_not_put_on_file(world: Store) -> None:
    with pytest.raises(InterlockError, match="neither the desk nor ClickHouse knows"):
        reopen(world.broker, world.client, f"{world.name}-nothing", unsigned)
    assert copies(world) == []


def test_what_took_effect_unseen_is_put_on_file_without_a_task(world: Store) -> None:
    decision_id = f"{world.name}-1"
    world.route(decision(decision_id, world.name), "auto")
    world.stored()
    assert world.in_kafka()[AUTO] == 1
    assert reopen(world.broker, world.client, decision_id, unsigned)
    (copy,) = copies(world)
    assert not copy.headers()


class Desk:
    """Knows a decision from the `knows_at`-th appeal on; remembers what it answered to the id of a command."""

    def __init__(self, knows_at: int) -> None:
        self._knows_at = knows_at
        self.answers: dict[str | None, bool] = {}
        self.asked = 0

    def signature(self, value: bytes) -> Headers:
        return [*Signer("console", bytes(32)).headers("bob", value)]

    def appeal(self, task_id: str, statement: str, command_id: str | None, on_behalf_of: str) -> Reply:
        assert (statement, on_behalf_of) == ("not me", "M. Weber")
        self.asked += 1
        known = self.answers.setdefault(command_id or f"new {self.asked}", self.asked >= self._knows_at)
        fields: dict[str, Any] = {"kind": "appeal", "actor": "bob", "at": datetime.now(UTC), "epoch": 0, "offset": 0}
        fields |= {"lease_until": None, "payload_hash": "", "topic": "", "partition": 0, "message": ""}
        code = "ok" if known else "unknown-task"
        reply = Reply(command_id=command_id or "", task_id=task_id, accepted=known, code=code, **fields)
        if not known:
            raise CommandRefusedError(reply)
        return reply


@pytest.fixture
def forgotten(world: Store) -> str:
    decision_id = f"{world.name}-1"
    value = routed_value(world, decision_id)
    store(world, decision_id, value, decided(decision_id, value))
    return decision_id


def ask(world: Store, desk: Any, decision_id: str, command_id: str | None = None) -> Reply:
    connect = lambda: nullcontext(world.client)  # noqa: E731 - a parameter
    return appeal(desk, world.broker, connect, decision_id, "not me", command_id, on_behalf_of="M. Weber")


def test_an_appeal_waits_until_the_desk_has_the_copy_and_copies_once(world: Store, forgotten: str) -> None:
    assert ask(world, Desk(knows_at=4), forgotten).accepted
    (copy,) = copies(world)
    # The desk believes it where it knows the key.
    ((arrival,), _) = read([copy])
    assert arrival is not None
    issued_at = int(dict(copy.headers())[ISSUED_HEADER])
    believed = Authority({"console": KnownSigner(bytes(32))})
    assert forgotten_task(copy, arrival, believed, issued_at) is not None


def test_an_appeal_that_is_repeated_under_its_id_gets_the_answer_that_it_got(world: Store, forgotten: str) -> None:
    desk = Desk(knows_at=3)
    first = ask(world, desk, forgotten, "mine")
    assert (first.accepted, first.command_id) == (True, "mine/2")
    world.send(TASKS, forgotten.encode(), decided(forgotten, routed_value(world, forgotten))[-2].value_bytes)
    world.stored()
    assert ask(world, desk, forgotten, "mine").command_id == "mine/2"
    assert len(copies(world)) == 1


def test_an_appeal_that_the_desk_never_takes_says_what_to_do(
    world: Store, forgotten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reopening, "_PAUSES_SECONDS", (0.0, 0.0))
    with pytest.raises(UnavailableError, match="appeal again in a moment"):
        ask(world, Desk(knows_at=99), forgotten)
    world.send(TASKS, forgotten.encode(), decided(forgotten, routed_value(world, forgotten))[-2].value_bytes)
    world.stored()
    with pytest.raises(UnavailableError, match="ClickHouse has not heard yet that it has forgotten it"):
        ask(world, Desk(knows_at=99), forgotten)
