"""The small parts of streams: error classification, back-off, clocks, metrics, hashing, compaction."""

import gc
import logging
from typing import get_args

import pytest
from confluent_kafka import KafkaError
from prometheus_client import CollectorRegistry, generate_latest

from interlock.streams import gc_tuning as garbage
from interlock.streams.backoff import Backoff
from interlock.streams.batch_limit import BatchLimit
from interlock.streams.clock import ManualClock, SystemClock
from interlock.streams.errors import FATAL_CODES, RecoveryAction, recovery_action
from interlock.streams.kafka_trouble import Troubles
from interlock.streams.memory import MemoryBroker
from interlock.streams.memory.partitioner import murmur2
from interlock.streams.metrics import DEFINITIONS, CounterName, GaugeName, HistogramName, Metrics
from interlock.streams.ports import TopicSpec
from interlock.streams.tables import TableReader


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        # Says itself that the transaction can be aborted.
        (KafkaError(KafkaError.ILLEGAL_GENERATION, txn_requires_abort=True), RecoveryAction.ABORT),
        (KafkaError(KafkaError.NOT_ENOUGH_REPLICAS, txn_requires_abort=True), RecoveryAction.ABORT),
        (KafkaError(KafkaError._TIMED_OUT, txn_requires_abort=True, retriable=True), RecoveryAction.ABORT),
        # Nobody knows what became of the request.
        (KafkaError(KafkaError._TIMED_OUT, retriable=True), RecoveryAction.RESTART),
        (KafkaError(KafkaError._TIMED_OUT), RecoveryAction.RESTART),
        (KafkaError(KafkaError._TRANSPORT, retriable=True), RecoveryAction.RESTART),
        (KafkaError(KafkaError._ALL_BROKERS_DOWN), RecoveryAction.RESTART),
        (KafkaError(KafkaError.UNKNOWN), RecoveryAction.RESTART),
        (KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True), RecoveryAction.RESTART),
        (KafkaError(KafkaError._STATE), RecoveryAction.RESTART),
        (KafkaError(KafkaError._CONFLICT), RecoveryAction.RESTART),
        # The producer is finished.
        (KafkaError(KafkaError._FENCED, fatal=True), RecoveryAction.RESTART),
        (KafkaError(KafkaError.INVALID_PRODUCER_EPOCH, fatal=True, txn_requires_abort=True), RecoveryAction.RESTART),
        (KafkaError(KafkaError._FATAL, fatal=True), RecoveryAction.RESTART),
        # The same at every attempt, whatever the flags say.
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, txn_requires_abort=True), RecoveryAction.STOP),
        (KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, txn_requires_abort=True), RecoveryAction.STOP),
        (KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, fatal=True), RecoveryAction.STOP),
    ],
)
def test_every_error_has_the_cheapest_remedy_that_is_certainly_right(
    error: KafkaError, expected: RecoveryAction
) -> None:
    assert recovery_action(error) is expected


def test_no_error_is_without_a_remedy_and_only_listed_ones_stop() -> None:
    codes = [value for name, value in vars(KafkaError).items() if name.isupper() and isinstance(value, int)]
    assert len(codes) > 100
    assert {code for code in codes if recovery_action(KafkaError(code)) is RecoveryAction.STOP} == FATAL_CODES


def test_pauses_grow_from_nothing_to_ten_seconds_and_start_again_after_a_success() -> None:
    backoff = Backoff("Kafka")
    pauses = []
    for _ in range(10):
        backoff.failed("down", "trying again")
        pauses.append(backoff.pause())
    assert pauses == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    backoff.succeeded()
    assert backoff.pause() == 0
    backoff.failed("down", "trying again")
    assert backoff.pause() == 0


def test_a_new_kind_of_trouble_is_told_although_the_old_one_is_not_over(caplog: pytest.LogCaptureFixture) -> None:
    backoff = Backoff("Kafka")
    for reason in ("down", "down", "refused", "refused"):
        backoff.failed(reason, "trying again")
    assert [record.getMessage() for record in caplog.records] == ["down; trying again", "refused; trying again"]


def test_librdkafkas_repeated_complaints_become_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    now = [1000.0]
    complain = Troubles("broker:9092", {}, lambda: now[0])
    for second in range(61):
        now[0] = 1000.0 + second
        complain(KafkaError(KafkaError._TRANSPORT, "Connection refused"))
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka at broker:9092: Connection refused (_TRANSPORT); the client goes on trying"
    ] * 2


def test_a_manual_clock_moves_only_forward_and_only_when_told() -> None:
    clock = ManualClock(5)
    assert clock.now() == clock.now() == 5
    clock.advance(1.5)
    assert clock.now() == 1_500_005
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)


def test_the_system_clock_counts_microseconds() -> None:
    assert 1_700_000_000_000_000 < SystemClock().now() < 10_000_000_000_000_000


def test_every_metric_is_defined_and_exposed_with_its_role_and_help() -> None:
    names = {*get_args(CounterName), *get_args(GaugeName), *get_args(HistogramName)}
    assert names == set(DEFINITIONS)
    metrics = Metrics("sink", CollectorRegistry())
    metrics.add("dead_letters", 3, reason="unreadable")
    metrics.set("lag", 7)
    text = generate_latest(metrics.registry).decode()
    assert 'interlock_dead_letters_total{reason="unreadable",role="sink"} 3.0' in text
    assert 'interlock_lag{role="sink"} 7.0' in text
    assert "# HELP interlock_messages_in_total Messages whose batch was committed." in text


def test_what_is_not_counted_yet_is_shown_as_0_so_that_the_first_one_is_an_increase() -> None:
    metrics = Metrics("router")
    metrics.expose("aborts", "lag", "commit_seconds")
    metrics.expose("rebalances", event="revoked")
    text = generate_latest(metrics.registry).decode()
    for series in (
        'interlock_aborts_total{role="router"} 0.0',
        'interlock_lag{role="router"} 0.0',
        'interlock_commit_seconds_count{role="router"} 0.0',
        'interlock_rebalances_total{event="revoked",role="router"} 0.0',
    ):
        assert series in text.splitlines()
    metrics.add("aborts")
    metrics.expose("aborts")
    assert metrics.value("aborts") == 1


@pytest.mark.parametrize(
    ("key", "signed"),
    [  # the vectors of Kafka's own tests
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_the_java_client(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


def test_compaction_keeps_the_last_record_of_each_key_and_its_offset() -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec("table", 1)])
    producer = broker.producer("id")
    producer.init_transactions()
    for key, value in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None)):
        producer.begin_transaction()
        producer.produce("table", value, key)
        producer.commit_transaction()
    broker.compact("table")
    records = TableReader(broker, ["table"]).read_all()
    assert [(r.offset(), r.key(), r.value()) for r in records] == [(4, b"a", b"2"), (6, b"b", None)]
    broker.compact("table", drop_tombstones=True)
    assert [r.key() for r in TableReader(broker, ["table"]).read_all()] == [b"a"]


def test_a_long_table_may_take_more_than_the_timeout_while_its_records_come(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec("table", 1)])
    producer = broker.producer(None)
    for number in range(9):
        producer.produce("table", b"%d" % number)
    producer.flush()
    monkeypatch.setattr("interlock.streams.ranges.BATCH_SIZE", 2)
    parts = list(TableReader(broker, ["table"]).read_parts(0.1))  # one attempt, if nothing came
    assert [record.value() for part in parts for record in part] == [b"%d" % number for number in range(9)]
    assert len(parts) > 4


def test_a_table_that_is_only_followed_begins_at_its_first_record() -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec("table", 1)])
    producer = broker.producer(None)
    reader = TableReader(broker, ["table"])
    producer.produce("table", b"1")
    producer.flush()
    assert [record.value() for record in reader.poll()] == [b"1"]
    assert reader.poll() == []


def test_full_collections_are_kept_off_the_hot_path() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # Python's own: a runner that ran in this process before has changed it
    try:
        garbage.keep_off_the_hot_path()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] > 700
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_a_batch_grows_only_while_commits_are_quick() -> None:
    limit = BatchLimit(10_000, deadline=10)
    limit.failed(KafkaError(KafkaError._TIMED_OUT), 64)
    assert limit.messages == 32
    limit.committed(32, seconds=3)
    assert limit.messages == 32, "twice as many might take too long"
    limit.committed(32, seconds=1)
    assert limit.messages == 64
    limit.committed(3, seconds=0.01)
    assert limit.messages == 64, "a small batch says nothing about larger ones"


def test_only_time_outs_make_batches_smaller_and_one_message_is_the_least() -> None:
    limit = BatchLimit(10_000, deadline=10)
    limit.failed(KafkaError(KafkaError._ALL_BROKERS_DOWN), 64)
    assert limit.messages == 10_000
    for _ in range(3):
        limit.failed(KafkaError(KafkaError._MSG_TIMED_OUT), 1)
    assert limit.messages == 1
