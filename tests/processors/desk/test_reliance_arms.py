"""The reliance experiment: who takes part, an opinion before the answer, and wrong answers without any effect."""

import json
from random import Random
from typing import Any

import pytest

from interlock.policy.load import parse
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.task_records import task_changed
from interlock.processors.outcomes import is_conclusive, is_sample
from interlock.processors.review.context import review_context
from interlock.processors.review.payload import Payload
from interlock.processors.review.view import TaskView, build_view
from interlock.schemas import catalogue, wire
from tests.processors.desk.desk_records import policy_record, records, routed
from tests.processors.desk.desk_world import MINUTE, POLICY, DeskWorld

PLAN = "{rate: 1.0, decide_first: 1.0, wrong_answers: 1.0}"


def _policy(plan: str = PLAN) -> str:
    found = POLICY.replace("  loan:\n", f"  loan:\n    reliance: {plan}\n")
    assert "reliance" in found
    return found


def _world(plan: str = PLAN) -> DeskWorld:
    found = DeskWorld(_policy(plan))
    found.desk.state.arm_key = bytes(16)
    found.hire("ann", "bob", "cid", capacity=500)
    found.hire("lee", role="lead")
    return found


@pytest.fixture
def world() -> DeskWorld:
    return _world()


def _think(world: DeskWorld, lease: dict[str, Any], actor: str, outcome: str) -> dict[str, Any]:
    given = {name: lease[name] for name in ("task_id", "epoch", "payload_hash")}
    return world.command("first_opinion", actor, outcome=outcome, **given)


def _view(world: DeskWorld, task_id: str, reader: str = "") -> tuple[TaskView, Any]:
    record = wire.decode("Task", wire.encode("Task", task_changed(world.task(task_id), "", "", 0).record or {}))
    explanation = {"top_features": [], "reasoning": "income speaks for it", "similar_cases": []}
    alternatives = [{"option": "reject", "confidence": 0.1, "pros": ["late payments"], "cons": []}]
    envelope = routed("d1", decision={"explanation": explanation, "alternatives": alternatives}).value_bytes
    assert envelope is not None
    payload = Payload(wire.decode("RoutedDecision", envelope), verified=True)
    policy = parse(_policy(), "p")
    view = build_view(record, payload, world.now, routed_by=policy, in_force=policy, reader=reader)
    return view, review_context(view, payload)


def _gold(world: DeskWorld, outcome: str = "approve", case: str = "d1") -> str:
    """A planted copy of a decided case for which the AI said approve."""
    world.arrive(case)
    lease = world.claim("ann", case)
    if world.task(case).blind:
        _think(world, lease, "ann", "approve")
    world.decide("ann", claimed=lease)
    return str(world.command("gold", "lee", task_id=case, outcome=outcome)["task_id"])


def test_a_first_opinion_comes_before_the_answer_and_the_answer_before_the_verdict(world: DeskWorld) -> None:
    world.arrive()
    lease = world.claim("ann")
    before, context = _view(world, "d1", "ann")
    assert (before.opinion_due, before.ai, before.verdicts, context["aiDecision"]) == (True, None, (), None)
    assert world.decide("ann", "choose", claimed=lease, outcome="reject")["code"] == "opinion-first"
    assert _think(world, lease, "ann", "sell")["code"] == "unknown-outcome"
    assert _think(world, lease, "ann", "reject")["accepted"]
    thought = world.now
    after, _ = _view(world, "d1", "ann")
    assert (after.opinion_due, after.first_opinion, after.ai and after.ai.prediction) == (False, "reject", "approve")
    assert _think(world, lease, "ann", "reject")["code"] == "no-opinion-due"
    world.wait(MINUTE)
    assert world.decide("ann", claimed=lease)["accepted"]
    outcome = world.last("reviews.outcomes")
    told = [outcome[name] for name in ("arm", "first_opinion", "first_opinion_at", "outcome", "blind", "seeded")]
    assert told == ["decide-first", "reject", thought, "approve", False, False]
    assert world.last("resolutions")["outcome"] == "approve"


def test_the_next_person_thinks_too_and_who_has_seen_the_answer_is_not_asked_again(world: DeskWorld) -> None:
    world.arrive()
    lease = world.claim("ann")
    _think(world, lease, "ann", "reject")
    world.command("release", "ann", task_id="d1", epoch=lease["epoch"])
    assert world.task("d1").blind
    lease = world.claim("bob")
    assert world.task("d1").blind
    world.command("release", "bob", task_id="d1", epoch=lease["epoch"])
    world.claim("ann")
    assert not world.task("d1").blind
    assert [opinion["reviewer"] for opinion in world.task("d1").first_opinions] == ["ann"]


@pytest.mark.parametrize(
    "fields",
    [{"route": "sync"}, {"route": "manual"}, {"route": "auto", "audit": True}, {"workflow": "hybrid"}],
    ids=str,
)
def test_a_review_that_somebody_waits_for_or_that_shows_no_answer_takes_no_part(
    world: DeskWorld, fields: dict[str, Any]
) -> None:
    assert world.arrive(**fields).arm == ""


def test_the_experiment_runs_between_its_days_and_needs_the_secret() -> None:
    assert _world("{rate: 1.0, until: 2000-01-01}").arrive().arm == ""
    assert _world("{rate: 1.0, from: 2999-01-01}").arrive().arm == ""
    without = _world()
    without.desk.state.arm_key = b""
    assert without.arrive().arm == ""


@pytest.mark.parametrize(("key", "times"), [(b"", 1), (bytes(16), 0)], ids=["without", "with"])
def test_a_desk_without_the_secret_tells_the_operators_once_that_the_experiment_does_not_run(
    key: bytes, times: int
) -> None:
    desk = DeskProcessor(arm_key=key)
    desk.follow(policy_record(_policy()))
    alerts = [alert for second in range(3) for alert in records(desk.process([], second), catalogue.ALERTS.name)]
    assert [(alert["kind"], alert["to"]) for alert in alerts] == [("experiment_without_key", [])] * times
    assert all("of loan does not run" in alert["message"] for alert in alerts)
    desk.follow(policy_record(_policy("{rate: 1.0, until: 1969-01-01}")))
    assert records(desk.process([], 4), catalogue.ALERTS.name) == []


def test_shares_are_those_of_the_policy_and_fall_alike_in_every_replay() -> None:
    first, second = (_world("{rate: 0.2, decide_first: 0.25}") for _ in range(2))
    arms = [first.arrive(f"d{number}").arm for number in range(2_000)]
    assert arms == [second.arrive(f"d{number}").arm for number in range(2_000)]
    takes_part = [arm for arm in arms if arm]
    # Four standard errors.
    assert abs(len(takes_part) / 2_000 - 0.2) < 0.036
    assert abs(takes_part.count("decide-first") / len(takes_part) - 0.25) < 0.09


def test_a_wrong_answer_is_shown_on_a_gold_item_and_nothing_tells_that_it_is_not_the_models() -> None:
    world = _world("{rate: 1.0, decide_first: 0.0, wrong_answers: 1.0}")
    planted = _gold(world)
    assert (world.task(planted).seeded, world.task(planted).prediction) == (True, "reject")
    wrong, context = _view(world, planted)
    honest, _ = _view(world, "d1")
    told = json.dumps([wrong.facts(), context], default=str)
    assert wrong.ai is not None
    assert wrong.ai.prediction == "reject"
    assert "income speaks" not in told
    assert "late payments" not in told
    assert "seeded" not in told
    assert "ai-first" not in told
    # An ordinary review of the same experiment withholds the same.
    assert honest.ai is not None
    assert (honest.ai.reasoning, honest.options) == (wrong.ai.reasoning, wrong.options)
    assert honest.ai.confidence == wrong.ai.confidence


def test_where_the_model_was_wrong_by_itself_no_answer_is_made_up() -> None:
    world = _world("{rate: 1.0, decide_first: 0.0, wrong_answers: 1.0}")
    planted = _gold(world, outcome="reject")
    assert (world.task(planted).seeded, world.task(planted).prediction) == (False, "approve")


def test_accepting_a_wrong_answer_and_refusing_it_are_both_told_with_the_truth() -> None:
    world = _world("{rate: 1.0, decide_first: 0.0, wrong_answers: 1.0}")
    world.decide("bob", task_id=_gold(world))
    taken = world.last("reviews.outcomes")
    assert [taken[name] for name in ("outcome", "prediction", "gold_outcome", "seeded", "overridden")] == [
        *("reject", "reject", "approve"),
        True,
        False,
    ]


@pytest.mark.parametrize("seed", range(6))
def test_a_verdict_on_a_wrong_answer_resolves_nothing_and_nobody_learns_from_it(seed: int) -> None:
    dice = Random(seed)
    world = _world("{rate: 0.7, decide_first: 0.5, wrong_answers: 0.8}")
    planted = [_gold(world, dice.choice(["approve", "reject"]), f"d{70_000_000 + number}") for number in range(12)]
    effects = [len(world.said[topic]) for topic in ("resolutions", "actions")]
    for task_id in planted:
        for _ in range(dice.choice([1, 1, 2])):
            me = dice.choice(["bob", "cid"])
            said = {"verdict": "choose", "outcome": dice.choice(["approve", "reject"])}
            if world.task(task_id).state == "done":
                words = {
                    "payload_hash": world.task(task_id).payload_hash,
                    "reason_code": "other",
                    "reason_text": "slip",
                }
                world.command("override", dice.choice([me, "lee"]), task_id=task_id, **said, **words)
                continue
            lease = world.claim(me, task_id)
            if world.task(task_id).blind:
                _think(world, lease, me, dice.choice(["approve", "reject"]))
            world.decide(me, claimed=lease, **said)
        if dice.random() < 0.3:
            world.command("appeal", "lee", task_id=task_id, reason_text="no")
        world.wait(dice.choice([0, MINUTE, 60 * MINUTE]))
    world.wait(40 * 24 * 60 * MINUTE)
    finals = [word for word in world.said["resolutions"][effects[0] :] if word["decision_id"] not in planted]
    assert all(word["final"] for word in finals), "of the cases that were copied, nothing but their last word"
    assert len(finals) == len(world.said["resolutions"]) - effects[0]
    assert len(world.said["actions"]) == effects[1]
    seeded = [outcome for outcome in world.said["reviews.outcomes"] if outcome["seeded"]]
    assert seeded
    for outcome in seeded:
        assert (outcome["kind"], outcome["resolves"]) == ("gold", False)
        assert not is_sample(outcome)
        assert not is_conclusive(outcome)
    ordinary = [outcome for outcome in world.said["reviews.outcomes"] if outcome["kind"] != "gold"]
    assert not any(outcome["seeded"] for outcome in ordinary)
