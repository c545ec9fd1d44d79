"""The roll-ups of the raw tables: which there are, what they count, and whether they and their tables agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

KAFKA_TIME = "kafka_timestamp"

_MILLISECONDS_PER_HOUR = 3_600_000

# 2105-12-31, the latest time in a raw table (`arrow.with_sane_times`): whoever sends a record chooses its timestamp.
_LATEST_MILLISECONDS = (49_673 * 86_400 - 1) * 1000

# What a key column of a roll-up is in its table, where it is not the column of the same name (as in the view that fills
# the roll-up).
_OF_TABLE = {
    "minute": "toStartOfMinute(kafka_timestamp)",
    "hour": "toStartOfHour(kafka_timestamp)",
    "by_person": "reviewer != ''",
}


@dataclass(frozen=True, slots=True)
class RollUp:
    """One roll-up of `table`. `bucket`: its key column of time. `time`: the column of the table from which that is
    made. `counted`: the rows of the table that it counts. `by_topic`: its rows tell the topics of the table apart."""

    name: str
    table: str
    bucket: str
    time: str = KAFKA_TIME
    counted: str = "1"
    by_topic: bool = False

    @property
    def view(self) -> str:
        """The materialised view that fills it."""
        return f"{self.name}_fill"


def _timed(table: str, stem: str, *, by_topic: bool = False) -> tuple[RollUp, ...]:
    return tuple(RollUp(f"{stem}_by_{bucket}", table, bucket, by_topic=by_topic) for bucket in ("minute", "hour"))


ROLL_UPS: Mapping[str, tuple[RollUp, ...]] = {
    "routed_decisions": _timed("routed_decisions", "routed", by_topic=True),
    "dead_letters": _timed("dead_letters", "dead_letters"),
    "outcomes": _timed("outcomes", "outcomes"),
    # Tasks by round have no time of their records, but one that all records of a round agree in.
    "tasks": (
        *_timed("tasks", "task_events"),
        RollUp("task_round_states", "tasks", "due_from", "due_from", "error = '' AND NOT tombstone"),
    ),
}


@dataclass(frozen=True, slots=True)
class Balance:
    """Records of one topic since some hour, by a roll-up and by its table. `keys_agree`: whether both have them under
    the same keys, by a checksum."""

    in_table: int
    in_roll_up: int
    keys_agree: bool

    @property
    def ok(self) -> bool:
        return self.in_table == self.in_roll_up and self.keys_agree

    @property
    def surplus(self) -> int:
        """Records that the roll-up counts and the table does not have."""
        return self.in_roll_up - self.in_table


def hour_of(milliseconds: int) -> datetime:
    """The beginning of the hour of a time since 1970, clamped as the column is. Every roll-up begins a bucket there."""
    clamped = min(max(milliseconds, 0), _LATEST_MILLISECONDS)
    return datetime.fromtimestamp(clamped // _MILLISECONDS_PER_HOUR * 3600, UTC)


def balance(client: Client, roll_up: RollUp, topic: str, since: datetime, before: datetime | None = None) -> Balance:
    """Compares `roll_up` and its table from the hour `since` to the hour `before`. Raises ClickHouseError."""
    keys = _keys(client, roll_up)
    mine = "kafka_topic = {topic:String} AND " if roll_up.by_topic else ""
    parameters = {"topic": topic} | _bounds(since, before)
    # The roll-up first: rows come into the table first, so that what is under way is never taken for a surplus.
    summed = _one(
        client,
        f"SELECT sum(records), sum(records * cityHash64({', '.join(keys)})) FROM {roll_up.name} "
        f"WHERE {mine}{_within(roll_up.bucket, before)}",
        parameters,
    )
    hashed = ", ".join(_OF_TABLE.get(key, key) for key in keys)
    counted = _one(
        client,
        f"SELECT count(), sum(cityHash64({hashed})) FROM {roll_up.table} "
        f"WHERE {mine}{roll_up.counted} AND {_within(roll_up.time, before)}",
        parameters,
    )
    return Balance(in_table=counted[0], in_roll_up=summed[0], keys_agree=counted[1] == summed[1])


def _within(column: str, before: datetime | None) -> str:
    end = "" if before is None else f" AND {column} < {{before:DateTime('UTC')}}"
    return f"{column} >= {{since:DateTime('UTC')}}{end}"


def _bounds(since: datetime, before: datetime | None) -> dict[str, str]:
    bounds = {"since": since, "before": before}
    return {name: f"{at:%Y-%m-%d %H:%M:%S}" for name, at in bounds.items() if at is not None}


def _keys(client: Client, roll_up: RollUp) -> list[str]:
    """The columns by which the roll-up groups."""
    found = client.query(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
        "AND is_in_sorting_key ORDER BY position",
        parameters={"table": roll_up.name},
    ).result_rows
    return [name for (name,) in found]


def _one(client: Client, query: str, parameters: dict[str, Any]) -> tuple[int, int]:
    ((count, checksum),) = client.query(query, parameters=parameters).result_rows
    return int(count), int(checksum)
