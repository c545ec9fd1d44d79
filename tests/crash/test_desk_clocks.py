"""Two desks as processes, stopped (SIGSTOP) for longer than their session and under clocks that are hours wrong: what
people sent in time holds, no timer fires early or twice, and nothing is decided by two.

`--campaign` or `--crash-kills N` stops them more often, for up to 40 seconds.
"""

import random
import signal
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import DeskConnection
from interlock.schemas import catalogue
from interlock.streams.kafka import KafkaBroker
from tests.crash.test_kill_desks import (
    Desk,
    Person,
    broker,
    every_timer_has_fired_once,
    nothing_is_lost_or_doubled,
    publish,
    read,
    routed,
    send,
    working,
)
from tests.crash.test_kill_everything import wait_until

__all__ = ["broker"]

HOURS = 3600

SAFE_OUTCOME = """
name: crash
domains:
  loan: {workflow: pre_approval, models: ['*'], outcomes: [approve, reject], queue: underwriting}
queues:
  underwriting: {lease: 60s, on_breach: reject}
service_levels: {critical: 15s, high: 20s, medium: 40s, low: 3600s}
"""


def task(broker: KafkaBroker, task_id: str, priority: str) -> None:
    send(broker, catalogue.REVIEWS_ASYNC, {task_id: routed(task_id, random.Random(0)) | {"priority": priority}})


def resolution(broker: KafkaBroker, task_id: str) -> dict[str, Any] | None:
    return next((word for word in read(broker, "resolutions") if word["decision_id"] == task_id), None)


@pytest.mark.crash
@pytest.mark.kafka
@pytest.mark.timeout(300)
def test_a_verdict_that_was_sent_in_time_to_a_desk_that_hangs_holds_under_any_clock(
    broker: KafkaBroker,
    tmp_path: Path,
) -> None:
    """The first desk is hours ahead; it hangs. The second one is hours behind, and takes over after the deadline."""
    publish(broker, ["ann"], SAFE_OUTCOME)
    with ExitStack() as stack:
        first = Desk(broker, "1", tmp_path / "desk-1.log", shift=5 * HOURS)
        stack.callback(first.close)
        wait_until(first.works, "a desk works", 60)
        line = DeskConnection(broker)
        stack.callback(line.close)
        ann = DeskClient(broker, "ann", connection=line)
        ann.on_duty()
        task(broker, "patient", "low")
        task(broker, "decided", "critical")
        lease = wait_until(lambda: ann.claim("decided"), "the task can be claimed")
        task(broker, "forgotten", "critical")
        first.process.send_signal(signal.SIGSTOP)
        stack.callback(first.process.send_signal, signal.SIGCONT)
        hanging = time.monotonic()
        verdict = {
            "command_id": "verdict",
            "kind": "submit",
            "actor": "ann",
            "issued_at": 0,
            "task_id": lease.task_id,
            "epoch": lease.epoch,
            "payload_hash": lease.payload_hash,
            "verdict": "approve",
            "reason_code": "other",
            "reason_text": "seen",
        }
        send(broker, catalogue.COMMANDS, {"decided": verdict})
        wait_until(lambda: time.monotonic() > hanging + 16, "the deadline is over")
        second = Desk(broker, "2", tmp_path / "desk-2.log", shift=-5 * HOURS)
        stack.callback(second.close)
        word = wait_until(partial(resolution, broker, "decided"), "the verdict counts", 60)
        assert (word["outcome"], word["decided_by"]) == ("approve", ["ann"])
        late = wait_until(partial(resolution, broker, "forgotten"), "the second desk comes to believe Kafka's time", 60)
        assert (late["outcome"], late["source"]) == ("reject", "timeout")
        first.process.send_signal(signal.SIGCONT)
        ann.on_duty()
    assert [word["decision_id"] for word in read(broker, "resolutions")] == ["decided", "forgotten"]
    events = [record["event"] for record in read(broker, "reviews.tasks") if record["task_id"] == "patient"]
    assert events == ["arrived"]
    told = [(alert["kind"], alert["message"]) for alert in read(broker, "alerts")]
    assert {"clock_differs", "clock_refused", "clock_confirmed"} <= {kind for kind, _ in told}, told
    verdicts = read(broker, "reviews.outcomes")
    assert [outcome["claimed_at"] <= outcome["at"] for outcome in verdicts] == [True]
    every_timer_has_fired_once(broker)


@pytest.mark.crash
@pytest.mark.kafka
@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_the_working_desk_hangs_again_and_again_beside_one_whose_clock_is_hours_wrong(
    broker: KafkaBroker,
    tmp_path: Path,
    crash_kills: int,
    campaign: bool,
) -> None:
    dice = random.Random(20260203)
    publish(broker, names := [f"person-{number}" for number in range(20)])
    ids: list[str] = []
    with ExitStack() as stack:
        desks = [
            Desk(broker, str(number), tmp_path / f"desk-{number}.log", shift=shift)
            for number, shift in enumerate((0, 5 * HOURS))
        ]
        for desk in desks:
            stack.callback(desk.close)
        wait_until(partial(working, desks), "a desk works", 60)
        line = DeskConnection(broker)
        stack.callback(line.close)
        stop = threading.Event()
        people = [Person(broker, name, line, seed, stop) for seed, name in enumerate(names)]
        for person in people:
            person.thread.start()
        for number in range(crash_kills if campaign else 1):
            batch = [f"decision-{number:03d}-{index:03d}" for index in range(40)]
            ids += batch
            send(broker, catalogue.REVIEWS_ASYNC, {task_id: routed(task_id, dice) for task_id in batch})
            victim: Desk = wait_until(partial(working, desks), "a desk works", 60)
            victim.process.send_signal(signal.SIGSTOP)
            (other,) = [desk for desk in desks if desk is not victim]
            stop.wait(dice.uniform(5, 40) if campaign else 9)
            if number == 0:
                wait_until(other.works, "the other desk takes over", 60)
            victim.process.send_signal(signal.SIGCONT)
        wait_until(
            lambda: len({record["decision_id"] for record in read(broker, "resolutions")}) == len(ids),
            "every task is decided",
        )
        stop.set()
        for person in people:
            person.thread.join()
    nothing_is_lost_or_doubled(broker, ids)
    every_timer_has_fired_once(broker)
