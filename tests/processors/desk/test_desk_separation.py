"""Separation of duties: who judged a case, or is a party to it, does not decide it again."""

from typing import Any

import pytest

from interlock.processors.desk.push_assignment import push
from tests.processors.desk.desk_world import DAY, POLICY, DeskWorld


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob", "cid")
    world.hire("lee", "lou", role="lead")
    return world


def words(world: DeskWorld) -> list[tuple[int, str, str, list[str]]]:
    """Every resolution: version, outcome, source, and who decided."""
    return [
        (record["version"], record["outcome"], record["source"], record["decided_by"])
        for record in world.said["resolutions"]
    ]


def override(world: DeskWorld, actor: str, task_id: str = "d1", **fields: Any) -> dict[str, Any]:
    given = {
        "verdict": "approve",
        "payload_hash": f"hash of {task_id}",
        "reason_code": "other",
        "reason_text": "forged",
    }
    return world.command("override", actor, task_id=task_id, **given | fields)


def appeal(world: DeskWorld, actor: str, task_id: str = "d1", **fields: Any) -> dict[str, Any]:
    return world.command("appeal", actor, task_id=task_id, **{"reason_text": "not me"} | fields)


# Appeals


def test_whoever_files_an_appeal_does_not_decide_it(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    assert appeal(world, "bob")["accepted"]
    refused = world.command("claim", "bob", task_id="d1")
    assert refused["code"] == "same-person"
    assert "bob filed the appeal on d1" in refused["message"]
    assert world.command("reassign", "lee", task_id="d1", to_reviewer="bob")["code"] == "same-person"
    assert world.decide("cid", "approve", task_id="d1")["accepted"]


def test_the_person_in_whose_name_an_appeal_is_filed_does_not_decide_it(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    assert appeal(world, "bob", on_behalf_of=" cid ")["accepted"]
    assert (world.task("d1").on_behalf_of, world.task("d1").parties) == ("cid", ("bob", "cid"))
    assert world.command("claim", "cid", task_id="d1")["code"] == "same-person"
    assert world.claim("lee", "d1")["accepted"]


def test_nobody_who_filed_or_judged_is_pushed_the_appeal() -> None:
    world = DeskWorld(POLICY.replace("underwriting: {}", "underwriting: {assign: push}"))
    world.hire("ann", "bob", "cid")
    world.arrive("d1")
    assert world.decide("ann", "reject", claimed=world.claim("ann", "d1"))["accepted"]
    appeal(world, "bob")
    assert push(world.desk.state, world.now) == []
    assert world.task("d1").assigned_to == "cid"


def test_a_lead_who_files_an_appeal_cannot_end_it_by_an_override_nor_can_another(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    appeal(world, "lee")
    for lead in ("lee", "lou"):
        refused = override(world, lead)
        assert refused["code"] == "appeal-open"
        assert "whoever claims it decides it" in refused["message"]
    assert world.task("d1").state == "waiting"
    assert words(world) == [(1, "reject", "review", ["ann"])]


def test_the_lead_who_filed_an_appeal_does_not_override_what_came_of_it(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    appeal(world, "lee")
    world.decide("bob", "reject")
    assert override(world, "lee")["code"] == "same-person"
    assert override(world, "lou")["accepted"]


def test_an_appeal_against_what_two_people_decided_needs_two_others(world: DeskWorld) -> None:
    world.hire("dan", "eve")
    world.arrive("d1", reasons=("big",))
    world.decide("ann", "reject", task_id="d1")
    world.decide("bob", "reject", task_id="d1")
    appeal(world, "lee")
    for name in ("ann", "bob", "lee"):
        assert world.command("claim", name, task_id="d1")["code"] == "same-person"
    world.decide("cid", "approve", task_id="d1")
    assert len(world.said["resolutions"]) == 1
    world.decide("dan", "approve", task_id="d1")
    assert words(world)[-1] == (2, "approve", "appeal", ["cid", "dan"])


def test_parties_and_judges_stay_out_of_every_later_round(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    appeal(world, "bob")
    world.decide("cid", "reject", task_id="d1")
    world.wait(DAY)
    assert appeal(world, "lee")["accepted"]
    for name in ("ann", "bob", "cid", "lee"):
        assert world.command("claim", name, task_id="d1")["code"] == "same-person"
    assert world.claim("lou", "d1")["accepted"]
