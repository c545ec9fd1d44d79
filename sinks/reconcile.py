"""The proof that every committed record is in ClickHouse exactly once, in tables and roll-ups alike, and that every
decision has exactly one route or is a challenger's.

Kafka is read in full, up to what the sink says it has inserted. Everything may run meanwhile: only records before the
offsets of the start are compared.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from interlock.schemas import catalogue
from interlock.sinks import ledger
from interlock.sinks.ledger import PartitionCheck, RollUpCheck, Tally
from interlock.sinks.route_check import Decisions, Outputs, RouteCheck, key_hashes
from interlock.sinks.rows import TARGETS
from interlock.streams.offsets import committed_offsets
from interlock.streams.ports import Broker
from interlock.streams.ranges import read_topic

# Enough to see a pattern; the counts say how many there are.
MAX_EXAMPLES = 10

_OUTPUTS = tuple(topic.name for topic in (*catalogue.ROUTE_TOPICS, catalogue.SHADOW, catalogue.DEAD_LETTER))


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The comparison. `examples`: keys of decisions with a wrong number of routes."""

    partitions: Sequence[PartitionCheck]
    roll_ups: Sequence[RollUpCheck]
    routes: RouteCheck
    examples: Sequence[str]

    @property
    def ok(self) -> bool:
        """Whether every count agrees. Lag is no disagreement."""
        counts_agree = all(check.ok for check in self.partitions) and all(check.ok for check in self.roll_ups)
        return counts_agree and self.routes.ok

    @property
    def lag(self) -> int:
        """Offsets that the sink has not inserted yet, over all partitions."""
        return sum(check.lag for check in self.partitions)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        routes = {name: value for name, value in asdict(self.routes).items() if name != "wrong"}
        return {
            "ok": self.ok,
            "lag": self.lag,
            "partitions": [asdict(check) | {"ok": check.ok} for check in self.partitions],
            "roll_ups": [asdict(check) | {"ok": check.ok} for check in self.roll_ups],
            "routes": routes | {"ok": self.routes.ok, "examples": list(self.examples)},
        }

    def as_table(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Columns and rows for a person: what was compared, both counts, lag, and what is wrong."""
        rows: list[tuple[Any, ...]] = [
            (
                f"{check.topic} {check.partition}",
                check.table,
                check.in_kafka,
                check.in_clickhouse,
                check.lag,
                check.verdict,
            )
            for check in self.partitions
            if check.in_kafka or check.in_clickhouse or check.lag
        ]
        rows += [
            (
                f"roll-up of {check.topic}",
                check.roll_up,
                check.in_table,
                check.in_roll_up,
                0,
                "ok" if check.ok else "differs",
            )
            for check in self.roll_ups
        ]
        routes = self.routes
        wrong = {
            "missing": routes.missing,
            "doubled": routes.doubled,
            "unknown": routes.unknown,
            "wrong copies": routes.wrong_copies,
        }
        verdict = ", ".join(f"{count} {name}" for name, count in wrong.items() if count) or "ok"
        if self.examples:
            verdict += f" ({', '.join(self.examples)})"
        routed = routes.routed + routes.dead_letters
        rows.append(("decisions and their routes", "", routes.decisions, routed, 0, verdict))
        if routes.repetitions:
            rows.append(("decisions sent again", "", routes.repetitions, "", 0, "ok"))
        return ("what", "table", "Kafka", "found", "lag", "verdict"), rows


def reconcile(
    broker: Broker,
    client: Client,
    *,
    partitions: Mapping[str, int],
    stream_ids: Mapping[str, str],
    sink_group: str = catalogue.SINK_GROUP,
    router_group: str = catalogue.ROUTER_GROUP,
    sleep: Callable[[float], None] = time.sleep,
) -> Reconciliation:
    """Compares. `partitions`: how many every topic has; topics that do not exist are left out. `stream_ids`: as the
    writer has them. Raises KafkaException and ClickHouseError."""
    partitions = {topic: count for topic, count in partitions.items() if topic in TARGETS}
    inserted = committed_offsets(broker, sink_group, partitions)
    decisions = {name: partitions[name] for name in (catalogue.DECISIONS.name,) if name in partitions}
    before = committed_offsets(broker, router_group, decisions)
    after = before
    tallies: dict[str, Tally] = {}
    outputs, arrived = Outputs(), Decisions()
    # The outputs first and the decisions last, so that every decision with an output is known.
    for topic in sorted(partitions, key=lambda name: (name not in _OUTPUTS, name)):
        if topic == catalogue.DECISIONS.name:
            after = committed_offsets(broker, router_group, decisions)
        tally = tallies[topic] = Tally(topic, {p: inserted[topic, p] for p in range(partitions[topic])})
        for messages in read_topic(broker, topic):
            tally.add(messages)
            if topic in _OUTPUTS:
                outputs.add(topic, messages)
            elif topic == catalogue.DECISIONS.name:
                arrived.add(messages)
        tally.note_ends(broker.end_offsets(topic))
    routes = outputs.judge(
        arrived,
        {number: offset for (_, number), offset in before.items()},
        {number: offset for (_, number), offset in after.items()},
    )
    return Reconciliation(
        partitions=[
            check
            for topic in partitions
            for check in ledger.check_partitions(client, tallies[topic], stream_ids.get(topic, ""))
        ],
        roll_ups=ledger.check_roll_ups(client, tallies, sleep),
        routes=routes,
        examples=_examples(broker, partitions, routes),
    )


def _examples(broker: Broker, partitions: Mapping[str, int], routes: RouteCheck) -> list[str]:
    """Some of the keys behind the wrong hashes: only now worth a second reading, and only as far as needed."""
    # However much is wrong, a hundred times the examples are sure to be found, and looked for quickly.
    wrong = routes.wrong[: 100 * MAX_EXAMPLES]
    keys: dict[bytes | None, None] = {}
    for topic in (catalogue.DECISIONS.name, *_OUTPUTS):
        if not len(wrong) or topic not in partitions:
            continue
        for messages in read_topic(broker, topic):
            indexes = np.flatnonzero(np.isin(key_hashes(messages), wrong)).tolist()
            keys.update((messages[index].key(), None) for index in indexes)
            if len(keys) >= MAX_EXAMPLES:
                break
    return [(key or b"").decode(errors="backslashreplace") for key in list(keys)[:MAX_EXAMPLES]]
