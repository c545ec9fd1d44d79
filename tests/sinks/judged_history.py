"""Decisions that people have judged, with the place of each in Kafka, for what is asked about them."""

from collections.abc import Iterable
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.schemas import wire
from interlock.sinks.similar_cases import NearCase
from tests.sinks.review_records import MINUTE, START, outcome
from tests.sinks.sink_world import ASYNC, AUTO, OUTCOMES, World, decision, routed


class History:
    """Decisions of a domain of its own, the later the newer: a minute apart from START on."""

    def __init__(self, name: str, client: Client) -> None:
        self.world = World(name, client, partitions=1)
        self.offsets: dict[str, int] = {}
        self.made = 0

    def decide(
        self,
        name: str,
        final: str | None = "approve",
        *,
        vector: list[float] | None = None,
        attributes: dict[str, str] | None = None,
        confidence: float = 0.9,
        **changes: Any,
    ) -> str:
        """One decision that proposed to approve. `final`: what a person said, or None. `changes`: of the verdict."""
        self.made += 1
        decision_id = f"{self.world.name}-{name}"
        model = changes.get("model_id", "scorer")
        content = decision(
            decision_id, self.world.name, vector=vector or [], attributes=attributes or {}, model_id=model
        )
        topic, route = (AUTO, "auto") if final is None else (ASYNC, "async")
        envelope = routed(content, route, calibrated_confidence=confidence, routed_at=START + self.made * MINUTE)
        self.world.send(topic, decision_id.encode(), wire.encode("RoutedDecision", envelope))
        place = self.offsets.get(topic, 0)
        self.offsets[topic] = place + 1
        if final is not None:
            self.judge(decision_id, outcome=final, confidence=confidence, topic=topic, offset=place, **changes)
        return decision_id

    def judge(self, decision_id: str, number: int = 1, **changes: Any) -> None:
        """A verdict on it a minute after it came."""
        said = {"domain": self.world.name, "at": START + self.made * MINUTE + MINUTE, **changes}
        self.world.tell(OUTCOMES, decision_id, outcome(decision_id, number, **said))

    def arrive(self) -> None:
        """Everything is in ClickHouse."""
        writer = self.world.writer(max_rows=5000, max_consumed=5000)
        self.world.settle(writer)
        writer.close()

    def names(self, rows: Iterable[NearCase]) -> list[str]:
        """Which decisions these are."""
        return [row.decision_id.removeprefix(f"{self.world.name}-") for row in rows]
