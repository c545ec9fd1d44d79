"""What a replay had forecast of a version of a policy, beside what then happened while it was in force.

What happened is told by a replay of the version on its own first days: tasks as they came, errors that took effect
unseen estimated from verdicts by 1/propensity, and answers that people overruled, each as the forecast had counted it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.encryption.keys import KeyStore
from interlock.errors import InterlockError
from interlock.policies.replay.replaying import replay
from interlock.policy.version import from_resolved

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Record = Mapping[str, Any]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """The first days of a version, at most as many as the forecast was of; `whole`: as many, so that its bands hold."""

    since: datetime
    until: datetime
    length: timedelta

    @property
    def whole(self) -> bool:
        return self.until - self.since >= self.length


@dataclass(frozen=True, slots=True)
class Compared:
    """A measure a day: as forecast with its band, and as it came with its interval, a point where it was counted.

    `measure`: tasks (of the queue `of`), errors or overrides. `inside`: whether the interval of what came meets the
    band; None while the version has not been in force for as long as the forecast was of, or where nothing is known.
    """

    measure: str
    of: str
    forecast: float
    low: float
    high: float
    happened: float | None
    happened_low: float | None
    happened_high: float | None
    inside: bool | None


def first_days(forecast: Record, published_at: datetime, until: datetime) -> Period:
    """The days to compare. `until`: when another version came into force, or now."""
    begin, end = (datetime.fromisoformat(str(forecast[name])) for name in ("since", "until"))
    return Period(published_at, min(published_at + (end - begin), until), end - begin)


def replaced_at(versions: Iterable[Record], version: Record) -> datetime | None:
    """When another version came into force after `version`; None where none has."""
    return min((one["published_at"] for one in versions if one["published_at"] > version["published_at"]), default=None)


def compared(
    clickhouse: Callable[[], AbstractContextManager["Client"]], version: Record, until: datetime, keys: KeyStore | None
) -> Record | None:
    """How long a version was in force of the days that its forecast is of, and the measures, for JSON; None where
    nothing was forecast. `unavailable` says why there is nothing to compare.

    `version`: a whole `PolicyVersion` record. `clickhouse`: as `replay` needs it.
    """
    forecast = json.loads(version["forecast"]) if version["forecast"] else {}
    if "queues" not in forecast:
        return None
    try:
        with clickhouse() as client:
            return {**measure(client, version, forecast, until, keys), "unavailable": ""}
    except (KeyError, TypeError, ValueError, StopIteration):
        reason = "the forecast is not as `interlock policy replay --json` writes it"
    except (ClickHouseError, InterlockError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
    return {"days": 0.0, "of_days": 0.0, "measures": [], "unavailable": reason}


def measure(client: "Client", version: Record, forecast: Record, until: datetime, keys: KeyStore | None) -> Record:
    """The days and measures of `compared`. Raises as `replay` does, and where `forecast` is no report of one."""
    period = first_days(forecast, version["published_at"], until)
    found = replay(client, from_resolved(version["resolved"]), period.since, period.until, keys).facts()
    return {
        "days": (period.until - period.since) / _DAY,
        "of_days": period.length / _DAY,
        "measures": [asdict(one) for one in compare(forecast, found, period)],
    }


def compare(forecast: Record, found: Record, period: Period) -> list[Compared]:
    """`forecast`, `found`: facts of the replay before, and of that of the same version on `period`."""
    days, of_days = (period.until - period.since) / _DAY, period.length / _DAY

    def row(name: str, of: str, band: tuple[float, float, float], came: tuple[float, float, float] | None) -> Compared:
        inside = None
        if came is not None and period.whole:
            inside = bool(came[1] <= band[2] and came[2] >= band[1])
        value, low, high = (None, None, None) if came is None else (part / days for part in came)
        expected, least, most = (part / of_days for part in band)
        return Compared(name, of, expected, least, most, value, low, high, inside)

    tasks = {queue["queue"]: float(queue["then"]) for queue in found["queues"]}
    rows = [
        row("tasks", queue["queue"], _band(queue["total"]), (tasks.get(queue["queue"], 0.0),) * 3)
        for queue in forecast["queues"]
    ]
    rows += [
        row("errors", "", _next(of["candidate"]), _known(_errors_of_all(found)["then"]))
        for of in [_errors_of_all(forecast)]
        if of["candidate"]["judged"]
    ]
    if forecast["overrides"]["judged"]:
        rows.append(row("overrides", "", _next(forecast["overrides"]), _known(found["overrides"])))
    return rows


def _errors_of_all(facts: Record) -> Record:
    return next(of for of in facts["errors"] if not of["attribute"])


def _band(total: Record) -> tuple[float, float, float]:
    return total["mean"], total["low"], total["high"]


def _next(total: Record) -> tuple[float, float, float]:
    return total["value"], total["next_low"], total["next_high"]


def _known(total: Record) -> tuple[float, float, float] | None:
    return (total["value"], total["low"], total["high"]) if total["judged"] else None
