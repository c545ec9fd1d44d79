"""Two API processes side by side on one instance: whatever is done at one is known at the other."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import httpx2
import pytest

from interlock.policies.publishing import publish_policy
from interlock.streams.embedded_kafka.settings import free_port
from tests.crash.test_kill_everything import wait_until
from tests.interlock.api.http_caller import HttpCaller
from tests.interlock.api.test_restarts import POLICY, decision
from tests.running_instance import Instance

pytestmark = [pytest.mark.kafka, pytest.mark.warehouse]

# So often a person goes on duty and off again while somebody follows.
CHANGES = 12


@pytest.fixture(scope="module")
def second(console_instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of another API process of the instance."""
    port = free_port()
    log = tmp_path_factory.mktemp("second") / "api.log"
    own = {"INTERLOCK_DATA_DIR": str(console_instance.directory), "INTERLOCK_API__PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "interlock", "run", "api"], env={**os.environ, **own}, stdout=output, stderr=output
        )
    address = f"http://localhost:{port}"
    try:
        wait_until(lambda: httpx2.get(f"{address}/readyz").status_code == 200, f"it serves ({log})", 60)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()


@pytest.fixture(scope="module")
def reviewer(console_instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A person who works on the queue `restarts`, as a token."""
    policy = tmp_path_factory.mktemp("policy") / "restarts.yaml"
    policy.write_text(POLICY)
    publish_policy(console_instance.platform.serving_kafka(), policy, "test", "")
    console_instance.run("reviewers", "add", "two-servers", "--queue", "restarts")
    return console_instance.token("two-servers", "reviewer", "decisions:write")


def test_a_decision_that_is_submitted_at_one_is_awaited_and_decided_at_the_other(
    console_instance: Instance, second: str, reviewer: str
) -> None:
    name = f"restarts-{uuid4().hex[:8]}-1"
    with (
        closing(HttpCaller([console_instance.url], reviewer)) as first,
        closing(HttpCaller([second], reviewer)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        assert first.post("/v1/decisions", decision(name)).status_code == 202
        waiting = pool.submit(other.get, f"/v1/decisions/{name}/resolution?wait=50")
        first.post("/v1/me/on-duty")
        wait_until(lambda: first.get(f"/v1/tasks/{name}").status_code == 200, "there is a task")
        claimed = first.post(f"/v1/tasks/{name}/claim", key=str(uuid4())).json()
        verdict = {
            **{name: claimed[name] for name in ("epoch", "payload_hash")},
            **{"verdict": "approve", "reason_code": "other", "reason_text": "fine"},
        }
        # Each of the two servers has the task by now, or soon.
        with closing(HttpCaller([second], reviewer)) as decider:
            shown = wait_until(lambda: decider.get(f"/v1/tasks/{name}"), "the other has the task")
            assert shown.status_code == 200
            assert decider.post(f"/v1/tasks/{name}/submit", verdict, key=str(uuid4())).status_code == 200
        answer = waiting.result(60)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "approve")


def test_a_token_that_is_revoked_at_one_is_refused_at_the_other_within_a_second(
    console_instance: Instance, second: str
) -> None:
    token = console_instance.token("soon-gone", "reviewer")
    headers = {"Authorization": f"Bearer {token}"}
    wait_until(lambda: httpx2.get(f"{second}/v1/me", headers=headers).status_code == 200, "the token is known", 5)
    with closing(HttpCaller([console_instance.url], console_instance.token("boss", "admin"))) as admin:
        wait_until(lambda: admin.get("/v1/tokens").status_code == 200, "the administrator is known", 5)
        assert admin.delete(f"/v1/tokens/{token.split('_')[1]}").json()["state"] == "revoked"
    revoked = time.monotonic()
    wait_until(lambda: httpx2.get(f"{second}/v1/me", headers=headers).status_code == 401, "it is refused", 5)
    assert time.monotonic() - revoked < 1


def followed(address: str, token: str, person: str, count: int, place: str | None) -> tuple[list[bool], str]:
    """The next `count` changes of a person's presence, and the id of the last event; `place`: where to go on."""
    headers = {"Authorization": f"Bearer {token}"} | ({} if place is None else {"Last-Event-ID": place})
    seen: list[bool] = []
    event, last = "", place or ""
    with httpx2.stream("GET", f"{address}/v1/events", headers=headers, timeout=30) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                assert value != "reset"
                event = value
            elif field == "id":
                last = value
            elif field == "data" and event == "presence" and json.loads(value)["id"] == person:
                seen.append(json.loads(value)["on_duty"])
            if len(seen) == count:
                return seen, last
    raise AssertionError(f"the stream ended after {seen}")


def test_a_stream_of_events_goes_on_at_the_other_without_loss_or_repetition(
    console_instance: Instance, second: str, reviewer: str
) -> None:
    servers = [console_instance.url, second]
    with closing(HttpCaller([console_instance.url], reviewer)) as person, ThreadPoolExecutor(1) as pool:
        place = current_place(second, reviewer)
        person.post("/v1/me/off-duty", key=str(uuid4()))
        person.post("/v1/me/on-duty", key=str(uuid4()))
        # Whatever else happened before, the last of it is that the person came.
        came = [False]
        while not came[-1]:
            came, place = followed(second, reviewer, "two-servers", 1, place)

        def change() -> None:
            for number in range(CHANGES):
                person.post("/v1/me/on-duty" if number % 2 else "/v1/me/off-duty", key=str(uuid4()))

        changing = pool.submit(change)
        seen: list[bool] = []
        for turn in range(CHANGES // 3):
            part, place = followed(servers[turn % 2], reviewer, "two-servers", 3, place)
            seen += part
        changing.result()
    assert seen == [False, True] * (CHANGES // 2)


def current_place(address: str, token: str) -> str:
    """Where a stream that begins now begins."""
    with httpx2.stream("GET", f"{address}/v1/events", headers={"Authorization": f"Bearer {token}"}) as response:
        return next(line.partition(": ")[2] for line in response.iter_lines() if line.startswith("id: "))
