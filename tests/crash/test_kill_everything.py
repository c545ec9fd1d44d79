"""Processes killed at random moments, the supervisor at last: nothing is lost, nothing is doubled, whatever dies.

The schedule follows from a seed: which role dies, and after how many produced decisions. `--campaign` or
`--crash-kills N` kills more. All this happens to the second of two instances on one machine; the first must not notice.
"""

import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.client.client import Client
from interlock.demo import survey
from interlock.demo.counts import count
from interlock.local.stages import ROLES as LOCAL_ROLES
from interlock.local.stages import WATCH
from interlock.operations.reconcile import reconcile
from interlock.platform import instance as instances
from interlock.platform.connection import Platform
from interlock.policies.publishing import publish_policy
from interlock.produce.sending import send
from tests.running_instance import Instance

pytestmark = [pytest.mark.crash, pytest.mark.kafka, pytest.mark.warehouse]

ROLES = ("kafka", "router", "sink", "clickhouse")
SEED = 20260101

# Every role dies twice. In the campaign it dies at least five times, in every phase of the others.
QUICK_KILLS, CAMPAIGN_KILLS = 2 * len(ROLES), 5 * len(ROLES)

# Between two kills: a batch or two, so that most kills hit a transaction or an insert in flight.
DECISIONS_PER_KILL = 1500
RATE = 3000.0

# One restart takes seconds; with back-off after several kills of one role half a minute.
TIMEOUT_SECONDS = 240.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = TIMEOUT_SECONDS) -> Any:
    """The first true value of `condition`, which may fail while something restarts."""
    deadline = time.monotonic() + seconds
    problem: Exception | None = None
    pause = threading.Event()
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except Exception as error:
            problem = error
        pause.wait(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what}; last problem: {problem}")


@pytest.fixture(scope="module")
def second(local_instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A whole local instance, started as a user would, beside `local_instance`."""
    second = Instance(tmp_path_factory.mktemp("killed") / "instance")
    steps = second.run("up", "--detach").stderr
    for role in ("kafka", "clickhouse", "topics and tables", *LOCAL_ROLES, WATCH):
        assert f"{role} ready after " in steps
    assert second.json("status")["kafka"] != local_instance.json("status")["kafka"]
    yield second
    second.run("down")


def _described(directory: Path) -> instances.Instance:
    instance = instances.read(directory)
    assert instance is not None
    return instance


def _running(directory: Path, role: str) -> int | None:
    """The pid of a role that serves."""
    for child in _described(directory).children:
        if child.role == role and child.state == "running" and instances.alive(child):
            return child.pid
    return None


def _noticed(directory: Path, role: str, pid: int) -> bool:
    return _running(directory, role) != pid


@pytest.mark.timeout(1800)
def test_every_decision_has_one_route_and_one_row_after_kills_of_every_process(
    second: Instance, crash_kills: int, campaign: bool
) -> None:
    kills = max(CAMPAIGN_KILLS if campaign else QUICK_KILLS, crash_kills)
    directory, platform = second.directory, second.platform
    publish_policy(platform.kafka(), survey.POLICY, "the test", "")
    total = kills * DECISIONS_PER_KILL
    rng = random.Random(SEED)
    victims = [role for _ in range(kills // len(ROLES) + 1) for role in rng.sample(ROLES, len(ROLES))][:kills]
    moments = sorted(rng.randrange(total) for _ in range(kills))
    produced = 0

    def produce() -> None:
        def note(sent: int) -> None:
            nonlocal produced
            produced = sent

        with Client(broker=platform.kafka(), delivery_seconds=TIMEOUT_SECONDS) as client:
            send(survey.decisions(total, "crash"), client, rate=RATE, progress=note)

    def has_produced(moment: int) -> bool:
        return produced >= moment

    producer = threading.Thread(target=produce)
    producer.start()
    for role, moment in zip(victims, moments, strict=True):
        wait_until(partial(has_produced, moment), f"{moment} decisions produced")
        pid = wait_until(partial(_running, directory, role), f"{role} runs")
        os.kill(pid, signal.SIGKILL)
        # Only that the supervisor has noticed: a second signal to the same dead process would not count.
        wait_until(partial(_noticed, directory, role, pid), f"the end of {role} is noticed")
    producer.join(TIMEOUT_SECONDS)
    assert produced == total

    wait_until(
        lambda: count(platform.clickhouse(analyst=True), "crash", latency=False).done >= total,
        "every decision is in ClickHouse",
    )
    _assert_reconciled(platform, total)
    # On a busy machine a role may also have been restarted because it stood still.
    assert sum(child.restarts for child in _described(directory).children) >= kills
    assert re.search(r"restarted \d+ times", str(second.json("doctor")))


@pytest.mark.timeout(600)
def test_an_instance_whose_supervisor_was_killed_ends_with_it_and_comes_up_again_as_it_was(
    second: Instance, local_instance: Instance
) -> None:
    directory = second.directory
    before = _described(directory)
    decisions = count(second.platform.clickhouse(analyst=True), "crash", latency=False).done
    os.kill(before.supervisor_pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(before.supervisor_pid), "the supervisor is gone")
    told = f"no instance is running in {directory}; `interlock up` starts one"
    for command in (["status"], ["queues"], ["metrics"]):
        assert told in second.run(*command, code=4).stderr

    second.run("up", "--detach")
    after = _described(directory)
    assert not {child.pid for child in before.children} & {child.pid for child in after.children}
    assert after.kafka_port == before.kafka_port
    _assert_reconciled(second.platform, decisions)

    second.run("down")
    assert not any(instances.alive(child) for child in after.children)
    assert "no instance is running" in second.run("down").stderr
    first = local_instance.json("status")
    assert first["running"] is True
    assert not any(role["restarts"] for role in first["roles"].values())


def _assert_reconciled(platform: Platform, decisions: int) -> None:
    result = wait_until(lambda: reconcile(platform), "Kafka and ClickHouse can be compared")
    assert result.ok, result.facts()
    counted = count(platform.clickhouse(analyst=True), "crash", latency=False)
    assert counted.done == decisions
    assert counted.rows == decisions + counted.audited
    assert counted.audited > 0
