"""Decisions, people and time through router and desk on one clock: what a user of the whole pipeline may rely upon."""

import pytest

from interlock.schemas import catalogue
from interlock.streams.memory import Crash
from tests.topology.topology import DAY, HOUR, MINUTE, Topology


@pytest.fixture
def world() -> Topology:
    world = Topology()
    world.start_desk()
    world.hire("ann", "bob")
    world.run()
    return world


def test_by_confidence_a_decision_takes_effect_or_becomes_a_task(world: Topology) -> None:
    for decision_id, confidence in (("sure", 0.97), ("likely", 0.85), ("doubtful", 0.7), ("unknown", 0.3)):
        world.decide(decision_id, confidence)
    world.run()
    tasks = {record["task_id"]: (record["route"], record["priority"]) for record in world.records("reviews.tasks")}
    assert tasks == {"likely": ("async", "medium"), "doubtful": ("sync", "critical"), "unknown": ("manual", "high")}
    assert [record["decision"]["decision_id"] for record in world.records("decisions.auto-approved")] == ["sure"]


def test_before_pre_approval_nothing_takes_effect_however_sure_the_model_is(world: Topology) -> None:
    world.decide("d1", 1.0, domain="diagnosis", prediction="benign")
    world.run()
    assert not world.records("decisions.auto-approved")
    assert not world.records("actions")
    world.judge("ann", "reject", "d1")
    assert world.words("d1") == [(1, "review", "malignant")]
    assert world.actions("d1") == ["d1/1/execute"]


def test_after_post_approval_an_override_rolls_back_and_then_executes(world: Topology) -> None:
    world.decide("p1", domain="post", prediction="publish")
    world.run()
    assert world.records("decisions.auto-approved")[0]["override_until"] == world.now + DAY
    assert world.words("p1") == [(1, "policy", "publish")]
    world.wait(23 * HOUR)
    world.judge("ann", "reject", "p1")
    assert world.words("p1") == [(1, "policy", "publish"), (2, "override", "remove")]
    assert world.actions("p1") == ["p1/1/roll_back", "p1/2/execute"]


def test_the_window_closes_after_exactly_24_hours_and_a_late_override_is_refused(world: Topology) -> None:
    world.decide("p1", domain="post", prediction="publish")
    world.run()
    world.wait(DAY - 1)
    assert len(world.words("p1")) == 1
    world.wait(1)
    world.wait(MINUTE)
    assert world.words("p1")[1:] == [(2, "window", "publish")]
    (word,) = [record for record in world.records("resolutions") if record["version"] == 2]
    assert word["final"]
    refused = world.ask("claim", "ann", task_id="p1")
    assert refused["code"] == "already-decided"
    assert not world.records("actions")


def test_hybrid_offers_the_best_options_and_the_choice_is_kept_as_a_preference(world: Topology) -> None:
    options = [
        {"option": "sell", "confidence": 0.2, "pros": ["out"], "cons": ["tax"]},
        {"option": "buy", "confidence": 0.3, "pros": ["cheap"], "cons": ["risk"]},
    ]
    world.decide("h1", 0.99, domain="advice", prediction="hold", alternatives=options)
    world.run()
    world.judge("ann", "choose", "h1", outcome="buy")
    (outcome,) = world.records("reviews.outcomes")
    assert (outcome["options"], outcome["outcome"], outcome["overridden"]) == (["hold", "buy"], "buy", True)


@pytest.mark.parametrize(
    ("confidence", "level"), [(0.7, HOUR), (0.3, 4 * HOUR), (0.85, DAY)], ids=["critical", "high", "medium"]
)
def test_a_task_breaches_after_exactly_its_service_level_and_once(
    world: Topology, confidence: float, level: int
) -> None:
    world.ask("off_duty", "ann")
    world.ask("off_duty", "bob")
    world.decide("d1", confidence)
    world.run()
    world.wait(level - 1)
    assert "breached" not in world.events("d1")
    world.wait(1)
    world.wait(MINUTE)
    world.wait(9 * DAY)
    assert world.events("d1").count("breached") == 1
    assert [record["kind"] for record in world.records("alerts")].count("sla_breach") == 1


def test_two_people_sign_what_the_policy_says(world: Topology) -> None:
    world.decide("d1", 0.99, amount=2e6)
    world.run()
    world.judge("ann", task_id="d1")
    assert world.words("d1") == []
    world.judge("bob", task_id="d1")
    assert world.words("d1") == [(1, "review", "approve")]


def test_a_caller_who_gives_up_gets_the_safe_outcome_once(world: Topology) -> None:
    world.decide("s1", 0.7)
    world.run()
    assert world.ask("expire", "client", task_id="s1")["code"] == "ok"
    assert world.ask("expire", "client", task_id="s1")["code"] == "already-decided"
    assert world.words("s1") == [(1, "timeout", "reject")]


def test_what_nobody_can_read_goes_to_the_dead_letters_and_the_desk_goes_on(world: Topology) -> None:
    producer = world.broker.producer(None)
    producer.produce(catalogue.COMMANDS.name, b"junk", b"k")
    producer.flush()
    world.decide("d1", 0.85)
    world.run()
    assert world.judge("ann")["accepted"]


def test_timers_fire_after_a_restart_too(world: Topology) -> None:
    world.decide("d1", 0.85)
    world.decide("p1", domain="post", prediction="publish")
    world.run()
    world.desks.pop("a")[0].close()
    world.clock.advance(2 * 86_400)
    world.start_desk("a")
    world.run()
    assert "breached" in world.events("d1")
    assert world.words("p1")[-1] == (2, "window", "publish")


def test_a_standby_takes_over_leases_queues_and_repeated_commands(world: Topology) -> None:
    world.decide("d1", 0.85)
    world.run()
    lease = world.ask("claim", "ann")
    world.start_desk("b")
    world.run()
    world.desks["a"][1].kill()
    world.clock.advance(50)
    world.run(30)
    held = {key: lease[key] for key in ("task_id", "epoch", "payload_hash")}
    verdict = {"verdict": "approve", "reason_code": "other", "reason_text": "fine"}
    first = world.command("submit", "ann", **held, **verdict)
    world.run()
    assert world.reply(first)["accepted"]
    world.command("submit", "ann", first, **held, **verdict)
    world.command("claim", "ann", lease["command_id"])
    world.run()
    replies = [record for record in world.records("reviews.replies") if record["command_id"] == first]
    assert len(replies) == 2
    assert replies[0] == replies[1]
    assert world.words("d1") == [(1, "review", "approve")]
    assert world.events("d1") == ["arrived", "claimed", "resolved"]


def script(world: Topology) -> None:
    """A day at the desk, told as one sends it; answers are looked at by the test."""
    world.hire("ann", "bob")
    world.decide("d1", 0.85)
    world.decide("p1", domain="post", prediction="publish")
    world.run()
    for actor in ("ann", "bob"):
        world.command("claim", actor)
    world.run()
    for lease in [
        record for record in world.records("reviews.replies") if record["kind"] == "claim" and record["accepted"]
    ]:
        held = {key: lease[key] for key in ("task_id", "epoch", "payload_hash")}
        verdict = {"verdict": "reject", "reason_code": "other", "reason_text": "no"}
        world.command("submit", lease["actor"], f"verdict-{lease['task_id']}", **held, **verdict)
    world.run()
    world.wait(26 * HOUR)


def test_a_desk_that_dies_at_any_step_loses_nothing_and_decides_nothing_twice() -> None:
    undisturbed = Topology()
    process = undisturbed.start_desk("a")
    before = len(process.faults.steps)
    script(undisturbed)
    total = len(process.faults.steps) - before
    assert total > 100

    for number in range(total):
        world = Topology()
        world.start_desk("a").faults.inject(Crash(), number)
        world.start_desk("b")
        script(world)
        world.clock.advance(60)
        world.run(30)
        assert world.desks["a"][1].dead
        _decide_what_was_left(world)
        assert world.words("d1") == [(1, "review", "reject")], number
        assert world.words("p1")[0] == (1, "policy", "publish")
        assert world.words("p1")[1:] in ([(2, "override", "remove")], [(2, "window", "publish")]), number
        for topic, name in (("actions", "action_id"), ("alerts", "alert_id"), ("reviews.outcomes", "outcome_id")):
            ids = [record[name] for record in world.records(topic)]
            assert len(ids) == len(set(ids)), (number, topic)


def _decide_what_was_left(world: Topology) -> None:
    if world.words("d1"):
        return
    world.hire("lee", role="lead")
    # A claim that had waited for a desk is carried out late, and nobody follows it up: its lease ends.
    world.wait(16 * MINUTE)
    world.judge("lee", "reject", "d1")
