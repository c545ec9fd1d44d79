"""The client library for teams that produce decisions.

    from interlock import Client, Decision

    with Client("localhost:9092") as client:
        client.submit(Decision(decision_id="…", …))
        decided = client.decide(Decision(decision_id="…", …), timeout=30)

When `submit` returns, Kafka has the decision; when it raises, the error says which decision and what to do.
`decide` also waits until the decision is decided, by the policy or by a person; `resolution` tells what holds for a
decision at any later time.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from confluent_kafka import KafkaException

from interlock.client.connections import kafka_broker, settings_encryption, settings_signer, stored_resolutions
from interlock.client.deliveries import POLL_INTERVAL_SECONDS, Deliveries, enqueue
from interlock.client.pending import GRACE_SECONDS, LOOK_UP_AFTER_SECONDS, PendingDecisions, Submitted
from interlock.client.result import DecisionResult, NotDecidedError
from interlock.errors import InterlockError, UnavailableError
from interlock.schemas import wire
from interlock.schemas.headers import CALLER_HEADERS, caller_headers
from interlock.streams.forks import abandon, begin_anew_in_children
from interlock.streams.ports import Broker, Headers, Producer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as ClickHouseClient

    from interlock.client.listener import Listener
    from interlock.client.lookup import ResolutionLookup
    from interlock.encryption.fields import Encryption
    from interlock.schemas.models import Decision
    from interlock.schemas.signed_commands import Signer

# How long a decision may be under way: longer than the restart of a broker.
DELIVERY_SECONDS = 30.0

# The keys of so many decisions are asked for at once: new ones cost one write to the disk together.
ENCRYPTED_AT_ONCE = 500


class DeliveryError(InterlockError):
    """A decision did not reach Kafka. `decision_ids`: which ones (the first hundred)."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        self.decision_ids = list(failures)[:100]
        first, reason = next(iter(failures.items()))
        others = f" and {len(failures) - 1} others" if len(failures) > 1 else ""
        super().__init__(
            f"decision {first}{others}: {reason}. Submit again under the same decision_id, which "
            "identifies a repetition: without an acknowledgement Kafka may have the decision or not."
        )


class Client:
    """Submits decisions, waits for their resolutions and looks up earlier ones; safe to share between threads.

    In a forked child (gunicorn with preload, multiprocessing) a client that its parent made begins anew, with
    connections of its own; calls that wait in the parent go on there.
    """

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        delivery_seconds: float = DELIVERY_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        clickhouse: "ClickHouseClient | str | None" = None,
        broker: Broker | None = None,
        signer: "Signer | None" = None,
        caller: str | None = None,
        encrypt: "Encryption | None" = None,
    ) -> None:
        """`properties`: librdkafka's, such as `security.protocol`; they win over ours. Without `bootstrap_servers` the
        INTERLOCK_ settings apply, and the local instance. `broker` replaces Kafka in tests. `grace_seconds`: how
        long after its time-out `decide` waits for the desk's reply. `caller`: under which name it waits, by default one
        of its own; only under the name that submitted a decision can the waiting be ended, so a service that shall be
        able to do so after a restart needs one that stays.

        `clickhouse`: a DSN (`http://user:password@host:8123/database`) or a client of clickhouse-connect, which a
        forked child does not use; with it earlier resolutions are found fast. By default that of the settings or the
        local instance, and none where `bootstrap_servers` or `broker` is given.

        `signer`: signs what it asks of the desk, by default as the settings say; needed where the desk takes only
        signed commands.

        `encrypt`: seals the personal fields of decisions before Kafka gets them, by default as the settings say
        (INTERLOCK_ENCRYPTION__KAFKA); InterlockError is raised where they say so and there are no keys."""
        self._seconds = delivery_seconds
        from_settings = bootstrap_servers is None and broker is None
        self._signer = signer or (settings_signer() if from_settings else None)
        self._encryption = encrypt or (settings_encryption() if from_settings else None)
        self._clickhouse = stored_resolutions(clickhouse, from_settings=from_settings)
        self._broker = broker or kafka_broker(bootstrap_servers, properties)
        self._grace = grace_seconds
        self._caller = caller or f"client-{uuid4().hex}"
        self._closed = False
        self._begin()
        self._running_producer()  # a wrong setting is told here and not by the first decision
        begin_anew_in_children(self)

    def _begin(self) -> None:
        """What every process needs for itself."""
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._listener: Listener | None = None
        self._resolutions: ResolutionLookup | None = None

    def after_fork(self) -> None:
        """Runs in the child. Its copies of the parent's connections can be neither used nor freed, and a lock that a
        thread of the parent held would never be released."""
        abandon(self._producer)
        abandon(self._listener)
        self._begin()

    def submit(self, decision: "Decision", headers: Headers | None = None) -> None:
        """Hands one decision to Kafka and waits until it is stored; raises DeliveryError."""
        self.submit_many([decision], headers)

    def submit_many(self, decisions: "Iterable[Decision]", headers: Headers | None = None) -> int:
        """Hands many decisions to Kafka, waits until all are stored, and returns how many.

        Raises DeliveryError naming those that were not; the others are stored.
        """
        return self._send(
            ((record["decision_id"], wire.encode("Decision", record)) for record in self._records(decisions)), headers
        )

    def _records(self, decisions: "Iterable[Decision]") -> Iterator[dict[str, Any]]:
        """As they are to stand in Kafka. Raises what the key store raises, and ErasedDecisionError."""
        if self._encryption is None:
            yield from (each.to_record() for each in decisions)
            return
        source = iter(decisions)
        while batch := [each.to_record() for each in islice(source, ENCRYPTED_AT_ONCE)]:
            yield from self._encryption.sealed(batch)

    def _send(self, encoded: Iterable[tuple[str, bytes]], headers: Headers | None) -> int:
        """Decisions by id, as they stand in Kafka."""
        producer = self._running_producer()
        delivery = Deliveries(producer)
        count = 0
        try:
            for decision_id, value in encoded:
                enqueue(producer, decision_id, value, headers, delivery)
                count += 1
        finally:  # also waits for what was handed over before `encoded` raised
            deadline = time.monotonic() + self._seconds
            while delivery.waiting and time.monotonic() < deadline:
                producer.poll(POLL_INTERVAL_SECONDS)
        failures = delivery.failures()
        if failures:
            raise DeliveryError(failures)
        return count

    def decide(
        self,
        decision: "Decision",
        timeout: float,
        headers: Headers | None = None,
        *,
        wait: bool = False,
        final_within: float | None = None,
    ) -> DecisionResult:
        """Hands one decision to Kafka and waits for its resolution.

        What the policy sends to people who have time for it (routes async and manual) has the status "waiting" as soon
        as it is routed; `wait`: waits for their resolution too, until the time-out.

        `final_within`: for how many seconds more it waits for a resolution that nobody can override any more, as `wait`
        does with `final`: the policy's override window is a day by default. NotDecidedError is raised if none came.

        A decision that was submitted before, with the same content, is not decided again: what holds for it is
        returned. With another content NotDecidedError is raised, with the code `contradiction`.

        After `timeout` seconds the policy's `on_timeout` applies: its safe outcome, or a lead is asked and the result
        has the status "escalated"; see DecisionResult. Raises DeliveryError if Kafka did not take the decision, and
        NotDecidedError if no resolution came; the client itself never decides anything.
        """
        future = self.decide_future(decision, timeout, headers, wait=wait)
        try:
            result = future.result()
        finally:
            future.cancel()  # after an interrupt, nothing waits any more
        if final_within is None or result.final:
            return result
        return self.wait(decision.decision_id, final_within, final=True)

    def wait(self, decision_id: str, timeout: float, *, after_version: int = 0, final: bool = False) -> DecisionResult:
        """Returns what holds for a decision, as soon as there is a resolution, whenever and by whomever it was
        submitted; raises NotDecidedError after `timeout` seconds.

        `after_version`: only a later version counts, such as an override of what is known already. `final`: only a
        resolution counts that nobody can override any more: for who does what cannot be undone. It comes when the
        policy's override window has ended, a day after the decision by default.
        """
        future = self.resolution_future(decision_id, timeout, after_version=after_version, final=final)
        try:
            return future.result()
        finally:
            future.cancel()

    def resolution(self, decision_id: str) -> DecisionResult | None:
        """What holds for a decision now; None where nothing does: it waits for a person, or nobody has submitted it.

        ClickHouse finds it however old it is. Without ClickHouse the topics are read backwards in the partition of the
        decision, which may take long for what is old or unknown; what took effect by itself is found as long as
        `decisions.auto-approved` keeps it, 14 days by default. Raises UnavailableError if Kafka does not answer.
        """
        try:
            found = self._lookup().find([decision_id], deep=True).get(decision_id)
        except KafkaException as error:
            raise UnavailableError(
                f"the resolution of decision {decision_id} cannot be looked up: {error.args[0].str()}"
            ) from error
        return found.result if found is not None else None

    def decide_future(
        self, decision: "Decision", timeout: float, headers: Headers | None = None, *, wait: bool = False
    ) -> "Future[DecisionResult]":
        """As `decide`, but returns a future as soon as Kafka has the decision; cancel it to stop waiting."""
        try:
            pending = self._listen()
        except KafkaException as error:
            reason = f"not submitted, because answers cannot be read: {error.args[0].str()}"
            raise DeliveryError({decision.decision_id: reason}) from error
        (record,) = self._records([decision])
        value = wire.encode("Decision", record)
        now = time.monotonic()
        future = pending.add(
            decision.decision_id,
            now + timeout,
            expires=True,
            patient=wait,
            look_at=now + LOOK_UP_AFTER_SECONDS,
            submitted=Submitted(value, record),
        )
        try:
            mine = caller_headers(self._caller, timeout)
            others = [(name, given) for name, given in headers or () if name not in CALLER_HEADERS]
            self._send([(decision.decision_id, value)], [*others, *mine])
        except BaseException:
            future.cancel()
            raise
        return future

    def resolution_future(
        self, decision_id: str, timeout: float, *, after_version: int = 0, final: bool = False
    ) -> "Future[DecisionResult]":
        """As `wait`, but returns a future at once; cancel it to stop waiting."""
        try:
            pending = self._listen()
        except KafkaException as error:
            reason = f"its resolution cannot be waited for: {error.args[0].str()}"
            raise NotDecidedError(decision_id, "not-listening", reason) from error
        now = time.monotonic()
        return pending.add(
            decision_id, now + timeout, expires=False, look_at=now, deep=True, after_version=after_version, final=final
        )

    def close(self) -> None:
        """Waits for deliveries under way; calls that still wait for a resolution end with NotDecidedError."""
        with self._lock:
            self._closed = True
            listener, producer = self._listener, self._producer
        if listener is not None:
            listener.close()
        if producer is not None:
            producer.flush(self._seconds)

    def _new_producer(self) -> Producer:
        return self._broker.producer(
            None,
            {"delivery.report.only.error": False, "message.timeout.ms": int(self._seconds * 1000)},
        )

    def _running_producer(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = self._new_producer()
            return self._producer

    def _listen(self) -> PendingDecisions:
        """The pending decisions, with the shared reader running. Raises KafkaException."""
        producer, lookup = self._running_producer(), self._lookup()
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._listener is None or self._listener.broken:
                from interlock.client.listener import Listener

                pending = PendingDecisions(f"client-{uuid4().hex}", self._grace)
                self._listener = Listener(self._broker, producer, pending, lookup, self._caller, self._signer)
            return self._listener.pending

    def _lookup(self) -> "ResolutionLookup":
        with self._lock:
            if self._resolutions is None:
                from interlock.client.lookup import ResolutionLookup

                self._resolutions = ResolutionLookup(self._broker, self._clickhouse)
            return self._resolutions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
