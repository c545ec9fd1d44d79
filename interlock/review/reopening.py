"""Reopens a decision that took effect unseen: the desk gets a task of it, which can be overridden or appealed."""

from typing import TYPE_CHECKING

from interlock.errors import InterlockError
from interlock.policies.publishing import send
from interlock.review.stored_payload import stored_payload
from interlock.schemas import catalogue

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.streams.kafka import KafkaBroker

_POSITION = """
SELECT kafka_partition, kafka_offset FROM routed_decisions
WHERE decision_id = {id:String} AND kafka_topic = {topic:String}
ORDER BY kafka_timestamp DESC LIMIT 1
"""

_COUNT_RESOLUTIONS = "SELECT count() FROM resolutions WHERE decision_id = {id:String}"


def reopen(broker: "KafkaBroker", client: "Client", decision_id: str) -> None:
    """Copies the routed decision to `reviews.manual`, where the desk finds it. Raises InterlockError.

    A decision that the desk knew and has forgotten is refused: its versions are numbered, and the desk would start at
    the first again.
    """
    ((resolutions,),) = client.query(_COUNT_RESOLUTIONS, parameters={"id": decision_id}).result_rows
    if resolutions:
        raise InterlockError(
            f"{decision_id} was decided so long ago that the desk has forgotten it; `interlock timeline {decision_id}` "
            "tells its story, and a new decision on the case must be made outside"
        )
    topic = catalogue.AUTO_APPROVED.name
    rows = client.query(_POSITION, parameters={"id": decision_id, "topic": topic}).result_rows
    if not rows:
        raise InterlockError(f"neither the desk nor ClickHouse knows a decision {decision_id!r}")
    partition, offset = rows[0]
    position = {"topic": topic, "partition": partition, "offset": offset, "decision_id": decision_id}
    value = stored_payload(client, position)
    assert value is not None, "its position was just found"
    send(broker, catalogue.REVIEWS_MANUAL, decision_id, value)
