"""The rights that a deployment gives to its roles, without a broker."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.errors import UsageError
from interlock.operations.acls import Acl, Role, acls, commands, principals, roles
from interlock.platform.settings import Settings
from interlock.schemas import catalogue

FILE = Path(__file__).parents[3] / "deploy" / "kafka" / "acls.sh"


@pytest.fixture
def known() -> dict[str, Role]:
    return {role.name: role for role in roles(Settings())}


def writers(known: dict[str, Role], topic: catalogue.Topic) -> set[str]:
    return {role.name for role in known.values() if topic in role.writes}


def test_every_topic_has_a_role_that_writes_it(known: dict[str, Role]) -> None:
    assert [topic.name for topic in catalogue.TOPICS if not writers(known, topic)] == []


def test_only_the_desk_writes_what_people_decided_and_what_must_be_done(known: dict[str, Role]) -> None:
    for topic in (catalogue.RESOLUTIONS, catalogue.TASKS, catalogue.PRESENCE, catalogue.REPLIES):
        assert writers(known, topic) == {"desk"}
    assert writers(known, catalogue.ACTIONS) == {"desk", "notices"}


def test_only_the_router_lets_a_decision_take_effect(known: dict[str, Role]) -> None:
    assert writers(known, catalogue.AUTO_APPROVED) == {"router"}


def test_who_speaks_for_people_is_a_short_list(known: dict[str, Role]) -> None:
    assert writers(known, catalogue.COMMANDS) == {"desk", "reviewer-tool", "console", "caller", "operator"}
    assert writers(known, catalogue.REVIEWERS) == {"roster-owner", "console"}
    assert writers(known, catalogue.POLICIES) == {"policy-owner", "console", "calibration"}
    assert writers(known, catalogue.POLICY_CANDIDATES) == {"policy-owner", "console"}


def test_a_producer_may_do_nothing_but_send_decisions(known: dict[str, Role]) -> None:
    assert acls(known["producer"], "User:shop") == [
        Acl("User:shop", "Read", "topic", "schemas"),
        Acl("User:shop", "Write", "topic", "decisions"),
        Acl("User:shop", "Describe", "group", "interlock-readers"),
    ]


def test_names_that_end_in_a_star_become_prefixes_and_a_star_alone_is_everything(known: dict[str, Role]) -> None:
    desk = acls(known["desk"], "User:d")
    assert Acl("User:d", "Write", "transactional-id", "interlock-desk", prefixed=True) in desk
    assert Acl("User:w", "Describe", "group", "*") in acls(known["watch"], "User:w")


def test_groups_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_WEBHOOKS__GROUP", "payments")
    executor = next(role for role in roles(Settings()) if role.name == "executor")
    assert Acl("User:e", "Read", "group", "payments") in acls(executor, "User:e")


def test_commands_name_every_resource_of_one_operation_together() -> None:
    found = [
        Acl("User:CN=a b", "Read", "topic", "two"),
        Acl("User:CN=a b", "Read", "topic", "one"),
        Acl("User:CN=a b", "Describe", "cluster", "kafka-cluster"),
        Acl("User:CN=a b", "Write", "transactional-id", "t", prefixed=True),
    ]
    start = "kafka-acls.sh --bootstrap-server k:9092 --add --allow-principal 'User:CN=a b' --operation"
    assert list(commands(found, "k:9092")) == [
        f"{start} Read --topic one --topic two",
        f"{start} Describe --cluster",
        f"{start} Write --transactional-id t --resource-pattern-type prefixed",
    ]


def test_an_unknown_role_is_named_with_those_that_exist(known: dict[str, Role]) -> None:
    with pytest.raises(UsageError, match=r"no role 'rooter'.*router"):
        principals(list(known.values()), {"rooter": "User:r"})


def run(directory: Path, *arguments: str) -> str:
    return CliRunner().invoke(app, ["acls", "--data-dir", str(directory), *arguments], catch_exceptions=False).output


def test_the_file_for_a_deployment_is_what_the_command_prints(tmp_path: Path) -> None:
    assert FILE.read_text().endswith(run(tmp_path))
    subprocess.run(["sh", "-n", FILE], check=True)


def test_the_command_prints_one_role_under_another_principal(tmp_path: Path) -> None:
    printed = run(tmp_path, "--role", "router", "--principal", "router=User:CN=router")
    assert "User:CN=router" in printed
    assert "interlock-desk" not in printed
