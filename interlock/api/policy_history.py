"""Every version of a policy that was ever in force, a page at a time."""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from interlock.api.backend import Backend
from interlock.api.pages import newest_first
from interlock.api.problems import Problem, not_found
from interlock.errors import UnavailableError
from interlock.policies import history
from interlock.policies.history import Record
from interlock.policies.replay import comparisons
from interlock.processors.review.times import micros

# A page that shows a version waits for the replay of its first days.
_SECONDS = 30


def policy_versions(backend: Backend, name: str, cursor: str, limit: int) -> dict[str, Any]:
    """Newest first; `unavailable` says why older ones are missing. Raises Problem and KafkaException."""
    rows, unavailable = history.versions(backend.broker, backend.clickhouse, name)
    if not rows and not unavailable:
        raise not_found("policy", name)
    page, following = newest_first(rows, _key, cursor, limit)
    return {"versions": [history.unpacked(row) for row in page], "next": following, "unavailable": unavailable}


def find_version(backend: Backend, name: str, version: str) -> Record:
    """The latest record of a version. Raises Problem and KafkaException."""
    try:
        return history.find(backend.broker, backend.clickhouse, name, version)
    except history.UnknownVersionError as error:
        raise not_found("policy-version", f"{name}@{version}") from error
    except UnavailableError as error:
        raise Problem(503, "clickhouse-unavailable", str(error), headers={"Retry-After": "5"}) from error


def forecast_beside_what_came(backend: Backend, record: Record) -> Mapping[str, Any] | None:
    """What was forecast of a version beside what then happened; None where nothing was. Raises KafkaException."""
    if not record["forecast"]:
        return None
    rows, _ = history.versions(backend.broker, backend.clickhouse, record["name"])
    until = comparisons.replaced_at(rows, record) or datetime.fromtimestamp(backend.now() / 1e6, UTC)
    keys = backend.platform.keys_to_read
    return comparisons.compared(lambda: closing(backend.platform.clickhouse(seconds=_SECONDS)), record, until, keys)


def _key(record: Record) -> tuple[int, str]:
    published_at: datetime = record["published_at"]
    return micros(published_at), record["version"]
