"""Two reviewer tools that know Interlock by its contracts alone, in plain Python and in Go, with the real desk."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from examples.reviewer_tools.plain_python.contracts import Contracts
from examples.reviewer_tools.plain_python.desk import RefusedError, proved
from interlock.schemas import description, wire
from interlock.schemas.payload import payload_hash, planted_hash
from tests.crash.test_kill_everything import wait_until
from tests.examples.reviewer_tools import BUILD_SECONDS, TOOLS, run_tool, tool_command
from tests.running_instance import Instance

POLICY = """
name: {name}
audit: {{rate: 0}}
domains:
  {name}:
    workflow: pre_approval
    models: ['*']
    outcomes: [approve, reject]
    queue: {name}
    reason_codes: [income-unproved]
rules:
  - {{id: strange, when: amount > 1000, route: manual, because: people look at large amounts first}}
"""

Tool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("contracts")
    description.export(directory)
    return directory


@pytest.fixture(params=["python", "go"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tool(language: str, contracts: Path, local_instance: Instance, tmp_path: Path) -> Tool:
    """Runs the tool and returns how it ended."""
    properties = tmp_path / "client.properties"
    instance = local_instance.platform.instance
    assert instance is not None
    lines = {"bootstrap.servers": instance.bootstrap_servers, **instance.kafka_properties}
    properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    command = tool_command(language, tmp_path)

    def run(*arguments: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        return run_tool([*command, str(properties), str(contracts), *arguments], typed)

    return run


@pytest.mark.kafka
@pytest.mark.warehouse
@pytest.mark.timeout(BUILD_SECONDS + 300)
def test_a_tool_without_interlock_takes_cases_from_the_list_to_the_verdict(
    tool: Tool, language: str, local_instance: Instance, tmp_path: Path
) -> None:
    name = f"tool-{language}"
    ann, bob, lea = (f"{language}-{person}" for person in ("ann", "bob", "lea"))
    _prepare(local_instance, tmp_path, name, (ann, bob), lea)

    wait_until(lambda: f"{name}-1  {name}" in tool("tasks").stdout, "the tool lists the task")
    unknown = tool("review", "--as", f"{name}-nobody")
    assert (unknown.returncode, unknown.stderr.strip()[-18:]) == (1, "[unknown-reviewer]")

    verdict = ("--verdict", "reject", "--outcome", "reject", "--text", "no proof")
    refused = tool("review", "--as", ann, "--task", f"{name}-1", *verdict, "--reason", "mood")
    assert refused.returncode == 1
    assert refused.stderr.strip().endswith("agree, income-unproved, other [unknown-reason]")
    assert "the model  approve, sure to 62%" in refused.stdout
    assert r"because  solid\u202e income" in refused.stdout
    assert "held until" in refused.stdout
    taken = tool("review", "--as", bob, "--task", f"{name}-1")
    assert f"{name}-1 is with {ann}" in taken.stderr
    assert "[held-by-another]" in taken.stderr

    decided = tool("review", "--as", ann, "--task", f"{name}-1", *verdict, "--reason", "income-unproved")
    assert decided.stdout.splitlines()[-1] == "ok: decided: reject", decided.stderr
    local_instance.run("review", "gold", f"{name}-1", "reject", "--as", lea)
    by_hand = tool("review", "--as", bob, "--task", f"{name}-2", typed="reject\n\nother\nI would not\n")
    assert "the model  is not shown before the verdict" in by_hand.stdout
    assert by_hand.stdout.splitlines()[-1].endswith("ok: decided: reject"), by_hand.stderr

    # The planted case, whose hash and age are its own.
    planted = tool("review", "--as", bob, *verdict, "--reason", "other")
    assert planted.stdout.splitlines()[-1].startswith("ok: "), planted.stderr
    query = f"SELECT decision_id, outcome, decided_by FROM resolutions WHERE decision_id LIKE '{name}-%' ORDER BY 1"
    wait_until(lambda: len(local_instance.rows(query)) == 2, "both decisions are resolved")
    assert [(row["outcome"], row["decided_by"]) for row in local_instance.rows(query)] == [
        ("reject", [ann]),
        ("reject", [bob]),
    ]
    assert tool("off-duty", "--as", ann).stdout.strip() == f"{ann} is off duty"


@pytest.mark.kafka
def test_a_wrong_password_or_file_is_one_line(tool: Tool, tmp_path: Path) -> None:
    properties = tmp_path / "client.properties"
    right = properties.read_text()
    properties.write_text(right.replace("sasl.password=", "sasl.password=not"))
    refused = tool("tasks")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "Invalid username or password" in refused.stderr
    properties.unlink()
    missing = tool("tasks")
    assert missing.returncode in (1, 2)
    assert "client.properties" in missing.stderr
    assert len(missing.stderr.splitlines()) == 1


@pytest.mark.parametrize("kind", ["review", "gold"])
def test_what_has_another_hash_than_the_task_is_not_shown(kind: str, contracts: Path) -> None:
    known = Contracts(contracts)
    decision = {"decision_id": "d", "domain": "loan", "model_id": "m", "model_version": "1", "prediction": "approve"}
    defaults = {"reasons": [], "notices": [], "policy_version": "", "calibration_version": "", "workflow": ""}
    routed = {"routed_at": 5, "route": "async", "calibrated_confidence": 0.5, "priority": "low", "queue": "q"}
    routed |= defaults | {"audit": False, "propensity": 1.0, "override_until": None}
    value = known.encode("RoutedDecision", routed | {"decision": decision | {"confidence": 0.5, "created_at": 3}})
    assert wire.decode_plain("RoutedDecision", value)["decision"]["created_at"] == 3
    own = payload_hash(value)
    task = {"kind": kind, "task_id": "t", "routed_at": 105, "payload_hash": planted_hash("t", own)}
    if kind == "review":
        task["payload_hash"] = own
    shown = proved(known, task, value)
    assert shown["decision"]["created_at"] == (103 if kind == "gold" else 3)
    with pytest.raises(RefusedError) as refused:
        proved(known, task, value + b"\0")
    assert refused.value.code == "wrong-payload"


def test_the_tools_use_nothing_of_interlock() -> None:
    allowed = {*sys.stdlib_module_names, *(TOOLS / "plain_python" / "requirements.txt").read_text().split()}
    allowed = {name.replace("-", "_") for name in allowed}
    modules = set()
    for path in (TOOLS / "plain_python").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(str(node.module).partition(".")[0])
    assert {"confluent_kafka", "fastavro"} <= modules <= allowed
    assert "interlock" not in (TOOLS / "go" / "go.mod").read_text()


def _prepare(instance: Instance, directory: Path, name: str, people: Sequence[str], lead: str) -> None:
    """A policy, its people, and two decisions: one for a queue, and one that people judge before they see the AI's."""
    policy = directory / "policy.yaml"
    policy.write_text(POLICY.format(name=name))
    instance.run("reviewers", "add", lead, "--lead", "--queue", name)
    for person in people:
        instance.run("reviewers", "add", person, "--queue", name)
    instance.run("policy", "publish", str(policy), "--by", "the test", "--note", "for a test")
    decision: dict[str, Any] = {"domain": name, "model_id": "m", "model_version": "1", "prediction": "approve"}
    decision |= {"confidence": 0.62, "explanation": {"reasoning": "solid\u202e income"}}
    file = directory / "decisions.jsonl"
    lines = [
        decision | {"decision_id": f"{name}-{number}", "amount": amount} for number, amount in ((1, 10), (2, 5000))
    ]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    instance.run("produce", str(file))
