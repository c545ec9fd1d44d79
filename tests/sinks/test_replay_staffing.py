"""Who worked when and was qualified for what, as a replay reads it from ClickHouse."""

from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from interlock.policies.replay.breaches import Shift
from interlock.policies.replay.staffing import staffing
from interlock.schemas import catalogue, wire
from tests.sinks.replay_world import Stored
from tests.sinks.review_records import DAY, MINUTE, START, outcome, reviewer


def test_shifts_have_what_the_roster_said_by_the_end_of_the_range_and_services_the_times_of_verdicts(
    own: Client,
) -> None:
    stored = Stored(own)
    written = [("d-1", "ann", 1), ("d-2", "ann", 31), ("d-3", "ben", 5), ("d-4", "cem", 5)]
    stored.insert(
        catalogue.OUTCOMES.name,
        [
            (
                name.encode(),
                wire.encode(
                    "Outcome",
                    outcome(name, reviewer=who, claimed_at=START, at=START + minutes * MINUTE),
                ),
                START // 1000,
            )
            for name, who, minutes in written
        ],
    )
    clerk, physician = ({"name": name, "expires_at": None} for name in ("clerk", "physician"))
    people = [
        ("ann", [clerk], START - DAY),
        ("ann", [physician, {"name": "german", "expires_at": START + DAY}], START - MINUTE),
        ("ann", [], START + 2 * DAY),  # after the range
        ("ben", [clerk], START - DAY),
    ]
    records = [
        (who.encode(), wire.encode("Reviewer", reviewer(who, qualifications=held)), at // 1000)
        for who, held, at in people
    ]
    # Ben has left since.
    stored.insert(catalogue.REVIEWERS.name, [*records, (b"ben", None, START // 1000)])
    since = datetime.fromtimestamp(START / 1_000_000, UTC)
    found = staffing(own, since - timedelta(hours=1), since + timedelta(days=1))
    queues = frozenset({"underwriting"})
    assert sorted(found.shifts, key=lambda shift: shift.reviewer) == [
        Shift("ann", START, START + 31 * MINUTE, queues, {"physician": None, "german": START + DAY}),
        Shift("ben", START, START + 5 * MINUTE, queues, {"clerk": None}),
        Shift("cem", START, START + 5 * MINUTE, queues, None),
    ]
    assert sorted(found.services["underwriting"]) == [MINUTE, 5 * MINUTE, 5 * MINUTE, 31 * MINUTE]
