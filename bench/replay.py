"""A candidate policy on a million decisions of history, in the embedded ClickHouse."""

import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import TIMESTAMP_CREATE_TIME

from bench.decisions import POLICY, decisions
from interlock.policies.replay import replay
from interlock.policy.compiled import compile_policy
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue
from interlock.sinks.chunk import Chunk
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate
from interlock.sinks.rows import TARGETS, to_arrow

# 2026-01-01: history of a week.
_START = 1_767_225_600_000
_WEEK = 7 * 24 * 3_600_000

# Routed in one batch and stored as one chunk.
_BATCH = 20_000

_MIB = 1024


class _Message:
    """A record as consumers hand it out."""

    def __init__(self, topic: str, offset: int, at: int, key: bytes, value: bytes) -> None:
        self._place = topic, offset
        self._at = at
        self._content = key, value

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._place[1]

    def key(self) -> bytes:
        return self._content[0]

    def value(self) -> bytes:
        return self._content[1]

    def headers(self) -> None:
        return None

    def set_headers(self, headers: Any) -> None:
        raise NotImplementedError

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_CREATE_TIME, self._at

    def error(self) -> None:
        return None


def run(count: int = 1_000_000, rounds: int = 3, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Seconds of the live policy and of a candidate on `count` decisions, and the memory of this process."""
    source = Path(POLICY).read_text()
    live = parse(source, POLICY)
    candidate = parse(source.replace("reject: {auto: 0.90", "reject: {auto: 0.85"), POLICY)
    since = datetime.fromtimestamp(_START / 1000, UTC)
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedClickHouse(ServerSettings.private(Path(directory) / "clickhouse")) as server,
    ):
        client = server.client()
        migrate(client)
        _fill(client, live, count, say)
        before = _peak()
        seconds: dict[str, list[float]] = {"live": [], "candidate": []}
        for _ in range(rounds):
            for name, policy in (("live", live), ("candidate", candidate)):
                begun = time.perf_counter()
                result = replay(client, policy, since, since + timedelta(days=7))
                seconds[name].append(time.perf_counter() - begun)
                say(f"{name}: {seconds[name][-1]:.1f} s, {result.rerouted:,} of {result.decisions:,} rerouted")
                if name == "live" and (result.rerouted or result.other_reasons):
                    raise AssertionError("the live policy did not give every route and reason again")
    return {
        "decisions": result.decisions,
        "seconds_live": min(seconds["live"]),
        "seconds_candidate": min(seconds["candidate"]),
        "peak_memory_mib": _peak(),
        "peak_memory_mib_before": before,
        "rerouted": result.rerouted,
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB


def _fill(client: Client, policy: Policy, count: int, say: Callable[[str], None]) -> None:
    state = RouterState()
    state.policies[policy.name] = compile_policy(policy)
    router = Router(state, RouterSettings(bytes(16)))
    offsets: dict[str, int] = defaultdict(int)
    for batch in range(-(-count // _BATCH)):
        at = _START + batch * _BATCH * (_WEEK // count)
        made = decisions(min(_BATCH, count - batch * _BATCH), batch, at * 1000)
        messages = [_Message("decisions", number, at, key, value) for number, (key, value) in enumerate(made)]
        outputs = router.process(messages, at * 1000)
        by_topic: dict[str, list[_Message]] = defaultdict(list)
        for topic, key, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True):
            if topic in {route.name for route in catalogue.ROUTE_TOPICS}:
                by_topic[topic].append(_Message(topic, offsets[topic], at, key or b"", value or b""))
                offsets[topic] += 1
        for topic, stored in by_topic.items():
            chunk = Chunk(topic, 0, stored[0].offset(), stored[-1].offset())
            client.insert_arrow(TARGETS[topic].table, to_arrow(stored, chunk, "bench"))
        say(f"{(batch + 1) * _BATCH:,} decisions stored")
