"""What the views say about tasks, queues and reviewers. Times are seen from now, as the views see them."""

import random
import time
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from statsmodels.duration.survfunc import SurvfuncRight

from interlock.schemas import catalogue
from interlock.sinks import queries
from tests.sinks import review_records as records
from tests.sinks import sink_world
from tests.sinks.review_records import DAY, HOUR, MINUTE, SECOND, outcome, presence, reviewer, task, verdict
from tests.sinks.sink_world import OUTCOMES, TASKS

pytestmark = pytest.mark.warehouse

PRESENCE, REVIEWERS = catalogue.PRESENCE.name, catalogue.REVIEWERS.name


class World(sink_world.World):
    """A world that begins now."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.now = time.time_ns() // 1000


def settled(world: World) -> World:
    writer = world.writer(max_rows=500, max_consumed=500)
    world.settle(writer)
    writer.close()
    return world


def arrive(world: World, task_id: str, age: int, **changes: Any) -> dict[str, Any]:
    """A task of the world's domain and queue that came `age` ago; its service level is an hour."""
    came = world.now - age
    known = {"domain": world.name, "queue": world.name, "at": came, "due_from": came, "deadline": came + HOUR}
    record = task(f"{world.name}-{task_id}", **{**known, **changes})
    world.tell(TASKS, record["task_id"], record)
    return record


def go_on(world: World, record: dict[str, Any], event: str, **changes: Any) -> dict[str, Any]:
    """Its next state."""
    record = record | {"event": event} | changes
    world.tell(TASKS, record["task_id"], record)
    return record


def decide(world: World, record: dict[str, Any], after: int, event: str = "resolved", **changes: Any) -> None:
    known = {"state": "done", "actor": "ann", "at": record["due_from"] + after, "verdicts": [verdict("ann")]}
    go_on(world, record, event, **(known | changes))


def report(world: World) -> dict[str, Any]:
    found = world.client.query("SELECT * FROM sla_report WHERE queue = {q:String}", parameters={"q": world.name})
    (row,) = found.named_results()
    return dict(row)


def health(world: World) -> dict[str, Any]:
    (row,) = [queue for queue in queries.queues(world.client) if queue["queue"] == world.name]
    return row


def test_open_tasks_that_are_not_due_are_neither_in_time_nor_late(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    decide(world, arrive(world, "half", 3 * HOUR), 30 * MINUTE)
    decide(world, arrive(world, "three-quarters", 3 * HOUR), 45 * MINUTE)
    decide(world, arrive(world, "late", 3 * HOUR), 90 * MINUTE, breached=True)
    arrive(world, "overdue", 2 * HOUR)
    arrive(world, "open", 15 * MINUTE)
    go_on(
        world,
        arrive(world, "gave-up", 2 * HOUR),
        "timed_out",
        state="done",
        actor="client",
        at=world.now - 119 * MINUTE,
    )
    window = arrive(world, "window", 3 * HOUR, kind="post_approval")
    go_on(world, window, "window_closed", state="done", at=window["due_from"] + 36 * MINUTE)
    decide(world, arrive(world, "gold:1:x", 3 * HOUR, kind="gold"), 5 * HOUR)
    found = report(settled(world))
    counts = ("decided_in_time", "decided_late", "missed", "open_overdue", "open_not_due", "withdrawn", "tasks")
    assert [found[name] for name in counts] == [2, 1, 1, 1, 1, 1, 7]
    assert found["sla_compliance"] == pytest.approx(2 / 5)
    # At half of the time six are at risk (one was censored at a quarter), at three quarters four (another at 0.6).
    assert found["in_time_estimate"] == pytest.approx(1 - 5 / 6 * 3 / 4)
    (row,) = own.query(f"SELECT * FROM metrics_by_domain WHERE domain = '{run_id}'").named_results()
    assert row["sla_compliance"] == pytest.approx(2 / 5)
    assert (row["open_tasks"], row["breached_open"]) == (2, 1)


def test_a_rush_that_is_hardly_begun_is_unknown_and_not_perfect(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    for number in range(3):
        arrive(world, str(number), 10 * MINUTE)
    found = report(settled(world))
    assert (found["open_not_due"], found["sla_compliance"], found["in_time_estimate"]) == (3, None, None)
    assert health(world)["median_wait_seconds"] is None


def test_a_task_that_breached_is_late_even_if_its_deadline_moved(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    first = arrive(world, "moved", 3 * HOUR)
    told = go_on(world, first, "breached", breached=True, at=first["deadline"])
    moved = go_on(world, told, "rescheduled", breached=False, deadline=world.now + DAY)
    open_one = report(settled(world))
    decide(world, moved, 2 * HOUR)
    closed = report(settled(world))
    assert (open_one["open_overdue"], closed["decided_late"]) == (1, 1)


def test_an_appeal_is_a_round_with_a_deadline_of_its_own(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    first = arrive(world, "appealed", 3 * DAY)
    decide(world, first, 2 * HOUR, breached=True)
    appeal = {
        "round": 1,
        "kind": "appeal",
        "state": "waiting",
        "due_from": world.now - HOUR,
        "deadline": world.now + HOUR,
    }
    go_on(world, first, "appealed", **appeal, at=world.now - HOUR)
    found = report(settled(world))
    assert (found["tasks"], found["decided_late"], found["open_not_due"]) == (2, 1, 1)


def test_an_override_of_a_decided_task_does_not_change_when_it_was_decided(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    first = arrive(world, "overridden", 3 * DAY)
    decide(world, first, 10 * MINUTE)
    decide(world, first, 2 * DAY, "overridden", actor="lea")
    assert report(settled(world))["decided_in_time"] == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_estimates_are_those_of_kaplan_and_meier(own: Client, run_id: str, seed: int) -> None:
    rng = random.Random(seed)
    world = World(run_id, own, partitions=1)
    fractions, in_time, seconds, decided = [], [], [], []
    for number in range(80):
        # No decision within three minutes after anything is censored: the views look a little later than the test.
        age = rng.randrange(1, 30) * 4 * MINUTE
        needs = rng.randrange(1, 25) * 4 * MINUTE - MINUTE
        done = needs < age
        record = arrive(world, str(number), age)
        if done:
            decide(world, record, needs)
        seen = min(needs, age)
        seconds.append(seen / SECOND)
        decided.append(done)
        fractions.append(min(seen * 1000 // HOUR / 1000, 1.5))
        in_time.append(done and needs <= HOUR)
    settled(world)
    level = SurvfuncRight(np.array(fractions), np.array(in_time, dtype=int))
    assert report(world)["in_time_estimate"] == pytest.approx(1 - level.surv_prob[-1])
    found = health(world)
    assert found["median_wait_seconds"] == pytest.approx(
        SurvfuncRight(np.array(seconds), np.array(decided, dtype=int)).quantile(0.5)
    )


def test_a_queue_shows_what_waits_what_is_late_and_what_comes(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    arrive(world, "fresh", 5 * MINUTE)
    arrive(world, "old", 2 * HOUR)
    go_on(world, arrive(world, "pushed", 30 * MINUTE), "assigned", state="assigned", assigned_to="bob")
    go_on(world, arrive(world, "held", 20 * MINUTE), "claimed", state="leased", lease_holder="ann")
    go_on(world, arrive(world, "later", 10 * MINUTE, deadline=world.now + DAY), "snoozed", state="snoozed")
    decide(world, arrive(world, "today", 5 * HOUR), 30 * MINUTE)
    decide(world, arrive(world, "just-now", 70 * MINUTE), 30 * MINUTE)
    arrive(world, "gold:1:x", 9 * HOUR, kind="gold")
    found = health(settled(world))
    states = ("waiting", "assigned", "leased", "snoozed", "overdue", "due_within_hour")
    assert [found[name] for name in states] == [2, 1, 1, 1, 1, 3]
    assert found["oldest_waiting_seconds"] == pytest.approx(2 * 3600, abs=300)
    assert (found["arrivals_last_hour"], found["decided_last_hour"], found["decided_last_day"]) == (4, 1, 2)
    assert found["sla_compliance"] == pytest.approx(2 / 3)


def test_what_nobody_was_asked_about_is_no_work_until_somebody_appeals(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    unseen = arrive(world, "unseen", 3 * DAY, event="taken_over", state="done", route="auto", version=1)
    decide(world, unseen, DAY, "overridden", actor="lea")
    appealed = arrive(world, "appealed", 3 * DAY, event="taken_over", state="done", route="auto", version=1)
    again = {"round": 1, "kind": "appeal", "due_from": world.now - HOUR, "deadline": world.now + HOUR}
    go_on(world, appealed, "appealed", **again, state="waiting", at=world.now - HOUR)
    found = report(settled(world))
    assert (found["tasks"], found["open_not_due"]) == (1, 1)


def test_a_decision_that_was_sent_twice_changes_nothing_about_its_task(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    first = arrive(world, "twice", 3 * HOUR)
    decide(world, first, MINUTE)
    decide(world, first, 2 * HOUR, "repeated", actor="desk")
    assert report(settled(world))["decided_in_time"] == 1


def now(world: World, columns: str) -> list[tuple[Any, ...]]:
    rows = world.client.query(f"SELECT {columns} FROM tasks_now ORDER BY task_id").result_rows
    return [tuple(row) for row in rows]


def test_the_latest_state_of_a_task_counts_and_a_forgotten_one_is_not_open(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    go_on(world, arrive(world, "a", 2 * HOUR), "claimed", state="leased", lease_holder="ann")
    decide(world, arrive(world, "b", HOUR), MINUTE)
    forgotten = arrive(world, "c", HOUR)
    world.tell(TASKS, forgotten["task_id"], None)
    last = arrive(world, "d", MINUTE)
    world.send(TASKS, last["task_id"].encode(), b"cannot be read")
    settled(world)
    assert now(world, "task_id, state, is_open, overdue, open_seconds IS NULL") == [
        (f"{run_id}-a", "leased", True, True, False),
        (f"{run_id}-b", "done", False, False, True),
        (f"{run_id}-c", "waiting", False, False, True),
        (f"{run_id}-d", "waiting", True, False, False),
    ]
    assert (queries.metrics(own)["open_tasks"], health(world)["waiting"]) == (2, 1)


def test_tasks_of_a_log_that_was_replaced_are_not_open(own: Client, run_id: str) -> None:
    old = World(f"{run_id}-old", own, partitions=1)
    arrive(old, "a", HOUR)
    settled(old)
    new = World(f"{run_id}-new", own, partitions=1)
    new.broker.cluster.clock.advance(60)  # type: ignore[attr-defined]
    arrive(new, "b", 10 * MINUTE)
    settled(new)
    assert now(new, "task_id, is_open") == [(f"{run_id}-new-b", True)]
    assert queries.metrics(own)["open_tasks"] == 1


def test_escalated_tasks_count_once_however_often_they_go_up(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    up = go_on(world, arrive(world, "up", HOUR), "escalated", escalation=1)
    go_on(world, up, "escalated", escalation=2)
    arrive(world, "down", HOUR)
    settled(world)
    assert queries.metrics(own)["escalation_rate"] == pytest.approx(1 / 2)


def workload(client: Client) -> dict[str, dict[str, Any]]:
    return {item["reviewer"]: item for item in queries.reviewer_workload(client)}


def test_a_reviewer_is_shown_with_duty_load_and_record(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    for name in ("ann", "bob", "eve"):
        world.tell(REVIEWERS, name, reviewer(name, capacity=3))
        world.tell(PRESENCE, name, presence(name))
    world.tell(PRESENCE, "bob", presence("bob", on_duty=False))
    world.tell(REVIEWERS, "eve", None)
    world.tell(PRESENCE, "eve", None)

    go_on(world, arrive(world, "held", HOUR), "claimed", state="leased", lease_holder="ann")
    go_on(world, arrive(world, "pushed", HOUR), "assigned", state="assigned", assigned_to="ann")
    lost = go_on(world, arrive(world, "lost", HOUR), "claimed", state="leased", lease_holder="ann")
    back = go_on(world, lost, "expired", state="waiting", lease_holder="")
    again = go_on(world, back, "claimed", state="leased", lease_holder="bob")
    go_on(world, again, "released", actor="bob", state="waiting", lease_holder="", excluded=["bob"])

    seen: list[dict[str, Any]] = [{}, {}, {"verdict": "reject", "outcome": "reject"}, {"verdict": "modify"}]
    made = [
        outcome(f"d-{n}", at=world.now - 9 * DAY, claimed_at=world.now - 9 * DAY - (n + 1) * MINUTE, **c)
        for n, c in enumerate(seen)
    ]
    made.append(
        outcome(
            "blind", blind=True, outcome="reject", verdict="choose", at=world.now, claimed_at=world.now - 20 * MINUTE
        )
    )
    made += [
        outcome(f"g-{n}", kind="gold", resolves=False, outcome=word, gold_outcome="reject")
        for n, word in enumerate(("reject", "approve", "reject"))
    ]
    made += [
        outcome(f"w-{n}", kind="gold", resolves=False, outcome=word, gold_outcome="reject", seeded=True)
        for n, word in enumerate(("reject", "approve", "approve"))
    ]
    made.append(outcome("e", reviewer="eve", at=world.now - 9 * DAY))
    for item in made:
        world.tell(OUTCOMES, item["decision_id"], item)
    found = workload(settled(world).client)

    assert set(found) == {"ann", "bob", "eve"}
    ann, bob, eve = found["ann"], found["bob"], found["eve"]
    assert (ann["name"], ann["on_duty"], ann["leased"], ann["assigned"], ann["capacity"]) == ("Ann", True, 1, 1, 3)
    assert (ann["decided_today"], ann["decided_total"], ann["median_handling_seconds"]) == (1, 5, 180.0)
    assert (ann["seen_verdicts"], ann["approval_rate"], ann["override_rate"]) == (4, 0.5, 0.25)
    assert (ann["blind_verdicts"], ann["blind_override_rate"]) == (1, 1.0)
    assert (ann["gold_items"], ann["gold_accuracy"]) == (3, pytest.approx(2 / 3))
    assert (ann["wrong_answers"], ann["wrong_answers_noticed"]) == (3, 1)
    assert (ann["skips"], ann["lease_expiries"]) == (0, 1)
    assert (bob["on_duty"], bob["skips"], bob["lease_expiries"]) == (False, 1, 0)
    assert (bob["decided_total"], bob["override_rate"], bob["gold_accuracy"]) == (0, None, None)
    assert (eve["name"], eve["capacity"], eve["on_duty"], eve["decided_total"]) == ("", 0, False, 1)


def test_the_story_of_a_decision_is_told_from_arrival_to_the_final_word(shared: Client, run_id: str) -> None:
    world = World(run_id, shared, partitions=1)
    start = records.START
    d, when = f"{run_id}-d", iter(range(start + SECOND, start + HOUR, SECOND))
    arrived = task(d, at=next(when))
    world.tell(TASKS, d, arrived)
    at = next(when)
    world.tell("reviews.commands", d, records.command("c-1", kind="claim", task_id=d, issued_at=at - 1, verdict=""))
    held = go_on(world, arrived, "claimed", actor="ann", at=at, state="leased", lease_holder="ann")
    world.tell("reviews.replies", "c-1", records.reply("c-1", kind="claim", task_id=d, at=at))
    at = next(when)
    world.tell("reviews.commands", d, records.command("c-2", task_id=d, issued_at=at - 1))
    stale = {"accepted": False, "code": "stale-view", "message": "look again"}
    world.tell("reviews.replies", "c-2", records.reply("c-2", task_id=d, at=at, **stale))
    at = next(when)
    word = records.outcome(d, at=at, verdict="reject", outcome="reject", reason_code="income")
    world.tell(OUTCOMES, d, word)
    go_on(world, held, "resolved", actor="ann", at=at, state="done", lease_holder="")
    world.tell("resolutions", d, records.resolution(d, outcome="reject", decided_at=at, final=False))
    world.tell("actions", d, records.action(d, outcome="reject", at=at))
    world.tell("alerts", "a", records.alert("a", task_id=d, at=at))
    settled(world)
    story = queries.decision_timeline(shared, d)
    assert [item["event"] for item in story] == [
        "task arrived",
        "asked to claim",
        "task claimed",
        "granted",
        "asked to submit",
        "refused",
        "verdict",
        "task resolved",
        "resolution",
        "action execute",
        "alert sla_breach",
    ]
    detail = {item["event"]: item["detail"] for item in story}
    assert detail["task claimed"].startswith("by ann: leased by ann in queue underwriting, priority high, due 2026")
    assert detail["refused"] == "submit by ann (stale-view): look again"
    assert detail["verdict"] == "ann reject: reject instead of approve, because income: as I see it"
    assert detail["resolution"].startswith(
        "version 1: reject (review, by ann), because fits: as I see it, can be overr"
    )
    assert detail["action execute"] == "version 1: reject, notices: adverse_action"
    assert detail["alert sla_breach"] == "warning to ann, mia: its deadline has passed: decide it now"


def test_of_open_work_one_sees_who_keeps_out_and_why_it_waits(own: Client, run_id: str) -> None:
    world = World(run_id, own, partitions=1)
    late = arrive(world, "late", 2 * HOUR)
    fields = {
        "stuck": True,
        "with_team": True,
        "skipped": ["ann"],
        "parties": ["bob"],
        "appeals": 1,
        "caller_left": True,
    }
    go_on(world, late, "nobody_can_decide", **fields, raised_at=world.now - HOUR)
    settled(world)
    columns = "stuck, with_team, skipped, parties, appeals, caller_left, raised_at IS NULL, caller_until IS NULL"
    assert now(world, columns) == [(True, True, ["ann"], ["bob"], 1, True, False, True)]
