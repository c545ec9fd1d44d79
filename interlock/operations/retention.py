"""Whether records are kept for as long as the packs of published policies demand."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from interlock.errors import UnavailableError
from interlock.platform.connection import Platform
from interlock.policies.publishing import published_policies
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved
from interlock.sinks.rows import TARGETS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as ClickHouseClient

# Of ClickHouse's units. Months and quarters differ and count as short: whoever means days writes days.
_DAYS_OF = {"Day": 1, "Week": 7, "Month": 30, "Quarter": 90, "Year": 365}

# As ClickHouse writes it in `engine_full`, whatever it was given as. Units below a day keep nothing for a day.
_TTL = re.compile(r"\bTTL (?P<column>\w+) \+ toInterval(?P<unit>\w+)\((?P<number>\d+)\)(?= SETTINGS|$)")
_ANY_TTL = re.compile(r"\bTTL\b")


def short_kept(policies: Iterable[Policy], days: Mapping[str, int | None]) -> Iterator[str]:
    """A line for each policy whose packs demand more days than a table keeps. `days`: by table; None: for ever."""
    for policy in policies:
        demanding = max(policy.packs, key=lambda pack: pack.retention_days, default=None)
        if demanding is None:
            continue
        demanded = demanding.retention_days
        short = [_told(table, kept) for table, kept in days.items() if kept is not None and kept < demanded]
        if short:
            yield (
                f"policy {policy.name}, pack {demanding.name}: records must be kept for {demanded} days, and "
                f"ClickHouse keeps rows for less in {', '.join(short)}. For each: ALTER TABLE … MODIFY TTL inserted_at "
                f"+ INTERVAL {demanded} DAY"
            )


def _told(table: str, days: int) -> str:
    return f"{table} ({days} d)" if days else f"{table} (less than a day, or by a rule of its own)"


def kept_days(client: "ClickHouseClient") -> dict[str, int | None]:
    """For how many days each table with records of Kafka keeps its rows at least; None: for ever. A rule of another
    form than the shipped ones counts as 0 days. Raises ClickHouse's errors."""
    names = sorted({target.table for target in TARGETS.values()})
    rows = client.query(
        "SELECT name, engine_full FROM system.tables "
        "WHERE database = currentDatabase() AND name IN {names:Array(String)} ORDER BY name",
        parameters={"names": names},
    ).result_rows
    return {name: _days(engine) for name, engine in rows}


def retention_problems(platform: Platform) -> list[str]:
    """The same of what is published and of the tables as they stand. Raises UnavailableError and KafkaException."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    published = published_policies(platform.serving_kafka())
    policies = [from_resolved(record["resolved"]) for record in published.values()]
    if not any(pack.retention_days for policy in policies for pack in policy.packs):
        return []
    try:
        return list(short_kept(policies, kept_days(platform.clickhouse())))
    except ClickHouseError as error:
        raise UnavailableError(f"ClickHouse does not tell how long it keeps rows: {error}") from error


def _days(engine: str) -> int | None:
    if not _ANY_TTL.search(engine):
        return None
    rule = _TTL.search(engine)
    if rule is None or rule["column"] != "inserted_at":
        return 0
    return _DAYS_OF.get(rule["unit"], 0) * int(rule["number"])
