"""Folding a topic: state that is rebuilt, gaps that are filled, repetitions that are ignored."""

import asyncio
import logging
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaException
from hypothesis import given
from hypothesis import strategies as st

from interlock.streams.faust_app import REPEAT_LOG_SECONDS, one_line_logs
from interlock.streams.folding import FoldSettings, Output, Record, Steps, _Failures, _keep_ticking
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, TopicSpec
from interlock.streams.tables import TableReader

SETTINGS = FoldSettings("learners", "in", "nowhere:9092")


@pytest.fixture
def broker() -> Broker:
    return written(20)


def written(count: int) -> MemoryBroker:
    memory = MemoryBroker()
    memory.create_topics([TopicSpec("in", 1)])
    producer = memory.producer("desk")
    producer.init_transactions(1)
    for number in range(count):  # the marker of its transaction follows each record; some come after an aborted one
        if number % 3 == 1:
            producer.begin_transaction()
            producer.produce("in", b"aborted", b"k")
            producer.flush()
            producer.abort_transaction(1)
        producer.begin_transaction()
        producer.produce("in", str(number).encode(), b"k")
        producer.commit_transaction(1)
    return memory


def records(broker: Broker) -> list[Record]:
    reader = TableReader(broker, ["in"])
    found = [Record("in", 0, m.offset(), m.key(), m.value(), (), replayed=False) for m in reader.read_all()]
    reader.close()
    return found


class Summing:
    """A fold whose outputs tell of everything that was folded."""

    def __init__(self) -> None:
        self.folded: list[int] = []
        self.replayed: list[int] = []

    def __call__(self, record: Record) -> list[Output]:
        number = int(record.value or b"")
        self.folded.append(number)
        if record.replayed:
            self.replayed.append(number)
        return [Output("out", record.key, str(sum(self.folded)).encode())]


def steps(broker: Broker, fold: Summing, settings: FoldSettings = SETTINGS) -> Steps:
    return Steps(settings, broker, fold, threading.Event())


def test_what_was_committed_before_is_folded_again_without_a_word(broker: Broker) -> None:
    fold = Summing()
    (made,) = steps(broker, fold).process(records(broker)[5], generation=1)
    assert made.value == b"15"
    assert fold.folded == [0, 1, 2, 3, 4, 5]
    assert fold.replayed == [0, 1, 2, 3, 4]


def test_what_others_did_meanwhile_is_folded_too(broker: Broker) -> None:
    fold, all_records = Summing(), records(broker)
    one = steps(broker, fold)
    one.process(all_records[0], generation=1)
    one.process(all_records[1], generation=1)
    (made,) = one.process(all_records[7], generation=3)
    assert fold.folded == list(range(8))
    assert made.value == b"28"


def test_a_record_that_comes_again_after_the_group_changed_is_not_folded_twice(broker: Broker) -> None:
    fold, all_records = Summing(), records(broker)
    one = steps(broker, fold)
    for record in all_records[:4]:
        one.process(record, generation=1)
    assert one.process(all_records[2], generation=2) == []
    assert one.process(all_records[3], generation=2) == []
    assert [made.value for made in one.process(all_records[4], generation=2)] == [b"10"]


def test_state_of_a_long_topic_is_rebuilt_from_as_far_back_as_was_said(broker: Broker) -> None:
    fold, all_records = Summing(), records(broker)
    last = all_records[-1]
    settings = FoldSettings("learners", "in", "nowhere:9092", max_replay_offsets=last.offset - all_records[-3].offset)
    steps(broker, fold, settings).process(last, generation=1)
    assert fold.folded == [17, 18, 19]


def test_nothing_is_folded_once_it_shall_stop(broker: Broker) -> None:
    fold, stop = Summing(), threading.Event()
    stop.set()
    assert Steps(SETTINGS, broker, fold, stop).process(records(broker)[5], generation=1) == []
    assert fold.folded == []


def test_nothing_ticks_before_the_first_record_has_rebuilt_the_state(broker: Broker) -> None:
    fold = Summing()
    one = Steps(
        SETTINGS, broker, fold, threading.Event(), lambda: [Output("out", None, str(len(fold.folded)).encode())]
    )
    assert one.tick() == []
    one.process(records(broker)[2], generation=1)
    assert [output.value for output in one.tick()] == [b"3"]


@pytest.mark.parametrize("assigned", [True, False])
def test_a_member_ticks_while_it_has_a_partition_and_waits_until_kafka_has_what_follows(
    broker: Broker, assigned: bool
) -> None:
    ticks: list[int] = []
    failures = _Failures()

    def tick() -> list[Output]:
        ticks.append(len(ticks))
        if len(ticks) == 3:
            raise KafkaException("enough")
        return [Output("out", b"k", str(len(ticks)).encode())]

    one = Steps(SETTINGS, broker, Summing(), threading.Event(), tick)
    one.process(records(broker)[0], generation=1)
    sent: list[bytes] = []
    looked = 0

    def assignment() -> set[str]:
        nonlocal looked
        looked += 1
        if looked == 5:
            failures.add(KafkaException("enough"))
        return {"in"} if assigned else set()

    async def send(*record: Any) -> "asyncio.Future[None]":
        sent.append(record[2])
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    app: Any = SimpleNamespace(consumer=SimpleNamespace(assignment=assignment), producer=SimpleNamespace(send=send))
    settings = replace(SETTINGS, tick_seconds=0.0)

    async def run() -> None:
        await _keep_ticking(app, settings, one, failures, asyncio.Lock())

    asyncio.run(run())
    assert sent == ([b"1", b"2"] if assigned else [])
    assert str(failures.first) == "enough"


# A second fold starts in a new process while the first is loading its client; printed are the threads that load it. The
# first waits for the second, which must not come.
_FIRST_IMPORTS = """
import sys, threading
from interlock.streams.folding import FoldSettings, run_fold
from interlock.streams.memory import MemoryBroker

threads, midway, second, stop = set(), threading.Event(), threading.Event(), threading.Event()
stop.set()

def recorded(event, about):
    if event == "import" and about[0].startswith("aiokafka."):
        threads.add(threading.current_thread().name)
        if midway.is_set():
            second.set()
        else:
            midway.set()
            second.wait(0.5)

def follow(name):
    run_fold(FoldSettings(name, "in", "127.0.0.1:1"), MemoryBroker(), lambda _: [], stop)

sys.addaudithook(recorded)
folds = [threading.Thread(target=follow, args=(name,), name=name) for name in ("first", "second")]
folds[0].start()
midway.wait()
folds[1].start()
for fold in folds:
    fold.join()
print(*sorted(threads))
"""


def test_folds_that_start_together_import_their_client_one_after_the_other() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _FIRST_IMPORTS], capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout.split() == ["first"], run.stderr


@given(st.lists(st.integers(0, 19), max_size=8), st.integers(1, 3))
def test_whatever_is_killed_and_whenever_outputs_are_those_of_one_undisturbed_run(
    kills: list[int], committed_behind: int
) -> None:
    broker = written(20)
    all_records = records(broker)
    undisturbed = steps(broker, Summing())
    expected = [undisturbed.process(record, 1)[0].value for record in all_records]
    said: dict[int, set[bytes | None]] = {}
    place = 0
    for end in [*kills, len(all_records)]:
        worker = steps(broker, Summing())
        for number in range(place, end):
            for made in worker.process(all_records[number], 1):
                said.setdefault(number, set()).add(made.value)
        place = max(0, max(place, end) - committed_behind)  # what was done and not committed is done again
    assert [said[number] for number in range(20)] == [{value} for value in expected]


def test_the_client_tells_a_trouble_in_one_line_and_not_again_within_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    one_line_logs("kafka:9092", lambda: now[0])
    client = logging.getLogger("aiokafka.client")
    for _ in range(3):
        try:
            raise OSError("refused")
        except OSError:
            client.exception("Unable connect to node %s:\nmore", 7)
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka at kafka:9092: Unable connect to node 7:; the client goes on trying"
    ]
    assert caplog.records[0].exc_info is None
    now[0] += REPEAT_LOG_SECONDS
    client.error("Unable connect to node %s:\nmore", 8)
    assert len(caplog.records) == 2
