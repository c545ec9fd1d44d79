"""By when a task must be decided, and what its subject is told, is fixed by the policy that routed the decision.

A later policy can want it earlier, or in other words, and not later or never.
"""

import pytest

from interlock.policy.duties import levels_of, notices_of
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, DeskWorld
from tests.processors.desk.told_duties import MONDAYS, PLAIN, kept_alerts, told, withdraw

HURRIED = POLICY.replace("name: bank\n", "name: bank\nservice_levels: {high: 1h, medium: 8h}\n")


def test_a_later_policy_that_gives_more_time_leaves_open_tasks_their_deadline_and_says_so() -> None:
    world = DeskWorld(HURRIED)
    world.hire("lee", role="lead")
    for priority in ("high", "medium", "low"):
        world.arrive(f"loan {priority}", priority=priority, **told(HURRIED))
    world.set_policy(POLICY)
    world.wait(0)
    deadlines = [world.task(f"loan {priority}").deadline - world.now for priority in ("high", "medium", "low")]
    assert deadlines == [HOUR, 8 * HOUR, 3 * DAY]
    (alert,) = kept_alerts(world)
    assert "1 keep the earlier deadline of priority high; 1 keep the earlier deadline of priority medium." in str(
        alert["message"]
    )
    assert world.arrive("new", priority="high", **told(POLICY)).deadline - world.now == 4 * HOUR
    world.wait(45 * MINUTE)
    assert world.events("loan high") == ["arrived", "duties_kept", "warned"], "at three quarters of the hour it has"


def test_a_later_policy_that_gives_less_time_counts_for_open_tasks() -> None:
    world = DeskWorld()
    world.arrive("d1", priority="high", **told(POLICY))
    world.set_policy(HURRIED)
    world.wait(0)
    assert world.task("d1").deadline == world.now + HOUR
    assert kept_alerts(world) == []


def test_of_two_working_times_the_one_counts_in_which_the_deadline_is_earlier() -> None:
    begun_now = DeskWorld().now
    wall, mondays = DeskWorld(POLICY), DeskWorld(MONDAYS)
    tasks = [
        world.arrive("d1", priority="high", **told(policy)) for world, policy in ((wall, POLICY), (mondays, MONDAYS))
    ]
    assert tasks[1].deadline > tasks[0].deadline
    for world, policy in ((wall, MONDAYS), (mondays, POLICY)):
        world.set_policy(policy)
        world.wait(0)
        assert world.task("d1").deadline == begun_now + 4 * HOUR
    assert ["earlier deadline" in str(alert["message"]) for alert in kept_alerts(wall)] == [True]
    assert kept_alerts(mondays) == []


def test_a_raised_priority_has_the_service_level_that_it_was_routed_with() -> None:
    raising = HURRIED.replace(PLAIN, "  underwriting: {on_breach: raise_priority}")
    world = DeskWorld(raising)
    world.arrive("d1", priority="medium", **told(raising))
    world.set_policy(POLICY.replace(PLAIN, "  underwriting: {on_breach: raise_priority}"))
    world.wait(8 * HOUR)
    assert (world.task("d1").priority, world.task("d1").deadline) == ("high", world.now + HOUR)


def test_a_withdrawn_policy_leaves_a_raised_priority_its_service_level() -> None:
    world = DeskWorld(HURRIED)
    world.hire("ann")
    world.arrive("d1", priority="medium", **told(HURRIED))
    world.decide("ann")
    withdraw(world)
    assert world.command("appeal", "ann", task_id="d1", reason_text="look again")["accepted"]
    assert world.task("d1").deadline == world.now + HOUR, "appeals have priority high"


@pytest.mark.parametrize(
    ("later", "notices", "kept"),
    [
        (POLICY.replace(", notice: adverse_action", ""), ["adverse_action"], True),
        (POLICY.replace("adverse_action", "refusal"), ["refusal"], False),
        (None, ["adverse_action"], True),
    ],
    ids=["left out", "another one", "withdrawn"],
)
def test_the_notice_of_an_outcome_is_due_as_it_was_when_the_decision_was_routed(
    later: str | None, notices: list[str], kept: bool
) -> None:
    world = DeskWorld()
    world.hire("ann")
    world.arrive("d1", **told(POLICY))
    if later is None:
        withdraw(world)
    else:
        world.set_policy(later)
        world.wait(0)
    world.decide("ann", "reject")
    assert world.last("resolutions")["notices"] == notices
    assert (world.last("actions")["kind"], world.last("actions")["notices"]) == ("notify", notices)
    assert ["the notice adverse_action of reject" in str(alert["message"]) for alert in kept_alerts(world)] == [
        True for _ in range(kept)
    ]


def test_where_the_router_told_neither_service_levels_nor_notices_those_in_force_count() -> None:
    world = DeskWorld(HURRIED)
    world.hire("ann")
    world.arrive("d1", priority="high", **(told(HURRIED) | {"service_levels": "", "outcome_notices": ""}))
    world.set_policy(POLICY.replace(", notice: adverse_action", ""))
    world.wait(0)
    assert world.task("d1").deadline == world.now + 4 * HOUR
    world.decide("ann", "reject")
    assert world.last("resolutions")["notices"] == []


def test_service_levels_and_notices_that_cannot_be_read_count_as_not_told() -> None:
    for text in ("", "{", "[]", '{"high":0}', '{"urgent":5}', '{"high":"soon"}'):
        assert levels_of(text) is None
        assert notices_of(text if text != '{"high":"soon"}' else '{"reject":"adverse_action"}') == {}
    assert levels_of('{"high":60}') == {"critical": 3600, "high": 60, "medium": 86_400, "low": 259_200}
    assert notices_of('{"reject":["adverse_action"]}') == {"reject": ("adverse_action",)}
