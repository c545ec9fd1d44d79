"""Reads what the report of the reliance experiment speaks of: verdicts in its arms, and how often models err."""

from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.learning.reliance import Judgement, reliance, too_few_overrides

# The truth of other cases than gold items is not known: a later verdict is an opinion too.
_JUDGEMENTS = """SELECT
    reviewer, domain, arm, gold_outcome, prediction, first_opinion, outcome, seeded,
    (toUnixTimestamp64Micro(at) - toUnixTimestamp64Micro(claimed_at)) / 1000000
FROM outcomes
WHERE error = '' AND arm != '' AND kafka_timestamp > now64(6) - toIntervalDay({days:UInt32})
    AND (outcomes.reviewer = {reviewer:String} OR {reviewer:String} = '')
ORDER BY reviewer, domain"""

# First verdicts of people who were asked and saw the answer, and what is known of the answer itself: audits, which
# hardly anybody could just agree with, and gold items with the answer that the model gave.
_OVERRIDES = """SELECT reviewer, domain, countIf(overridden), count()
FROM outcomes
WHERE error = '' AND kind = 'review' AND round = 0 AND NOT blind AND outcomes.reviewer != ''
    AND kafka_timestamp > now64(6) - toIntervalDay({days:UInt32})
    AND (outcomes.reviewer = {reviewer:String} OR {reviewer:String} = '')
GROUP BY reviewer, domain
ORDER BY reviewer, domain"""
_ERRORS = """SELECT domain, countIf(if(kind = 'gold', prediction != gold_outcome, overridden)), count()
FROM outcomes
WHERE error = '' AND round = 0 AND kafka_timestamp > now64(6) - toIntervalDay({days:UInt32})
    AND ((outcomes.reviewed AND audit) OR (kind = 'gold' AND NOT seeded))
GROUP BY domain"""


def reliance_report(client: Client, days: int, reviewer: str = "") -> dict[str, Any]:
    """For JSON: `reliance` for each reviewer and domain that took part in the latest days, and `overrides` for each
    that saw answers. `reviewer`: only of that person. Raises ClickHouseError."""
    asked = {"days": days, "reviewer": reviewer}
    rows = client.query(_JUDGEMENTS, parameters=asked).result_rows
    reports = [
        {"reviewer": name, "domain": domain, **asdict(reliance(Judgement(*row[2:]) for row in each))}
        for (name, domain), each in groupby(rows, itemgetter(0, 1))
    ]
    errors = {domain: (wrong, of) for domain, wrong, of in client.query(_ERRORS, parameters=asked).result_rows}
    overrides = []
    for name, domain, count, of in client.query(_OVERRIDES, parameters=asked).result_rows:
        wrong, checked = errors.get(domain, (0, 0))
        found = {"reviewer": name, "domain": domain, "overrides": count, "verdicts": of}
        found |= {"errors_of_the_model": wrong, "checked": checked}
        overrides.append(found | {"too_few": too_few_overrides(count, of, wrong, checked)})
    return {"days": days, "reliance": reports, "overrides": overrides}
