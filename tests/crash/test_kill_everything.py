"""Processes killed and stopped at random moments, the supervisor at last: nothing is lost, nothing is doubled.

Two routers and two desks work; one in twenty decisions is sent again, unchanged or with other content. The schedule
follows from a seed: what happens to whom, and after how many produced decisions. `--campaign` or `--crash-kills N`
kills more. All this happens to the second of two instances on one machine; the first must not notice. What came of it
is checked twice, by `interlock reconcile` and by code that knows nothing of it (`independent_check`).
"""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.client.client import Client
from interlock.demo import survey
from interlock.demo.counts import count
from interlock.local.stages import BACKGROUND, LIGHT, ROLES
from interlock.operations.reconcile import reconcile
from interlock.platform import instance as instances
from interlock.platform.connection import Platform
from interlock.policies.publishing import publish_policy
from interlock.produce.sending import send
from interlock.schemas.models import Decision
from tests.crash import independent_check
from tests.crash.faults import Fault, schedule
from tests.running_instance import Instance

pytestmark = [pytest.mark.crash, pytest.mark.kafka, pytest.mark.warehouse]

SEED = 20260101

# Every role dies in the quick form, alone or with another; in the campaign each dies in every phase of the others.
QUICK_KILLS, CAMPAIGN_KILLS = 14, 200

# Between two faults: a batch or two, so that most of them hit a transaction or an insert in flight.
DECISIONS_PER_FAULT = 1000
RATE = 3000.0

# So many decisions are sent again, in turn unchanged and with another prediction.
SENT_AGAIN_EVERY = 20

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
    for part in ("kafka", "clickhouse", "topics and tables", *({*ROLES} - {*LIGHT}), BACKGROUND):
        assert f"{part} ready after " in steps
    assert {*LIGHT} <= {*re.findall("[a-z]+", steps)}
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


class Second:
    """A second process of a role, which the test starts again by itself as a cluster would."""

    def __init__(self, directory: Path, role: str) -> None:
        self._role = role
        self._environment = {**os.environ, "INTERLOCK_DATA_DIR": str(directory), "INTERLOCK_INSTANCE_ID": "2"}
        self._log = (directory / f"{role}-2.log").open("ab")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "interlock", "run", self._role]
        self.process = subprocess.Popen(command, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT)

    def pid(self) -> int | None:
        if self.process.poll() is not None:
            self.start()
        return self.process.pid

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()


class Victims:
    """The processes of an instance, and the second ones, by name."""

    def __init__(self, directory: Path, others: dict[str, Second]) -> None:
        self._directory = directory
        self._others = others

    def strike(self, fault: Fault) -> None:
        """Returns when the end of what was killed has been noticed: a second signal to the same dead process would not
        count."""
        pids = {role: wait_until(partial(self._pid, role), f"{role} runs") for role in fault.killed}
        for pid in {*pids.values()}:  # some roles share a process
            os.kill(pid, signal.SIGKILL)
        for role, pid in pids.items():
            wait_until(partial(self._noticed, role, pid), f"the end of {role} is noticed")
        if fault.frozen:
            pid = wait_until(partial(self._pid, fault.frozen), f"{fault.frozen} runs")
            os.kill(pid, signal.SIGSTOP)
            try:
                threading.Event().wait(fault.seconds)
            finally:
                os.kill(pid, signal.SIGCONT)

    def _pid(self, role: str) -> int | None:
        return self._others[role].pid() if role in self._others else _running(self._directory, role)

    def _noticed(self, role: str, pid: int) -> bool:
        return self._pid(role) != pid


class Sendings:
    """Decisions, one in twenty of them again; `sent` holds the ids, `contradictions` how often other content came."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.sent: set[str] = set()
        self.contradictions: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Decision]:
        again: list[Decision] = []
        for number, decision in enumerate(survey.decisions(self.total, "crash")):
            self.sent.add(decision.decision_id)
            yield decision
            if number % SENT_AGAIN_EVERY == 0:
                again.append(decision)
            if len(again) > 100:
                yield self._again(again.pop(0), number // SENT_AGAIN_EVERY)
        for number, decision in enumerate(again):
            yield self._again(decision, number)

    def _again(self, decision: Decision, number: int) -> Decision:
        if number % 2:
            return decision
        self.contradictions[decision.decision_id] += 1
        return decision.model_copy(update={"confidence": 1.0 - decision.confidence})


@pytest.mark.timeout(5400)
def test_every_decision_has_one_route_and_one_row_whatever_dies_or_stands_still(
    second: Instance, crash_kills: int, campaign: bool
) -> None:
    kills = max(CAMPAIGN_KILLS if campaign else QUICK_KILLS, crash_kills)
    directory, platform = second.directory, second.platform
    publish_policy(platform.kafka(), survey.POLICY, "the test", "")
    faults = schedule(kills, SEED)
    sendings = Sendings(len(faults) * DECISIONS_PER_FAULT)
    rng = random.Random(SEED)
    moments = sorted(rng.randrange(sendings.total) for _ in faults)
    produced = 0

    def produce() -> None:
        def note(sent: int) -> None:
            nonlocal produced
            produced = sent

        with Client(broker=platform.kafka(), delivery_seconds=TIMEOUT_SECONDS) as client:
            send(sendings, client, rate=RATE, progress=note)

    def has_produced(moment: int) -> bool:
        return produced >= moment

    with ExitStack() as stack:
        others = {f"{role}-2": Second(directory, role) for role in ("router", "desk")}
        for other in others.values():
            stack.callback(other.close)
        victims = Victims(directory, others)
        producer = threading.Thread(target=produce)
        producer.start()
        for fault, moment in zip(faults, moments, strict=True):
            wait_until(partial(has_produced, moment), f"{moment} decisions produced")
            victims.strike(fault)
        producer.join(TIMEOUT_SECONDS)
        assert len(sendings.sent) == sendings.total
        contradictions = sendings.contradictions.total()
        wait_until(
            lambda: (
                count(platform.clickhouse(analyst=True), "crash", latency=False).done >= sendings.total + contradictions
            ),
            "every decision is in ClickHouse",
        )

    instance = _described(directory)
    kafka = instance.bootstrap_servers
    assert independent_check.wrong_decisions(kafka, sendings.sent, sendings.contradictions) == []
    assert independent_check.wrong_versions(kafka) == []
    analyst = (instance.clickhouse_url, "analyst", instance.analyst_password)
    wait_until(lambda: not independent_check.wrong_rows(kafka, *analyst), "ClickHouse has what Kafka has", 60)
    _assert_reconciled(platform, sendings.total + contradictions)
    supervised = sum(role not in others for fault in faults for role in fault.killed)
    # On a busy machine a role may also have been restarted because it stood still.
    assert sum(child.restarts for child in instance.children) >= supervised
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
