"""Final is what nobody can override any more: it is said as a version of its own, and nothing is carried out for it."""

from typing import Any

import pytest

from interlock.processors.desk.processor import DeskProcessor
from tests.processors.desk.desk_records import START, Record, as_written, policy_record, reviewer_record, routed
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, SECOND, DeskWorld

WORDS = {"reason_code": "other", "reason_text": "second thoughts"}


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", "lou", role="lead")
    return world


def words(world: DeskWorld) -> list[tuple[int, str, str, bool]]:
    return [
        (record["version"], record["outcome"], record["source"], record["final"])
        for record in world.said["resolutions"]
    ]


def override(world: DeskWorld, actor: str, task_id: str, outcome: str) -> dict[str, Any]:
    given = {"payload_hash": f"hash of {task_id}", "verdict": "choose", "outcome": outcome} | WORDS
    return world.command("override", actor, task_id=task_id, **given)


def test_a_verdict_is_final_when_its_window_of_24_hours_has_ended(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "modify", modifications='{"amount": 80}', reason_code="income", reason_text="too much")
    world.wait(DAY - 1)
    assert words(world) == [(1, "approve", "review", False)]
    world.wait(1)
    assert words(world) == [(1, "approve", "review", False), (2, "approve", "review", True)]
    first, last = world.said["resolutions"]
    differ = {name for name in first if first[name] != last[name]}
    assert differ == {"version", "final"}
    assert world.events("d1")[-1] == "final"
    assert [action["action_id"] for action in world.said["actions"]] == ["d1/1/execute"]
    assert override(world, "lee", "d1", "reject")["code"] == "window-closed"


def test_the_last_moment_belongs_either_to_an_override_or_to_the_final_word(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    world.wait(DAY - 1)
    assert override(world, "lee", "d1", "reject")["accepted"]
    world.wait(1)
    assert words(world) == [
        (1, "approve", "review", False),
        (2, "reject", "override", False),
        (3, "reject", "override", True),
    ]


def test_an_audited_decision_is_not_final_while_its_auditor_can_roll_it_back(world: DeskWorld) -> None:
    world.arrive("a1", route="auto", audit=True)
    world.wait(DAY - HOUR)
    world.decide("ann", "choose", outcome="reject", task_id="a1")
    world.wait(HOUR)
    assert words(world) == [
        (1, "approve", "policy", False),
        (2, "reject", "override", False),
        (3, "reject", "override", True),
    ]


def test_an_audit_goes_on_when_what_it_measures_has_become_final(world: DeskWorld) -> None:
    world.arrive("a1", route="auto", audit=True)
    world.wait(DAY)
    assert words(world) == [(1, "approve", "policy", False), (2, "approve", "window", True)]
    assert world.task("a1").state == "waiting"
    world.decide("lee", "choose", outcome="reject", task_id="a1")
    assert len(world.said["resolutions"]) == 2
    assert not world.said["actions"]


def test_what_took_effect_unseen_is_final_at_once_and_only_an_appeal_changes_it(world: DeskWorld) -> None:
    world.arrive("u1", route="auto")
    assert words(world) == [(1, "approve", "policy", True)]
    refused = override(world, "lee", "u1", "reject")
    assert refused["code"] == "window-closed"
    assert "final at once; now only an appeal changes it" in refused["message"]
    world.wait(2 * DAY)
    assert len(world.said["resolutions"]) == 1


def test_the_policy_says_when_a_verdict_is_final() -> None:
    world = DeskWorld(POLICY.replace("    on_timeout: reject", "    override_window: 1s\n    on_timeout: reject"))
    world.hire("ann")
    world.arrive("d1")
    world.decide("ann")
    world.wait(SECOND)
    assert words(world) == [(1, "approve", "review", False), (2, "approve", "review", True)]


def test_an_appeal_within_the_window_keeps_the_word_from_becoming_final(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    world.wait(HOUR)
    assert world.command("appeal", "bob", task_id="d1", reason_text="please look again")["accepted"]
    world.wait(2 * DAY)
    assert words(world) == [(1, "approve", "review", False)]
    world.decide("lee", "reject", task_id="d1")
    world.wait(DAY)
    assert words(world)[1:] == [(2, "reject", "appeal", False), (3, "reject", "appeal", True)]


def test_a_word_that_becomes_final_does_not_ask_for_its_notice_again(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", caller="shop")
    world.command("expire", "shop", task_id="s1")
    world.wait(DAY)
    assert words(world) == [(1, "reject", "timeout", False), (2, "reject", "timeout", True)]
    assert [record["notices"] for record in world.said["resolutions"]] == [["adverse_action"], []]
    assert [action["action_id"] for action in world.said["actions"]] == ["s1/1/execute", "s1/1/notify"]


def test_a_desk_that_takes_over_says_the_final_word_once() -> None:
    written: list[Record] = []
    desk = DeskProcessor()
    now = START
    for step in range(4):
        desk = DeskProcessor()
        for record in (policy_record(), reviewer_record("ann")):
            desk.follow(record)
        desk.restore([record for record in written if record.name == "reviews.tasks"], [])
        now = START + step * (DAY - MINUTE)
        inputs = [routed("d1", route="auto", audit=True)] if step == 0 else []
        written += as_written(desk.process(inputs, now))
    said = [record for record in written if record.name == "resolutions"]
    assert len(said) == 2
    assert "resolutions" not in desk.process([], now + 20 * DAY).topics


def test_the_final_word_names_everybody_who_decided_also_where_two_agreed(world: DeskWorld) -> None:
    world.arrive("d1", reasons=("big",))
    for name in ("ann", "bob"):
        world.decide(name, task_id="d1")
    world.wait(DAY)
    assert [record["decided_by"] for record in world.said["resolutions"]] == [["ann", "bob"]] * 2
    assert world.last("resolutions")["final"]
