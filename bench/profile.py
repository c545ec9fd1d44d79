"""Where the time of a decision goes: the router and the sink's decoding by themselves, without Kafka and ClickHouse."""

import cProfile
import pstats
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.decisions import POLICY, decisions
from interlock.policy.compiled import compile_policy
from interlock.policy.load import load
from interlock.processors.router.candidates import Candidate
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue
from interlock.schemas.columns import Engine
from interlock.sinks import rows
from interlock.sinks.chunk import Chunk

# A fiftieth of a second at 10,000 a second, as in the latency benchmark, and a full batch.
BATCHES = (200, 10_000)

# Of each size: about a second of work.
MESSAGES = 200_000

_ROOT = Path(__file__).parents[1]

# The functions listed: enough to see every step of the router.
LISTED = 25


@dataclass(frozen=True, slots=True)
class _Message:
    """As confluent_kafka's, without Kafka."""

    at: int
    its_key: bytes
    its_value: bytes

    def topic(self) -> str:
        return catalogue.DECISIONS.name

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return self.its_key

    def value(self) -> bytes:
        return self.its_value

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def error(self) -> None:
        return None


def run(count: int = MESSAGES) -> dict[str, Any]:
    """Microseconds for each decision by part and size of batch, what a candidate in shadow costs, and the router's most
    expensive functions.

    `count`: decisions for each figure, two batches of the largest size at least.
    """
    now = time.time_ns() // 1000
    messages = [_Message(offset, *record) for offset, record in enumerate(decisions(BATCHES[-1], created_at=now))]
    microseconds: dict[str, Any] = {}
    engines: tuple[Engine, ...] = ("pyruhvro", "fastavro")
    for engine in engines:
        router = _router(engine)
        for size in BATCHES:
            name = f"router with {engine}, batches of {size:,}"
            microseconds[name] = _microseconds(messages, count // size, size, partial(_route, router, now))
    chunk = Chunk(catalogue.DECISIONS.name, 0, 0, len(messages) - 1)
    microseconds[f"decoding for ClickHouse, chunks of {len(messages):,}"] = _microseconds(
        messages, count // len(messages), len(messages), lambda batch: rows.to_arrow(batch, chunk, "log")
    )
    shadow = {f"batches of {size:,}": _shadow_ratio(messages, count // size, size, now) for size in BATCHES}
    return {
        "microseconds": microseconds,
        "candidate_in_shadow": shadow,
        "functions": _functions(messages, count // 2, now),
    }


def _router(engine: Engine, *, tried: bool = False) -> Router:
    """`tried`: with a candidate beside the policy, which is asked about every decision and decides nothing."""
    state = RouterState()
    policy = compile_policy(load(Path(POLICY)))
    state.policies[policy.name] = policy
    if tried:
        state.candidates[policy.name] = Candidate(compile_policy(policy.policy, "candidate"), policy.version, 0.0)
    return Router(state, RouterSettings(b"0123456789abcdef", engine=engine))


def _route(router: Router, now: int, batch: Sequence[_Message]) -> None:
    outputs = router.process(batch, now)
    for _ in zip(outputs.topics, outputs.keys, outputs.values, outputs.headers, strict=True):
        pass


def _microseconds(
    messages: Sequence[_Message], batches: int, size: int, work: Callable[[Sequence[_Message]], object]
) -> float:
    """The fastest batch: what the others took longer is not the code's."""
    source = cycle(messages)
    fastest = float("inf")
    for _ in range(batches):
        batch = list(islice(source, size))
        started = time.perf_counter()
        work(batch)
        fastest = min(fastest, time.perf_counter() - started)
    return round(fastest / size * 1e6, 3)


def _shadow_ratio(messages: Sequence[_Message], batches: int, size: int, now: int) -> float:
    """CPU time of the router with a candidate in shadow over that without one: median over batches, in alternation."""
    routers = _router("pyruhvro"), _router("pyruhvro", tried=True)
    source, ratios = cycle(messages), []
    for _ in range(batches):
        batch, taken = list(islice(source, size)), []
        for router in routers:
            started = time.process_time()
            _route(router, now, batch)
            taken.append(time.process_time() - started)
        ratios.append(taken[1] / taken[0])
    return round(statistics.median(ratios), 2)


def _functions(messages: Sequence[_Message], count: int, now: int) -> list[tuple[str, float, float]]:
    """Shares of the router's time by function of ours, with everything it calls: in small batches, in large ones."""
    small, large = (_shares(messages, count // size, size, now) for size in BATCHES)
    most_expensive = sorted(small, key=lambda name: -small[name])[:LISTED]
    return [(name, round(small[name], 3), round(large.get(name, 0.0), 3)) for name in most_expensive]


def _shares(messages: Sequence[_Message], batches: int, size: int, now: int) -> dict[str, float]:
    router = _router("pyruhvro")
    source = cycle(messages)
    profile = cProfile.Profile()
    for _ in range(batches):
        batch = list(islice(source, size))
        profile.enable()
        _route(router, now, batch)
        profile.disable()
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    seconds = {
        f"{Path(file).relative_to(_ROOT).with_suffix('')}.{name}": cumulative
        for (file, _, name), (_, _, _, cumulative, _) in stats.items()
        if file.startswith(str(_ROOT)) and "site-packages" not in file
    }
    whole = max(seconds.values())
    return {name: cumulative / whole for name, cumulative in seconds.items()}
