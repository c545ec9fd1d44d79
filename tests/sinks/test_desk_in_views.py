"""The views on what a real desk writes: it and they must mean the same by kinds, events and words."""

from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.review.evidence import _HANDED_OUT
from interlock.sinks import queries
from tests.processors.desk.desk_world import DeskWorld
from tests.sinks.review_records import DAY, MINUTE
from tests.sinks.sink_world import World

pytestmark = pytest.mark.warehouse

LEARNING = Path(__file__).parents[2] / "docs" / "learning.md"

REASON = {"reason_code": "income", "reason_text": "see file"}


def told(desk: DeskWorld, client: Client, run_id: str) -> World:
    """Everything the desk has said, in ClickHouse."""
    world = World(run_id, client, partitions=1)
    for topic, records in desk.said.items():
        for record in records:
            key = next(record[name] for name in ("task_id", "decision_id", "reviewer", "alert_id") if name in record)
            world.tell(topic, key, record)
    writer = world.writer(max_rows=500, max_consumed=500)
    world.settle(writer)
    writer.close()
    return world


def decide(desk: DeskWorld, who: str, task_id: str, verdict: str, outcome: str = "", **more: Any) -> None:
    claimed = desk.command("claim", who, task_id=task_id)
    assert claimed["accepted"], claimed
    desk.wait(MINUTE)
    words = {"epoch": claimed["epoch"], "payload_hash": claimed["payload_hash"], **REASON, **more}
    reply = desk.command("submit", who, task_id=task_id, verdict=verdict, outcome=outcome, **words)
    assert reply["accepted"], reply


def test_what_a_desk_does_is_counted_as_what_it_was(own: Client, run_id: str) -> None:
    desk = DeskWorld()
    desk.hire("ann", "bob", "eve")
    desk.hire("lea", role="lead")
    desk.arrive("confirmed")
    decide(desk, "ann", "confirmed", "approve")
    desk.arrive("overridden")
    decide(desk, "ann", "overridden", "reject")
    audit = {"route": "auto", "audit": True, "propensity": 0.25}
    desk.arrive("audit-agrees", **audit)
    decide(desk, "bob", "audit-agrees", "choose", "approve")
    desk.arrive("audit-objects", **audit)
    decide(desk, "bob", "audit-objects", "choose", "reject")
    desk.arrive("unseen", route="auto", propensity=0.25)
    sync = desk.arrive("timed-out", route="sync", reasons=())
    assert desk.command("expire", "the client", task_id=sync.task_id)["code"] == "ok"
    desk.command("gold", "lea", task_id="confirmed", outcome="approve")
    (gold,) = [task.task_id for task in desk.desk.state.open_tasks()]
    decide(desk, "eve", gold, "choose", "reject")
    assert desk.command("appeal", "lea", task_id="overridden", reason_text="I earn more")["accepted"]
    decide(desk, "bob", "overridden", "approve")
    world = told(desk, own, run_id)

    found = queries.metrics(own)
    assert (found["reviewed_decisions"], found["override_rate"], found["open_tasks"]) == (4, 0.5, 0)
    # Weights 1, 1, 4, 4; right are one of weight 1 and one of weight 4.
    assert found["ai_accuracy"] == pytest.approx(5 / 10)
    assert found["avg_review_time"] == pytest.approx(60)
    rounds = world.client.query(
        "SELECT task_id, round, closed_by, sla FROM task_rounds WHERE kind != 'gold' ORDER BY task_id, round"
    ).result_rows
    assert rounds == [
        ("audit-agrees", 0, "person", "decided_in_time"),
        ("audit-objects", 0, "person", "decided_in_time"),
        ("confirmed", 0, "person", "decided_in_time"),
        ("overridden", 0, "person", "decided_in_time"),
        ("overridden", 1, "person", "decided_in_time"),
        ("timed-out", 0, "policy", "missed"),
    ]
    people = {row["reviewer"]: row for row in queries.reviewer_workload(own)}
    assert (people["eve"]["gold_items"], people["eve"]["gold_accuracy"], people["eve"]["decided_total"]) == (1, 0.0, 0)
    assert (people["bob"]["blind_verdicts"], people["bob"]["seen_verdicts"], people["bob"]["decided_total"]) == (
        2,
        0,
        3,
    )
    assert people["ann"]["on_duty"]


def test_a_post_approval_that_nobody_looked_at_is_missed_and_an_objection_is_no_sample(
    own: Client, run_id: str
) -> None:
    desk = DeskWorld()
    desk.hire("ann", "bob")
    post = {
        "route": "auto",
        "workflow": "post_approval",
        "domain": "post",
        "prediction": "publish",
        "queue": "moderation",
        "priority": "low",
    }
    desk.arrive("objected", **post, override_until=desk.now + DAY)
    desk.wait(MINUTE)
    task = desk.task("objected")
    words = {"payload_hash": task.payload_hash, "reason_code": desk.desk.state.terms(task).reason_codes[0]}
    reply = desk.command(
        "override", "ann", task_id="objected", verdict="reject", outcome="remove", reason_text="no", **words
    )
    assert reply["accepted"], reply
    desk.arrive("untouched", **post, override_until=desk.now + DAY)
    desk.wait(DAY)
    world = told(desk, own, run_id)

    rounds = world.client.query("SELECT task_id, closed_by, sla FROM task_rounds ORDER BY task_id").result_rows
    assert rounds == [("objected", "person", "decided_in_time"), ("untouched", "window", "missed")]
    assert (queries.metrics(own)["reviewed_decisions"], queries.metrics(own)["override_rate"]) == (0, None)
    objections = world.client.query(
        "SELECT sum(decisions), sum(looked_at), sum(objections) FROM objection_rates WHERE domain = 'post'"
    ).result_rows
    assert objections == [(2, 1, 1)]
    story = [row["event"] for row in queries.decision_timeline(own, "objected")]
    assert story[:3] == ["task arrived", "resolution", "verdict"]
    assert {"task overridden", "action roll_back", "action execute", "granted"} <= set(story)


def test_the_share_of_audits_that_nobody_did_is_what_the_page_about_learning_asks_for(own: Client, run_id: str) -> None:
    (line,) = [line for line in LEARNING.read_text().splitlines() if "countIf(event = 'not_judged')" in line]
    query = line.split('"')[1]
    desk = DeskWorld()
    desk.hire("ann")
    for name in ("judged", "expired"):
        desk.arrive(name, route="auto", audit=True, propensity=0.25)
    decide(desk, "ann", "judged", "choose", "approve")
    desk.arrive("review")
    desk.wait(15 * DAY)
    assert desk.events("expired")[-1] == "not_judged"
    world = told(desk, own, run_id)
    assert world.client.query(query).result_rows == [("loan", 0.5)]
    (judged,) = desk.said["reviews.outcomes"]
    assert judged["task_id"] == "judged", "nothing learns from what nobody judged"


def test_the_checklist_counts_what_each_person_began(own: Client, run_id: str) -> None:
    desk = DeskWorld()
    desk.hire("ann", "bob")
    for number, who in enumerate(("ann", "ann", "bob")):
        desk.arrive(f"d{number}")
        decide(desk, who, f"d{number}", "approve")
    world = told(desk, own, run_id)
    # The clock of the test stands years before ClickHouse's.
    found = world.client.query(_HANDED_OUT.replace("7 DAY", "99 YEAR")).result_rows
    assert dict(map(tuple, found)) == {"ann": 2, "bob": 1}
