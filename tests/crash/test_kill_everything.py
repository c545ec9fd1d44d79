"""Processes killed at random moments: nothing is lost, nothing is doubled, whatever dies.

The schedule follows from a seed: which role dies, and after how many produced decisions. `--campaign` or
`--crash-kills N` kills more.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from interlock.client.client import Client
from interlock.demo import survey
from interlock.demo.counts import count
from interlock.operations.reconcile import reconcile
from interlock.platform import instance as instances
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.policies.publishing import publish_policy
from interlock.produce.sending import send

ROLES = ("kafka", "router", "sink", "clickhouse")
SEED = 20260101

# Every role dies twice. In the campaign it dies at least five times, in every phase of the others.
QUICK_KILLS, CAMPAIGN_KILLS = 2 * len(ROLES), 5 * len(ROLES)

# Between two kills: a batch or two, so that most kills hit a transaction or an insert in flight.
DECISIONS_PER_KILL = 1500
RATE = 3000.0

# One restart takes seconds; with back-off after several kills of one role half a minute.
PATIENCE = 240.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
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


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A whole local instance, as a user would start it."""
    directory = tmp_path / "instance"
    command = [sys.executable, "-m", "interlock", "up", "--detach", "--any-port", "--data-dir", str(directory)]
    subprocess.run(command, check=True, timeout=PATIENCE)
    try:
        yield Platform(Settings(data_dir=directory))
    finally:
        subprocess.run(
            [sys.executable, "-m", "interlock", "down", "--data-dir", str(directory)], check=True, timeout=120
        )


def _running(directory: Path, role: str) -> int | None:
    """The pid of a role that serves."""
    instance = instances.read(directory)
    assert instance is not None
    for child in instance.children:
        if child.role == role and child.state == "running" and instances.alive(child):
            return child.pid
    return None


def _noticed(directory: Path, role: str, pid: int) -> bool:
    return _running(directory, role) != pid


@pytest.mark.crash
@pytest.mark.kafka
@pytest.mark.warehouse
@pytest.mark.timeout(1800)
def test_every_decision_has_one_route_and_one_row_after_kills_of_every_process(
    platform: Platform, crash_kills: int, campaign: bool
) -> None:
    kills = max(CAMPAIGN_KILLS if campaign else QUICK_KILLS, crash_kills)
    directory = platform.settings.data_dir
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

        with Client(broker=platform.kafka(), delivery_seconds=PATIENCE) as client:
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
    producer.join(PATIENCE)
    assert produced == total

    wait_until(
        lambda: count(platform.clickhouse(analyst=True), "crash", latency=False).done >= total,
        "every decision is in ClickHouse",
    )
    result = wait_until(lambda: reconcile(platform), "Kafka and ClickHouse can be compared")
    assert result.ok, result.facts()
    found = count(platform.clickhouse(analyst=True), "crash", latency=False)
    assert found.done == total
    assert found.rows == total + found.audited
    assert found.audited > 0
    instance = instances.read(directory)
    assert instance is not None
    assert sum(child.restarts for child in instance.children) == kills
