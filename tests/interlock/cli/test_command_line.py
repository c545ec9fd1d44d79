"""The command line against a real local instance, as a user would type it."""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from interlock.local.stages import ROLES, WATCH
from interlock.platform import instance as instances
from interlock.platform.probes import kafka_problem
from interlock.streams.embedded_kafka.settings import free_port, password_properties
from tests.deploy.promql import expressions, selectors
from tests.running_instance import Instance

pytestmark = [pytest.mark.kafka, pytest.mark.warehouse]

POLICY = """
name: {name}
audit: {{rate: 0}}
domains:
  {name}:
    models: [m]
    outcomes: [approve, reject]
    lanes: {{approve: {{auto: 0.9}}}}
rules:
  - {{id: large, when: amount > 1000, route: sync, because: large}}
"""


def _until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < deadline:
        if found := condition():
            return found
        pause.wait(0.1)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def _decision(domain: str, number: int, **fields: Any) -> str:
    return json.dumps(
        {
            "decision_id": f"{domain}-{number}",
            "domain": domain,
            "model_id": "m",
            "model_version": "1",
            "prediction": "approve",
            "confidence": 0.95,
            "amount": 10,  # without one the rule on amounts cannot be evaluated, and a person decides
            **fields,
        }
    )


def _publish(local_instance: Instance, directory: Path, name: str) -> None:
    file = directory / f"{name}.yaml"
    file.write_text(POLICY.format(name=name))
    local_instance.run("policy", "publish", str(file), "--by", "the test", "--note", "for a test")


def _routes(local_instance: Instance, domain: str) -> dict[str, int]:
    query = f"SELECT route, count() AS n FROM routed_decisions WHERE domain = '{domain}' GROUP BY route"
    return {row["route"]: row["n"] for row in local_instance.rows(query)}


def test_a_file_is_produced_routed_stored_and_told(local_instance: Instance, tmp_path: Path) -> None:
    _publish(local_instance, tmp_path, "story")
    file = tmp_path / "decisions.jsonl"
    lines = [_decision("story", 1), _decision("story", 2, amount=5000), _decision("story", 3, confidence=0.1)]
    file.write_text("\n".join([*lines, '{"confidence": 7}', "rubbish"]) + "\n")
    done = local_instance.run("produce", str(file), "--rejects", str(tmp_path / "rejects.jsonl"), code=1)
    assert f"{file}:4: decision_id: is missing" in done.stderr
    assert f"{file}:5: not JSON" in done.stderr
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == 2
    _until(lambda: sum(_routes(local_instance, "story").values()) == 3, "three decisions are stored")
    assert _routes(local_instance, "story") == {"auto": 1, "sync": 1, "manual": 1}
    _until(lambda: "task arrived" in local_instance.events("story-2"), "the task has arrived")
    events = local_instance.json("timeline", "story-2")
    # The desk's clock moves with what it reads: where what it tells stands among the others depends on the moment.
    details = {event["event"]: event["detail"] for event in events}
    assert [event for event in details if event in ("decided", "received", "routed")] == [
        "decided",
        "received",
        "routed",
    ]
    assert "task arrived" in details
    assert "large" in details["routed"]
    assert local_instance.json("metrics")["total_decisions"] >= 3
    assert local_instance.json("reconcile")["ok"] is True


def test_a_person_decides_what_was_left_to_people_and_everybody_can_read_it(
    local_instance: Instance, tmp_path: Path
) -> None:
    _publish(local_instance, tmp_path, "people")
    file = tmp_path / "people.jsonl"
    file.write_text(_decision("people", 1, amount=5000) + "\n")
    local_instance.run("produce", str(file))
    local_instance.run("reviewers", "add", "ann", "--name", "Ann")
    local_instance.run("reviewers", "on-duty", "ann")
    _until(lambda: "task arrived" in local_instance.events("people-1"), "the task has arrived")
    assert "people-1" in {task["task_id"] for task in local_instance.json("review", "list")}
    local_instance.run("review", "next", "--task", "people-1", "--as", "ann")
    refused = local_instance.run("review", "approve", "people-1", "-r", "mood", "-m", "fine", "--as", "ann", code=1)
    assert "unknown-reason" in refused.stderr
    local_instance.run("review", "approve", "people-1", "-r", "agree", "-m", "income is documented", "--as", "ann")
    late = local_instance.run("review", "next", "--task", "people-1", "--as", "ann", code=1)
    assert "was already decided: approve by ann" in late.stderr
    _until(
        lambda: {"verdict", "resolution", "action execute"} <= set(local_instance.events("people-1")),
        "the story of the decision to its end",
    )
    events = local_instance.json("timeline", "people-1")
    assert "income is documented" in next(event["detail"] for event in events if event["event"] == "verdict")
    assert local_instance.json("metrics")["reviewed_decisions"] >= 1
    assert {answer["question"] for answer in local_instance.json("checklist")}
    assert local_instance.json("reconcile")["ok"] is True


def test_an_unknown_decision_has_no_timeline_and_the_command_says_so(local_instance: Instance) -> None:
    assert "knows no decision 'nobody'" in local_instance.run("timeline", "nobody", code=1).stderr


def test_the_analyst_can_ask_but_not_write(local_instance: Instance) -> None:
    assert local_instance.json("sql", "SELECT 1 AS one") == [{"one": 1}]
    assert "ClickHouse" in local_instance.run("sql", "DROP TABLE decisions", code=1).stderr
    assert "ClickHouse" in local_instance.run("sql", "SELECT nonsense FROM nowhere", code=1).stderr
    assert local_instance.run("sql", "-", stdin="SELECT 2").stdout.split() == ["2", "2"]


def test_the_kill_switch_holds_from_the_next_batch_on_until_it_is_lifted(
    local_instance: Instance, tmp_path: Path
) -> None:
    _publish(local_instance, tmp_path, "switch")
    file = tmp_path / "switch.jsonl"

    def route_of(number: int) -> str:
        file.write_text(_decision("switch", number) + "\n")
        local_instance.run("produce", str(file))
        query = f"SELECT route FROM routed_decisions WHERE decision_id = 'switch-{number}'"
        rows = _until(lambda: local_instance.rows(query), "the decision is stored")
        return str(rows[0]["route"])

    assert route_of(1) == "auto"
    halted = local_instance.run("halt", "domain:switch", "--reason", "drill", "--by", "ann")
    assert "`interlock resume domain:switch" in halted.stderr
    assert route_of(2) == "async"
    told = "by ann: domain:switch (drill). Nothing in it takes effect by itself; `interlock resume domain:switch"
    for command in ("status", "doctor", "queues", "halt --list"):
        assert told in local_instance.run(*command.split()).stdout, command
    assert "halted:domain:switch" in local_instance.run("timeline", "switch-2").stdout
    facts = next(halt for halt in local_instance.json("halt", "--list") if halt["scope"] == "domain:switch")
    assert (facts["reason"], facts["set_by"]) == ("drill", "ann")
    assert facts in local_instance.json("status")["halted"]
    local_instance.run("resume", "domain:switch", "--reason", "drill is over")
    assert route_of(3) == "auto"
    assert "domain:switch" not in local_instance.run("halt", "--list").stdout
    assert "domain:switch" not in local_instance.run("status").stdout
    assert "unknown scope" in local_instance.run("halt", "everything", "--reason", "x", code=1).stderr
    assert "name a scope and a --reason" in local_instance.run("halt", "all", code=2).stderr
    assert "--list takes no scope" in local_instance.run("halt", "all", "--list", code=2).stderr


def test_dead_letters_are_listed_shown_and_replayed_once(local_instance: Instance) -> None:
    from interlock.operations.dead_letters import read_letters
    from interlock.policies.publishing import send
    from interlock.schemas import catalogue

    kafka = local_instance.platform.kafka()
    send(kafka, catalogue.DECISIONS, "letter-1", b"not avro at all")

    def mine() -> list[dict[str, Any]]:
        letters = [letter.facts() for letter in read_letters(kafka, None)]
        return [facts for facts in letters if facts["key"] == "letter-1"]

    (letter,) = _until(mine, "the dead letter is written")
    assert letter in local_instance.json("dead-letters", "list", "--limit", "1000")
    assert letter["reason"] == "not-wire-format"
    shown = local_instance.json("dead-letters", "show", letter["letter"])
    assert bytes.fromhex(shown["value_hex"]) == b"not avro at all"
    assert "6e 6f 74 20 61 76 72 6f" in local_instance.run("dead-letters", "show", letter["letter"]).stdout
    local_instance.run("dead-letters", "replay", letter["letter"])
    _until(lambda: len(mine()) == 2, "the replayed message fails again and is a second dead letter")
    replayed = local_instance.json("dead-letters", "replay", "--all", "--reason", "not-wire-format")["replayed"]
    assert replayed >= 2
    _until(lambda: len(mine()) == 4, "both were sent again")
    assert local_instance.json("dead-letters", "replay", "--all", "--reason", "empty-value")["replayed"] == 0
    assert "there is no dead letter" in local_instance.run("dead-letters", "show", "0:999999", code=1).stderr
    assert "PARTITION:OFFSET" in local_instance.run("dead-letters", "show", "first", code=2).stderr
    assert "or use --all" in local_instance.run("dead-letters", "replay", code=2).stderr


def test_policies_are_checked_shown_compared_and_refused(local_instance: Instance, tmp_path: Path) -> None:
    _publish(local_instance, tmp_path, "compare")
    assert "compare" in {policy["name"] for policy in local_instance.json("policy", "show")}
    assert "name: compare" in local_instance.run("policy", "show", "compare").stdout
    changed = tmp_path / "changed.yaml"
    changed.write_text(POLICY.format(name="compare").replace("0.9", "0.8"))
    changes = local_instance.json("policy", "diff", "compare", str(changed))
    assert any("0.8" in str(change) for change in changes)
    assert local_instance.json("policy", "diff", str(changed)) == changes
    assert "none.yaml: cannot be read" in local_instance.run("policy", "check", "none.yaml", code=1).stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\ndomians: {}\n")
    problems = local_instance.json("policy", "check", str(bad), code=1)["problems"]
    assert (problems[0]["line"], problems[0]["field"]) == (2, "domians")
    assert f"{bad}:2: domians: " in local_instance.run("policy", "publish", str(bad), code=1).stderr
    rival = tmp_path / "rival.yaml"
    rival.write_text(POLICY.format(name="compare").replace("name: compare", "name: rival"))
    refused = local_instance.run("policy", "publish", str(rival), code=1).stderr
    assert "domain 'compare' belongs to the published policy 'compare'" in refused
    assert "no policy named 'nothing' is published" in local_instance.run("policy", "show", "nothing", code=1).stderr


def test_status_and_doctor_find_everything_well(local_instance: Instance) -> None:
    status = local_instance.json("status")
    assert set(status["roles"]) == {"kafka", "clickhouse", *ROLES, WATCH}
    assert all(role["state"] == "running" for role in status["roles"].values())
    assert status["clickhouse"].startswith("http://127.0.0.1:")
    assert status["clickhouse_user"] == "analyst"
    findings = local_instance.json("doctor")
    assert {finding["what"] for finding in findings} >= {"Kafka", "topics", "ClickHouse", "policies", "router"}
    assert not [finding for finding in findings if finding["state"] == "wrong"]


def test_creating_topics_again_changes_nothing(local_instance: Instance) -> None:
    assert local_instance.run("topics", "create").stderr == ""
    assert {topic["name"] for topic in local_instance.json("topics", "list")} >= {
        "decisions",
        "reviews.sync",
        "dead-letter",
    }


def test_a_second_instance_in_the_same_directory_is_refused(local_instance: Instance) -> None:
    for detach in ([], ["--detach"]):
        refused = local_instance.run("up", *detach, code=1).stderr
        assert "an instance is already running in" in refused
        assert "interlock down" in refused


def _series(instance: Instance) -> list[Sample]:
    """All series that the roles of an instance expose."""
    description = instances.read(instance.directory)
    assert description is not None
    found: list[Sample] = []
    for child in description.children:
        if child.metrics_port:
            with urlopen(f"http://127.0.0.1:{child.metrics_port}/metrics", timeout=5) as response:
                families = text_string_to_metric_families(response.read().decode())
                found += [sample for family in families for sample in family.samples]
    return found


def test_every_series_that_dashboards_and_alerts_ask_for_is_exposed_by_a_role_before_anything_goes_wrong(
    local_instance: Instance,
) -> None:
    asked = {selector for expression in expressions() for selector in selectors(expression)}

    def all_exposed() -> list[Sample]:
        exposed = _series(local_instance)
        there = all(any(one.takes(sample.name, sample.labels) for sample in exposed) for one in asked)
        return exposed if there else []

    # The watch looks for the first time half a minute after its start, and the desk knows what it cannot read when it
    # has read its records.
    exposed = _until(all_exposed, "every series that is asked for")
    for role in ("router", "desk", "sink", "feedback", "calibration", "notices"):
        own = {sample.name for sample in exposed if sample.labels.get("role") == role}
        assert {"interlock_messages_in_total", "interlock_unavailable_total"} <= own, role


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_everything_of_an_instance_is_forked_from_one_process_which_holds_no_lock(local_instance: Instance) -> None:
    description = instances.read(local_instance.directory)
    assert description is not None
    (server,) = psutil.Process(description.supervisor_pid).children()
    assert {process.pid for process in server.children()} == {child.pid for child in description.children}
    for process in (server, *server.children()):
        assert str(local_instance.directory / instances.LOCK) not in {file.path for file in process.open_files()}


def test_a_taken_port_is_named_with_the_instance_that_has_taken_it(local_instance: Instance, tmp_path: Path) -> None:
    description = instances.read(local_instance.directory)
    assert description is not None
    ports = {
        "--kafka-port": description.kafka_port,
        "--clickhouse-port": description.clickhouse_port,
        "--console-port": description.console_port,
    }
    other = Instance(tmp_path / "other")
    for option, port in ports.items():
        options = [word for each in ports if each != option for word in (each, str(free_port()))]
        refused = other.run("up", option, str(port), *options, code=1).stderr
        assert f"port {port}, on which " in refused
        assert f", of the instance in {local_instance.directory})" in refused


def test_nothing_of_an_instance_listens_on_another_address_than_that_of_this_machine(local_instance: Instance) -> None:
    description = instances.read(local_instance.directory)
    assert description is not None
    listening = {
        (child.role, connection.laddr.ip)
        for child in description.children
        for process in (psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {role for role, _ in listening} == {child.role for child in description.children}
    assert {address.removeprefix("::ffff:") for _, address in listening} == {"127.0.0.1"}


def test_other_users_of_the_machine_can_read_nothing_of_an_instance(local_instance: Instance) -> None:
    everything = [local_instance.directory, *local_instance.directory.rglob("*")]
    assert len(everything) > 100
    # Files come and go while it runs.
    open_to_others = {path for path in everything if path.exists() and path.stat().st_mode & 0o077}
    assert not open_to_others


def test_a_kafka_that_is_secure_lets_nobody_in_without_its_password(local_instance: Instance) -> None:
    description = instances.read(local_instance.directory)
    assert description is not None
    for port in (description.kafka_port, description.controller_port):
        address = {"bootstrap.servers": f"127.0.0.1:{port}"}
        assert kafka_problem(address)
        assert kafka_problem({**address, **password_properties("a wrong one")})
    assert local_instance.json("status")["kafka_asks_for_a_password"]
    inside = {"bootstrap.servers": description.bootstrap_servers, **description.kafka_properties}
    assert kafka_problem(inside) is None
    for process in (psutil.Process(child.pid) for child in description.children):
        assert description.kafka_password not in " ".join(process.cmdline())
