"""How long records are kept: what the packs of published policies and the settings demand, and what the tables do.

A pack's floor is raised by `interlock prepare`, not by hand. Nothing is shortened but by an explicit setting, and never
below a floor: what was decided under a pack stays as long as the pack says.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interlock.errors import UnavailableError
from interlock.platform.connection import Platform
from interlock.policies.honouring import UnhonouredPackError
from interlock.policies.publishing import published_policies
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved
from interlock.sinks.rows import TARGETS
from interlock.sinks.table_options import keep_rows

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as ClickHouseClient

# Of ClickHouse's units. Months and quarters differ and count as short: whoever means days writes days.
_DAYS_OF = {"Day": 1, "Week": 7, "Month": 30, "Quarter": 90, "Year": 365}

# As ClickHouse writes it in `engine_full`, whatever it was given as. Units below a day keep nothing for a day.
_TTL = re.compile(r"\bTTL (?P<column>\w+) \+ toInterval(?P<unit>\w+)\((?P<number>\d+)\)(?= SETTINGS|$)")
_ANY_TTL = re.compile(r"\bTTL\b")


@dataclass(frozen=True, slots=True)
class Demand:
    """For how many days records must be kept, and who says so, in words; 0 days: nobody does."""

    days: int
    source: str


NOBODY = Demand(0, "no pack of a published policy")


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days a table keeps its rows, and will after `interlock prepare`; None: for ever. 0 stands for less
    than a day, or for a rule of its own, which is changed by hand only."""

    table: str
    days: int | None
    wanted: int | None

    @property
    def text(self) -> str:
        """On one line."""
        return f"{_told(self.table, self.days)} → {self.wanted} d" if self.days != self.wanted else self.table


def demand(policies: Iterable[Policy]) -> Demand:
    """The longest that a pack of `policies` demands."""
    found = [
        Demand(pack.retention_days, f"pack {pack.name} of policy {policy.name}")
        for policy in policies
        for pack in policy.packs
        if pack.retention_days
    ]
    return max(found, key=lambda one: one.days, default=NOBODY)


def plan(days: Mapping[str, int | None], demanded: int, setting: int | None) -> list[Kept]:
    """What each table should keep. `days`: by table, as `kept_days` tells. `setting`: what the operator asks for.

    Without a setting only what is too short changes. With one every table gets it, but never less than `demanded`.
    A table that keeps rows for ever, and one with a rule of its own, stay as they are.
    """
    return [Kept(table, kept, _wanted(kept, demanded, setting)) for table, kept in days.items()]


def _wanted(kept: int | None, demanded: int, setting: int | None) -> int | None:
    if not kept:
        return kept
    return max(demanded, kept if setting is None else setting)


def short_kept(policies: Iterable[Policy], days: Mapping[str, int | None]) -> Iterator[str]:
    """A line for each policy whose packs demand more days than a table keeps. `days`: by table; None: for ever."""
    for policy in policies:
        demanding = max(policy.packs, key=lambda pack: pack.retention_days, default=None)
        if demanding is None:
            continue
        demanded = demanding.retention_days
        short = [(table, kept) for table, kept in days.items() if kept is not None and kept < demanded]
        if short:
            yield (
                f"policy {policy.name}, pack {demanding.name}: records must be kept for {demanded} days, and "
                f"ClickHouse keeps rows for less in {', '.join(_told(*one) for one in short)}. "
                f"{_remedy(short, demanded)}"
            )


def _remedy(short: Sequence[tuple[str, int]], demanded: int) -> str:
    by_hand = [table for table, kept in short if not kept]
    remedies = []
    if len(by_hand) < len(short):
        remedies.append(
            "`interlock prepare` lengthens it for a policy in force, and before with "
            f"INTERLOCK_CLICKHOUSE__RETENTION_DAYS={demanded}"
        )
    if by_hand:
        remedies.append(f"by hand: ALTER TABLE {' | '.join(by_hand)} MODIFY TTL inserted_at + INTERVAL {demanded} DAY")
    return "; ".join(remedies)


def prepare_retention(platform: Platform) -> list[str]:
    """Lets every table keep its rows for as long as the packs in force and the setting demand; a line for each that was
    changed. Raises InterlockError, KafkaException and ClickHouse's errors."""
    settings = platform.settings.clickhouse
    demanded = demand(_published(platform))
    found = plan(_kept(platform), demanded.days, settings.retention_days)
    changes = [one for one in found if one.days != one.wanted]
    keep_rows(platform.clickhouse(), {one.table: one.wanted for one in changes if one.wanted}, cluster=settings.cluster)
    return [f"rows are kept: {one.text} ({_why(one, demanded)})" for one in changes]


def _why(change: Kept, demanded: Demand) -> str:
    return demanded.source if change.wanted == demanded.days else "INTERLOCK_CLICKHOUSE__RETENTION_DAYS"


def retention_summary(platform: Platform) -> str:
    """How long each table keeps its rows against what is demanded, in words. Raises as `retention_problems`."""
    demanded = demand(_published(platform))
    by_days: dict[int | None, list[str]] = {}
    for table, kept in _kept(platform).items():
        by_days.setdefault(kept, []).append(table)
    told = "; ".join(
        f"{'for ever' if kept is None else f'{kept} d'}: {', '.join(tables)}"
        for kept, tables in sorted(by_days.items(), key=lambda one: (one[0] is None, one[0] or 0))
    )
    return f"demanded: {demanded.days} d by {demanded.source}. Kept {told}"


def _kept(platform: Platform) -> dict[str, int | None]:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        return kept_days(platform.clickhouse())
    except ClickHouseError as error:
        raise UnavailableError(f"ClickHouse does not tell how long it keeps rows: {error}") from error


def _published(platform: Platform) -> list[Policy]:
    return [from_resolved(record["resolved"]) for record in published_policies(platform.serving_kafka()).values()]


def _told(table: str, days: int | None) -> str:
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
    policies = _published(platform)
    if not demand(policies).days:
        return []
    return list(short_kept(policies, _kept(platform)))


def check_retention(platform: Platform, policy: Policy) -> str:
    """Whether rows are kept for as long as the packs of `policy` demand, before it is put in force or given a share.

    Raises UnhonouredPackError where a table keeps them for less. Where that cannot be seen, says so: ClickHouse may be
    away when a policy is needed in a hurry, and the doctor tells it later. Otherwise empty.
    """
    if not demand([policy]).days:
        return ""
    try:
        kept = _kept(platform)
    except UnavailableError as error:
        return f"whether records are kept for as long as the packs demand cannot be seen: {error}"
    problems = list(short_kept([policy], kept))
    if problems:
        raise UnhonouredPackError(f"nothing was changed: {'; '.join(problems)}. Then repeat.")
    return ""


def _days(engine: str) -> int | None:
    if not _ANY_TTL.search(engine):
        return None
    rule = _TTL.search(engine)
    if rule is None or rule["column"] != "inserted_at":
        return 0
    return _DAYS_OF.get(rule["unit"], 0) * int(rule["number"])
