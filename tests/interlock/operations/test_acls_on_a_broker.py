"""A broker that refuses what no access control list allows: with the rights of its role every role does its work, and
nothing else."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from interlock import Client
from interlock.client.result import DecisionResult
from interlock.errors import InterlockError
from interlock.executors import Execution, Executor
from interlock.operations.acls import Role, acls
from interlock.operations.granting import grant
from interlock.platform.provisioning import create_topics, record_schemas
from interlock.platform.settings import Settings
from interlock.policies.publishing import publish_control, publish_policy, send
from interlock.processors.events import alert
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError, DeskUnavailableError, Reply
from interlock.review.enrolment import publish_reviewers
from interlock.schemas import catalogue, wire
from interlock.schemas.models import Decision
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate
from interlock.streams.offsets import committed_offsets
from interlock.streams.ports import Message
from tests.crash.test_kill_everything import wait_until
from tests.interlock.operations.acl_cluster import Cluster

pytestmark = pytest.mark.kafka

# Six processes start one after the other on a busy machine.
TIMEOUT_SECONDS = 120

PROCESSES = ("router", "desk", "feedback", "calibration", "sampler", "notices", "watch")

POLICY = """
name: lending
domains:
  loan: {workflow: pre_approval, models: ['*'], outcomes: [approve, reject], queue: underwriting}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("acls"))
    with cluster.secured:
        yield cluster


def test_without_rights_nobody_creates_a_topic_or_grants_a_right(cluster: Cluster) -> None:
    with pytest.raises(KafkaException, match=r"User:interlock-router has no right to Describe on topic"):
        create_topics(cluster.platform("router"))
    with pytest.raises(InterlockError, match=r"User:interlock-router.*needs Alter on the cluster"):
        grant(cluster.platform("router").admin(), acls(cluster.roles[0], "User:interlock-router"))


def test_with_its_rights_every_role_does_its_work(cluster: Cluster) -> None:
    for role in cluster.roles:
        cluster.allow(cluster.rights(role))
    operator = cluster.platform("operator")
    assert len(create_topics(operator)) == len(catalogue.TOPICS)
    record_schemas(operator)
    policy = cluster.directory / "policy.yaml"
    policy.write_text(POLICY)
    publish_policy(cluster.broker("policy-owner"), policy, "olga", "the first")
    publish_control(cluster.broker("policy-owner"), "model:other", True, "a test", "olga")
    publish_reviewers(cluster.broker("roster-owner"), [{"id": "ann", "name": "Ann"}])

    executed: list[Execution] = []
    results: list[DecisionResult] = []
    stop = threading.Event()
    executor = Executor(cluster.broker("executor"), "executor-payments", executed.append)
    with ExitStack() as stack:
        processes = {role: stack.enter_context(cluster.process(role)) for role in PROCESSES}
        stack.callback(stop.set)
        working = threading.Thread(target=executor.run, args=(stop,))
        working.start()
        caller = stack.enter_context(closing(Client(broker=cluster.broker("caller"))))
        asking = threading.Thread(target=lambda: results.append(caller.decide(_decision(), TIMEOUT_SECONDS, wait=True)))
        asking.start()
        _judge(cluster, processes)
        asking.join(TIMEOUT_SECONDS)
        for topic in (catalogue.TRAINING_EXAMPLES, catalogue.CALIBRATION_REPORTS):
            wait_until(partial(cluster.count, topic), topic.name, TIMEOUT_SECONDS)
        wait_until(lambda: bool(executed), "the executor is handed the outcome", TIMEOUT_SECONDS)
        assert {role: process.poll() for role, process in processes.items()} == dict.fromkeys(PROCESSES)
        stop.set()
        working.join(TIMEOUT_SECONDS)
    assert [(result.status, result.outcome) for result in results] == [("decided", "reject")]
    assert [(one.kind, one.outcome) for one in executed] == [("execute", "reject")]
    for name in PROCESSES:
        assert "authoriz" not in cluster.log(name).read_text().lower(), name


def test_with_their_rights_a_producer_sends_the_sink_stores_and_the_notifier_reads(
    cluster: Cluster, tmp_path: Path
) -> None:
    for role in cluster.roles:
        cluster.allow(cluster.rights(role))
    create_topics(cluster.platform("operator"))
    root = cluster.administrator.kafka()
    with ExitStack() as stack:
        warehouse = stack.enter_context(EmbeddedClickHouse(ServerSettings.private(tmp_path / "clickhouse")))
        client = stack.enter_context(warehouse.client())
        migrate(client)
        reached = {
            "INTERLOCK_CLICKHOUSE__URL": warehouse.url,
            "INTERLOCK_CLICKHOUSE__USER": warehouse.settings.writer_user,
            "INTERLOCK_CLICKHOUSE__PASSWORD": warehouse.settings.writer_password,
        }
        processes = {
            "sink": stack.enter_context(cluster.process("sink", **reached)),
            "notifier": stack.enter_context(cluster.process("notifier")),
        }
        producer = stack.enter_context(closing(Client(broker=cluster.broker("producer"))))
        producer.submit(_decision("loan-2"))
        told = alert("retraining", "loans", "info", (), "of the test", 0)
        assert told.record is not None
        send(cluster.broker("feedback"), catalogue.ALERTS, told.key, wire.encode("Alert", told.record))

        def read() -> bool:
            group = Settings().alerts.group
            committed = committed_offsets(root, group, {catalogue.ALERTS.name: catalogue.ALERTS.partitions})
            return sum(committed.values()) == sum(root.end_offsets(catalogue.ALERTS.name).values())

        stored = "SELECT count() FROM decisions WHERE decision_id = 'loan-2'"
        wait_until(lambda: client.command(stored) == 1, "the sink stores the decision", TIMEOUT_SECONDS)
        wait_until(read, "the notifier has read the alert", TIMEOUT_SECONDS)
        assert {role: process.poll() for role, process in processes.items()} == dict.fromkeys(processes)
    for name in processes:
        assert "authoriz" not in cluster.log(name).read_text().lower(), name


def test_no_role_writes_what_it_has_no_right_to(cluster: Cluster) -> None:
    refused = {role.name: _refused(cluster, role) for role in cluster.roles}
    expected = {
        role.name: {topic.name for topic in catalogue.TOPICS if topic not in role.writes} for role in cluster.roles
    }
    assert refused == expected


def _judge(cluster: Cluster, processes: dict[str, "subprocess.Popen[bytes]"]) -> None:
    """A person takes the case and rejects it, as soon as the desk has it."""
    with closing(DeskClient(cluster.broker("reviewer-tool"), "ann")) as desk:
        leases: list[Reply] = []

        def claimed() -> bool:
            # The desk may not have read the roster yet, nor the router the decision.
            with suppress(CommandRefusedError, DeskUnavailableError):
                desk.on_duty()
                leases.append(desk.claim())
            return bool(leases) or any(process.poll() is not None for process in processes.values())

        wait_until(claimed, "a person is given the case", TIMEOUT_SECONDS)
        ended = [role for role, process in processes.items() if process.poll() is not None]
        assert not ended, {role: cluster.log(role).read_text()[-3000:] for role in ended}
        lease = leases[0]
        place = lease.task_id, lease.epoch, lease.payload_hash
        desk.submit(*place, "reject", reason_code="wrong-prediction", reason_text="no income")


def _refused(cluster: Cluster, role: Role) -> set[str]:
    """The topics to which Kafka lets `role` write nothing, of those that it has no right to."""
    refused: set[str] = set()
    other: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            refused.add(message.topic())
        elif error is not None:
            other.append(error)

    producer = cluster.broker(role.name).producer(None, {"delivery.report.only.error": False})
    for topic in catalogue.TOPICS:
        if topic not in role.writes:
            producer.produce(topic.name, b"x", b"x", on_delivery=delivered)
    assert producer.flush(TIMEOUT_SECONDS) == 0
    assert other == []
    return refused


def _decision(decision_id: str = "loan-1") -> Decision:
    return Decision(
        decision_id=decision_id,
        domain="loan",
        model_id="m",
        model_version="1",
        prediction="approve",
        confidence=0.9,
        created_at=datetime.now(UTC),
    )
