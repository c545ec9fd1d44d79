"""Brokers with TLS and passwords: what librdkafka can do the learning roles can do too, and who cannot log in is told
why."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from confluent_kafka import KafkaException
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from interlock import Client, DeliveryError
from interlock.errors import KafkaAccessError, UnavailableError
from interlock.platform.connection import Platform
from interlock.platform.exit_codes import ExitCode
from interlock.platform.probes import kafka_problem
from interlock.platform.settings import KafkaSettings, Settings
from interlock.streams.faust_settings import credentials
from interlock.streams.folding import FoldSettings, Output, Record, run_fold
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.ranges import read_topic
from tests.interlock.client.test_client import decision
from tests.streams.secured_kafka import PASSWORD, Authority, SecuredKafka, token_server

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("secured"), {"alice": "wonderland"}) as secured:
        root = KafkaBroker(secured.kafka.bootstrap_servers, secured.root)
        root.create_topics([TopicSpec("in", 1), TopicSpec("out", 1), TopicSpec("decisions", 1)])
        yield secured


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def tokens() -> Iterator[str]:
    with token_server({"payments": "the secret"}) as url:
        yield url


def by_librdkafka(servers: str, properties: dict[str, str]) -> str:
    """Why librdkafka cannot ask for metadata; empty if it can."""
    found = kafka_problem({"bootstrap.servers": servers, **properties})
    return found.text if found is not None else ""


def by_aiokafka(servers: str, properties: dict[str, str]) -> str:
    """The same of Faust's client, with the credentials that Faust hands to it."""
    auth = credentials_to_aiokafka_auth(credentials(properties))

    async def ask() -> None:
        consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=servers, request_timeout_ms=3_000, **auth)
        try:
            await consumer.start()
            await consumer.topics()
        finally:
            await consumer.stop()

    try:
        asyncio.run(ask())
    except Exception as error:
        return repr(error)
    return ""


ASKING = pytest.mark.parametrize("ask", [by_librdkafka, by_aiokafka])


def filled(template: dict[str, str], secured: SecuredKafka, stranger: Authority, tokens: str) -> dict[str, str]:
    """Properties with the names of files and addresses of this run."""
    client = secured.client
    names: dict[str, Any] = {
        "ca": secured.authority.certificate,
        "ca_text": secured.authority.certificate.read_text(),
        "ca_directory": secured.authority.rehashed(),
        "other_ca": stranger.certificate,
        "certificate": client.certificate,
        "certificate_text": client.certificate.read_text(),
        "key": client.key,
        "key_text": client.key.read_text(),
        "encrypted_key": client.encrypted_key,
        "keystore": client.keystore,
        "password": PASSWORD,
        "tokens": tokens,
    }
    return {name: value.format(**names) for name, value in template.items()}


TLS = {"security.protocol": "SSL", "ssl.ca.location": "{ca}"}
PLAIN_TLS = {**TLS, "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "somebody"}
OAUTH = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.oauthbearer.method": "oidc",
    "sasl.oauthbearer.client.id": "payments",
    "sasl.oauthbearer.client.secret": "the secret",
    "sasl.oauthbearer.token.endpoint.url": "{tokens}",
}
SCRAM = {"security.protocol": "SASL_PLAINTEXT", "sasl.username": "alice", "sasl.password": "wonderland"}


@ASKING
@pytest.mark.parametrize(
    ("listener", "properties"),
    [
        ("TLS", TLS),
        ("TLS", {"security.protocol": "SSL", "ssl.ca.pem": "{ca_text}"}),
        ("TLS", {"security.protocol": "SSL", "ssl.ca.location": "{ca_directory}"}),
        ("TLS", {"security.protocol": "SSL", "enable.ssl.certificate.verification": "false"}),
        ("OTHERHOST", {**TLS, "ssl.endpoint.identification.algorithm": "NONE"}),
        ("MUTUAL", {**TLS, "ssl.certificate.location": "{certificate}", "ssl.key.location": "{key}"}),
        ("MUTUAL", {**TLS, "ssl.certificate.pem": "{certificate_text}", "ssl.key.pem": "{key_text}"}),
        (
            "MUTUAL",
            {
                **TLS,
                "ssl.certificate.location": "{certificate}",
                "ssl.key.location": "{encrypted_key}",
                "ssl.key.password": "{password}",
            },
        ),
        ("MUTUAL", {**TLS, "ssl.keystore.location": "{keystore}", "ssl.keystore.password": "{password}"}),
        ("TLSPLAIN", {**PLAIN_TLS, "sasl.password": "somebody's"}),
        ("SCRAM", {**SCRAM, "sasl.mechanism": "SCRAM-SHA-256"}),
        ("SCRAM", {**SCRAM, "sasl.mechanism": "SCRAM-SHA-512"}),
        ("OAUTH", OAUTH),
    ],
)
def test_librdkafka_and_faust_take_the_same_settings(
    ask: Any, listener: str, properties: dict[str, str], secured: SecuredKafka, stranger: Authority, tokens: str
) -> None:
    assert ask(secured.at(listener), filled(properties, secured, stranger, tokens)) == ""


WRONG = [
    ("TLS", {"security.protocol": "SSL"}, ["certificate verify failed", "ssl.ca.location", "127.0.0.1"]),
    ("TLS", {**TLS, "ssl.ca.location": "{other_ca}"}, ["certificate verify failed", "ssl.ca.location"]),
    ("OTHERHOST", TLS, ["certificate verify failed", "ssl.endpoint.identification.algorithm", "127.0.0.1"]),
    ("MUTUAL", TLS, ["certificate required", "ssl.certificate.location"]),
    ("TLSPLAIN", {**PLAIN_TLS, "sasl.password": "x"}, ["wrong password", "User:somebody", "sasl.password"]),
    ("SCRAM", {**SCRAM, "sasl.mechanism": "SCRAM-SHA-512", "sasl.password": "x"}, ["wrong password", "User:alice"]),
    ("SCRAM", {**SCRAM, "sasl.mechanism": "PLAIN"}, ["sasl.mechanism is PLAIN", "SCRAM-SHA-512"]),
    ("OAUTH", {**OAUTH, "sasl.oauthbearer.client.secret": "x"}, ["no token for the client payments", "client.secret"]),
]


@pytest.mark.parametrize(("listener", "properties", "words"), WRONG)
def test_a_wrong_password_certificate_or_token_is_called_that_within_seconds(
    listener: str,
    properties: dict[str, str],
    words: list[str],
    secured: SecuredKafka,
    stranger: Authority,
    tokens: str,
    tmp_path: Path,
) -> None:
    given = filled(properties, secured, stranger, tokens)
    settings = KafkaSettings(bootstrap_servers=secured.at(listener), properties=given)
    with pytest.raises(KafkaAccessError) as told:  # of every command, and of every role when it starts
        Platform(Settings(data_dir=tmp_path, kafka=settings)).serving_kafka()
    for word in [*words, secured.at(listener)]:
        assert word in str(told.value)
    assert by_aiokafka(secured.at(listener), given)


@pytest.mark.parametrize(
    ("listener", "properties", "words"),
    [
        ("SCRAM", {}, ["may ask for a password", "SASL_PLAINTEXT"]),
        ("TLS", {}, ["the port speaks TLS", "security.protocol is PLAINTEXT"]),
        ("TLSPLAIN", {**SCRAM, "sasl.mechanism": "PLAIN"}, ["the port speaks TLS", "SASL_SSL"]),
        ("TLSPLAIN", TLS, ["may ask for a password", "SASL_SSL"]),
        ("SCRAM", TLS, ["security.protocol is SSL, and the port does not speak TLS"]),
        ("SCRAM", {**PLAIN_TLS, "sasl.password": "x"}, ["is it one for SASL_PLAINTEXT?"]),
    ],
)
def test_another_protocol_than_that_of_the_port_is_named(
    listener: str,
    properties: dict[str, str],
    words: list[str],
    secured: SecuredKafka,
    stranger: Authority,
    tokens: str,
    tmp_path: Path,
) -> None:
    given = filled(properties, secured, stranger, tokens)
    settings = KafkaSettings(bootstrap_servers=secured.at(listener), properties=given)
    with pytest.raises(UnavailableError) as told:  # it may be another server, or one that starts
        Platform(Settings(data_dir=tmp_path, kafka=settings)).serving_kafka()
    for word in words:
        assert word in str(told.value)


@pytest.mark.parametrize("words", [["prepare"], ["status"], ["run", "router"], ["run", "feedback"], ["run", "console"]])
def test_a_command_or_a_role_with_a_wrong_password_says_so_in_one_line_and_ends(
    words: list[str], secured: SecuredKafka, tmp_path: Path
) -> None:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("INTERLOCK_")},
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": secured.at("SCRAM"),
        "INTERLOCK_KAFKA__PROPERTIES": json.dumps(secured.scram("alice", "a wrong one")),
        "INTERLOCK_CLICKHOUSE__URL": "http://127.0.0.1:1",
        "INTERLOCK_DATA_DIR": str(tmp_path),
        "INTERLOCK_ROUTER__AUDIT_KEY": "6f1b0c9de2547a83b1f0e9d8c7a65b43",
        "INTERLOCK_API__SESSION_KEY": "6f1b0c9de2547a83b1f0e9d8c7a65b43" * 2,
    }
    command = [sys.executable, "-m", "interlock", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.OPERATOR_REQUIRED, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("interlock:")]
    assert "wrong password: Kafka does not let User:alice log in" in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("listener", ["TLSPLAIN", "SCRAM"])
def test_a_client_with_a_wrong_password_says_so_for_every_decision(
    listener: str, secured: SecuredKafka, stranger: Authority, tokens: str
) -> None:
    properties = PLAIN_TLS if listener == "TLSPLAIN" else {**SCRAM, "sasl.mechanism": "SCRAM-SHA-512"}
    given = filled({**properties, "sasl.password": "x"}, secured, stranger, tokens)
    client = Client(secured.at(listener), properties=given, delivery_seconds=1.5)
    with pytest.raises(DeliveryError, match=r"wrong password: Kafka does not let User:\w+ log in"):
        client.submit(decision())
    with pytest.raises(KafkaException, match="wrong password"):
        KafkaBroker(secured.at(listener), given).topic_states(["decisions"], timeout=2)


@pytest.mark.parametrize(
    ("listener", "properties"),
    [
        ("MUTUAL", {**TLS, "ssl.keystore.location": "{keystore}", "ssl.keystore.password": "{password}"}),
        ("OAUTH", OAUTH),
    ],
)
def test_a_fold_of_the_learning_roles_reads_and_writes_with_a_certificate_or_a_token(
    listener: str, properties: dict[str, str], secured: SecuredKafka, stranger: Authority, tokens: str
) -> None:
    given = filled(properties, secured, stranger, tokens)
    secured.allow_everything(["interlock-client", "payments"])
    broker = KafkaBroker(secured.at(listener), given)
    producer = broker.producer(None)
    producer.produce("in", listener.encode(), b"key")
    assert producer.flush(30) == 0
    stop, done = threading.Event(), []

    def fold(record: Record) -> list[Output]:
        if record.value == listener.encode():
            done.append(record.value)
            threading.Timer(0.5, stop.set).start()
        return [Output("out", record.key, record.value)]

    limit = threading.Timer(60, stop.set)
    limit.start()
    run_fold(FoldSettings(f"fold-{listener}", "in", secured.at(listener), given), broker, fold, stop)
    limit.cancel()
    assert done == [listener.encode()]
    root = KafkaBroker(secured.kafka.bootstrap_servers, secured.root)
    assert listener.encode() in {record.value() for batch in read_topic(root, "out") for record in batch}


def test_nobody_creates_a_topic_by_asking_for_it_or_by_writing_to_it(secured: SecuredKafka) -> None:
    root = KafkaBroker(secured.kafka.bootstrap_servers, secured.root)  # where brokers would do it
    assert root.topic_states(["misspelt"]) == {}
    client = Client(broker=root, delivery_seconds=1)
    producer = client._running_producer()
    producer.produce("misspelt", b"value")
    producer.flush(2)
    assert root.topic_states(["misspelt"]) == {}
