"""How much of what was chosen for people is answered, as the desk counts it."""

from typing import Any

from interlock.schemas import wire
from tests.processors.desk.desk_records import Record, policy_record
from tests.processors.desk.desk_stream import DeskStream
from tests.processors.desk.desk_world import POLICY, SECOND

DAY = 86_400 * SECOND
AUDIT: dict[str, Any] = {"route": "auto", "audit": True, "propensity": 0.05}


def tallies(world: DeskStream) -> dict[str, tuple[int, int]]:
    """By way: settled and judged, as they were written last."""
    return {record["way"]: (record["settled"], record["judged"]) for record in world.said("reviews.tallies")}


def judge(world: DeskStream, task_id: str, **fields: Any) -> dict[str, Any]:
    world.send("claim", "ann", task_id=task_id)
    world.decide("ann", task_id, **fields)
    return world.said("reviews.outcomes")[-1]


def office() -> DeskStream:
    world = DeskStream()
    world.hire("ann")
    return world


def test_a_verdict_settles_its_task_and_tells_how_much_of_its_way_is_answered_and_what_is_still_open() -> None:
    world = office()
    world.arrive("d1")
    world.arrive("d2", **AUDIT)
    world.arrive("d3")
    judged = judge(world, "d1")
    assert (judged["way_settled"], judged["way_judged"]) == (1, 1)
    assert (judged["open_audits"], judged["open_reviews"]) == (1, 1)
    judged = judge(world, "d2", verdict="choose", outcome="approve")
    assert (judged["way_settled"], judged["way_judged"]) == (1, 1)
    assert (judged["open_audits"], judged["open_reviews"]) == (0, 1)
    assert tallies(world) == {"async": (1, 1), "audit": (1, 1)}


def test_what_is_late_is_settled_unanswered_and_a_late_verdict_is_counted_as_one_all_the_same() -> None:
    world = office()
    for name in ("d1", "d2", "d3"):
        world.arrive(name)
    world.wait(9 * DAY)
    assert tallies(world) == {"async": (3, 0)}
    judged = judge(world, "d2")
    assert (judged["way_settled"], judged["way_judged"]) == (3, 1)


def test_an_audit_that_ends_unjudged_is_settled_and_a_decision_that_nobody_chose_is_counted_nowhere() -> None:
    world = office()
    world.arrive("d1", **AUDIT)
    world.arrive("d2", route="auto", audit=False, override_until=world.kafka + DAY)
    world.wait(40 * DAY)
    assert tallies(world) == {"audit": (1, 0)}


def test_a_way_is_settled_up_to_its_oldest_task_whatever_waits_on_other_ways() -> None:
    world = office()
    first = world.kafka
    world.arrive("d1", **AUDIT)
    world.wait(SECOND)
    world.arrive("d2")
    judged = judge(world, "d2")
    assert (judged["settled_before"], judged["way_settled_before"]) == (first, judged["at"])


def test_a_desk_that_takes_over_goes_on_counting() -> None:
    world = office()
    world.arrive("d1")
    world.arrive("d2")
    world.wait(9 * DAY)
    world.stop()
    world.start()
    judged = judge(world, "d1")
    assert (judged["way_settled"], judged["way_judged"]) == (2, 1)
    assert tallies(world) == {"async": (2, 1)}


def test_late_tasks_of_before_the_desk_kept_tallies_are_counted_once() -> None:
    world = office()
    for name in ("d1", "d2", "d3"):
        world.arrive(name)
    world.wait(9 * DAY)
    world.written = [record for record in world.written if record.name != "reviews.tallies"]
    for _ in range(2):
        world.stop()
        world.start()
    assert tallies(world) == {"async": (3, 0)}


def test_a_policy_that_gives_late_tasks_more_time_takes_them_back() -> None:
    world = office()
    world.arrive("d1", **AUDIT)
    world.wait(9 * DAY)
    assert tallies(world) == {"audit": (1, 0)}
    world.follow(policy_record(POLICY + "service_levels: {critical: 20d, high: 20d, medium: 20d, low: 30d}\n"))
    world.wait(SECOND)
    assert tallies(world) == {"audit": (0, 0)}


def test_an_unreadable_tally_is_told_of_and_counted_from_now_on() -> None:
    world = office()
    world.written.append(Record("reviews.tallies", b"junk", b"junk"))
    negative = {"settled": -1, "judged": 0, "settled_before": 0, "way_settled_before": 0, "at": 0}
    names = dict.fromkeys(("domain", "model_id", "model_version", "way"), "x")
    key = b'["x", "x", "x", "x"]'
    world.written.append(Record("reviews.tallies", key, wire.encode("Tally", names | negative), 1))
    world.stop()
    world.start()
    told = [alert["message"] for alert in world.said("alerts") if alert["kind"] == "unreadable"]
    assert len(told) == 2
    assert all("counted from now on" in message for message in told)
