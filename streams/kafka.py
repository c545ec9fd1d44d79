"""Kafka itself: every client setting of the pipeline, each with its reason.

The clients are confluent_kafka's own, but for what `kafka_clients` changes.
"Measured": on two shared cores, with 330-byte records and the embedded broker on the same machine.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from interlock.schemas import written
from interlock.schemas.catalogue import MAX_RECORD_BYTES
from interlock.streams import ports
from interlock.streams.forks import abandon, begin_anew_in_children
from interlock.streams.kafka_clients import NO_GROUP, OrderlyConsumer, PunctualProducer
from interlock.streams.kafka_properties import checked, combined, wrong_property
from interlock.streams.kafka_trouble import RIGHTS, Troubles, principal
from interlock.streams.ports import ADMIN_TIMEOUT_SECONDS
from interlock.streams.schema_topic import SchemaTopic

T = TypeVar("T")

GroupProtocol = Literal["consumer", "classic"]

CLIENT: Mapping[str, Any] = {
    # Below "critical" the C library writes to stderr by itself; what matters reaches the log by error_cb.
    "log_level": 2,
    # After an outage the first attempt to reconnect comes within 2 s instead of 10 s.
    "reconnect.backoff.max.ms": 2_000,
    # By default a producer, and whoever asks about a topic with one, lets brokers create what does not exist: without
    # the settings of the catalogue.
    "allow.auto.create.topics": False,
}

CONSUMER: Mapping[str, Any] = {
    # Offsets are committed inside transactions, by the runner.
    "enable.auto.commit": False,
    # A new group starts at the beginning, and offsets lost to retention continue at the oldest record:
    # "latest" would skip decisions.
    "auto.offset.reset": "earliest",
    # When a fetcher goes on that a full queue has stopped; the default (1 s) starves a fast reader (measured).
    "fetch.queue.backoff.ms": 20,
    # Also the limit of one batch of zstd after decompression; what is above it is passed over (`unreadable_batches`).
    # The other codecs have no limit. The default is 100 MB; every copy of such a record takes as much again.
    "receive.message.max.bytes": 256 * 1024 * 1024,
    # The prefetch queue holds what arrives during one batch; see the measurement in docs for 64 MB.
    "queued.max.messages.kbytes": 65_536,
}

# Incremental in both protocols: only partitions that move stop, and the runner has one code path. Eager
# assignors would stop every partition of every member whenever a member joins or leaves.
GROUP: Mapping[GroupProtocol, Mapping[str, Any]] = {
    "consumer": {"group.protocol": "consumer"},
    "classic": {
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        # Members learn of a rebalance from the answer to a heartbeat: the default (3 s) makes others wait.
        "heartbeat.interval.ms": 1_000,
    },
}

# One member reads everything and the others stand by. Whatever the group protocol of the others is, this is the
# classic one, because only there the client decides how soon its death is noticed: the consumer protocol waits for 45 s
# unless the broker's own configuration was changed.
EXCLUSIVE: Mapping[str, Any] = {
    "group.protocol": "classic",
    # Gives the first partition of every topic to the same member, and being eager it assigns only after all members
    # have given all partitions back.
    "partition.assignment.strategy": "range",
    # The least that brokers accept by default. Reviewers wait that long when a desk has died.
    "session.timeout.ms": 6_000,
    # A member that hangs is removed after this, and until then holds up every rebalance. Longer than restoring the
    # state from three million records on a machine that has a third of a core to spare for it (160 s: measured), which
    # would begin anew for ever.
    "max.poll.interval.ms": 300_000,
    # The next member learns from the answer to a heartbeat that it is its turn.
    "heartbeat.interval.ms": 1_000,
}

PRODUCER: Mapping[str, Any] = {
    # No duplicates and no reordering when librdkafka retries; implies acks=all.
    "enable.idempotence": True,
    # A Python callback per record costs 0.3 us; failures fail the transaction anyway.
    "delivery.report.only.error": True,
    # The Java clients' partitioner: records of other producers with the same key meet ours.
    "partitioner": "murmur2_random",
    # Network and disk cost more than lz4: without it 15 % slower (measured).
    "compression.type": "lz4",
    # librdkafka's own default, but too important to depend on it: 16 KB halves the speed (measured).
    "batch.size": 1_000_000,
    # Fills batches while the runner still produces; committing flushes without waiting for it.
    "linger.ms": 5,
    # More than the outputs of one batch of 10,000, so that a full queue is an exception.
    "queue.buffering.max.messages": 1_000_000,
    # Of one record before compression. Below the limits of the topics, so that what the client takes the broker takes.
    "message.max.bytes": MAX_RECORD_BYTES,
}

TRANSACTIONS: Mapping[str, Any] = {
    # After this the broker aborts the open transaction of a dead instance; until then, the instance that
    # takes over its partitions waits. Longer than a leader election and than the runner's own commit deadline (10 s).
    "transaction.timeout.ms": 15_000,
    # The coordinator answers "concurrent transactions" while it still ends the one before, which takes milliseconds.
    # With the default (100 ms) every such answer shows in the latency: p99 130 ms instead of 85 ms (measured).
    "retry.backoff.ms": 5,
}


# Of a partition whose leader is being elected, as just after its topic was created. librdkafka asks once.
_NO_LEADER_YET = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
_ELECTION_PAUSE_SECONDS = 0.05


class KafkaBroker:
    """`interlock.streams.ports.Broker` for a real cluster."""

    def __init__(
        self,
        bootstrap_servers: str,
        properties: Mapping[str, str] | None = None,
        group_protocol: GroupProtocol = "consumer",
    ) -> None:
        """`properties`: librdkafka's, such as `security.protocol`; they win over ours. Raises PropertyError for one
        that may not be set; wrong ones are told by the first client that is made.

        The first broker of a process is also asked for schemas that the process does not know, whoever reads with it.
        """
        self._given = checked(properties or {})
        self._troubles = Troubles(bootstrap_servers, self._given)
        self._common: dict[str, Any] = {
            **CLIENT,
            "bootstrap.servers": bootstrap_servers,
            "error_cb": self._troubles,
        }
        self._group_protocol: GroupProtocol = group_protocol
        self._admin_client: AdminClient | None = None
        begin_anew_in_children(self)
        if written.source() is None:
            written.use(SchemaTopic(self))

    @property
    def principal(self) -> str:
        """Who we are to Kafka, as far as the properties tell."""
        return principal(self._given)

    def consumer(
        self,
        group: str | None,
        *,
        isolation: ports.Isolation = "read_committed",
        exclusive: bool = False,
        overrides: Mapping[str, Any] | None = None,
    ) -> ports.Consumer:
        protocol = EXCLUSIVE if exclusive else GROUP[self._group_protocol]
        membership = {**protocol, "group.id": group} if group else {"group.id": NO_GROUP}
        return self._made(
            OrderlyConsumer, {**CONSUMER, **membership, "isolation.level": isolation, **(overrides or {})}
        )

    def producer(self, transactional_id: str | None, overrides: Mapping[str, Any] | None = None) -> ports.Producer:
        identity = {**TRANSACTIONS, "transactional.id": transactional_id} if transactional_id else {}
        return self._made(
            partial(PunctualProducer, allowed=self.allowed), {**PRODUCER, **identity, **(overrides or {})}
        )

    def _made(self, make: Callable[[dict[str, Any]], T], ours: Mapping[str, Any]) -> T:
        """A client with our properties and the user's. Raises PropertyError where librdkafka does not take these."""
        try:
            return make(combined({**self._common, **ours}, self._given))
        except KafkaException as error:
            wrong = wrong_property(error, self._given)
            if wrong is None:
                raise
            raise wrong from error

    def create_topics(self, specs: Sequence[ports.TopicSpec]) -> None:
        if not specs:
            return
        new = [
            NewTopic(
                spec.name,
                num_partitions=spec.partitions,
                replication_factor=spec.replication_factor,
                config=dict(spec.config),
            )
            for spec in specs
        ]
        answers = self._admin().create_topics(new, request_timeout=ADMIN_TIMEOUT_SECONDS)
        for name, created in answers.items():
            try:
                with self._explaining("Create", "topic", name):
                    created.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
        # The controller answers before the brokers know: wait for them, each question being a round trip.
        deadline = time.monotonic() + ADMIN_TIMEOUT_SECONDS
        names = {spec.name for spec in specs}
        while missing := names - self.topic_states(list(names)).keys():
            if time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"created but not visible: {missing}"))

    def topic_states(
        self, names: Sequence[str], config_keys: Sequence[str] = (), *, timeout: float = ADMIN_TIMEOUT_SECONDS
    ) -> dict[str, ports.TopicState]:
        admin = self._admin()
        with self._explaining("Describe", "the cluster"):
            known = admin.list_topics(timeout=timeout).topics
        existing = [name for name in names if name in known]
        for name in set(names) - set(existing):
            self._check_absent(name, timeout)
        config: dict[str, dict[str, str]] = {name: {} for name in existing}
        if config_keys and existing:
            resources = [ConfigResource(ResourceType.TOPIC, name) for name in existing]
            for resource, answer in admin.describe_configs(resources, request_timeout=timeout).items():
                with self._explaining("DescribeConfigs", "topic", resource.name):
                    entries = answer.result()
                config[resource.name] = {key: entries[key].value for key in config_keys if key in entries}
        return {name: ports.TopicState(name, len(known[name].partitions), config[name]) for name in existing}

    def allowed(self, topics: Collection[str]) -> dict[str, frozenset[str]]:
        """What we may do with each of these topics, as Kafka names it (`Read`, `Write`, …); without those that do not
        exist. Raises KafkaException."""
        asked = TopicCollection(sorted(topics))
        answers = self._admin().describe_topics(
            asked, include_authorized_operations=True, request_timeout=ADMIN_TIMEOUT_SECONDS
        )
        found = {}
        for topic, answer in answers.items():
            try:
                operations = answer.result().authorized_operations or ()
                found[topic] = frozenset(each.name.title().replace("_", "") for each in operations)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    found[topic] = frozenset()
                elif error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        return found

    def configure_topic(self, topic: str, config: Mapping[str, str]) -> None:
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        for changed in self._admin().incremental_alter_configs([resource]).values():
            with self._explaining("AlterConfigs", "topic", topic):
                changed.result(ADMIN_TIMEOUT_SECONDS)

    def end_offsets(self, topic: str) -> dict[int, int]:
        admin = self._admin()
        with self._explaining("Describe", "topic", topic):
            known = admin.list_topics(topic, timeout=ADMIN_TIMEOUT_SECONDS).topics
            if (problem := known[topic].error) is not None:
                raise KafkaException(problem)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(topic, number): latest for number in known[topic].partitions}
        deadline = time.monotonic() + ADMIN_TIMEOUT_SECONDS
        while True:
            answers = admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ADMIN_TIMEOUT_SECONDS
            )
            try:
                with self._explaining("Describe", "topic", topic):
                    return {partition.partition: answer.result().offset for partition, answer in answers.items()}
            except KafkaException as error:
                if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                    raise
            time.sleep(_ELECTION_PAUSE_SECONDS)

    def _check_absent(self, topic: str, timeout: float) -> None:
        """Raises KafkaException where a topic may exist and we must not see it: the list of all leaves it out."""
        with self._explaining("Describe", "topic", topic):
            found = self._admin().list_topics(topic, timeout=timeout).topics.get(topic)
            if found is not None and found.error is not None and found.error.code() in RIGHTS:
                raise KafkaException(found.error)

    @contextmanager
    def _explaining(self, operation: str, resource: str, name: str = "") -> Iterator[None]:
        """Lets what Kafka refuses name the right, and what it does not answer the reason."""
        try:
            yield
        except KafkaException as error:
            self._admin().poll(0)  # the reason is an event
            raise KafkaException(self._troubles.explained(error.args[0], operation, resource, name)) from error

    def after_fork(self) -> None:
        """A child has an administration client of its own."""
        abandon(self._admin_client)
        self._admin_client = None
        self._troubles.after_fork()

    def _admin(self) -> AdminClient:
        if self._admin_client is None:
            self._admin_client = self._made(AdminClient, {})
        return self._admin_client
