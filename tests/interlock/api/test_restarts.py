"""Fifty callers wait over HTTP while API, desk and broker are killed: each gets its word, once and the right one."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from interlock.policies.publishing import publish_policy
from interlock.schemas import catalogue, wire
from interlock.streams.ranges import read_topic
from tests.crash.test_kill_everything import wait_until
from tests.interlock.api.http_caller import HttpCaller
from tests.running_instance import Instance

pytestmark = [pytest.mark.crash, pytest.mark.kafka, pytest.mark.warehouse]

log = logging.getLogger(__name__)

CALLERS = 50
REVIEWERS = 5

# A bounded long poll, shorter than the 55 s that the API allows, so that callers also resume without a failure.
WAIT_SECONDS = 10

# Who dies before which verdict. Everything dies with others under way: the desk while the API waits for its answer, the
# broker while both use it, all three at once.
KILLS: dict[int, tuple[str, ...]] = {
    5: ("console",),
    12: ("desk",),
    20: ("kafka",),
    30: ("console", "desk"),
    40: ("kafka", "console", "desk"),
}

POLICY = """
name: restarts
domains:
  restarts: {workflow: pre_approval, models: ['*'], outcomes: [approve, reject], queue: restarts}
queues:
  restarts: {lease: 10m}
"""


class Disturbance:
    """Kills what KILLS names before the verdict of that number."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._lock = threading.Lock()
        self._verdicts = 0
        self.killed: list[str] = []

    def before_verdict(self) -> None:
        with self._lock:
            self._verdicts += 1
            for role in KILLS.get(self._verdicts, ()):
                self.killed.append(role)
                kill(self._instance, role)


def kill(instance: Instance, role: str) -> None:
    """SIGKILL; the supervisor starts it again."""
    described = instance.platform.instance
    assert described is not None
    (child,) = (child for child in described.children if child.role == role)
    try:
        os.kill(child.pid, signal.SIGKILL)
    except ProcessLookupError:  # the supervisor is at it
        log.info("%s is down already", role)


@pytest.fixture
def tokens(console_instance: Instance, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of everybody; reviewers are on duty. Afterwards everything serves again."""
    policy = tmp_path / "restarts.yaml"
    policy.write_text(POLICY)
    publish_policy(console_instance.platform.serving_kafka(), policy, "test", "")
    people = [f"restarts-{number}" for number in range(REVIEWERS)]
    for person in people:
        console_instance.run("reviewers", "add", person, "--queue", "restarts", "--capacity", "3")
    yield {
        **{person: console_instance.token(person, "reviewer") for person in people},
        "producer": console_instance.token("restarts", "decisions:write", "decisions:read"),
    }
    with closing(HttpCaller([console_instance.url], console_instance.token("restarts", "admin"))) as admin:

        def serves() -> bool:
            system = admin.get("/v1/system").json()
            return not system["findings"] and all(role["state"] == "running" for role in system["roles"])

        wait_until(serves, "everything serves again")


def decision(name: str) -> dict[str, Any]:
    return {
        "decision_id": name,
        "domain": "restarts",
        "model_id": "m",
        "model_version": "1",
        "prediction": "approve",
        "confidence": 0.6,
        "created_at": datetime.now(UTC).isoformat(),
    }


def right_outcome(name: str) -> str:
    return "approve" if int(name.rsplit("-", 1)[1]) % 2 else "reject"


def waiting_caller(url: str, token: str, name: str, done: threading.Event) -> tuple[list[dict[str, Any]], int]:
    """Every resolution that it was told, which should be one; and how often it had to ask again after a failure.

    When `done`, nobody decides any more.
    """
    told = []
    with closing(HttpCaller([url], token)) as caller:
        response = caller.post(f"/v1/decisions?wait={WAIT_SECONDS}", decision(name))
        while response.status_code == 202:
            assert response.json()["status"] == "pending"
            assert not done.is_set(), f"nobody has decided {name}"
            response = caller.get(f"/v1/decisions/{name}/resolution?wait={WAIT_SECONDS}")
        assert response.status_code == 200, response.text
        told.append(response.json())
        # Whoever asks once more is told the same.
        assert caller.get(f"/v1/decisions/{name}/resolution").json()["outcome"] == told[0]["outcome"]
        return told, caller.failures


def review(url: str, token: str, disturbance: Disturbance, done: threading.Event) -> int:
    """Claims and decides until `done`; the number of verdicts."""
    verdicts = 0
    with closing(HttpCaller([url], token)) as reviewer:
        reviewer.post("/v1/me/on-duty", key=str(uuid4()))
        while not done.is_set():
            claimed = reviewer.post("/v1/tasks/claim", {"queue": "restarts"}, key=str(uuid4()))
            if claimed.status_code != 200:
                assert claimed.json()["code"] == "nothing-to-do", claimed.text
                done.wait(0.1)
                continue
            task = claimed.json()
            outcome = right_outcome(task["task_id"])
            body = {
                "epoch": task["epoch"],
                "payload_hash": task["payload_hash"],
                "verdict": "approve" if outcome == "approve" else "reject",
                "outcome": outcome,
                "reason_code": "other",
                "reason_text": "as the test has it",
            }
            disturbance.before_verdict()
            answer = reviewer.post(f"/v1/tasks/{task['task_id']}/submit", body, key=str(uuid4()))
            assert answer.status_code == 200, answer.text
            verdicts += 1
        reviewer.post("/v1/me/off-duty", key=str(uuid4()))
    return verdicts


# Some 90 s by itself, with the start of the instance; many times that beside other tests.
@pytest.mark.timeout(900)
def test_every_caller_gets_its_word_whatever_is_killed_meanwhile(
    console_instance: Instance, tokens: dict[str, str]
) -> None:
    url, run_id = console_instance.url, uuid4().hex[:8]
    names = [f"restarts-{run_id}-{number}" for number in range(CALLERS)]
    disturbance, done = Disturbance(console_instance), threading.Event()
    started = time.monotonic()
    with ThreadPoolExecutor(CALLERS + REVIEWERS) as pool:
        callers = [pool.submit(waiting_caller, url, tokens["producer"], name, done) for name in names]
        people = [
            pool.submit(review, url, token, disturbance, done)
            for person, token in tokens.items()
            if person != "producer"
        ]
        try:
            answers = [caller.result() for caller in callers]
        finally:
            done.set()
        verdicts = sum(person.result() for person in people)
    log.info("%.1f s, %d failed requests of callers", time.monotonic() - started, sum(n for _, n in answers))
    assert disturbance.killed == [role for roles in KILLS.values() for role in roles]
    assert verdicts == CALLERS
    for name, (told, _) in zip(names, answers, strict=True):
        assert [(each["decision_id"], each["outcome"]) for each in told] == [(name, right_outcome(name))]
    assert resolved(console_instance, names) == {name: [right_outcome(name)] for name in names}


def test_a_server_without_kafka_is_not_ready_but_shows_what_it_knew(
    console_instance: Instance, tokens: dict[str, str]
) -> None:
    assert "restarts-0" in tokens
    with httpx2.Client(base_url=console_instance.url, follow_redirects=True, timeout=70) as browser:

        def ready() -> int:
            return browser.get("/readyz").status_code

        wait_until(lambda: ready() == 200, "it is ready")
        browser.post("/auth/demo", data={"person": "restarts-0"})
        assert "Kafka does not answer" not in browser.get("/queues").text
        kill(console_instance, "kafka")
        wait_until(lambda: ready() == 503, "it is not ready")
        page = browser.get("/queues")
        assert page.status_code == 200
        assert "Kafka does not answer" in page.text
        assert browser.get("/v1/queues").status_code == 200
        wait_until(lambda: ready() == 200, "it is ready again")
        assert "Kafka does not answer" not in browser.get("/queues").text


def resolved(instance: Instance, names: list[str]) -> dict[str, list[str]]:
    """The outcomes of every resolution that Kafka has."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for messages in read_topic(instance.platform.serving_kafka(), catalogue.RESOLUTIONS.name):
        for message in messages:
            record = wire.decode("Resolution", message.value())
            if record["decision_id"] in found:
                found[record["decision_id"]].append(record["outcome"])
    return found
