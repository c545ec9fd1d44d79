"""The proof that every committed record stands in ClickHouse exactly once, in tables and roll-ups alike, and that every
decision got exactly one route or is on trial.

Kafka is read in full, up to what the sink says it has inserted. Everything may run meanwhile: what is compared lies
before offsets that were taken at the start.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from interlock.schemas import catalogue
from interlock.sinks import _kafka_reading_old as kafka_reading
from interlock.sinks import ledger
from interlock.sinks._kafka_reading_old import ConsumerFactory
from interlock.sinks.ledger import PartitionCheck, RollUpCheck, Tally
from interlock.sinks.route_check import Decisions, Outputs, RouteCheck, key_hashes
from interlock.sinks.rows import TARGETS
from interlock.sinks.writer import GROUP

ROUTER_GROUP = "interlock-router"

# Enough to see a pattern; the numbers say how many there are.
EXAMPLES = 10

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
        return all(one.ok for one in self.partitions) and all(one.ok for one in self.roll_ups) and self.routes.ok

    @property
    def lag(self) -> int:
        """Offsets that the sink has not inserted yet, over all partitions."""
        return sum(one.lag for one in self.partitions)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        routes = {name: value for name, value in asdict(self.routes).items() if name != "wrong"}
        return {
            "ok": self.ok,
            "lag": self.lag,
            "partitions": [asdict(one) | {"ok": one.ok} for one in self.partitions],
            "roll_ups": [asdict(one) | {"ok": one.ok} for one in self.roll_ups],
            "routes": routes | {"ok": self.routes.ok, "examples": list(self.examples)},
        }

    def as_table(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Columns and rows for a person: what was compared, both counts, lag, and what is wrong."""
        rows: list[tuple[Any, ...]] = [
            (f"{one.topic} {one.partition}", one.table, one.in_kafka, one.in_clickhouse, one.lag, one.verdict)
            for one in self.partitions
            if one.in_kafka or one.in_clickhouse or one.lag
        ]
        rows += [
            (f"roll-up of {one.topic}", one.roll_up, one.in_table, one.in_roll_up, 0, "ok" if one.ok else "differs")
            for one in self.roll_ups
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
        return ("what", "table", "Kafka", "found", "lag", "verdict"), rows


def reconcile(
    consumer_factory: ConsumerFactory,
    client: Client,
    *,
    partitions: Mapping[str, int],
    stream_ids: Mapping[str, str],
    sink_group: str = GROUP,
    router_group: str = ROUTER_GROUP,
    sleep: Callable[[float], None] = time.sleep,
) -> Reconciliation:
    """Compares. `partitions`: how many every topic has; topics that do not exist are left out. `stream_ids`: as the
    writer has them. Raises KafkaException and ClickHouseError."""
    partitions = {topic: count for topic, count in partitions.items() if topic in TARGETS}
    inserted = kafka_reading.committed(consumer_factory, sink_group, partitions)
    decisions = {name: partitions[name] for name in (catalogue.DECISIONS.name,) if name in partitions}
    before = kafka_reading.committed(consumer_factory, router_group, decisions)
    after = before
    tallies: dict[str, Tally] = {}
    outputs, arrived = Outputs(), Decisions()
    # The outputs first and the decisions last, so that every decision with an output is known.
    for topic in sorted(partitions, key=lambda name: (name not in _OUTPUTS, name)):
        if topic == catalogue.DECISIONS.name:
            after = kafka_reading.committed(consumer_factory, router_group, decisions)
        tally = tallies[topic] = Tally(topic, {p: inserted[topic, p] for p in range(partitions[topic])})
        consumer = consumer_factory(None)
        try:
            for messages in kafka_reading.read(consumer, topic, range(partitions[topic])):
                tally.add(messages)
                if topic in _OUTPUTS:
                    outputs.add(topic, messages)
                elif topic == catalogue.DECISIONS.name:
                    arrived.add(messages)
            tally.note_ends(consumer)
        finally:
            consumer.close()
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
        examples=_examples(consumer_factory, partitions, routes),
    )


def _examples(factory: ConsumerFactory, partitions: Mapping[str, int], routes: RouteCheck) -> list[str]:
    """Some of the keys behind the wrong hashes: only now worth a second reading, and only as far as needed."""
    # However much is wrong, a hundred times the examples are sure to be found, and looked for quickly.
    wrong = routes.wrong[: 100 * EXAMPLES]
    found: dict[bytes | None, None] = {}
    for topic in (catalogue.DECISIONS.name, *_OUTPUTS):
        if not len(wrong) or topic not in partitions:
            continue
        consumer = factory(None)
        try:
            for messages in kafka_reading.read(consumer, topic, range(partitions[topic])):
                places = np.flatnonzero(np.isin(key_hashes(messages), wrong)).tolist()
                found.update((messages[place].key(), None) for place in places)
                if len(found) >= EXAMPLES:
                    break
        finally:
            consumer.close()
    return [(key or b"").decode(errors="backslashreplace") for key in list(found)[:EXAMPLES]]
