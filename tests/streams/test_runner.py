"""What else the runner promises: an order of events, and clear words when it stops."""

import gc
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import CollectorRegistry

from interlock.streams.clock import SystemClock
from interlock.streams.expired import Expired
from interlock.streams.memory import FaultPlan, InlineExecutor, MemoryBroker, abortable, unavailable
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Headers, Message, TopicSpec
from interlock.streams.runner import IDLE_SECONDS, ProcessingError, Runner, RunnerSettings, UnrecoverableError
from tests.streams.world import Columns, Copy, Impatient, LateExecutor, World

SETTINGS = RunnerSettings("copy", "a", ("in",), max_batch=5)


def make(world: World, processor: Copy, faults: FaultPlan | None = None, **more: object) -> Runner:
    process = world.broker.process(faults)
    arguments = {"clock": world.clock, "stop": Impatient(), "executor": LateExecutor(), **more}
    return Runner(process, processor, SETTINGS, **arguments)  # type: ignore[arg-type]


def test_the_next_batch_is_processed_while_the_last_one_commits() -> None:
    world, faults = World(), FaultPlan()
    world.put(0, 10)
    commits_before: list[int] = []

    class Watching(Copy):
        def process(self, messages: Sequence[Message], now: int) -> Columns:
            commits_before.append(faults.steps.count("commit:before"))
            return super().process(messages, now)

    runner = make(world, Watching(), faults)
    world.settle(runner)
    assert commits_before == [0, 0], "the first commit had not begun when the second batch was processed"
    assert faults.steps.index("commit:after") < len(faults.steps) - 1 - faults.steps[::-1].index("begin")


def test_the_next_transaction_never_begins_before_the_last_one_is_committed() -> None:
    world, faults = World(), FaultPlan()
    world.put(0, 50)
    world.settle(make(world, Copy(), faults))
    order = [step for step in faults.steps if step in ("begin", "commit:after")]
    assert order == ["begin", "commit:after"] * 10


def test_a_rebalance_finishes_the_commit_in_flight_so_that_nothing_is_processed_twice() -> None:
    world = World()
    for partition in range(3):
        world.put(partition, 10)
    processors = Copy(), Copy()
    first = make(world, processors[0])
    for _ in range(3):  # made, assigned, and one batch on its way
        first.step()
    settings = replace(SETTINGS, instance="b")
    second = Runner(
        world.broker.process(), processors[1], settings, clock=world.clock, stop=Impatient(), executor=LateExecutor()
    )
    world.settle(first, second)
    assert sum(processors[0].seen) + sum(processors[1].seen) == 30
    assert processors[1].seen, "the second one took over a partition"


def test_before_batch_is_called_between_batches() -> None:
    world = World()
    world.put(0, 5)
    calls: list[str] = []

    class Noting(Copy):
        def process(self, messages: Sequence[Message], now: int) -> Columns:
            calls.append("process")
            return super().process(messages, now)

    runner = make(world, Noting(), before_batch=lambda: calls.append("before"))
    world.settle(runner)
    assert calls[:2] == ["before", "process"]
    assert set(calls[2:]) == {"before"}


def test_an_idle_runner_waits_for_a_record_and_reads_its_tables_before_it_processes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    calls: list[str] = []

    class Noting(Copy):
        def process(self, messages: Sequence[Message], now: int) -> Columns:
            calls.append(f"process {len(messages)}")
            return super().process(messages, now)

    runner = make(world, Noting(), before_batch=lambda: calls.append("tables"))
    world.settle(runner)
    calls.clear()
    consume = runner._consumer.consume

    def waiting(number: int, timeout: float) -> Sequence[Message]:
        if timeout >= IDLE_SECONDS:  # the records come while it waits
            world.put(0, 3)
            calls.append("waited")
        return consume(number, timeout)

    monkeypatch.setattr(runner._consumer, "consume", waiting)
    runner.step()
    assert calls == ["waited", "tables", "process 3"]
    calls.clear()
    runner.step()  # there is a commit to be seen to its end
    assert "waited" not in calls


def test_a_tick_that_writes_nothing_asks_the_client_only_for_records(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    ticks: list[int] = []

    class Noting(Copy):
        def process(self, messages: Sequence[Message], now: int) -> Columns:
            ticks.append(now)
            return super().process(messages, now)

    settings = replace(SETTINGS, tick_seconds=IDLE_SECONDS)
    runner = Runner(
        world.broker.process(), Noting(), settings, clock=world.clock, stop=Impatient(), executor=LateExecutor()
    )
    world.settle(runner)
    ticks.clear()
    calls: list[str] = []
    client = runner._consumer

    class Watched:
        def __getattr__(self, name: str) -> object:
            calls.append(name)
            return getattr(client, name)

    monkeypatch.setattr(runner, "_consumer", Watched())
    for _ in range(4):
        world.clock.advance(IDLE_SECONDS)
        runner.step()
    assert len(ticks) == 4
    assert calls == ["consume"] * 4


def test_an_idle_runner_with_ticks_waits_no_longer_than_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    settings = replace(SETTINGS, tick_seconds=IDLE_SECONDS / 2)
    runner = Runner(
        world.broker.process(), Copy(), settings, clock=world.clock, stop=Impatient(), executor=LateExecutor()
    )
    world.settle(runner)
    waits: list[float] = []
    consume = runner._consumer.consume

    def noting(number: int, timeout: float) -> Sequence[Message]:
        if number == 1:
            waits.append(timeout)
        return consume(number, timeout)

    monkeypatch.setattr(runner._consumer, "consume", noting)
    runner.step()
    world.clock.advance(IDLE_SECONDS / 8)
    runner.step()
    assert 0 < waits[-1] <= IDLE_SECONDS * 3 / 8 + 0.0011  # the client waits for whole milliseconds


def test_a_batch_is_processed_at_the_time_of_the_runners_clock() -> None:
    world = World()
    world.put(0)
    times: list[int] = []

    class Timed(Copy):
        def process(self, messages: Sequence[Message], now: int) -> Columns:
            times.append(now)
            return super().process(messages, now)

    world.clock.advance(12.5)
    world.settle(make(world, Timed()))
    assert times == [world.clock.now()]


class Broken(Copy):
    """Fails on the value `2-1`."""

    def process(self, messages: Sequence[Message], now: int) -> Columns:
        if any(message.value() == b"2-1" for message in messages):
            raise ZeroDivisionError("a bug")
        return super().process(messages, now)


def test_a_bug_in_the_processor_stops_the_runner_and_names_the_offsets(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.put(2, 3)
    runner = make(world, Broken())
    with pytest.raises(ProcessingError, match=r"copy-a stops: processing in\[2\] offsets 0 to 2 failed") as stopped:
        world.settle(runner)
    runner.close()
    assert "ZeroDivisionError('a bug')" in str(stopped.value)
    assert "it is read again" in str(stopped.value)
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]
    assert world.outputs() == {}
    world.settle(make(world, Copy()))


class Lazy(Copy):
    """Its headers fail while the batch is being written."""

    def process(self, messages: Sequence[Message], now: int) -> Columns:
        def headers() -> Iterator[Headers | None]:
            yield messages[0].headers()
            raise ZeroDivisionError("too late")

        return replace(super().process(messages, now), headers=headers())  # type: ignore[arg-type]


class Short(Copy):
    """Forgets the last value."""

    def process(self, messages: Sequence[Message], now: int) -> Columns:
        columns = super().process(messages, now)
        return replace(columns, values=columns.values[:-1])


@pytest.mark.parametrize("processor", [Lazy(), Short()])
def test_a_bug_in_the_outputs_stops_the_runner_and_readers_need_not_wait(processor: Copy) -> None:
    world = World()
    world.put(0, 4)
    runner = make(world, processor)
    with pytest.raises(ProcessingError, match=r"in\[0\] offsets 0 to 3"):
        world.settle(runner)
    runner.close()
    # Without moving the clock: the open transaction was aborted and did not have to time out.
    world.settle(make(world, Copy()))


@pytest.mark.parametrize(
    "code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._BAD_MSG]
)
@pytest.mark.parametrize("step", ["produce", "commit:before", "consume", "init:before", "committed"])
def test_what_no_retry_can_mend_stops_the_runner_with_the_reason(code: int, step: str) -> None:
    world, faults = World(), FaultPlan()
    world.put(0, 4)
    faults.inject_at(step, KafkaException(KafkaError(code, "the reason")))  # type: ignore[arg-type]
    runner = make(world, Copy(), faults)
    if step == "committed":  # read only when something has to be read again
        faults.inject_at("commit:before", abortable())
    with pytest.raises(UnrecoverableError, match="the reason"):
        world.settle(runner)
    runner.close()
    world.settle(make(world, Copy()))


def test_a_member_that_cannot_read_its_committed_offsets_still_gives_partitions_back() -> None:
    """What Kafka waits for may be the rebalance itself: without it the offsets would not be told for ever."""
    world, faults = World(), FaultPlan()
    stuck, _ = world.runner("stuck", faults)
    world.settle(stuck)

    def step_without_offsets() -> None:
        faults.inject_at("commit:before", abortable())  # so that the offsets are read again, which fails
        faults.inject_at("committed", unavailable())
        stuck.step()

    for partition in range(3):
        world.put(partition, 4)
    for _ in range(10):
        step_without_offsets()
    other, _ = world.runner("other")
    for _ in range(50):
        step_without_offsets()
        other.step()
    assert world.outputs(), "the other member was given nothing"
    faults.clear()
    world.settle(stuck, other)


def test_a_committed_offset_that_went_back_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    """Everything from there on would be written twice."""
    world, faults = World(), FaultPlan()
    world.put(0, 10)
    runner, process = world.runner(faults=faults)
    world.settle(runner)
    right = world.broker.cluster.group("copy").committed["in", 0]
    world.broker.cluster.group("copy").committed["in", 0] = (3, "")
    world.put(0, 5)
    faults.inject_at("commit:before", abortable())  # the offsets are read again
    for _ in range(20):
        runner.step()
        world.clock.advance(1)
    process.faults.clear()
    world.broker.evict("copy")  # and the partition comes back with that offset
    for _ in range(20):
        runner.step()
        world.clock.advance(1)
    assert len(world.outputs()[0]) == 10
    assert "that of in[0] went back from 10 to 3" in caplog.text
    world.broker.cluster.group("copy").committed["in", 0] = right
    world.settle(runner)


def test_records_that_expired_before_they_were_read_are_told_with_their_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.put(0, 10)
    first, _ = world.runner()
    world.settle(first)
    first.close()
    world.put(0, 100)
    world.broker.delete_records("in", 0, 90)
    told: list[Expired] = []
    runner = make(world, Copy(), on_expired=told.extend)
    for _ in range(40):
        runner.step()
    assert told == [Expired(("in", 0), committed=10, count=80)]
    assert "80 records of in[0] expired unread" in caplog.text
    assert len(world.outputs()[0]) == 30


def test_an_outage_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "interlock.streams.backoff")
    world, faults = World(), FaultPlan()
    world.put(0, 4)
    runner = make(world, Copy(), faults)
    for _ in range(20):
        faults.inject_at("init:before", unavailable())
        runner.step()
        world.clock.advance(1)
    world.settle(runner)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        (
            "WARNING",
            "starting a producer failed: no broker is reachable (_ALL_BROKERS_DOWN); "
            "starting a new producer and reading again from the committed offsets",
        ),
        ("INFO", "Kafka works again after 20.0 s and 20 failures; nothing was lost"),
    ]


def test_headers_may_be_absent_altogether() -> None:
    world = World()
    world.put(0, 2)

    class Bare(Copy):
        def process(self, messages: Sequence[Message], now: int) -> Columns:
            return replace(super().process(messages, now), headers=None)

    runner = make(world, Bare())
    for _ in range(6):
        runner.step()
    consumer = world.broker.consumer("look")
    consumer.subscribe(["out"])
    assert [(message.value(), message.headers()) for message in consumer.consume(9)] == [
        (b"0-0", None),
        (b"0-1", None),
    ]


def test_a_batch_without_outputs_moves_the_offsets_all_the_same() -> None:
    world = World()
    world.put(0, 2)

    class Silent(Copy):
        def process(self, messages: Sequence[Message], now: int) -> Columns:
            super().process(messages, now)
            return Columns([], [], [], None, 0)

    silent = Silent()
    runner = make(world, silent)
    for _ in range(6):
        runner.step()
    runner.close()
    again = make(world, silent)
    for _ in range(6):
        again.step()
    assert silent.seen == [2]


def test_metrics_tell_what_was_committed() -> None:
    world, faults = World(), FaultPlan()
    for partition in range(3):
        world.put(partition, 6)
    metrics = Metrics("router", CollectorRegistry())
    faults.inject_at("commit:before", abortable())
    runner = make(world, Copy(), faults, metrics=metrics)
    world.settle(runner)
    assert metrics.value("messages_in") == 18
    assert metrics.value("messages_out") == 24
    assert metrics.value("batches") == metrics.value("batch_size") == metrics.value("commit_seconds")
    assert metrics.value("aborts") == 1
    assert metrics.value("producer_restarts") == 1, "the first one counts too"
    assert metrics.value("rebalances", event="assigned") == 1
    assert metrics.value("assigned_partitions") == 3
    assert metrics.value("lag") == 0


def test_run_works_in_threads_until_told_to_stop_and_leaves_the_group() -> None:
    thresholds = gc.get_threshold()
    clock = SystemClock()
    broker = MemoryBroker(clock, waits=True)
    broker.create_topics([TopicSpec(name, 3) for name in ("in", "out", "extra")])
    stop = threading.Event()
    runners = [
        Runner(broker.process(), Copy(), replace(SETTINGS, instance=name), stop=stop, clock=clock) for name in "ab"
    ]
    threads = [threading.Thread(target=runner.run) for runner in runners]
    for thread in threads:
        thread.start()
    producer = broker.producer(None)
    for number in range(300):
        producer.produce("in", b"%d" % number, b"%d" % number)
    producer.flush()
    reader = broker.consumer("reader")
    reader.subscribe(["out"])
    values = [message.value() for message in reader.consume(300, 30)]
    stop.set()
    for thread in threads:
        thread.join(30)
    gc.unfreeze()  # run() tunes the collector of the process, which here is that of the tests
    gc.set_threshold(*thresholds)
    assert sorted(values, key=lambda value: int(value or b"-1")) == [b"%d" % number for number in range(300)]
    assert not broker.cluster.group("copy").members


@pytest.mark.parametrize("executor", [InlineExecutor, LateExecutor])
def test_batches_shrink_until_they_come_through_a_slow_link_and_grow_again_when_it_is_fast(
    executor: type[Executor],
) -> None:
    world, faults = World(), FaultPlan()
    for partition in range(3):
        world.put(partition, 200)
    faults.max_transaction_bytes = 800  # some seven records
    processor = Copy()
    settings = RunnerSettings("copy", "a", ("in",), max_batch=100)
    runner = Runner(
        world.broker.process(faults), processor, settings, clock=world.clock, stop=Impatient(), executor=executor()
    )
    for _ in range(2_000):
        runner.step()
        if world.outputs() == world.expected():
            break
    world.assert_exactly_once()
    assert max(processor.seen[-20:]) < 20
    faults.max_transaction_bytes = None
    processor.seen.clear()
    for partition in range(3):
        world.put(partition, 200)
    world.settle(runner)
    assert max(processor.seen) == 100


def test_a_batch_of_one_message_that_times_out_is_tried_again() -> None:
    world, faults = World(), FaultPlan()
    world.put(0, 3)
    faults.max_transaction_bytes = 10
    runner, _ = world.runner(faults=faults)
    for _ in range(50):
        runner.step()
    assert world.outputs() == {}
    faults.max_transaction_bytes = None
    world.settle(runner)
