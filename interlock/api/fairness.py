"""The fairness report of one domain."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from interlock.api.backend import Backend
from interlock.api.problems import not_found
from interlock.policies.replay.fairness import fairness
from interlock.policies.replay.times import read_range

# As long as a replay may take: sealed decisions are opened one by one.
_SECONDS = 120


def fairness_report(backend: Backend, domain: str, since: str, until: str) -> list[dict[str, Any]]:
    """The rows of `interlock fairness --json`. Raises Problem, InterlockError and ClickHouseError."""
    policy = backend.policies.owner(domain)
    if policy is None:
        raise not_found("domain", domain)
    start, end = read_range(since, until, datetime.fromtimestamp(backend.now() / 1e6, UTC))
    with closing(backend.platform.clickhouse(seconds=_SECONDS)) as client:
        return fairness(client, policy, domain, start, end, backend.platform.keys_to_read)
