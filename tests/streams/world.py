"""A small topology for tests of the runner: what goes in, what must come out, and runners that step."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from interlock.streams.clock import ManualClock
from interlock.streams.memory import FaultPlan, MemoryBroker
from interlock.streams.ports import Broker, Headers, Message, TopicSpec
from interlock.streams.runner import Runner, RunnerSettings

P = ParamSpec("P")
T = TypeVar("T")

PARTITIONS = 3


class LateFuture(Future[T]):
    """Runs its work when somebody looks a second time, or waits: a commit that is slower than the next batch."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__()
        self._work: Callable[[], T] | None = work
        self._looked = False

    def _run(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            try:
                self.set_result(work())
            except Exception as error:
                self.set_exception(error)

    def done(self) -> bool:
        if self._looked:
            self._run()
        self._looked = True
        return super().done()

    def result(self, timeout: float | None = None) -> T:
        self._run()
        return super().result(timeout)


class LateExecutor(Executor):
    """The helper thread of the runner, made deterministic: it works as late as possible."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return LateFuture(lambda: fn(*args, **kwargs))


class Impatient(threading.Event):
    """A stop signal whose waiting takes no time, so that pauses after failures do not slow tests down."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        return self.is_set()


@dataclass(frozen=True)
class Columns:
    topics: list[str]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers | None] | None
    count: int


@dataclass
class Copy:
    """Every input becomes one record in `out`, and every third one a second record in `extra`.

    Outputs are keyed by the input's partition, so that the order of the inputs must be found again.
    """

    seen: list[int] = field(default_factory=list)

    def process(self, messages: Sequence[Message], now: int) -> Columns:  # noqa: ARG002
        self.seen.append(len(messages))
        extra = [message for message in messages if message.offset() % 3 == 0]
        both = [*messages, *extra]
        return Columns(
            topics=["out"] * len(messages) + ["extra"] * len(extra),
            keys=[b"from %d" % message.partition() for message in both],
            values=[message.value() for message in both],
            headers=[message.headers() for message in both],
            count=len(both),
        )


class World:
    """A cluster in memory with topics `in`, `out` and `extra`, and what was put in."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.create_topics([TopicSpec(name, PARTITIONS) for name in ("in", "out", "extra")])
        self._producer = self.broker.producer(None)
        self.inputs: dict[int, list[bytes]] = defaultdict(list)

    def put(self, partition: int, count: int = 1) -> None:
        for _ in range(count):
            value = b"%d-%d" % (partition, len(self.inputs[partition]))
            self.inputs[partition].append(value)
            self._producer.produce("in", value, b"key", partition, headers=[("n", value)])
        self._producer.flush()

    def runner(
        self,
        instance: str = "a",
        faults: FaultPlan | None = None,
        executor: Executor | None = None,
        max_batch: int = 5,
    ) -> tuple[Runner, MemoryBroker]:
        """A runner in a process of its own."""
        process = self.broker.process(faults)
        settings = RunnerSettings("copy", instance, ("in",), max_batch=max_batch)
        runner = Runner(
            process, Copy(), settings, clock=self.clock, stop=Impatient(), executor=executor or LateExecutor()
        )
        return runner, process

    def outputs(self, topic: str = "out") -> dict[int, list[bytes]]:
        """What readers see, by the partition it came from."""
        return read(self.broker, topic)

    def expected(self, topic: str = "out") -> dict[int, list[bytes]]:
        # Offsets are positions here: the inputs are not transactional.
        step = 1 if topic == "out" else 3
        return {p: values[::step] for p, values in self.inputs.items() if values[::step]}

    def settle(self, *runners: Runner) -> None:
        """Steps until everything has come out. A bound, because a runner that is stuck must fail the test."""
        for _ in range(400):
            for runner in runners:
                runner.step()
            if self.outputs() == self.expected():
                break
        # Nothing may come twice afterwards either.
        for _ in range(5):
            for runner in runners:
                runner.step()
        self.assert_exactly_once()

    def assert_exactly_once(self) -> None:
        for topic in ("out", "extra"):
            assert self.outputs(topic) == self.expected(topic)

    def assert_nothing_doubled_or_reordered(self) -> None:
        for topic in ("out", "extra"):
            expected = self.expected(topic)
            for partition, values in self.outputs(topic).items():
                assert values == expected[partition][: len(values)]


def read(broker: Broker, topic: str) -> dict[int, list[bytes]]:
    """The visible records of a topic in memory, by the input partition that their key names."""
    consumer = broker.consumer(None)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
    found: dict[int, list[bytes]] = defaultdict(list)
    while messages := consumer.consume(1000, 0):
        for message in messages:
            key, value = message.key(), message.value()
            assert key is not None
            assert value is not None
            assert message.headers() == [("n", value)]
            found[int(key.split()[1])].append(value)
    consumer.close()
    return dict(found)
