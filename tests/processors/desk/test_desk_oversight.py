"""What regulation asks of oversight: a person can bring about another outcome from every state, and no clock may."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.processors.desk.desk_world import DAY, HOUR, POLICY, DeskWorld

WORDS: dict[str, Any] = {"reason_code": "income", "reason_text": "forged payslips"}


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob")
    world.hire("lee", "lou", role="lead")
    return world


def _waiting(world: DeskWorld) -> str:
    world.arrive("d1")
    return "bob"


def _leased_and_given_back(world: DeskWorld) -> str:
    world.arrive("d1")
    lease = world.claim("ann")
    world.command("release", "ann", task_id="d1", epoch=lease["epoch"])
    return "bob"


def _held_by_somebody_who_never_comes_back(world: DeskWorld) -> str:
    world.arrive("d1")
    world.claim("ann")
    world.wait(HOUR)
    return "bob"


def _put_aside(world: DeskWorld) -> str:
    world.arrive("d1")
    lease = world.claim("ann")
    until = world.now + HOUR
    world.command("snooze", "ann", task_id="d1", epoch=lease["epoch"], until=until, **WORDS)
    world.wait(3 * DAY)
    return "bob"


def _escalated(world: DeskWorld) -> str:
    world.arrive("d1")
    lease = world.claim("ann")
    world.command("escalate", "ann", task_id="d1", epoch=lease["epoch"], **WORDS)
    return "lee"


def _late(world: DeskWorld) -> str:
    world.arrive("d1")
    world.wait(10 * DAY)
    return "bob"


@pytest.mark.parametrize(
    "reach",
    [_waiting, _leased_and_given_back, _held_by_somebody_who_never_comes_back, _put_aside, _escalated, _late],
    ids=lambda reach: reach.__name__.strip("_"),
)
def test_a_person_can_bring_about_another_outcome_from_every_state_of_a_task(
    world: DeskWorld, reach: Callable[[DeskWorld], str]
) -> None:
    who = reach(world)
    reply = world.decide(who, "reject", task_id="d1", **WORDS)
    assert reply["accepted"], reply["message"]
    assert world.last("resolutions")["outcome"] == "reject"


def _by_itself(world: DeskWorld) -> tuple[str, str]:
    world.arrive("d1", route="auto", topic="decisions.auto-approved", override_until=world.now + DAY)
    return "ann", "override"


def _by_a_person(world: DeskWorld) -> tuple[str, str]:
    world.arrive("d1")
    world.decide("ann")
    return "lee", "override"


def _by_itself_with_its_window_closed(world: DeskWorld) -> tuple[str, str]:
    world.arrive("d1", route="auto", topic="decisions.auto-approved")
    world.wait(2 * DAY)
    return "bob", "appeal"


def _by_a_person_with_its_window_closed(world: DeskWorld) -> tuple[str, str]:
    world.arrive("d1")
    world.decide("ann")
    world.wait(2 * DAY)
    return "bob", "appeal"


@pytest.mark.parametrize(
    "take_effect",
    [_by_itself, _by_a_person, _by_itself_with_its_window_closed, _by_a_person_with_its_window_closed],
    ids=lambda take_effect: take_effect.__name__.strip("_"),
)
def test_what_took_effect_is_reversed_by_a_person_and_rolled_back_first(
    world: DeskWorld, take_effect: Callable[[DeskWorld], tuple[str, str]]
) -> None:
    who, how = take_effect(world)
    if how == "override":
        given = {"payload_hash": "hash of d1", "verdict": "reject", **WORDS}
        assert world.command("override", who, task_id="d1", **given)["accepted"]
    else:
        assert world.command("appeal", who, task_id="d1", reason_text="not me")["accepted"]
        assert world.decide("lou", "reject", task_id="d1", **WORDS)["accepted"]
    kinds = [action["kind"] for action in world.said["actions"]]
    assert kinds[-3:] == ["roll_back", "execute", "notify"]
    assert world.last("resolutions")["outcome"] == "reject"


@pytest.mark.parametrize("breach", ["escalate", "raise_priority", "reject"])
def test_no_clock_decides_an_appeal(breach: str) -> None:
    world = DeskWorld(POLICY.replace("underwriting: {}", f"underwriting: {{on_breach: {breach}}}"))
    world.hire("ann", "bob")
    world.arrive("d1")
    world.decide("ann")
    assert world.command("appeal", "bob", task_id="d1", reason_text="look again")["accepted"]
    words = len(world.said["resolutions"])
    world.wait(400 * DAY)
    assert (world.task("d1").state, world.task("d1").kind) == ("waiting", "appeal")
    assert len(world.said["resolutions"]) == words
