"""The reader of resolutions and replies that all waiting callers of a client share."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.client.lookup import ResolutionLookup
from interlock.client.pending import Ask, LookUp, PendingDecisions
from interlock.client.result import DecisionResult
from interlock.schemas import catalogue, damaged, wire
from interlock.schemas.dead_letters import CONTRADICTION
from interlock.schemas.error_headers import read_error_headers
from interlock.schemas.headers import headers_of
from interlock.schemas.signed_commands import Signer
from interlock.streams.consuming import records_of
from interlock.streams.errors import FATAL_CODES
from interlock.streams.new_partitions import NewPartitions
from interlock.streams.ports import Broker, Consumer, Headers, Message, Producer

log = logging.getLogger(__name__)

# What is routed to people in a hurry is not among them: its caller waits for the resolution.
_TO_PEOPLE = (catalogue.REVIEWS_ASYNC, catalogue.REVIEWS_MANUAL)
_TOPICS = (catalogue.AUTO_APPROVED, *_TO_PEOPLE, catalogue.RESOLUTIONS, catalogue.REPLIES, catalogue.DEAD_LETTER)

# How late a time-out may be noticed.
_POLL_INTERVAL_SECONDS = 0.05

# The resolutions of other clients' decisions are read as well: everything that came meanwhile is taken at once.
_BATCH_SIZE = 10_000

# How long a cluster may need to elect leaders after it has started or created the topics.
_START_TIMEOUT_SECONDS = 30.0
_START_PAUSE_SECONDS = 0.1

# Closing waits for one poll and for the consumer to leave.
_SHUTDOWN_TIMEOUT_SECONDS = 10.0


class Listener:
    """Reads in a thread of its own from its construction until it is closed or broken.

    It reads whole topics, because resolutions are keyed like decisions: a client that waits for one decision receives
    all, and drops the others by key without decoding them.
    """

    def __init__(
        self,
        broker: Broker,
        producer: Producer,
        pending: PendingDecisions,
        lookup: ResolutionLookup,
        caller: str,
        signer: Signer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pending`: what receives the resolutions that come from now on; `lookup` finds earlier ones. `caller`:
        who waits, as the decisions name it. Raises KafkaException."""
        states = broker.topic_states([topic.name for topic in _TOPICS])
        missing = [topic.name for topic in _TOPICS if topic.name not in states]
        if missing:
            absent = f"topic {', '.join(missing)} does not exist: create the topics first"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
        self._consumer = broker.consumer(None)
        # Offsets rather than "the end", which librdkafka would look up later, perhaps after the resolution.
        partitions = [
            TopicPartition(name, number) for name, state in states.items() for number in range(state.partitions)
        ]
        try:
            for partition in partitions:
                partition.offset = end_of(self._consumer, partition)
            self._consumer.assign(partitions)
        except KafkaException:
            self._consumer.close()
            raise
        starts = {(partition.topic, partition.partition): partition.offset for partition in partitions}
        self._new_partitions = NewPartitions(broker, self._consumer, starts)
        self._producer = producer
        self.pending = pending
        self._lookup = lookup
        self._signer = signer
        self._caller = caller
        # One thread: everything that is due while it reads is looked up together afterwards.
        self._pool = ThreadPoolExecutor(1, "interlock-looking-up")
        self._looking_up: Future[None] | None = None
        self._clock = clock
        self._stop = threading.Event()
        self.broken = False
        self._thread = threading.Thread(target=self._run, name="interlock-waiting", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops reading; all pending decisions fail."""
        self._stop.set()
        self._thread.join(_SHUTDOWN_TIMEOUT_SECONDS)
        self.pending.fail("closed", "the client was closed. It may be decided all the same.")

    def _run(self) -> None:
        try:
            next_check = 0.0
            while not self._stop.is_set():
                self._poll()
                now = self._clock()
                if now >= next_check:
                    next_check = now + _POLL_INTERVAL_SECONDS
                    self._start_lookups(now)
                    for ask in self.pending.advance(now):
                        self._ask(ask)
        except Exception as error:
            self.broken = True
            reason = error.args[0].str() if isinstance(error, KafkaException) else repr(error)
            log.warning("waiting for decisions ends: %s", reason, exc_info=not isinstance(error, KafkaException))
            self.pending.fail(
                "not-listening", f"its resolution cannot be read any more ({reason}). It may be decided all the same."
            )
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._consumer.close()

    def _start_lookups(self, now: float) -> None:
        if self._looking_up is None or self._looking_up.done():
            lookups = self.pending.lookups(now)
            self._looking_up = self._pool.submit(self._look_up, lookups) if lookups else None

    def _look_up(self, lookups: list[LookUp]) -> None:
        """Runs in the pool."""
        for deep in (False, True):
            its = [lookup for lookup in lookups if lookup.deep is deep]
            if not its:
                continue
            try:
                found = self._lookup.find({lookup.decision_id for lookup in its}, deep=deep)
            except Exception as error:  # callers go on waiting for what comes
                reason = error.args[0].str() if isinstance(error, KafkaException) else repr(error)
                log.warning("earlier resolutions cannot be looked up: %s", reason)
                self.pending.looked_up(its, {}, reason)
            else:
                self.pending.looked_up(its, found)

    def _poll(self) -> None:
        self._new_partitions.follow()
        # The first call asks for one message: consume() waits until it has as many as requested.
        messages = [*self._consumer.consume(1, _POLL_INTERVAL_SECONDS)]
        if messages:
            messages += self._consumer.consume(_BATCH_SIZE, 0)
        for record in records_of(messages):
            if self.pending.awaits(record.key()):
                self._take(record)

    def _take(self, message: Message) -> None:
        topic, value = message.topic(), message.value()
        if topic == catalogue.DEAD_LETTER.name:
            self._take_dead_letter(message)
            return
        if value is None:  # the tombstone of a resolution
            return
        try:
            if topic == catalogue.REPLIES.name:
                reply = wire.decode("CommandReply", value)
                if (reply["kind"], reply["actor"]) == ("expire", self._caller):
                    self.pending.reply(reply)
                else:  # under an id that this client has used
                    log.warning("a reply to %s of %s is not for this client", reply["kind"], reply["actor"])
            elif topic == catalogue.RESOLUTIONS.name:
                self.pending.resolve(DecisionResult.from_resolution(wire.decode("Resolution", value)))
            else:
                record = damaged.read("RoutedDecision", value).record
                if topic == catalogue.AUTO_APPROVED.name:
                    self.pending.resolve(DecisionResult.from_routed(record))
                # Copies of what took effect come to people as well: for an audit, or because somebody may object.
                elif record["route"] != "auto":
                    self.pending.sent_to_people(record["decision"]["decision_id"], record["queue"])
        except ValueError as error:  # one unreadable record must not stop the others
            log.warning("%s[%d] offset %d cannot be read: %s", topic, message.partition(), message.offset(), error)

    def _take_dead_letter(self, message: Message) -> None:
        what = read_error_headers(headers_of(message))
        reason = what.get("exception", "")
        # Others make dead letters of what the router has routed all the same.
        refused = what.get("stacktrace") == "interlock router" or reason == CONTRADICTION
        if refused and what.get("topic") == catalogue.DECISIONS.name:
            self.pending.reject(message.key() or b"", message.value(), reason, what.get("message", ""))

    def _ask(self, ask: Ask) -> None:
        command = {
            "command_id": ask.command_id,
            "kind": "expire",
            "actor": self._caller,
            "issued_at": time.time_ns() // 1000,
            "task_id": ask.decision_id,
        }
        value = wire.encode("Command", command)
        headers: Headers | None = [*self._signer.headers(str(command["actor"]), value)] if self._signer else None
        try:
            self._producer.produce(catalogue.COMMANDS.name, value, ask.decision_id.encode(), headers=headers)
            self._producer.poll(0)
        except (BufferError, KafkaException) as error:  # the caller gets an error when the grace period ends
            log.warning("the desk could not be asked about %s: %s", ask.decision_id, error)


def end_of(consumer: Consumer, partition: TopicPartition) -> int:
    """The offset after the last readable record of the partition. Raises KafkaException."""
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        try:
            return consumer.get_watermark_offsets(partition, _START_TIMEOUT_SECONDS)[1]
        except KafkaException as error:
            if error.args[0].code() in FATAL_CODES or time.monotonic() > deadline:
                raise
            time.sleep(_START_PAUSE_SECONDS)
