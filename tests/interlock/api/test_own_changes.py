"""Whoever got a reply of the desk sees what it tells of on the next page, although both come by different topics."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from interlock.api.live_board import LiveBoard
from interlock.processors.desk.processor import DeskProcessor
from interlock.review.desk_connection import Reply
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from tests.processors.desk.desk_records import (
    START,
    Record,
    as_written,
    command,
    policy_record,
    reviewer_record,
    routed,
)


class Counter:
    """A desk whose records reach the board when a test says so."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(SystemClock(), waits=True)
        self.broker.create_topics([TopicSpec(each.name, each.partitions, each.config()) for each in catalogue.TOPICS])
        self.board = LiveBoard(self.broker)
        self._desk = DeskProcessor()
        for record in (policy_record(), reviewer_record("ann")):
            self._desk.follow(record)
        self._sent = 0
        arrived = as_written(self._desk.process([routed("d1")], START))
        self.late: list[Record] = [reviewer_record("ann"), *arrived]
        self.deliver()

    def ask(self, kind: str, **fields: Any) -> Reply:
        """The reply to a command of Ann's; what the desk has done is not delivered yet."""
        self._sent += 1
        asked = command(self._sent, kind, "ann", **fields)
        written = as_written(self._desk.process([asked], START + self._sent))
        self.late = [record for record in written if record.name != catalogue.REPLIES.name]
        (reply,) = [record for record in written if record.name == catalogue.REPLIES.name]
        return Reply(**wire.decode("CommandReply", reply.value_bytes or b""))

    def deliver(self) -> None:
        producer = self.broker.producer(None)
        for record in self.late:
            producer.produce(record.name, record.value_bytes, record.key_bytes)
        producer.flush()


@pytest.fixture
def counter() -> Iterator[Counter]:
    made = Counter()
    with closing(made.board):
        yield made


def seen_after(counter: Counter, reply: Reply) -> dict[str, Any] | None:
    """The task on the page that a person loads who got the reply, where the board hears of it only afterwards."""

    def load() -> dict[str, Any] | None:
        counter.board.wait_for(reply)
        return counter.board.task("d1")

    with ThreadPoolExecutor(1) as person:
        page = person.submit(load)
        counter.deliver()
        return page.result()


def test_each_change_is_on_the_page_that_is_loaded_after_its_reply(counter: Counter) -> None:
    reply = counter.ask("on_duty")
    seen_after(counter, reply)
    assert counter.board.on_duty == {"ann"}
    lease = counter.ask("claim")
    found = seen_after(counter, lease)
    assert found is not None
    assert (found["lease_holder"], found["lease_epoch"]) == ("ann", lease.epoch)
    shown = {"task_id": "d1", "epoch": lease.epoch, "payload_hash": lease.payload_hash}
    extended = counter.ask("extend", **shown)
    found = seen_after(counter, extended)
    assert found is not None
    assert found["lease_until"] == extended.lease_until
    given = {"verdict": "approve", "reason_code": "other", "reason_text": "fine"}
    found = seen_after(counter, counter.ask("submit", **shown, **given))
    assert found is not None
    assert (found["state"], found["decided_by"]) == ("done", "ann")


def test_a_claim_that_changes_nothing_and_a_refusal_are_not_waited_for(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_after(counter, counter.ask("on_duty"))
    seen_after(counter, counter.ask("claim", task_id="d1"))
    monkeypatch.setattr("interlock.api.live_board._REPLY_TIMEOUT_SECONDS", 3600.0)
    again = counter.ask("claim", task_id="d1")
    assert again.accepted
    counter.board.wait_for(again)
    counter.board.wait_for(counter.ask("claim", task_id="unknown"))
