"""Whether the trail that ClickHouse holds is the one that was signed: all chains, and what anchors say of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.sinks.rows import TARGETS
from interlock.sinks.trail.anchors import ChainName, Proved, key_id
from interlock.sinks.trail.chains import Extent, chains, walk
from interlock.sinks.trail.walk import Chain, Walk


@dataclass(frozen=True, slots=True)
class Verification:
    """`walks`: one for each chain. `unknown`: chains with links that no anchor names and that Kafka does not have: the
    sink does not write them. `proved`: what the anchors say."""

    walks: Sequence[Walk]
    unknown: Collection[Chain]
    proved: Proved

    @property
    def ok(self) -> bool:
        """Whether nothing was found. Rows behind the last anchor, and of before the trail, are told and no fault."""
        return not (self.broken or self.unknown or self.proved.refused or self.proved.missing)

    @property
    def broken(self) -> Sequence[Walk]:
        """The chains that are broken, in the order of the table."""
        return [walk for walk in self.walks if walk.broken]

    @property
    def behind(self) -> int:
        """Linked rows that nobody has signed yet."""
        return sum(walk.behind for walk in self.walks)

    def verdict(self, walk: Walk) -> str:
        """What is to be said of one chain."""
        if walk.first_break is not None:
            return f"broken at offset {walk.first_break.offset}"
        if walk.chain in self.unknown:
            return "unknown: no anchor names it, and Kafka has no such log"
        if walk.begins_at is None:
            return "of before the trail" if walk.rows else "all rows have expired"
        return "ok" if walk.whole or walk.previous_given else f"ok, rows before offset {walk.begins_at} have expired"

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": self.ok,
            "behind": self.behind,
            "chains": [self._chain(walk) for walk in self.walks],
            "anchors": {
                "proved": len(self.proved.anchors),
                "latest": self.proved.latest,
                "keys": [key_id(key) for key in self.proved.keys],
                "refused": dict(self.proved.refused),
                "missing": list(self.proved.missing),
            },
        }

    def _chain(self, walk: Walk) -> dict[str, Any]:
        chain, broken, signed = walk.chain, walk.first_break, walk.signed
        return {
            "table": chain.table,
            "stream": chain.stream,
            "topic": chain.topic,
            "partition": chain.partition,
            "rows": walk.rows,
            "not_linked": walk.unlinked,
            "begins_at": walk.begins_at,
            "signed_until": None if signed is None else {"offset": signed.offset, "at": signed.signed_at},
            "behind": walk.behind,
            "verdict": self.verdict(walk),
            "breaks": walk.broken,
            "first_break": None
            if broken is None
            else {
                "offset": broken.offset,
                "problem": broken.problem,
                "meaning": broken.meaning,
                "expected": broken.expected.hex(),
                "found": broken.found.hex(),
            },
        }


def verify(
    client: Client,
    proved: Proved,
    *,
    now: datetime,
    kept_days: Mapping[str, int | None],
    in_kafka: Mapping[str, tuple[str, int]],
    topics: Sequence[str] = (),
    since: datetime | None = None,
    begin: Callable[[int], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Walks all chains of `topics`, or of every topic. `kept_days`: by table; None: for ever. `in_kafka`: stream id and
    number of partitions by topic. `since`: see `walk`. `begin`: told how many rows there are; `progress`: of every
    number that was looked at. Raises ClickHouseError."""
    extents = chains(client, topics)
    begin(sum(extent.rows for extent in extents))
    here = {_name(extent.chain) for extent in extents}
    gone = [
        Extent(Chain(TARGETS[name[1]].table, *name), 0)
        for name in proved.heads
        if name not in here and name[1] in TARGETS and (not topics or name[1] in topics)
    ]
    walks = []
    for extent in [*extents, *gone]:
        chain = extent.chain
        days = kept_days.get(chain.table)
        walks.append(
            walk(
                client,
                chain,
                heads=proved.heads.get(_name(chain), ()),
                expired=None if days is None else now - timedelta(days=days),
                since=since,
                progress=progress,
            )
        )
    unknown = [
        one.chain
        for one in walks
        if one.begins_at is not None and _name(one.chain) not in proved.heads and not _is_present(one.chain, in_kafka)
    ]
    return Verification(walks, unknown, proved)


def _name(chain: Chain) -> ChainName:
    return chain.stream, chain.topic, chain.partition


def _is_present(chain: Chain, in_kafka: Mapping[str, tuple[str, int]]) -> bool:
    """Whether Kafka has that log. Where nobody could ask it, every chain counts as present."""
    if not in_kafka:
        return True
    stream, partitions = in_kafka.get(chain.topic, ("", 0))
    right_table = chain.topic in TARGETS and TARGETS[chain.topic].table == chain.table
    return right_table and chain.stream == stream and chain.partition < partitions
