"""What a policy file may say about queues and calendars, and what its author is told when it says something else."""

from datetime import date

import pytest

from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved, resolved, version

START = (
    "name: small\n"
    "domains:\n"
    "  loans: {models: [m], outcomes: [approve, reject], queue: credit}\n"
    "  cards: {models: [m], outcomes: [approve, refer], queue: credit}\n"
    "queues:\n"
)
HOURS = "time_zone: Europe/Berlin, hours: {mon: [09:00-17:00]}"


def _policy(queue: str) -> Policy:
    return parse(f"{START}  credit: {queue}\n", "p.yaml")


def _problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_queue_says_nothing_it_does_not_have_to() -> None:
    queue = _policy("{}").queues["credit"]
    assert (queue.order, queue.assign, queue.lease, queue.start_within) == ("deadline", "pull", 900, 900)
    assert (queue.on_breach, queue.calendar, queue.qualifications, queue.floors) == ("escalate", None, (), {})


def test_a_policy_without_queues_is_valid() -> None:
    assert parse(START.replace("queues:\n", ""), "p.yaml").queues == {}


@pytest.mark.parametrize(
    ("queue", "complaint"),
    [
        ("{order: dedline}", "order: 'dedline' is not allowed (write 'deadline' or 'score')"),
        ("{assign: both}", "assign: 'both' is not allowed (write 'pull' or 'push')"),
        ("{leese: 5m}", "leese: unknown field (did you mean lease?)"),
        ("{lease: soon}", "lease: write a duration such as 30m, 4h or 3d"),
        ("{floors: {hi: 0.1}}", "floors.hi: 'hi' is not allowed (write 'critical', 'high', 'medium' or 'low')"),
        ("{floors: {high: 0.7, low: 0.4}}", "floors: add up to 1.1, which is more than everything"),
        (
            "{on_breach: aprove}",
            "on_breach: 'aprove' is not an outcome of domain loans, whose tasks come here (did you",
        ),
        (
            "{on_breach: reject}",
            "on_breach: 'reject' is not an outcome of domain cards, whose tasks come here (known: esc",
        ),
        ("{calendar: {zone: UTC}}", "calendar.zone: unknown field (did you mean time_zone?)"),
        ("{calendar: {hours: {mon: [09:00-17:00]}}}", "calendar.time_zone: is required"),
        ("{calendar: {time_zone: UTC}}", "calendar.hours: is required"),
        (
            "{calendar: {time_zone: europe/berlin, hours: {mon: [09:00-17:00]}}}",
            "calendar.time_zone: unknown time zone 'europe/berlin' (did you mean Europe/Berlin?)",
        ),
        (
            "{calendar: {time_zone: Mars, hours: {mon: [09:00-17:00]}}}",
            "calendar.time_zone: unknown time zone 'Mars' (an IANA name such as Europe/Berlin)",
        ),
        ("{calendar: {time_zone: localtime, hours: {mon: [09:00-17:00]}}}", "unknown time zone 'localtime'"),
        ("{calendar: {time_zone: UTC, hours: {monday: [09:00-17:00]}}}", "hours.monday: 'monday' is not allowed"),
        ("{calendar: {time_zone: UTC, hours: {mon: 09:00-17:00}}}", "hours.mon: must be a list"),
        ("{calendar: {time_zone: UTC, hours: {mon: [9-17]}}}", "hours.mon.0: write hours such as 09:00-17:00"),
        ("{calendar: {time_zone: UTC, hours: {mon: [09:00-24:30]}}}", "hours.mon.0: write hours such as 09:00-17:00"),
        ("{calendar: {time_zone: UTC, hours: {mon: [18:00-06:00]}}}", "hours.mon.0: 18:00-06:00 ends before it begins"),
        ("{calendar: {time_zone: UTC, hours: {mon: [09:00-09:00]}}}", "hours.mon.0: 09:00-09:00 ends before it begins"),
        (
            "{calendar: {time_zone: UTC, hours: {mon: [09:00-12:00, 11:59-17:00]}}}",
            "hours.mon: 11:59-17:00 begins before 09:00-12:00 has ended",
        ),
        (
            "{calendar: {time_zone: UTC, hours: {mon: [13:00-17:00, 09:00-12:00]}}}",
            "hours.mon: 09:00-12:00 begins before 13:00-17:00 has ended",
        ),
        ("{calendar: {time_zone: UTC, hours: {}}}", "calendar.hours: a week has at least one hour of work"),
        ("{calendar: {time_zone: UTC, hours: {sun: [09:00-09:59]}}}", "hours: a week has at least one hour of work"),
        (f"{{calendar: {{{HOURS}, holidays: [christmas]}}}}", "holidays.0: write a date such as 2026-12-25"),
        (f"{{calendar: {{{HOURS}, holidays: [20261225]}}}}", "holidays.0: write a date such as 2026-12-25"),
        (f"{{calendar: {{{HOURS}, holidays: [2026-12-25 10:00:00]}}}}", "holidays.0: write a date such as 2026-12-25"),
        (
            f"{{calendar: {{{HOURS}, holidays: ['2026-02-30']}}}}",
            "holidays.0: 2026-02-30 is not a date: day is out of range",
        ),
    ],
)
def test_a_wrong_field_of_a_queue_is_named_with_its_line(queue: str, complaint: str) -> None:
    problems = _problems(f"{START}  credit: {queue}\n")
    assert any(problem.startswith("p.yaml:6: queues.credit.") and complaint in problem for problem in problems), (
        problems
    )


def test_a_queue_that_nothing_comes_to_is_refused_unless_people_send_tasks_there() -> None:
    said = "no domain uses this queue; write escalations: true if only people send tasks here"
    assert _problems(f"{START}  credit: {{}}\n  kredit: {{}}\n") == [
        f"p.yaml:7: queues.kredit: {said} (did you mean credit?)"
    ]
    assert _problems("name: x\nqueues: {credit: {}}\n") == [f"p.yaml:2: queues.credit: {said} (there are no domains)"]
    assert parse(f"{START}  credit: {{}}\n  seniors: {{escalations: true}}\n", "p.yaml").queues["seniors"].escalations


def test_where_queues_are_described_a_domain_s_queue_is_among_them_so_that_no_qualification_is_lost_to_a_typo() -> None:
    problems = _problems(START.replace("reject], queue: credit", "reject], queue: kredit") + "  credit: {}\n")
    assert problems == ["p.yaml:3: domains.loans.queue: 'kredit' is not among the queues (did you mean credit?)"]
    problems = _problems(START.replace("reject], queue: credit", "reject]") + "  credit: {}\n")
    assert problems == ["p.yaml:3: domains.loans.queue: 'general' is not among the queues (known: credit)"]


def test_the_outcome_for_a_breach_is_one_of_every_domain_whose_tasks_can_come() -> None:
    assert _policy("{on_breach: approve}").queues["credit"].on_breach == "approve"
    problems = _problems(f"{START}  credit: {{}}\n  seniors: {{escalations: true, on_breach: refer}}\n")
    assert [problem.partition(", whose")[0] for problem in problems] == [
        "p.yaml:7: queues.seniors.on_breach: 'refer' is not an outcome of domain loans"
    ]


def test_a_reason_code_stands_once() -> None:
    text = "name: x\ndomains:\n  d: {models: [m], outcomes: [a, other], reason_codes: [fraud, error, fraud]}\n"
    assert _problems(text) == ["p.yaml:3: domains.d.reason_codes.2: 'fraud' appears twice (remove one)"]


def test_shares_that_add_up_to_everything_are_no_more_than_everything() -> None:
    # 0.1 + 0.2 + 0.7 and the like are not exactly 1 as binary fractions.
    for shares in ((0.7, 0.2, 0.1), (0.1, 0.2, 0.7), (0.4, 0.35, 0.25), (0.55, 0.35, 0.1)):
        floors = ", ".join(f"{name}: {share}" for name, share in zip(("high", "medium", "low"), shares, strict=True))
        assert len(_policy(f"{{floors: {{{floors}}}}}").queues["credit"].floors) == 3


def test_neither_the_order_of_holidays_nor_a_day_without_hours_has_a_meaning() -> None:
    first = _policy(f"{{calendar: {{{HOURS}, holidays: [2026-12-25, 2026-12-24, 2026-12-25]}}}}")
    second = _policy(
        "{calendar: {time_zone: Europe/Berlin, hours: {sun: [], mon: [09:00-17:00]}, "
        "holidays: [2026-12-24, '2026-12-25']}}"
    )
    assert version(first) == version(second)
    calendar = first.queues["credit"].calendar
    assert calendar is not None
    assert calendar.holidays == (date(2026, 12, 24), date(2026, 12, 25))
    assert from_resolved(resolved(first)) == first
    assert {calendar, second.queues["credit"].calendar} == {calendar}


@pytest.mark.parametrize(
    "queue",
    [
        "{order: score}",
        "{assign: push}",
        "{lease: 16m}",
        "{start_within: 5m}",
        "{on_breach: raise_priority}",
        "{qualifications: [underwriter]}",
        "{floors: {low: 0.1}}",
        f"{{calendar: {{{HOURS}}}}}",
    ],
)
def test_every_field_of_a_queue_is_part_of_the_version(queue: str) -> None:
    assert version(_policy(queue)) != version(_policy("{}"))
