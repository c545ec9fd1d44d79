"""The command line against a real local instance, as a user would type it."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.local.stages import ROLES
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


def _publish(instance: Instance, directory: Path, name: str) -> None:
    file = directory / f"{name}.yaml"
    file.write_text(POLICY.format(name=name))
    instance.run("policy", "publish", str(file), "--by", "the test", "--note", "for a test")


def _routes(instance: Instance, domain: str) -> dict[str, int]:
    query = f"SELECT route, count() AS n FROM routed_decisions WHERE domain = '{domain}' GROUP BY route"
    return {row["route"]: row["n"] for row in instance.rows(query)}


def test_a_file_is_produced_routed_stored_and_told(instance: Instance, tmp_path: Path) -> None:
    _publish(instance, tmp_path, "story")
    file = tmp_path / "decisions.jsonl"
    lines = [_decision("story", 1), _decision("story", 2, amount=5000), _decision("story", 3, confidence=0.1)]
    file.write_text("\n".join([*lines, '{"confidence": 7}', "rubbish"]) + "\n")
    done = instance.run("produce", str(file), "--rejects", str(tmp_path / "rejects"), code=1)
    assert f"{file}:4: decision_id: Field required" in done.stderr
    assert f"{file}:5: not JSON" in done.stderr
    assert len((tmp_path / "rejects").read_text().splitlines()) == 2
    _until(lambda: sum(_routes(instance, "story").values()) == 3, "three decisions are stored")
    assert _routes(instance, "story") == {"auto": 1, "sync": 1, "manual": 1}
    _until(lambda: len(instance.events("story-2")) == 4, "four events of a decision")
    events = instance.json("timeline", "story-2")
    assert [event["event"] for event in events] == ["decided", "received", "routed", "task arrived"]
    assert "large" in events[2]["detail"]
    assert instance.json("metrics")["total_decisions"] >= 3
    assert instance.json("reconcile")["ok"] is True


def test_a_person_decides_what_was_left_to_people_and_everybody_can_read_it(instance: Instance, tmp_path: Path) -> None:
    _publish(instance, tmp_path, "people")
    file = tmp_path / "people.jsonl"
    file.write_text(_decision("people", 1, amount=5000) + "\n")
    instance.run("produce", str(file))
    instance.run("reviewers", "add", "ann", "--name", "Ann")
    instance.run("reviewers", "on-duty", "ann")
    _until(lambda: "task arrived" in instance.events("people-1"), "the task has arrived")
    assert "people-1" in {task["task_id"] for task in instance.json("review", "list")}
    instance.run("review", "next", "--task", "people-1", "--as", "ann")
    refused = instance.run("review", "approve", "people-1", "-r", "mood", "-m", "fine", "--as", "ann", code=1)
    assert "unknown-reason" in refused.stderr
    instance.run("review", "approve", "people-1", "-r", "agree", "-m", "income is documented", "--as", "ann")
    late = instance.run("review", "next", "--task", "people-1", "--as", "ann", code=1)
    assert "was already decided: approve by ann" in late.stderr
    _until(
        lambda: {"verdict", "resolution", "action execute"} <= set(instance.events("people-1")),
        "the story of the decision to its end",
    )
    events = instance.json("timeline", "people-1")
    assert "income is documented" in next(event["detail"] for event in events if event["event"] == "verdict")
    assert instance.json("metrics")["reviewed_decisions"] >= 1
    assert {answer["question"] for answer in instance.json("checklist")}
    assert instance.json("reconcile")["ok"] is True


def test_an_unknown_decision_has_no_timeline_and_the_command_says_so(instance: Instance) -> None:
    assert "knows no decision 'nobody'" in instance.run("timeline", "nobody", code=1).stderr


def test_the_analyst_can_ask_but_not_write(instance: Instance) -> None:
    assert instance.json("sql", "SELECT 1 AS one") == [{"one": 1}]
    assert "ClickHouse" in instance.run("sql", "DROP TABLE decisions", code=1).stderr
    assert "ClickHouse" in instance.run("sql", "SELECT nonsense FROM nowhere", code=1).stderr
    assert instance.run("sql", "-", stdin="SELECT 2").stdout.split() == ["2", "2"]


def test_the_kill_switch_holds_from_the_next_batch_on_until_it_is_lifted(instance: Instance, tmp_path: Path) -> None:
    _publish(instance, tmp_path, "switch")
    file = tmp_path / "switch.jsonl"

    def route_of(number: int) -> str:
        file.write_text(_decision("switch", number) + "\n")
        instance.run("produce", str(file))
        query = f"SELECT route FROM routed_decisions WHERE decision_id = 'switch-{number}'"
        rows = _until(lambda: instance.rows(query), "the decision is stored")
        return str(rows[0]["route"])

    assert route_of(1) == "auto"
    halted = instance.run("halt", "domain:switch", "--reason", "drill", "--by", "ann")
    assert "`interlock resume domain:switch" in halted.stderr
    assert route_of(2) == "async"
    told = "by ann: domain:switch (drill). Nothing in it takes effect by itself; `interlock resume domain:switch"
    for command in ("status", "doctor", "queues", "halt --list"):
        assert told in instance.run(*command.split()).stdout, command
    assert "halted:domain:switch" in instance.run("timeline", "switch-2").stdout
    facts = next(halt for halt in instance.json("halt", "--list") if halt["scope"] == "domain:switch")
    assert (facts["reason"], facts["set_by"]) == ("drill", "ann")
    assert facts in instance.json("status")["halted"]
    instance.run("resume", "domain:switch", "--reason", "drill is over")
    assert route_of(3) == "auto"
    assert "domain:switch" not in instance.run("halt", "--list").stdout
    assert "domain:switch" not in instance.run("status").stdout
    assert "unknown scope" in instance.run("halt", "everything", "--reason", "x", code=1).stderr
    assert "name a scope and a --reason" in instance.run("halt", "all", code=2).stderr
    assert "--list takes no scope" in instance.run("halt", "all", "--list", code=2).stderr


def test_dead_letters_are_listed_shown_and_replayed_once(instance: Instance) -> None:
    from interlock.operations.dead_letters import read_letters
    from interlock.policies.publishing import send
    from interlock.schemas import catalogue

    kafka = instance.platform.kafka()
    send(kafka, catalogue.DECISIONS, "letter-1", b"not avro at all")

    def mine() -> list[dict[str, Any]]:
        letters = [letter.facts() for letter in read_letters(kafka, None)]
        return [facts for facts in letters if facts["key"] == "letter-1"]

    (letter,) = _until(mine, "the dead letter is written")
    assert letter in instance.json("dead-letters", "list", "--limit", "1000")
    assert letter["reason"] == "not-wire-format"
    shown = instance.json("dead-letters", "show", letter["letter"])
    assert bytes.fromhex(shown["value_hex"]) == b"not avro at all"
    assert "6e 6f 74 20 61 76 72 6f" in instance.run("dead-letters", "show", letter["letter"]).stdout
    instance.run("dead-letters", "replay", letter["letter"])
    _until(lambda: len(mine()) == 2, "the replayed message fails again and is a second dead letter")
    replayed = instance.json("dead-letters", "replay", "--all", "--reason", "not-wire-format")["replayed"]
    assert replayed >= 2
    _until(lambda: len(mine()) == 4, "both were sent again")
    assert instance.json("dead-letters", "replay", "--all", "--reason", "empty-value")["replayed"] == 0
    assert "there is no dead letter" in instance.run("dead-letters", "show", "0:999999", code=1).stderr
    assert "PARTITION:OFFSET" in instance.run("dead-letters", "show", "first", code=2).stderr
    assert "or use --all" in instance.run("dead-letters", "replay", code=2).stderr


def test_policies_are_checked_shown_compared_and_refused(instance: Instance, tmp_path: Path) -> None:
    _publish(instance, tmp_path, "compare")
    assert "compare" in {policy["name"] for policy in instance.json("policy", "show")}
    assert "name: compare" in instance.run("policy", "show", "compare").stdout
    changed = tmp_path / "changed.yaml"
    changed.write_text(POLICY.format(name="compare").replace("0.9", "0.8"))
    assert any("0.8" in str(change) for change in instance.json("policy", "diff", "compare", str(changed)))
    assert "none.yaml: cannot be read" in instance.run("policy", "check", "none.yaml", code=1).stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\ndomians: {}\n")
    problems = instance.json("policy", "check", str(bad), code=1)["problems"]
    assert (problems[0]["line"], problems[0]["field"]) == (2, "domians")
    assert f"{bad}:2: domians: " in instance.run("policy", "publish", str(bad), code=1).stderr
    rival = tmp_path / "rival.yaml"
    rival.write_text(POLICY.format(name="compare").replace("name: compare", "name: rival"))
    refused = instance.run("policy", "publish", str(rival), code=1).stderr
    assert "domain 'compare' belongs to the published policy 'compare'" in refused
    assert "no policy named 'nothing' is published" in instance.run("policy", "show", "nothing", code=1).stderr


def test_status_and_doctor_find_everything_well(instance: Instance) -> None:
    status = instance.json("status")
    assert set(status["roles"]) == {"kafka", "clickhouse", *ROLES}
    assert all(role["state"] == "running" for role in status["roles"].values())
    findings = instance.json("doctor")
    assert {finding["what"] for finding in findings} >= {"Kafka", "topics", "ClickHouse", "policies", "router"}
    assert not [finding for finding in findings if finding["state"] == "wrong"]


def test_creating_topics_again_changes_nothing(instance: Instance) -> None:
    assert instance.run("topics", "create").stderr == ""
    assert {topic["name"] for topic in instance.json("topics", "list")} >= {"decisions", "reviews.sync", "dead-letter"}


def test_a_second_instance_in_the_same_directory_is_refused(instance: Instance) -> None:
    for detach in ([], ["--detach"]):
        refused = instance.run("up", *detach, code=1).stderr
        assert "an instance is already running in" in refused
        assert "interlock down" in refused


def test_the_prometheus_metrics_count_what_was_routed(instance: Instance) -> None:
    from urllib.request import urlopen

    from interlock.platform.instance import read

    description = read(instance.directory)
    assert description is not None
    port = next(child.metrics_port for child in description.children if child.role == "router")
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        text = response.read().decode()
    assert 'interlock_messages_in_total{role="router"}' in text
