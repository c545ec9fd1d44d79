"""The reviewer tools of the examples where Kafka asks who they are: logins, TLS, and the rights of their role alone."""

from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer

from interlock.operations.acls import acls, roles
from interlock.operations.granting import grant
from interlock.platform.connection import Platform
from interlock.platform.provisioning import create_topics
from interlock.platform.settings import KafkaSettings, Settings
from interlock.schemas import catalogue, description, wire
from interlock.testing import Topology
from tests.crash.test_kill_everything import wait_until
from tests.examples.reviewer_tools import run_tool, tool_command
from tests.streams.secured_kafka import SecuredKafka

POLICY = """
name: loans
domains:
  loan: {workflow: pre_approval, models: ['*'], outcomes: [approve, reject], queue: underwriting}
"""


@pytest.mark.clients
@pytest.mark.kafka
@pytest.mark.parametrize("language", ["python", "go"])
def test_a_tool_logs_in_with_every_mechanism_and_needs_no_right_beyond_its_role(language: str, tmp_path: Path) -> None:
    description.export(tmp_path / "contracts")
    command = tool_command(language, tmp_path)
    with SecuredKafka(tmp_path / "secured", {"interlock-reviewer-tool": "its secret"}) as secured:
        kafka = KafkaSettings(bootstrap_servers=secured.kafka.bootstrap_servers, properties=secured.root)
        administrator = Platform(Settings(data_dir=tmp_path, kafka=kafka))
        create_topics(administrator)
        role = next(role for role in roles(Settings()) if role.name == "reviewer-tool")
        for principal in ("User:interlock-reviewer-tool", "User:somebody"):
            grant(administrator.admin(), acls(role, principal))
        _write_a_task({"bootstrap.servers": secured.kafka.bootstrap_servers, **secured.root})

        authority = str(secured.authority.certificate)
        over_tls = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "somebody"}
        over_tls |= {"sasl.password": "somebody's", "ssl.ca.location": authority}
        for listener, login in (
            ("SCRAM", secured.scram("interlock-reviewer-tool")),
            ("SCRAM", secured.scram("interlock-reviewer-tool", mechanism="SCRAM-SHA-256")),
            ("TLSPLAIN", over_tls),
        ):
            properties = tmp_path / "client.properties"
            lines = {"bootstrap.servers": secured.at(listener), **login}
            properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
            tasks = [*command, str(properties), str(tmp_path / "contracts"), "tasks"]
            # The broker tells its listeners of new rights some moments after it has taken them.
            wait_until(partial(_succeeds, tasks), f"the tool gets in at {listener}", 20)
            assert run_tool(tasks).stdout.startswith("loan-1  underwriting  medium  due ")


def _succeeds(command: list[str]) -> bool:
    return run_tool(command).returncode == 0


def _write_a_task(properties: dict[str, str]) -> None:
    """As the desk would, in a topic that no desk serves."""
    world = Topology(POLICY)
    world.decide("loan-1", confidence=0.8)
    task = world.tasks()["loan-1"]
    producer = Producer(properties)
    producer.produce(catalogue.TASKS.name, wire.encode("Task", task), key="loan-1")
    producer.flush()
