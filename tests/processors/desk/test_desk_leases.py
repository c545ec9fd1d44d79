"""Claiming, holding and giving back."""

import pytest

from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, DeskWorld


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob")
    return world


def test_the_next_task_is_leased_with_all_that_is_needed_to_read_it(world: DeskWorld) -> None:
    world.arrive("d1", offset=7)
    reply = world.claim("ann")
    assert (reply["task_id"], reply["epoch"], reply["topic"], reply["offset"]) == ("d1", 1, "reviews.async", 7)
    assert reply["payload_hash"] == "hash of d1"
    assert reply["lease_until"] == world.now + 15 * MINUTE


def test_two_people_never_hold_one_task(world: DeskWorld) -> None:
    world.arrive("d1")
    world.claim("ann")
    assert world.command("claim", "bob")["code"] == "nothing-to-do"
    reply = world.command("claim", "bob", task_id="d1")
    assert reply["code"] == "held-by-another"
    assert "ann until 2026-01-01T00:15:00Z" in reply["message"]


def test_claiming_what_one_holds_says_so_and_changes_nothing(world: DeskWorld) -> None:
    world.arrive("d1")
    first = world.claim("ann")
    again = world.claim("ann", "d1")
    assert (again["epoch"], again["lease_until"]) == (first["epoch"], first["lease_until"])
    assert world.events("d1") == ["arrived", "claimed"]


def test_a_lease_warns_before_it_expires_and_returns_the_task(world: DeskWorld) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    world.wait(12 * MINUTE)
    assert (world.last("alerts")["kind"], world.last("alerts")["to"]) == ("lease_expiring", ["ann"])
    world.wait(3 * MINUTE)
    assert world.last("alerts")["kind"] == "lease_expired"
    assert world.task("d1").state == "waiting"
    late = world.decide("ann", claimed=lease)
    assert late["code"] == "lease-expired"
    assert "keep your draft" in late["message"]
    assert world.claim("bob")["epoch"] == 2


def test_activity_extends_a_lease(world: DeskWorld) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    for _ in range(5):
        world.wait(10 * MINUTE)
        world.command("extend", "ann", task_id="d1", epoch=lease["epoch"])
    assert world.decide("ann", claimed=lease)["accepted"]


def test_an_old_epoch_is_refused_even_from_the_same_person(world: DeskWorld) -> None:
    world.arrive("d1")
    old = world.claim("ann")
    world.wait(15 * MINUTE)
    world.claim("ann")
    assert world.decide("ann", claimed=old)["code"] == "wrong-epoch"


def test_what_one_skips_with_a_reason_goes_to_others_only(world: DeskWorld) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    world.command("release", "ann", task_id="d1", epoch=lease["epoch"], reason_code="other", reason_text="my neighbour")
    assert world.command("claim", "ann")["code"] == "nothing-to-do"
    assert world.command("claim", "ann", task_id="d1")["code"] == "excluded"
    assert world.claim("bob")["task_id"] == "d1"


def test_what_one_gives_back_without_a_reason_may_come_again(world: DeskWorld) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    world.command("release", "ann", task_id="d1", epoch=lease["epoch"])
    assert world.claim("ann")["task_id"] == "d1"


def test_nobody_holds_more_than_the_capacity(world: DeskWorld) -> None:
    world.hire("cid", capacity=1)
    world.arrive("d1")
    world.arrive("d2")
    world.claim("cid")
    assert world.command("claim", "cid")["code"] == "at-capacity"


def test_a_snoozed_task_comes_back_to_the_same_person_and_its_deadline_stays(world: DeskWorld) -> None:
    deadline = world.arrive("d1").deadline
    lease = world.claim("ann")
    until = world.now + 2 * HOUR
    assert world.command("snooze", "ann", task_id="d1", epoch=lease["epoch"], until=until)["accepted"]
    assert world.command("claim", "bob")["code"] == "nothing-to-do"
    world.wait(2 * HOUR)
    assert (world.task("d1").state, world.task("d1").assigned_to) == ("assigned", "ann")
    assert world.task("d1").deadline == deadline
    assert world.claim("ann")["task_id"] == "d1"


@pytest.mark.parametrize("until", [None, -HOUR, 0, 8 * DAY])
def test_nobody_can_snooze_into_the_past_or_for_ever(world: DeskWorld, until: int | None) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    moment = None if until is None else world.now + until
    assert world.command("snooze", "ann", task_id="d1", epoch=lease["epoch"], until=moment)["code"] == "invalid"


def test_only_people_who_are_known_present_and_at_work_get_tasks(world: DeskWorld) -> None:
    world.arrive("d1")
    assert world.command("claim", "stranger")["code"] == "unknown-reviewer"
    world.hire("dan", on_duty=False)
    assert world.command("claim", "dan")["code"] == "off-duty"
    # 2026-01-01 is a Thursday.
    world.hire("eve", hours=[{"day": 0, "start": 540, "end": 1020}])
    assert world.command("claim", "eve")["code"] == "not-working-hours"


def test_qualifications_and_queues_are_checked_and_qualifications_expire(world: DeskWorld) -> None:
    world.set_policy(QUALIFIED)
    world.arrive("d1")
    assert world.command("claim", "ann", task_id="d1")["code"] == "not-qualified"
    world.hire("fay", qualifications=[{"name": "underwriter", "expires_at": world.now + HOUR}])
    world.hire("gus", queues=["other"])
    assert world.command("claim", "gus", task_id="d1")["code"] == "wrong-queue"
    lease = world.claim("fay")
    world.command("release", "fay", task_id="d1", epoch=lease["epoch"])
    world.wait(HOUR)
    assert "expired" in world.command("claim", "fay", task_id="d1")["message"]


def test_going_off_duty_returns_everything(world: DeskWorld) -> None:
    world.arrive("d1")
    world.claim("ann")
    world.command("off_duty", "ann")
    assert world.task("d1").state == "waiting"
    presence = {"reviewer": "ann", "on_duty": False, "since": world.now, "paused_since": None, "pause_reason": ""}
    assert world.last("reviews.presence") == presence


def test_a_removed_reviewer_returns_everything_and_the_operators_are_told(world: DeskWorld) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    world.dismiss("ann")
    assert world.task("d1").state == "waiting"
    assert (world.last("alerts")["kind"], world.last("alerts")["to"]) == ("reviewer_removed", [])
    assert world.decide("ann", claimed=lease)["code"] == "lease-expired"


def test_an_unknown_task_and_an_unknown_command_are_answered_so(world: DeskWorld) -> None:
    assert world.command("claim", "ann", task_id="nothing")["code"] == "unknown-task"
    assert world.command("dance", "ann")["code"] == "unknown-kind"


QUALIFIED = """
name: bank
domains:
  loan: {models: ['*'], outcomes: [approve, reject], queue: underwriting}
queues:
  underwriting: {qualifications: [underwriter]}
"""


def test_nobody_holds_a_task_for_longer_than_a_working_day_however_often_the_lease_is_extended(
    world: DeskWorld,
) -> None:
    world.arrive("d1")
    lease, begun = world.claim("ann"), world.now
    given = {"task_id": "d1", "epoch": lease["epoch"]}
    while (reply := world.command("extend", "ann", **given))["accepted"] and world.now < begun + DAY:
        world.wait(min(14 * MINUTE, reply["lease_until"] - world.now - 1))
    assert (reply["code"], world.task("d1").lease_until) == ("lease-limit", begun + 8 * HOUR)
    assert "nobody holds a task for longer than 28800 s" in reply["message"]
    assert world.decide("ann", claimed=lease)["accepted"], "what is left of the lease is left"


def test_a_policy_says_for_how_long_a_task_may_be_held(world: DeskWorld) -> None:
    world.set_policy(QUALIFIED.replace("{qualifications: [underwriter]}", "{lease: 10m, lease_limit: 15m}"))
    world.arrive("d1")
    lease, begun = world.claim("ann"), world.now
    world.wait(9 * MINUTE)
    assert world.command("extend", "ann", task_id="d1", epoch=lease["epoch"])["lease_until"] == begun + 15 * MINUTE
    assert world.command("extend", "ann", task_id="d1", epoch=lease["epoch"])["code"] == "lease-limit"
    world.wait(6 * MINUTE)
    assert [alert["kind"] for alert in world.said["alerts"]] == ["lease_expiring", "lease_expired"]
    assert world.claim("ann")["lease_until"] == begun + 25 * MINUTE, "released, it can be claimed again"


def test_a_lease_may_be_as_long_as_the_policy_says() -> None:
    world = DeskWorld(QUALIFIED.replace("{qualifications: [underwriter]}", "{lease: 2d}"))
    world.hire("ann")
    world.arrive("d1")
    assert world.claim("ann")["lease_until"] == world.now + 2 * 24 * HOUR
