"""Replay of a policy that a person is writing."""

from contextlib import closing
from datetime import UTC, datetime

from interlock.api.backend import Backend
from interlock.api.policies import parsed
from interlock.policies.replay import Replay, replay
from interlock.policies.replay.times import read_range

# A million decisions take some seconds, and a person waits for a minute if there is something to see.
_SECONDS = 120


def replay_source(backend: Backend, source: str, since: str, until: str) -> Replay:
    """Raises Problem, InterlockError and ClickHouseError."""
    policy = parsed(source)
    start, end = read_range(since, until, datetime.fromtimestamp(backend.now() / 1e6, UTC))
    with closing(backend.platform.clickhouse(seconds=_SECONDS)) as client:
        return replay(client, policy, start, end, backend.platform.keys_to_read)
