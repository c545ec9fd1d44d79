"""Who worked when, qualified for what, and how long tasks took, from the verdicts and the roster in ClickHouse."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from interlock.policies.replay.breaches import Shift, Staffing

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# From the first claim to the last verdict of somebody's day, in UTC: who is there and has nothing to do for a while
# works on.
_SHIFTS = """
SELECT reviewer, min(coalesce(claimed_at, at)) AS begin, max(at) AS end, groupUniqArray(toString(queue)) AS queues
FROM outcomes
WHERE error = '' AND reviewer != '' AND at >= {since:DateTime64(6, 'UTC')} AND at < {until:DateTime64(6, 'UTC')}
GROUP BY reviewer, toDate(at)
ORDER BY begin, reviewer
"""

# Between a second and four hours: what takes less was decided elsewhere, what takes more was left lying. Seeded, so
# that the same history gives the same sample.
_SERVICES = """
SELECT toString(queue), groupArraySample(2000, 1)(dateDiff('microsecond', assumeNotNull(claimed_at), at))
FROM outcomes
WHERE error = '' AND reviewer != '' AND claimed_at IS NOT NULL
    AND at >= {since:DateTime64(6, 'UTC')} AND at < {until:DateTime64(6, 'UTC')}
    AND dateDiff('second', assumeNotNull(claimed_at), at) BETWEEN 1 AND 14400
GROUP BY queue
"""


# The last that the roster said by the end of the range; of those who are no longer on it, what it said before.
_QUALIFICATIONS = """
SELECT key, argMax(qualifications, tuple(kafka_timestamp, kafka_offset))
FROM reviewers
WHERE error = '' AND NOT tombstone AND kafka_timestamp < {until:DateTime64(6, 'UTC')}
GROUP BY key
"""


def staffing(client: "Client", since: datetime, until: datetime) -> Staffing:
    """Of the people who gave a verdict from `since` on and before `until`. Raises ClickHouseError."""
    parameters = {"since": since.astimezone(UTC), "until": until.astimezone(UTC)}
    qualified = {
        reviewer: {one["name"]: None if one["expires_at"] is None else _micros(one["expires_at"]) for one in held}
        for reviewer, held in client.query(_QUALIFICATIONS, parameters=parameters).result_rows
    }
    shifts = [
        Shift(reviewer, _micros(begin), _micros(end), frozenset(queues), qualified.get(reviewer))
        for reviewer, begin, end, queues in client.query(_SHIFTS, parameters=parameters).result_rows
    ]
    services = {queue: times for queue, times in client.query(_SERVICES, parameters=parameters).result_rows}
    return Staffing(shifts, services)


def _micros(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1_000_000)
