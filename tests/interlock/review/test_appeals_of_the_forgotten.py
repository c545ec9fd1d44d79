"""On an instance whose desk forgets within seconds: what it has forgotten is appealed by the command line and over
HTTP, judged by somebody else, and forgotten once more."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.crash.test_kill_everything import wait_until
from tests.interlock.api.http_caller import HttpCaller
from tests.running_instance import Instance

pytestmark = [pytest.mark.kafka, pytest.mark.warehouse]

POLICY = """
name: quick
domains:
  quick:
    workflow: pre_approval
    models: ['*']
    outcomes: [approve, reject]
    override_window: 1s
    queue: quick
    appeals: {limit: 1}
"""

PEOPLE = ("ann", "bob", "cid")


class World:
    """The instance, and everybody's connection to it."""

    def __init__(self, instance: Instance, callers: dict[str, HttpCaller]) -> None:
        self.instance = instance
        self.callers = callers

    def send(self, decision_id: str) -> None:
        """A decision that a person must see, and its task."""
        record: dict[str, Any] = {"decision_id": decision_id, "domain": "quick", "model_id": "m", "model_version": "1"}
        record |= {"prediction": "approve", "amount": 12.5, "created_at": datetime.now(UTC).isoformat()}
        answer = self.callers["producer"].post("/v1/decisions", record | {"confidence": 0.9})
        assert answer.status_code < 300, answer.text

    def claim(self, person: str, decision_id: str) -> dict[str, Any]:
        """What the desk says to a claim."""
        answered: dict[str, Any] = self.callers[person].post(f"/v1/tasks/{decision_id}/claim").json()
        return answered

    def decide(self, person: str, decision_id: str, outcome: str) -> None:
        claimed = self.claim(person, decision_id)
        body = {name: claimed[name] for name in ("epoch", "payload_hash")}
        body |= {"verdict": "choose", "outcome": outcome, "reason_code": "other", "reason_text": "as the test has it"}
        answer = self.callers[person].post(f"/v1/tasks/{decision_id}/submit", body)
        assert answer.status_code == 200, answer.text

    def decided_and_forgotten(self, decision_id: str) -> None:
        """Ann rejects it, and the desk forgets it."""
        self.send(decision_id)
        wait_until(lambda: self.claim("ann", decision_id).get("epoch"), f"{decision_id} is a task")
        self.decide("ann", decision_id, "reject")
        self.wait_until_forgotten(decision_id, 1)

    def wait_until_forgotten(self, decision_id: str, times: int) -> None:
        query = f"SELECT count() AS tombstones FROM tasks WHERE key = '{decision_id}' AND tombstone"
        wait_until(lambda: self.instance.rows(query)[0]["tombstones"] == times, f"{decision_id} is forgotten")

    def versions(self, decision_id: str) -> list[tuple[int, str, str, bool]]:
        columns = "version, outcome, source, final"
        query = f"SELECT {columns} FROM resolutions WHERE decision_id = '{decision_id}' ORDER BY version"
        return [(row["version"], row["outcome"], row["source"], row["final"]) for row in self.instance.rows(query)]


@pytest.fixture(scope="module")
def world(local_instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    policy = tmp_path_factory.mktemp("forgetful") / "quick.yaml"
    policy.write_text(POLICY)
    local_instance.run("policy", "publish", str(policy))
    rights = {"producer": ("decisions:write", "decisions:read"), **dict.fromkeys(PEOPLE, ("reviewer",))}
    with ExitStack() as open_callers:
        url, token = local_instance.url, local_instance.token
        callers = {
            name: open_callers.enter_context(closing(HttpCaller([url], token(f"quick-{name}", *granted))))
            for name, granted in rights.items()
        }
        for name in PEOPLE:
            local_instance.run("reviewers", "add", f"quick-{name}", "--queue", "quick")
            assert callers[name].post("/v1/me/on-duty").status_code == 200
        yield World(local_instance, callers)
        for name in PEOPLE:
            assert callers[name].post("/v1/me/off-duty").status_code == 200


def test_what_was_forgotten_is_appealed_by_the_command_line_and_judged_by_somebody_else(world: World) -> None:
    world.decided_and_forgotten("cli-1")
    assert world.versions("cli-1") == [(1, "reject", "review", False), (2, "reject", "review", True)]
    appeal = ("review", "appeal", "cli-1", "-m", "it was not me", "--as", "quick-bob")
    assert world.instance.json(*appeal)["accepted"]
    assert [world.claim(name, "cli-1")["code"] for name in ("ann", "bob")] == ["same-person"] * 2
    world.decide("cid", "cli-1", "approve")
    world.wait_until_forgotten("cli-1", 2)
    assert world.versions("cli-1")[2:] == [(3, "approve", "appeal", False), (4, "approve", "appeal", True)]
    done = world.instance.rows("SELECT action_id FROM actions WHERE decision_id = 'cli-1' ORDER BY kafka_offset")
    assert [row["action_id"] for row in done] == ["cli-1/1/execute", "cli-1/1/roll_back", "cli-1/3/execute"]
    # The limit of the policy counts what was forgotten.
    assert "appeals-exhausted" in world.instance.run(*appeal, code=1).stderr
    query = "SELECT count() AS records, countIf(NOT review_copy) AS decisions FROM routed_decisions"
    wait_until(
        lambda: world.instance.rows(f"{query} WHERE decision_id = 'cli-1'") == [{"records": 3, "decisions": 1}],
        "both copies are stored, and counted as copies",
    )


def test_it_is_appealed_over_http_and_the_request_may_be_repeated(world: World) -> None:
    world.decided_and_forgotten("http-1")
    body = {"statement": "it was not me", "on_behalf_of": "M. Weber"}
    answers = [world.callers["bob"].post("/v1/tasks/http-1/appeal", body, key="bob-appeals") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[-1].text
    assert answers[0].json() == answers[1].json()
    shown = world.callers["cid"].get("/v1/tasks/http-1").json()
    assert shown["task"]["statement"] == "it was not me"
    assert shown["task"]["verified"]
