"""Tokens on a real Kafka, made and revoked with the command line, as a running API process sees them."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from interlock.api.access.table import AccessTable
from interlock.api.access.tokens import TokenError, verified
from interlock.schemas import catalogue
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec
from tests.interlock.api.api_world import until
from tests.running_instance import Instance

pytestmark = pytest.mark.kafka


@pytest.fixture
def table(kafka: Any) -> Iterator[AccessTable]:
    broker = KafkaBroker(kafka.bootstrap_servers)
    topic = catalogue.ACCESS
    broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config())])
    with closing(AccessTable(broker)) as made:
        yield made


@pytest.fixture
def command_line(kafka: Any, tmp_path: Path) -> Instance:
    return Instance(tmp_path, {"INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers})


def state(table: AccessTable, text: str) -> str:
    try:
        verified(table, text, time.time())
    except TokenError as error:
        return error.code
    return "good"


def test_a_token_of_the_command_line_counts_in_a_running_api_until_it_is_revoked_there(
    table: AccessTable, command_line: Instance
) -> None:
    arguments = ("tokens", "create", "nightly", "--person", "loans", "--scope", "decisions:write", "--days", "1")
    token = command_line.json(*arguments)
    until(lambda: state(table, token["token"]) == "good")
    listed = {row["id"]: row for row in command_line.json("tokens", "list")}
    assert listed[token["id"]] == {key: value for key, value in token.items() if key != "token"}
    assert token["id"] in command_line.run("tokens", "list").stdout
    assert command_line.json("tokens", "revoke", token["id"])["state"] == "revoked"
    until(lambda: state(table, token["token"]) == "token-revoked")


def test_the_command_line_prints_the_token_alone_so_that_a_script_can_take_it(
    table: AccessTable, command_line: Instance
) -> None:
    done = command_line.run("tokens", "create", "script", "--person", "ann", "--role", "analyst", "--without-end")
    (line,) = done.stdout.splitlines()
    until(lambda: state(table, line) == "good")
    assert "shown this once" in done.stderr


def test_what_makes_no_sense_is_refused_and_the_choices_are_named(table: AccessTable, command_line: Instance) -> None:
    assert table
    refused = command_line.run("tokens", "create", "x", "--person", "ann", "--role", "boss", code=2)
    assert "there is no role 'boss'; there are: reviewer, lead, policy_owner, analyst, auditor, admin" in refused.stderr
    assert "needs a role or a scope" in command_line.run("tokens", "create", "x", "--person", "ann", code=2).stderr
    assert "there is no token 'x'" in command_line.run("tokens", "revoke", "x", code=1).stderr
