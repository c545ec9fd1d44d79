"""Gathers what the checklist needs from Kafka and ClickHouse."""

from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError
from interlock.platform.connection import Platform
from interlock.policies.published import Policies
from interlock.processors.review.checklist import ContextCounts, ReviewEvidence
from interlock.review.board import Board
from interlock.schemas import catalogue
from interlock.sinks.sealed_columns import OPENING
from interlock.streams.ports import Broker

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# The latest week: what producers send today, and enough of it.
_CONTEXT = """
SELECT count(), countIf(input != ''), countIf(explanation.reasoning != '' OR notEmpty(explanation.top_features))
FROM routed_decisions
WHERE (route != 'auto' OR review_copy) AND error = '' AND subject_key = ''
    AND kafka_timestamp > now64(3) - INTERVAL 7 DAY
"""

# Of those whose content is sealed, as many as tell a share to one in a hundred.
_SEALED_CONTEXT = f"""
SELECT decision_id, input, explanation, {OPENING} FROM routed_decisions
WHERE (route != 'auto' OR review_copy) AND error = '' AND subject_key != ''
    AND kafka_timestamp > now64(3) - INTERVAL 7 DAY
ORDER BY kafka_timestamp DESC LIMIT 10000
"""

_HANDED_OUT = """
SELECT actor, count() FROM tasks
WHERE event = 'claimed' AND error = '' AND kafka_timestamp > now64(3) - INTERVAL 7 DAY
GROUP BY actor
"""


def gather(platform: Platform) -> ReviewEvidence:
    """Raises InterlockError if Kafka does not answer; a silent ClickHouse is part of the evidence."""
    broker = platform.serving_kafka()
    policies = Policies(broker).in_force
    metrics, handed_out, context, silence = _from_clickhouse(platform)
    with Board(broker) as board:
        reviewers = board.reviewers
        return ReviewEvidence(
            policies=policies,
            open_tasks=board.open_tasks,
            reviewers=reviewers,
            on_duty=frozenset(name for name in reviewers if board.on_duty(name)),
            metrics=metrics,
            handed_out=handed_out,
            context=context,
            silence=silence,
            outcomes=_written(broker, catalogue.OUTCOMES.name),
            examples=_written(broker, catalogue.TRAINING_EXAMPLES.name),
        )


def _from_clickhouse(
    platform: Platform,
) -> tuple[dict[str, Any] | None, dict[str, int] | None, ContextCounts | None, str]:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from interlock.sinks import queries

    try:
        client = platform.clickhouse(analyst=True)
        metrics = queries.metrics(client)
        _, rows = queries.select(client, _HANDED_OUT)
        context = _context(client, platform)
    except (InterlockError, ClickHouseError) as error:
        return None, None, None, str(error).splitlines()[0]
    handed_out = {str(name): int(count) for name, count in rows}
    return metrics, handed_out, context, ""


def _context(client: "Client", platform: Platform) -> ContextCounts:
    """What cannot be read does not count."""
    from interlock.sinks import queries
    from interlock.sinks.opening import opened

    _, ((decisions, with_input, with_explanation),) = queries.select(client, _CONTEXT)
    read = opened(platform.keys_to_read, "routed_decisions", client.query(_SEALED_CONTEXT).named_results())
    rows = [row for row in read.rows if row["decision_id"] not in read.unreadable]
    explanations = [row["explanation"] for row in rows]
    return ContextCounts(
        decisions + len(rows),
        with_input + sum(row["input"] != "" for row in rows),
        with_explanation + sum(bool(of["reasoning"] or of["top_features"]) for of in explanations),
    )


def _written(broker: Broker, topic: str) -> bool:
    """Whether the topic exists and anything was ever written to it."""
    return bool(broker.topic_states([topic])) and any(broker.end_offsets(topic).values())
