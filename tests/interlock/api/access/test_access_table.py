"""The table of tokens and ended sessions: for many threads, and while Kafka is away."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import KafkaError, KafkaException

from interlock.api.access.sessions import end_session, new_session
from interlock.api.access.table import LOOK_SECONDS, AccessTable, access_record
from interlock.api.access.tokens import revoke_token, verified
from interlock.errors import UnavailableError
from interlock.streams.memory.broker import MemoryBroker
from tests.interlock.api.access.access_world import START, World


def test_it_looks_at_kafka_at_most_ten_times_a_second(world: World) -> None:
    table = AccessTable(world.broker.process(), monotonic=lambda: world.time)
    token = world.token("tasks:read")
    assert table.get("token", token.record["id"]) is None
    world.pass_time(LOOK_SECONDS)
    assert table.get("token", token.record["id"]) == token.record


def test_threads_share_it(world: World) -> None:
    ticks, lock = [START], threading.Lock()

    def next_look() -> float:
        with lock:
            ticks[0] += LOOK_SECONDS
            return ticks[0]

    tables = [AccessTable(world.broker.process(), monotonic=next_look) for _ in range(2)]

    def work(number: int) -> str:
        table = tables[number % 2]
        token = world.token("tasks:read", person=f"p{number}")
        while table.get("token", token.record["id"]) is None:
            pass
        assert verified(table, token.text, START)["person"] == f"p{number}"
        end_session(table, new_session(f"p{number}", "", [], START), by="x", now=START)
        revoke_token(table, token.record["id"], by="x", now=START)
        return str(token.record["id"])

    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(work, range(40)))
    for table in tables:
        tokens = table.of_kind("token")
        assert {record["id"] for record in tokens} == made
        assert all(record["revoked_at"] for record in tokens)
        assert len(table.of_kind("session")) == 40


def test_what_kafka_does_not_take_does_not_hold(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all brokers are down"))

    monkeypatch.setattr("interlock.api.access.table.send_and_wait", away)
    table = AccessTable(world.broker, monotonic=lambda: world.time)
    with pytest.raises(UnavailableError, match="Kafka did not take"):
        table.write(access_record("session", "s", "ann", revoked_at=1))
    assert table.get("session", "s") is None


def test_a_missing_topic_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(KafkaException, match="topic access does not exist"):
        AccessTable(MemoryBroker())
