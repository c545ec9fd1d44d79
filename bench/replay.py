"""A candidate policy on a million decisions of history, in the embedded ClickHouse."""

import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import TIMESTAMP_CREATE_TIME

from bench.decisions import POLICY, SUBJECTS, decisions
from interlock.encryption.keys import KeyStore
from interlock.encryption.master import KEY_BYTES, LocalMasterKey
from interlock.encryption.sqlite_store import SqliteKeyStore
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


def run(
    count: int = 1_000_000,
    rounds: int = 3,
    say: Callable[[str], None] = lambda _: None,
    *,
    sealed: bool = False,
    subjects: int = SUBJECTS,
) -> dict[str, Any]:
    """Seconds of the live policy and of a candidate on `count` decisions, on the clock and of this process; its memory.

    `sealed`: the decisions are stored under keys of `subjects` people.
    """
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
        store = Path(directory) / "keys"
        with closing(_keys(store)) as sealing:
            _fill(client, live, count, say, sealing if sealed else None, subjects)
        before = _peak()
        seconds: dict[str, list[float]] = {"live": [], "candidate": []}
        busy: dict[str, list[float]] = {"live": [], "candidate": []}
        for _ in range(rounds):
            for name, policy in (("live", live), ("candidate", candidate)):
                # Every key is read from the store, as in a command that has just begun.
                with closing(_keys(store)) as keys:
                    begun, worked = time.perf_counter(), time.process_time()
                    result = replay(client, policy, since, since + timedelta(days=7), keys)
                    seconds[name].append(time.perf_counter() - begun)
                    busy[name].append(time.process_time() - worked)
                say(
                    f"{name}: {seconds[name][-1]:.1f} s, {busy[name][-1]:.1f} s of this process, "
                    f"{result.rerouted:,} of {result.decisions:,} rerouted"
                )
                if name == "live" and (result.rerouted or result.other_reasons):
                    raise AssertionError("the live policy did not give every route and reason again")
    return {
        "decisions": result.decisions,
        "seconds_live": min(seconds["live"]),
        "seconds_candidate": min(seconds["candidate"]),
        "process_seconds_live": min(busy["live"]),
        "process_seconds_candidate": min(busy["candidate"]),
        "peak_memory_mib": _peak(),
        "peak_memory_mib_before": before,
        "rerouted": result.rerouted,
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB


def _keys(path: Path) -> SqliteKeyStore:
    return SqliteKeyStore(path, lambda _: LocalMasterKey(bytes(KEY_BYTES)))


def _fill(
    client: Client, policy: Policy, count: int, say: Callable[[str], None], keys: KeyStore | None, subjects: int
) -> None:
    state = RouterState()
    state.policies[policy.name] = compile_policy(policy)
    router = Router(state, RouterSettings(bytes(16)))
    offsets: dict[str, int] = defaultdict(int)
    for batch in range(-(-count // _BATCH)):
        at = _START + batch * _BATCH * (_WEEK // count)
        made = decisions(min(_BATCH, count - batch * _BATCH), batch, at * 1000, subjects)
        messages = [_Message("decisions", number, at, key, value) for number, (key, value) in enumerate(made)]
        outputs = router.process(messages, at * 1000)
        by_topic: dict[str, list[_Message]] = defaultdict(list)
        for topic, key, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True):
            if topic in {route.name for route in catalogue.ROUTE_TOPICS}:
                by_topic[topic].append(_Message(topic, offsets[topic], at, key or b"", value or b""))
                offsets[topic] += 1
        for topic, stored in by_topic.items():
            chunk = Chunk(topic, 0, stored[0].offset(), stored[-1].offset())
            client.insert_arrow(TARGETS[topic].table, to_arrow(stored, chunk, "bench", keys))
        say(f"{(batch + 1) * _BATCH:,} decisions stored")
