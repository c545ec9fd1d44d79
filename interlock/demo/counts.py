"""What became of the decisions of one run, from ClickHouse."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

ROUTES = ("auto", "async", "sync", "manual")

_ROUTED = """
SELECT route, count() AS rows, countIf(NOT review_copy) AS decisions,
    countIf(audit AND NOT review_copy) AS audited
FROM routed_decisions WHERE startsWith(decision_id, {run:String}) GROUP BY route
"""
_LETTERS = "SELECT count() FROM dead_letters WHERE startsWith(original_key, {run:String})"
_LATENCY = """
SELECT quantiles(0.5, 0.99)(toUnixTimestamp64Milli(kafka_timestamp) - toUnixTimestamp64Milli(created_at))
FROM routed_decisions WHERE startsWith(decision_id, {run:String}) AND kafka_timestamp > now64(3) - INTERVAL 10 SECOND
"""


_REVIEWS = """
SELECT count(), countIf(overridden), countIf(within_sla),
    quantileIf(0.5)(dateDiff('millisecond', claimed_at, at) / 1000, claimed_at IS NOT NULL)
FROM outcomes WHERE startsWith(decision_id, {run:String}) AND kind != 'gold' AND at >= {since:DateTime64(3)}
"""
_HELD = """
SELECT countIf(state = 'leased'), countIf(breached AND state != 'done'), countIf(state != 'done')
FROM tasks_now WHERE startsWith(decision_id, {run:String})
"""


_EVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Reviews:
    """What people did. `seconds`: median from claim to verdict. `late`: open tasks past their deadline."""

    decided: int = 0
    overridden: int = 0
    in_time: int = 0
    seconds: float = 0.0
    held: int = 0
    late: int = 0
    open: int = 0


@dataclass(frozen=True)
class Counts:
    """`routed` counts decisions, `rows` also their copies for review; latencies in milliseconds of the last seconds."""

    routed: dict[str, int] = field(default_factory=dict)
    audited: int = 0
    rows: int = 0
    dead_letters: int = 0
    latency_p50: float = 0.0
    latency_p99: float = 0.0

    @property
    def done(self) -> int:
        """Decisions that have a route or are a dead letter."""
        return sum(self.routed.values()) + self.dead_letters


def count(client: Client, run: str, *, latency: bool = True) -> Counts:
    """The counts of the run whose decision ids start with `run`."""
    routed = dict.fromkeys(ROUTES, 0)
    audited = rows = 0
    for route, records, decisions, audits in _rows(client, _ROUTED, run):
        routed[route] += decisions
        audited += audits
        rows += records
    ((letters,),) = _rows(client, _LETTERS, run)
    ((quantiles,),) = _rows(client, _LATENCY, run) if latency else (((0.0, 0.0),),)
    return Counts(routed, audited, rows + letters, letters, *(_number(quantile) for quantile in quantiles))


def count_reviews(client: Client, run: str, since: datetime = _EVER) -> Reviews:
    """What people did from `since` on with decisions whose ids start with `run`, and what of these is open."""
    ((decided, overridden, in_time, seconds),) = _rows(client, _REVIEWS, run, since=since)
    ((held, late, waiting),) = _rows(client, _HELD, run)
    return Reviews(decided, overridden, in_time, _number(seconds or 0.0), held, late, waiting)


def _rows(client: Client, query: str, run: str, **parameters: Any) -> Any:
    return client.query(query, parameters={"run": run, **parameters}).result_rows


def _number(value: float) -> float:
    return 0.0 if math.isnan(value) else value
