"""Reads the verdicts that are most likely wrong, for a lead to look at again."""

from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from interlock.learning.doubtful_verdicts import doubt, record
from interlock.learning.reviewer_errors import GoldItems

# First verdicts on what was chosen for people, the latest first: as many as are ranked within a second.
_VERDICTS = """SELECT decision_id, task_id, reviewer, prediction, outcome, overridden, confidence, at
FROM outcomes
WHERE outcomes.reviewed AND domain = {domain:String} AND outcomes.reviewer != '' AND confidence >= 0 AND confidence <= 1
    AND kafka_timestamp > now64(6) - toIntervalDay({days:UInt32})
    AND overridden IN {overridden:Array(Bool)}
ORDER BY at DESC, outcome_id
LIMIT 200000"""

_GOLD = """SELECT
    reviewer,
    countIf(prediction != gold_outcome), countIf(prediction != gold_outcome AND outcome != prediction),
    countIf(prediction = gold_outcome), countIf(prediction = gold_outcome AND outcome = prediction)
FROM outcomes
WHERE error = '' AND kind = 'gold' AND NOT seeded AND domain = {domain:String} AND outcomes.reviewer != ''
GROUP BY reviewer"""


def doubtful(client: Client, domain: str, days: int, limit: int, confirmed: bool | None = None) -> list[dict[str, Any]]:
    """For JSON: the `limit` verdicts of the latest days that are most likely wrong, the most doubtful first.

    `confirmed`: only those that left the model's answer, or only those that changed it. Raises ClickHouseError.
    """
    overridden = [False, True] if confirmed is None else [not confirmed]
    asked = {"domain": domain, "days": days, "overridden": overridden}
    rows = client.query(_VERDICTS, parameters=asked).result_rows
    if not rows:
        return []
    gold = {name: GoldItems(*counts) for name, *counts in client.query(_GOLD, parameters=asked).result_rows}
    records = {name: record(gold.get(name, GoldItems())) for name in {row[2] for row in rows}}
    doubts = doubt(
        np.array([not row[5] for row in rows]),
        np.array([row[6] for row in rows]),
        np.array([records[row[2]][0] for row in rows]),
        np.array([records[row[2]][1] for row in rows]),
    )
    names = ("decision_id", "task_id", "reviewer", "prediction", "outcome", "overridden", "confidence", "at")
    order = np.argsort(-doubts, kind="stable")[:limit]
    return [dict(zip(names, rows[place], strict=True)) | {"doubt": float(doubts[place])} for place in order]
