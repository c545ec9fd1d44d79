"""Decisions, people and time through router and desk on one clock: what a user of the whole pipeline may rely upon."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.review.desk_connection import CommandRefusedError
from interlock.schemas import catalogue
from interlock.schemas.error_headers import read_error_headers
from interlock.schemas.headers import headers_of
from interlock.testing import Crash, Topology

POLICY = Path(__file__).with_name("pipeline.yaml")

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def world() -> Topology:
    world = Topology(POLICY)
    world.add_reviewer("ann")
    world.add_reviewer("bob")
    return world


def submit(world: Topology, decision_id: str, confidence: float = 0.9, **fields: Any) -> None:
    world.submit(world.decision(decision_id, confidence, **{"amount": 100.0} | fields))


def decide(world: Topology, decision_id: str, confidence: float = 0.9, **fields: Any) -> None:
    submit(world, decision_id, confidence, **fields)
    world.run()


def refusal(world: Topology, kind: str, actor: str, **fields: Any) -> str:
    """The code with which the desk refuses a command."""
    with pytest.raises(CommandRefusedError) as refused:
        world.reviewer(actor).ask(kind, **fields)
    return refused.value.code


def resolutions(world: Topology, decision_id: str) -> list[tuple[int, str, str]]:
    return [(record["version"], record["source"], record["outcome"]) for record in world.resolutions(decision_id)]


def action_ids(world: Topology, decision_id: str) -> list[str]:
    return [record["action_id"] for record in world.actions(decision_id)]


def events(world: Topology, task_id: str) -> list[str]:
    return [record["event"] for record in world.records("reviews.tasks") if record["task_id"] == task_id]


def test_by_confidence_a_decision_takes_effect_or_becomes_a_task(world: Topology) -> None:
    for decision_id, confidence in (("sure", 0.97), ("likely", 0.85), ("doubtful", 0.7), ("unknown", 0.3)):
        decide(world, decision_id, confidence)
    tasks = {task_id: (task["route"], task["priority"]) for task_id, task in world.tasks().items()}
    assert tasks == {"likely": ("async", "medium"), "doubtful": ("sync", "critical"), "unknown": ("manual", "high")}
    assert [record["decision"]["decision_id"] for record in world.records("decisions.auto-approved")] == ["sure"]


def test_before_pre_approval_nothing_takes_effect_however_sure_the_model_is(world: Topology) -> None:
    decide(world, "d1", 1.0, domain="diagnosis", prediction="benign")
    assert not world.records("decisions.auto-approved")
    assert not world.records("actions")
    world.review("ann", "reject", "d1")
    assert resolutions(world, "d1") == [(1, "review", "malignant")]
    assert action_ids(world, "d1") == ["d1/1/execute"]


def test_after_post_approval_an_override_rolls_back_and_then_executes(world: Topology) -> None:
    decide(world, "p1", domain="post", prediction="publish")
    assert world.records("decisions.auto-approved")[0]["override_until"] == world.now + DAY // MICROSECOND
    assert resolutions(world, "p1") == [(1, "policy", "publish")]
    world.advance(23 * HOUR)
    world.review("ann", "reject", "p1")
    assert resolutions(world, "p1") == [(1, "policy", "publish"), (2, "override", "remove")]
    assert action_ids(world, "p1") == ["p1/1/roll_back", "p1/2/execute"]


def test_the_window_closes_after_exactly_24_hours_and_a_late_override_is_refused(world: Topology) -> None:
    decide(world, "p1", domain="post", prediction="publish")
    world.advance(DAY - MICROSECOND)
    assert len(resolutions(world, "p1")) == 1
    world.advance(MICROSECOND)
    world.advance(MINUTE)
    assert resolutions(world, "p1")[1:] == [(2, "window", "publish")]
    assert world.resolutions("p1")[1]["final"]
    assert refusal(world, "claim", "ann", task_id="p1") == "already-decided"
    assert not world.records("actions")


def test_hybrid_offers_the_best_options_and_the_choice_is_kept_as_a_preference(world: Topology) -> None:
    options = [
        {"option": "sell", "confidence": 0.2, "pros": ["out"], "cons": ["tax"]},
        {"option": "buy", "confidence": 0.3, "pros": ["cheap"], "cons": ["risk"]},
    ]
    decide(world, "h1", 0.99, domain="advice", prediction="hold", alternatives=options)
    world.review("ann", "choose", "h1", outcome="buy")
    (outcome,) = world.records("reviews.outcomes")
    assert (outcome["options"], outcome["outcome"], outcome["overridden"]) == (["hold", "buy"], "buy", True)


@pytest.mark.parametrize(
    ("confidence", "level"), [(0.7, HOUR), (0.3, 4 * HOUR), (0.85, DAY)], ids=["critical", "high", "medium"]
)
def test_a_task_breaches_after_exactly_its_service_level_and_once(
    world: Topology, confidence: float, level: timedelta
) -> None:
    world.reviewer("ann").off_duty()
    world.reviewer("bob").off_duty()
    decide(world, "d1", confidence)
    world.advance(level - MICROSECOND)
    assert "breached" not in events(world, "d1")
    world.advance(MICROSECOND)
    world.advance(MINUTE)
    world.advance(9 * DAY)
    assert events(world, "d1").count("breached") == 1
    assert [alert["kind"] for alert in world.records("alerts")].count("sla_breach") == 1


def test_two_people_sign_what_the_policy_says(world: Topology) -> None:
    decide(world, "d1", 0.99, amount=2e6)
    world.review("ann", task_id="d1")
    assert resolutions(world, "d1") == []
    world.review("bob", task_id="d1")
    assert resolutions(world, "d1") == [(1, "review", "approve")]


def test_every_decision_is_on_file_with_actor_time_policy_and_model(world: Topology) -> None:
    decide(world, "d1", 0.85)
    decide(world, "d2", 0.99)
    world.review("ann", "reject", "d1")
    (routed,) = world.records("decisions.auto-approved")
    assert routed["policy_version"]
    assert routed["routed_at"] == world.now
    assert (routed["decision"]["model_id"], routed["decision"]["model_version"]) == ("m", "1")
    changes = [record for record in world.records("reviews.tasks") if record["task_id"] == "d1"]
    assert [(change["event"], change["actor"]) for change in changes] == [
        ("arrived", "desk"),
        ("claimed", "ann"),
        ("resolved", "ann"),
    ]
    assert all(change["at"] and change["policy_version"] and change["model_id"] == "m" for change in changes)
    (verdict,) = world.records("reviews.outcomes")
    assert (verdict["reviewer"], verdict["at"], verdict["reason_text"] != "") == ("ann", world.now, True)
    assert verdict["claimed_at"] is not None
    assert verdict["payload_hash"] == changes[0]["payload_hash"]
    (word,) = world.resolutions("d1")
    assert (word["decided_by"], word["policy_version"]) == (["ann"], routed["policy_version"])


def test_a_caller_who_gives_up_gets_the_safe_outcome_once(world: Topology) -> None:
    world.submit(world.decision("s1", 0.7), caller="client")
    world.run()
    assert refusal(world, "expire", "another", task_id="s1") == "not-your-call"
    assert world.reviewer("client").expire("s1").accepted
    assert refusal(world, "expire", "client", task_id="s1") == "already-decided"
    assert resolutions(world, "s1") == [(1, "timeout", "reject")]


def test_a_caller_who_died_while_it_waited_gets_the_safe_outcome_when_its_time_is_over(world: Topology) -> None:
    world.submit(world.decision("s1", 0.7), caller="client", seconds=30)
    world.run()
    world.advance(timedelta(seconds=29))
    assert resolutions(world, "s1") == []
    world.advance(timedelta(seconds=2))
    assert resolutions(world, "s1") == [(1, "timeout", "reject")]
    assert events(world, "s1")[-1] == "timed_out"


def test_what_nobody_can_read_goes_to_the_dead_letters_and_the_desk_goes_on(world: Topology) -> None:
    producer = world.broker.producer(None)
    producer.produce(catalogue.COMMANDS.name, b"junk", b"k")
    producer.flush()
    decide(world, "d1", 0.85)
    assert world.review("ann").accepted


def test_timers_fire_after_a_restart_too(world: Topology) -> None:
    submit(world, "d1", 0.85)
    decide(world, "p1", domain="post", prediction="publish")
    world.stop_desk()
    world.clock.advance(2 * 86_400)
    world.start_desk()
    world.run()
    assert "breached" in events(world, "d1")
    assert resolutions(world, "p1")[-1] == (2, "window", "publish")


def test_a_standby_takes_over_leases_queues_and_repeated_commands(world: Topology) -> None:
    decide(world, "d1", 0.85)
    lease = world.reviewer("ann").claim(command_id="claim")
    world.start_desk("desk-2")
    world.run()
    world.desks["desk-1"][1].kill()
    world.clock.advance(50)
    world.run(30)
    held = {"task_id": lease.task_id, "epoch": lease.epoch, "payload_hash": lease.payload_hash}
    verdict = {"verdict": "approve", "reason_code": "other", "reason_text": "fine"}
    assert world.reviewer("ann").ask("submit", "verdict", **held, **verdict).accepted
    world.command("submit", "ann", "verdict", **held, **verdict)
    world.command("claim", "ann", "claim")
    world.run()
    replies = [reply for reply in world.records("reviews.replies") if reply["command_id"] == "verdict"]
    assert len(replies) == 2
    assert replies[0] == replies[1]
    assert resolutions(world, "d1") == [(1, "review", "approve")]
    assert events(world, "d1") == ["arrived", "claimed", "resolved"]


def script(world: Topology) -> None:
    """A day at the desk, in commands whose replies may be lost with the desk."""
    for name in ("ann", "bob"):
        world.send(catalogue.REVIEWERS, name, {"id": name, "name": name})
        world.command("on_duty", name)
    submit(world, "d1", 0.85)
    decide(world, "p1", domain="post", prediction="publish")
    for actor in ("ann", "bob"):
        world.command("claim", actor)
    world.run()
    claims = [reply for reply in world.records("reviews.replies") if reply["kind"] == "claim" and reply["accepted"]]
    for lease in claims:
        held = {key: lease[key] for key in ("task_id", "epoch", "payload_hash")}
        verdict = {"verdict": "reject", "reason_code": "other", "reason_text": "no"}
        world.command("submit", lease["actor"], f"verdict-{lease['task_id']}", **held, **verdict)
    world.run()
    world.advance(26 * HOUR)


def test_a_desk_that_dies_at_any_step_loses_nothing_and_decides_nothing_twice() -> None:
    undisturbed = Topology(POLICY, start_desk=False)
    process = undisturbed.start_desk("a")
    before = len(process.faults.steps)
    script(undisturbed)
    total = len(process.faults.steps) - before
    assert total > 100

    for number in range(total):
        world = Topology(POLICY, start_desk=False)
        world.start_desk("a").faults.inject(Crash(), number)
        world.start_desk("b")
        script(world)
        world.clock.advance(60)
        world.run(30)
        assert world.desks["a"][1].dead
        _decide_what_was_left(world)
        # Whether the day was long enough for what people decided to become final depends on the crash.
        decided = [(1, "review", "reject"), (2, "review", "reject")]
        assert resolutions(world, "d1") in (decided[:1], decided), number
        assert resolutions(world, "p1")[0] == (1, "policy", "publish")
        overridden = [(2, "override", "remove"), (3, "override", "remove")]
        assert resolutions(world, "p1")[1:] in (overridden[:1], overridden, [(2, "window", "publish")]), number
        for topic, name in (("actions", "action_id"), ("alerts", "alert_id"), ("reviews.outcomes", "outcome_id")):
            ids = [record[name] for record in world.records(topic)]
            assert len(ids) == len(set(ids)), (number, topic)


def _decide_what_was_left(world: Topology) -> None:
    if resolutions(world, "d1"):
        return
    world.add_reviewer("lee", role="lead")
    # A claim that had waited for a desk is carried out late, and nobody follows it up: its lease ends.
    world.advance(16 * MINUTE)
    world.review("lee", "reject", "d1")


def test_a_record_that_nobody_can_read_stops_no_desk_and_is_told_once_however_often_another_takes_over(
    world: Topology,
) -> None:
    for decision_id in ("d1", "d2"):
        decide(world, decision_id)
    world.stop_desk()
    producer = world.broker.producer(None)
    producer.produce("reviews.tasks", b"junk", b"d1")
    producer.flush()
    for number, instance in enumerate(("desk-2", "desk-3", "desk-4"), 3):
        world.start_desk(instance)
        world.advance(MINUTE)
        decide(world, f"d{number}")
        assert world.review("ann", task_id=f"d{number}").accepted
        world.stop_desk(instance)
    (told,) = [alert for alert in world.records("alerts") if alert["kind"] == "unreadable"]
    assert (told["severity"], "send it again under a new decision_id" in told["message"]) == ("critical", True)
    (letter,) = world.messages("dead-letter")
    assert (letter.key(), letter.value()) == (b"d1", b"junk")
    assert read_error_headers(headers_of(letter))["exception"] == "unreadable-state"
    world.start_desk("desk-5")
    world.advance(MINUTE)
    assert refusal(world, "claim", "ann", task_id="d1") == "unknown-task"
    assert world.review("ann", task_id="d2").accepted
