"""The whole pipeline in memory: router, desk, executor, folds, sampler, and the rows of the sink."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import timedelta

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.confidence import ConfidenceSettings
from interlock.processors.calibration.fold import CalibrationSettings
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.proposals.fold import ProposalSettings
from interlock.processors.sampling.sampler import Sampler
from interlock.review.desk_connection import CommandRefusedError
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue
from interlock.schemas.headers import headers_of
from interlock.services import calibration_folds
from interlock.services.feedback_fold import FeedbackFold, WrittenExamples, fetcher
from interlock.services.sampling_runs import SamplingRuns
from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from interlock.streams.folding import Fold, Output, Record
from interlock.streams.ports import Consumer, Message
from interlock.streams.sending import Outgoing, send_and_wait
from interlock.testing import Topology
from tests.fuzz.messages import Sent

POLICY = """
name: lending
audit: {rate: 0.2, active: {budget_per_day: 2400}}
domains:
  loans:
    models: [m]
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.5}}
    attributes: {age: int}
    queue: underwriting
  later:
    {workflow: post_approval, models: [m], outcomes: [approve, reject], lanes: {approve: {auto: 0.3}}, queue: after}
rules:
  - {id: large, when: amount > 0.7, route: sync}
"""


class Pipeline:
    """Everything steps in the thread of the caller. `sent`: what was sent by partition and offset, to each topic."""

    def __init__(self) -> None:
        self.topology = Topology(POLICY)
        self.broker = self.topology.broker
        self.foreign: set[tuple[int, int]] = set()
        """Dead letters that were sent, rather than made."""
        self.executed: list[str] = []
        self._stack = ExitStack()
        self._producer = self.broker.producer(
            None, {"compression.type": "zstd", "message.max.bytes": 100 * 1024 * 1024}
        )
        self._desks = 1
        self._rows: dict[tuple[str, int], int] = defaultdict(int)
        for name in ("ann", "bob"):
            self.topology.add_reviewer(name, capacity=50)
        self.topology.add_reviewer("lee", role="lead", capacity=50)
        self.topology.start_executor(lambda execution: self.executed.append(execution.decision_id))
        self._sampler = Sampler(bytes(16))
        self._folds = list(self._make_folds())

    def send(self, messages: list[Sent]) -> None:
        before = self.broker.end_offsets(catalogue.DEAD_LETTER.name)
        for message in messages:
            self._producer.produce(
                message.topic, message.value, message.key, headers=message.headers, timestamp=message.timestamp
            )
        self._producer.flush()
        for partition, end in self.broker.end_offsets(catalogue.DEAD_LETTER.name).items():
            self.foreign |= {(partition, offset) for offset in range(before[partition], end)}

    def work(self) -> None:
        """Everything that is there is done, and then an hour passes."""
        self.topology.run()
        for reviewer in ("ann", "bob", "lee"):
            with suppress(CommandRefusedError):
                self.topology.review(reviewer)
        for fold in self._folds:
            fold.step()
        for message in self.topology.messages(catalogue.POLICIES.name):
            self._sampler.apply(message.key(), message.value())
        SamplingRuns(self.broker, self._sampler, self.topology.clock).run()
        self.topology.run()
        self.topology.advance(timedelta(hours=1))

    def restart(self) -> None:
        """The desk dies and another one takes over; folds start again from the beginning."""
        self.topology.desks.popitem()[1][1].kill()
        self._desks += 1
        self.topology.start_desk(f"desk-{self._desks}")
        self.topology.advance(timedelta(minutes=2))
        before, self._folds = self._folds, list(self._make_folds())
        for fold, dead in zip(self._folds, before, strict=True):
            fold.catch_up(dead)

    def heal(self) -> None:
        """Withdraws what foreign policies and controls have done to the routes."""
        for topic in (catalogue.POLICIES.name, catalogue.CONTROLS.name):
            keys = {message.key() for message in self.topology.messages(topic)}
            send_and_wait(self._producer, [Outgoing(topic, key, None) for key in keys], 1)
        self.topology.publish(POLICY)

    def store(self) -> None:
        """Every message that is new is exactly one row of the sink."""
        for topic in catalogue.STORED_TOPICS:
            by_partition: dict[int, list[Message]] = defaultdict(list)
            for message in self.topology.messages(topic.name):
                if message.offset() >= self._rows[topic.name, message.partition()]:
                    by_partition[message.partition()].append(message)
            for partition, messages in by_partition.items():
                first, last = messages[0].offset(), messages[-1].offset()
                table = rows.to_arrow(messages, Chunk(topic.name, partition, first, last), "log")
                assert table.num_rows == len(messages)
                self._rows[topic.name, partition] = last + 1

    def routed_and_dead(self) -> Iterator[tuple[str, Message]]:
        """What the router wrote, with the topic."""
        for topic in (*catalogue.ROUTE_TOPICS, catalogue.SHADOW, catalogue.DEAD_LETTER):
            made = {
                (log.partition, record.offset)
                for log in self.broker.cluster.topics[topic.name].logs
                for record in log.read(0, "read_committed")
                if record.transaction is not None
                and record.transaction.transactional_id == f"{catalogue.ROUTER_GROUP}-router-1"
            }
            for message in self.topology.messages(topic.name):
                if (message.partition(), message.offset()) in made:
                    yield topic.name, message

    def _make_folds(self) -> Iterator["FoldDriver"]:
        payloads = self._stack.enter_context(closing(PayloadReader(self.broker)))
        written = self._stack.enter_context(closing(WrittenExamples(self.broker)))
        yield FoldDriver(self, catalogue.OUTCOMES.name, FeedbackFold(Feedback(), written, fetcher(payloads)))
        calibration = CalibrationSettings(CalibratorSettings(20), 0.5)
        proposals = ProposalSettings(0.1, 0.1, 20)
        for topic, made in (
            (catalogue.OUTCOMES, calibration_folds.outcomes(self.broker, calibration)),
            (catalogue.DECISIONS, calibration_folds.decisions(self.broker, ConfidenceSettings(every=10))),
            (catalogue.TRAINING_EXAMPLES, calibration_folds.examples(self.broker, proposals)),
            (catalogue.DRIFT_SIGNALS, calibration_folds.signals(self.broker)),
            (catalogue.RETRAINING_REQUESTS, calibration_folds.requests(self.broker)),
        ):
            yield FoldDriver(self, topic.name, self._stack.enter_context(made))

    def close(self) -> None:
        self._stack.close()


class FoldDriver:
    """A fold of a topic, record by record."""

    def __init__(self, pipeline: Pipeline, topic: str, fold: Fold) -> None:
        self._topic = topic
        self._fold = fold
        partitions = range(catalogue.BY_NAME[topic].partitions)
        self._consumer: Consumer = pipeline.broker.consumer(None)
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        self._producer = pipeline.broker.producer(None)
        self.done = 0

    def step(self) -> None:
        """Folds what is new."""
        while messages := self._consumer.consume(1_000, 0):
            for message in messages:
                outputs = [Output(*output) for output in self._fold(_record(message, replayed=False))]
                made = [Outgoing(topic, key, value, [*headers]) for topic, key, value, headers in outputs]
                send_and_wait(self._producer, made, 1)
                self.done += 1

    def catch_up(self, before: "FoldDriver") -> None:
        """Folds again what `before` has folded."""
        while self.done < before.done:
            for message in self._consumer.consume(min(1_000, before.done - self.done), 0):
                list(self._fold(_record(message, replayed=True)))
                self.done += 1


def _record(message: Message, *, replayed: bool) -> Record:
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        headers_of(message),
        replayed,
    )
