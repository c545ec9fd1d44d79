"""A processor with state for tests of the exclusive runner: it counts, and what it wrote is its memory.

Whatever crashes, readers must see 1, 2, 3, … for every key: a lost, doubled or wrongly restored state shows at once.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from interlock.streams.clock import ManualClock
from interlock.streams.memory import FaultPlan, MemoryBroker
from interlock.streams.ports import Broker, Message, TopicSpec
from interlock.streams.runner import Runner, RunnerSettings
from interlock.streams.tables import TableReader
from tests.streams.world import Columns, Impatient, LateExecutor

INPUTS = ("commands", "events")
COUNTS = "counts"
GROUP = "desk"
TICK = b"tick"
TOPICS = (TopicSpec("commands", 1), TopicSpec("events", 1), TopicSpec(COUNTS, 1, {"cleanup.policy": "compact"}))


class Counting:
    """Writes the new count of a message's key for every message. `ticks`: counts these too."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        *,
        counts: str = COUNTS,
        ticks: bool = False,
        steps_taken: Callable[[], int] = lambda: 0,
    ) -> None:
        self.counts: Counter[bytes] = Counter()
        self.calls: list[str] = []
        self.called_at: list[int] = []  # at which step of the process
        self._steps_taken = steps_taken
        self.broker = broker
        self._name = name
        self._topic = counts
        self._ticks = ticks

    def restore(self) -> None:
        self._note("restore")
        self.counts.clear()
        with closing(TableReader(self.broker, [self._topic])) as table:
            for message in table.read_all():
                self.counts[message.key() or b""] = int(message.value() or 0)

    def process(self, messages: Sequence[Message], now: int) -> Columns:  # noqa: ARG002
        self._note("process" if messages else "tick")
        keys: list[bytes] = [message.key() or b"" for message in messages]
        if not messages and self._ticks:
            keys = [TICK]
        values = []
        for key in keys:
            self.counts[key] += 1
            values.append(b"%d" % self.counts[key])
        count = len(keys)
        return Columns([self._topic] * count, list(keys), list(values), [[("by", self._name.encode())]] * count, count)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.called_at.append(self._steps_taken())


class CountingWorld:
    """A cluster in memory with two input topics of one partition, and what was put in."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.create_topics(TOPICS)
        self._producer = self.broker.producer(None)
        self.put_in: Counter[bytes] = Counter()

    def put(self, count: int, topic: int = 0) -> None:
        for _ in range(count):
            key = b"key-%d" % (self.put_in.total() % 3)
            self.put_in[key] += 1
            self._producer.produce(INPUTS[topic], b"", key, 0)
        self._producer.flush()

    def runner(
        self,
        instance: str = "a",
        faults: FaultPlan | None = None,
        executor: Executor | None = None,
        *,
        max_batch: int = 3,
        tick_seconds: float | None = None,
    ) -> tuple[Runner, MemoryBroker, Counting]:
        """An exclusive runner in a process of its own."""
        process = self.broker.process(faults)
        settings = RunnerSettings(
            GROUP, instance, INPUTS, max_batch=max_batch, exclusive=True, tick_seconds=tick_seconds
        )
        counting = Counting(
            process, instance, ticks=tick_seconds is not None, steps_taken=lambda: len(process.faults.steps)
        )
        runner = Runner(
            process,
            counting,
            settings,
            clock=self.clock,
            restore=counting.restore,
            stop=Impatient(),
            executor=executor or LateExecutor(),
        )
        return runner, process, counting

    def visible(self) -> dict[bytes, list[int]]:
        """What readers see: the counts of every key in the order written."""
        return visible(self.broker)

    def settle(self, *runners: Runner) -> None:
        """Steps until everything has come out. A bound, because a runner that is stuck must fail the test."""
        for _ in range(400):
            for runner in runners:
                runner.step()
            if sum(map(len, self.visible().values())) >= self.put_in.total():
                break
        for _ in range(5):  # nothing may come twice afterwards either
            for runner in runners:
                runner.step()
        self.assert_every_count_is_right()

    def assert_every_count_is_right(self) -> None:
        expected = {key: list(range(1, count + 1)) for key, count in self.put_in.items()}
        assert self.visible() == expected

    def assert_no_count_is_wrong(self) -> None:
        for counts in self.visible().values():
            assert counts == list(range(1, len(counts) + 1))


def visible(broker: Broker) -> dict[bytes, list[int]]:
    consumer = broker.consumer(None)
    consumer.assign([TopicPartition(COUNTS, 0, OFFSET_BEGINNING)])
    found: dict[bytes, list[int]] = defaultdict(list)
    while messages := consumer.consume(1000, 0):
        for message in messages:
            found[message.key() or b""].append(int(message.value() or 0))
    consumer.close()
    return dict(found)
