"""A role that lacks a right says which one and ends; so do commands and clients."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from interlock import Client, DeliveryError
from interlock.errors import InterlockError
from interlock.executors import Executor
from interlock.operations.acls import Acl, Role
from interlock.operations.rights import missing_rights
from interlock.platform.exit_codes import ExitCode
from interlock.platform.provisioning import create_topics
from interlock.platform.settings import Settings
from interlock.review.desk_client import DeskClient
from interlock.review.enrolment import publish_reviewers
from interlock.schemas import catalogue
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate
from interlock.streams.kafka import KafkaBroker
from interlock.streams.runner import Runner, RunnerSettings, UnrecoverableError
from interlock.streams.sending import Outgoing, send_and_wait
from interlock.streams.tables import TableReader
from interlock.streams.transaction import Transactor
from interlock.streams.turns import turn
from tests.crash.test_kill_everything import wait_until
from tests.interlock.client.test_client import decision
from tests.interlock.operations.acl_cluster import Cluster
from tests.streams.counting import Counting

pytestmark = pytest.mark.kafka

TIMEOUT_SECONDS = 60

# Some seconds of writing, in which the answer of Kafka to the first of them comes.
RECORDS = 1_000_000

FIRST_FOLD = next(iter(catalogue.CALIBRATION_FOLDS))

# Who is started by `interlock run`.
RUN = ("router", "desk", "sink", "feedback", "calibration", "sampler", "notices", "notifier", "watch")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("rights"))
    with cluster.secured:
        create_topics(cluster.administrator)
        yield cluster


@pytest.fixture
def nobody(cluster: Cluster) -> Cluster:
    """The cluster, without any right of anybody."""
    cluster.take_everything()
    return cluster


def role(cluster: Cluster, name: str) -> Role:
    return next(one for one in cluster.roles if one.name == name)


def without(rights: list[Acl], operation: str, resource: str, name: str) -> list[Acl]:
    left = [acl for acl in rights if (acl.operation, acl.resource, acl.name) != (operation, resource, name)]
    assert len(left) == len(rights) - 1
    return left


def lacks(broker: KafkaBroker, name: str, rights: list[Acl]) -> bool:
    return missing_rights(broker, name, Settings()) == rights


def sign(broker: KafkaBroker, topic: catalogue.Topic) -> None:
    with turn(broker, "policies") as mine:
        mine.write(topic, "key", None)


def samples(rights: list[Acl], campaign: bool) -> list[Acl]:
    """Those that are tried one by one: in the quick form the first and the last one."""
    return rights if campaign else [rights[0], rights[-1]]


@pytest.mark.parametrize("name", RUN)
def test_each_right_to_a_topic_that_a_role_lacks_is_found_before_it_begins(
    name: str, nobody: Cluster, campaign: bool
) -> None:
    rights = nobody.rights(role(nobody, name))
    nobody.allow(rights)
    broker = nobody.broker(name)
    wait_until(partial(lacks, broker, name, []), "all rights are in force", TIMEOUT_SECONDS)
    for acl in samples([acl for acl in rights if acl.resource == "topic"], campaign):
        nobody.take([acl])
        wait_until(partial(lacks, broker, name, [acl]), str(acl), TIMEOUT_SECONDS)
        nobody.allow([acl])
        wait_until(partial(lacks, broker, name, []), str(acl), TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    ("name", "lost", "quick"),
    [
        ("router", ("Write", "topic", "alerts"), True),
        ("router", ("Read", "group", "interlock-router"), True),
        ("router", ("Write", "transactional-id", "interlock-router"), True),
        ("desk", ("Read", "group", "interlock-desk"), False),
        ("desk", ("Write", "transactional-id", "interlock-desk"), False),
        ("feedback", ("Read", "group", Settings().feedback.group), True),
        ("feedback", ("Read", "topic", "reviews.outcomes"), False),
        (
            "calibration",
            ("Read", "group", f"{Settings().calibration.group}-{FIRST_FOLD}"),
            False,
        ),
        ("notices", ("Write", "transactional-id", catalogue.NOTICES_GROUP), False),
        ("notices", ("Read", "group", catalogue.NOTICES_GROUP), False),
        ("notifier", ("Read", "group", Settings().alerts.group), False),
        ("sampler", ("Read", "group", catalogue.SAMPLER_GROUP), False),
        ("sampler", ("Write", "transactional-id", catalogue.SAMPLER_GROUP), False),
        ("watch", ("Write", "topic", "alerts"), False),
    ],
)
def test_a_role_without_one_right_names_it_and_ends(
    name: str, lost: tuple[str, str, str], quick: bool, nobody: Cluster, campaign: bool
) -> None:
    if not (quick or campaign):
        pytest.skip("in the long form only")
    nobody.allow(without(nobody.rights(role(nobody, name)), *lost))
    with nobody.process(name) as process:
        code = process.wait(TIMEOUT_SECONDS)
    said = nobody.log(name).read_text()
    operation, resource, named = lost
    assert code == ExitCode.OPERATOR_REQUIRED, said
    assert f"{operation} on {resource} {named}" in said
    assert f"User:interlock-{name}" in said
    assert "interlock acls" in said
    assert "Traceback" not in said


def test_webhooks_without_their_group_name_it_and_end(nobody: Cluster, campaign: bool) -> None:
    if not campaign:
        pytest.skip("in the long form only")
    group = Settings().webhooks.group
    nobody.allow(without(nobody.rights(role(nobody, "executor")), "Read", "group", group))
    reached = {"INTERLOCK_WEBHOOKS__URL": "http://127.0.0.1:1", "INTERLOCK_WEBHOOKS__SECRET": "whsec_MfKQ9r8GKYqrTwjU"}
    with nobody.command("executor", "run", "webhooks", **reached) as process:
        code = process.wait(TIMEOUT_SECONDS)
    said = nobody.log("executor").read_text()
    assert code == ExitCode.OPERATOR_REQUIRED, said
    assert f"User:interlock-executor has no right to Read on group {group}" in said


def test_a_role_whose_right_is_taken_away_while_it_works_names_it_and_ends(nobody: Cluster) -> None:
    rights = nobody.rights(role(nobody, "router"))
    nobody.allow([*rights, *nobody.rights(role(nobody, "producer"))])
    broker = nobody.broker("router")
    settings = RunnerSettings(group=catalogue.ROUTER_GROUP, instance="taken", inputs=("decisions",))
    running = Runner(broker, Counting(broker, "taken", counts=catalogue.SHADOW.name), settings)
    with closing(Client(broker=nobody.broker("producer"))) as client:
        client.submit(decision())

        def works() -> bool:
            running.step()
            return nobody.count(catalogue.SHADOW) > 0

        wait_until(works, "a record is written", TIMEOUT_SECONDS)
        nobody.take([acl for acl in rights if (acl.operation, acl.name) == ("Write", "decisions.shadow")])
        client.submit(decision(decision_id="another"))
    with pytest.raises(UnrecoverableError, match=r"interlock-router has no right to Write on topic decisions\.shadow"):
        running.run()


def test_a_sink_without_its_group_names_it_and_ends(nobody: Cluster, tmp_path: Path, campaign: bool) -> None:
    if not campaign:
        pytest.skip("in the long form only")
    nobody.allow(without(nobody.rights(role(nobody, "sink")), "Read", "group", catalogue.SINK_GROUP))
    with EmbeddedClickHouse(ServerSettings.private(tmp_path / "clickhouse")) as warehouse:
        with warehouse.client() as client:
            migrate(client)
        reached = {
            "INTERLOCK_CLICKHOUSE__URL": warehouse.url,
            "INTERLOCK_CLICKHOUSE__USER": warehouse.settings.writer_user,
            "INTERLOCK_CLICKHOUSE__PASSWORD": warehouse.settings.writer_password,
        }
        with nobody.process("sink", **reached) as process:
            code = process.wait(TIMEOUT_SECONDS)
    said = nobody.log("sink").read_text()
    assert code == ExitCode.OPERATOR_REQUIRED, said
    assert f"User:interlock-sink has no right to Read on group {catalogue.SINK_GROUP}" in said


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (("Create", "topic", "reviews.viewing"), "Create on topic reviews.viewing"),
        (("AlterConfigs", "topic", "decisions"), "DescribeConfigs on topic decisions"),
        (("Read", "topic", "resolutions"), "Describe on topic resolutions"),
    ],
)
def test_prepare_names_the_right_that_it_lacks_and_ends(
    lost: tuple[str, str, str], named: str, nobody: Cluster
) -> None:
    administrator = nobody.administrator
    if lost[0] == "Create":
        admin = administrator.admin()
        for done in admin.delete_topics([lost[2]]).values():
            done.result()
    nobody.allow(without(nobody.rights(role(nobody, "operator")), *lost))
    with nobody.command("operator", "prepare") as process:
        code = process.wait(TIMEOUT_SECONDS)
    said = nobody.log("operator").read_text()
    create_topics(administrator)
    assert code == ExitCode.OPERATOR_REQUIRED, said
    assert f"User:interlock-operator has no right to {named}; `interlock acls` prints" in said


def test_a_topic_that_may_not_be_seen_is_not_said_to_be_missing(nobody: Cluster) -> None:
    for read in (
        lambda: TableReader(nobody.broker("router"), ["policies"]),
        lambda: Executor(nobody.broker("executor"), "executor-x", lambda _: None),
        lambda: Client(broker=nobody.broker("caller")).wait("x", 1),
    ):
        with pytest.raises((KafkaException, InterlockError), match=r"User:\S+ has no right to Describe on topic \S+;"):
            read()


def test_clients_and_commands_name_the_right_that_they_lack(nobody: Cluster) -> None:
    # With Write on any topic: whoever has none at all may not even begin to write.
    nobody.allow([Acl("User:interlock-producer", "Write", "topic", "alerts")])
    client = Client(broker=nobody.broker("producer"), delivery_seconds=10)
    with pytest.raises(DeliveryError, match=r"User:interlock-producer has no right to Write on topic decisions"):
        client.submit(decision())
    nobody.allow([Acl("User:interlock-roster-owner", "Read", "topic", "reviewers")])
    nobody.allow([Acl("User:interlock-roster-owner", "Write", "topic", "alerts")])
    with pytest.raises(InterlockError, match=r"User:interlock-roster-owner has no right to Write on topic reviewers"):
        publish_reviewers(nobody.broker("roster-owner"), [{"id": "ann", "name": "Ann"}])
    rights = nobody.rights(role(nobody, "policy-owner"))
    nobody.allow([acl for acl in rights if acl.resource != "transactional-id"])
    with pytest.raises(InterlockError, match=r"policy-owner has no right to Write on transactional-id interlock-turn-"):
        sign(nobody.broker("policy-owner"), catalogue.POLICIES)
    nobody.allow([acl for acl in rights if acl.resource == "transactional-id"])
    with pytest.raises(InterlockError, match=r"interlock-policy-owner has no right to Write on topic resolutions"):
        sign(nobody.broker("policy-owner"), catalogue.RESOLUTIONS)
    with pytest.raises((KafkaException, InterlockError), match=r"reviewer-tool has no right to Describe on topic"):
        DeskClient(nobody.broker("reviewer-tool"), "ann")


class Repeated:
    """The columns of a batch that is written until Kafka has refused one of its records."""

    def __init__(self, topic: str) -> None:
        self.count = RECORDS
        self.topics = itertools.repeat(topic, RECORDS)
        self.keys = self.values = itertools.repeat(b"", RECORDS)
        self.headers = None


def write_in_a_turn(broker: KafkaBroker, topic: catalogue.Topic) -> None:
    with turn(broker, "policies") as mine:
        for _ in range(RECORDS):
            mine.write(topic, "key", None)


def write_in_a_transaction(broker: KafkaBroker, topic: catalogue.Topic) -> None:
    transactor = Transactor(broker, "interlock-turn-policies", {}, TIMEOUT_SECONDS)
    transactor.restart()
    transactor.write(Repeated(topic.name))


def send_twice(broker: KafkaBroker, topic: catalogue.Topic) -> None:
    producer = broker.producer(None)
    with pytest.raises(KafkaException):
        send_and_wait(producer, [Outgoing(topic.name, b"key", b"")], TIMEOUT_SECONDS)
    send_and_wait(producer, [Outgoing(topic.name, b"key", b"")], TIMEOUT_SECONDS)


@pytest.mark.parametrize("write", [write_in_a_turn, write_in_a_transaction, send_twice])
def test_a_record_that_is_refused_at_once_because_an_earlier_one_was_names_the_right(
    write: Callable[[KafkaBroker, catalogue.Topic], None], nobody: Cluster
) -> None:
    rights = nobody.rights(role(nobody, "policy-owner"))
    nobody.allow([acl for acl in rights if acl.resource == "transactional-id"])
    nobody.allow([Acl("User:interlock-policy-owner", "Write", "topic", "policies")])
    with pytest.raises((KafkaException, InterlockError), match=r"policy-owner has no right to Write on topic resol"):
        write(nobody.broker("policy-owner"), catalogue.RESOLUTIONS)
