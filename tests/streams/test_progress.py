"""Which partitions of which groups are named, and when."""

import pytest

from interlock.streams.progress import Finding, Judge, Progress, WatchedGroup

GROUP = WatchedGroup("interlock-router", "router", ("decisions",), stalled_seconds=20)
PARTITION = ("decisions", 2)


def judged(judge: Judge, progress: Progress, now: float, group: WatchedGroup = GROUP) -> list[Finding]:
    return judge.judge(group, {PARTITION: progress}, now)


def behind(committed: int, lag: int = 5, owner: str | None = None) -> Progress:
    return Progress(committed, 0, waiting=committed, lag=lag, owner=owner)


def test_a_partition_whose_records_wait_while_its_offset_stands_still_is_stalled() -> None:
    judge = Judge()
    assert judged(judge, behind(7), 100) == []
    assert judged(judge, behind(7), 119) == []
    (found,) = judged(judge, behind(7, lag=9), 120)
    assert (found.kind, found.partition, found.since, found.offset, found.records) == ("stalled", PARTITION, 100, 7, 9)
    assert "router stands still at decisions[2]: 9 offsets wait from 7 on" in found.text(120)
    assert found.cause == "interlock-router/decisions/2/7"


def test_a_group_that_has_committed_nothing_is_stalled_too() -> None:
    judge = Judge()
    never = Progress(None, 0, waiting=0, lag=3)
    assert judged(judge, never, 0) == []
    (found,) = judged(judge, never, 20)
    assert (found.kind, found.offset) == ("stalled", 0)


def test_moving_offsets_are_in_order_however_far_behind() -> None:
    judge = Judge()
    assert [judged(judge, behind(10 * now, lag=10**6), now) for now in range(0, 100, 10)] == [[]] * 10


def test_a_quiet_partition_never_stalls_although_markers_stand_behind_its_last_record() -> None:
    judge = Judge()
    assert [judged(judge, Progress(7, 0, waiting=None), now) for now in range(0, 100, 10)] == [[]] * 10
    assert judged(judge, behind(7), 100) == [], "the first record after the silence waits since then only"
    assert judged(judge, behind(7), 111)  # as of the observation before it


def test_the_same_fault_has_the_same_cause_as_long_as_it_lasts_and_another_one_afterwards() -> None:
    judge = Judge()
    judged(judge, behind(7), 0)
    causes = [judged(judge, behind(7), now)[0].cause for now in (20, 30, 40)]
    assert len(set(causes)) == 1
    assert judged(judge, behind(8), 50) == []
    (again,) = judged(judge, behind(8), 70)
    assert again.cause not in causes


def test_an_offset_that_goes_back_is_named_until_it_is_reached_again() -> None:
    judge = Judge()
    judged(judge, behind(6429), 0)
    (found,) = judged(judge, behind(2128), 5)
    assert (found.kind, found.offset, found.records) == ("went_back", 2128, 4301)
    (still,) = judged(judge, behind(3000), 10)
    assert still == found
    assert judged(judge, behind(6429), 15) == []


def test_records_that_were_deleted_before_they_were_read_are_counted() -> None:
    (found,) = judged(Judge(), Progress(100, 1_100, waiting=1_100), 0)
    assert (found.kind, found.records) == ("expired", 1_000)
    assert "1000 records of decisions[2] expired unread" in found.text(0)
    (empty,) = judged(Judge(), Progress(100, 1_100, waiting=None), 0)
    assert empty.kind == "expired"


def test_the_marker_of_the_last_transaction_may_expire() -> None:
    assert judged(Judge(), Progress(100, 101, waiting=None), 0) == []


def test_a_partition_that_no_member_is_assigned_is_named_before_anything_waits_in_it() -> None:
    judge = Judge()
    assert judged(judge, Progress(7, 0, None, owner=""), 0) == []
    (found,) = judged(judge, Progress(7, 0, None, owner=""), 20)
    assert found.kind == "no_owner"
    assert judged(judge, Progress(7, 0, None, owner="router-1"), 25) == []


def test_a_stalled_partition_says_who_is_assigned_it() -> None:
    judge = Judge()
    judged(judge, behind(7, owner=""), 0)
    (found,) = judged(judge, behind(7, owner=""), 20)
    assert "which nobody is assigned" in found.text(20)
    (found,) = judged(judge, behind(7, owner="rdkafka-1"), 25)
    assert "assigned to rdkafka-1" in found.text(25)


def test_while_kafka_is_away_nothing_counts_as_standing_still() -> None:
    judge = Judge()
    judged(judge, behind(7, owner=""), 0)
    judge.forget()
    assert judged(judge, behind(7, owner=""), 1_000) == []
    assert [found.kind for found in judged(judge, behind(7, owner=""), 1_020)] == ["stalled"]


@pytest.mark.parametrize("kind", ["stalled", "no_owner", "went_back", "expired"])
def test_every_finding_says_where_and_what_to_do(kind: str) -> None:
    text = Finding(kind, GROUP, PARTITION, 0, 7, 9).text(30)  # type: ignore[arg-type]
    assert "decisions[2]" in text
    assert "router" in text
