"""Late tasks at the present staffing, by simulation with the desk's own order."""

import pytest

from interlock.policies.replay.breaches import Arrivals, Shift, Staffing, breaches
from interlock.policy.load import parse

HOUR = 3_600_000_000
START = 1_767_225_600_000_000
DAY = 24 * HOUR

SOURCE = """
name: lending
domains:
  loans: {models: [m], outcomes: [yes, no], queue: underwriting}
queues:
  underwriting: {order: deadline}
service_levels: {critical: 1h, high: 4h, medium: 24h, low: 3d}
"""
POLICY = parse(SOURCE, "policy")


def _arrivals(per_hour: int, priority: str = "high") -> list[Arrivals]:
    return [Arrivals("underwriting", priority, START + hour * HOUR, per_hour) for hour in range(24)]


def _staffing(people: int, minutes: int) -> Staffing:
    queues = frozenset({"underwriting"})
    shifts = [Shift(f"r-{number}", START, START + 2 * DAY, queues) for number in range(people)]
    return Staffing(shifts, {"underwriting": [minutes * 60_000_000]})


def test_people_with_time_to_spare_are_late_with_nothing() -> None:
    (queue,) = breaches(POLICY, _arrivals(4), _staffing(2, 15), START + 2 * DAY)
    assert (queue.queue, queue.due, queue.late) == ("underwriting", 96, 0)


def test_with_half_of_the_people_that_are_needed_at_least_as_much_is_late_as_they_cannot_do() -> None:
    (queue,) = breaches(POLICY, _arrivals(8), _staffing(1, 15), START + DAY)
    assert 1 - 96 / 160 <= queue.late / queue.due < 0.9
    assert queue.low <= queue.late <= queue.high


def test_a_day_without_shifts_is_late_with_all_that_is_due() -> None:
    nobody_yet = Staffing([Shift("r", START + 3 * DAY, START + 4 * DAY, frozenset({"underwriting"}))], {"x": [1]})
    (queue,) = breaches(POLICY, _arrivals(2, "critical"), nobody_yet, START + 2 * DAY)
    assert queue.late == queue.due == 48


@pytest.mark.parametrize(
    ("held", "late"),
    [
        ({"clerk": None}, 0),
        (None, 0),
        ({}, 48),
        ({"clerk": START}, 48),
        ({"clerk": START + 12 * HOUR + HOUR // 2}, 24),
    ],
)
def test_who_lacks_a_qualification_of_the_queue_or_has_it_no_more_is_given_nothing(
    held: dict[str, int | None] | None, late: int
) -> None:
    demanding = parse(SOURCE.replace("order: deadline", "order: deadline, qualifications: [clerk]"), "policy")
    shift = Shift("r", START, START + 2 * DAY, frozenset({"underwriting"}), held)
    staffing = Staffing([shift], {"underwriting": [60_000_000]})
    (queue,) = breaches(demanding, _arrivals(2), staffing, START + 2 * DAY)
    assert queue.late == pytest.approx(late, abs=1)


@pytest.mark.parametrize("staffing", [Staffing([], {"underwriting": [1]}), _staffing(0, 15)])
def test_where_nobody_has_worked_nothing_is_claimed(staffing: Staffing) -> None:
    assert breaches(POLICY, _arrivals(2), staffing, START + DAY) == ()


def test_the_same_history_gives_the_same_numbers() -> None:
    chance = [Arrivals("underwriting", "low", START, 3, 2.5)]
    assert breaches(POLICY, chance, _staffing(1, 90), START + DAY * 4) == breaches(
        POLICY, chance, _staffing(1, 90), START + DAY * 4
    )
