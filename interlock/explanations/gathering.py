"""Gathers what an explanation is made of: from ClickHouse, or, while it is away, from what Kafka still has."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.errors import InterlockError
from interlock.explanations.from_kafka import records_in_kafka
from interlock.explanations.stored import stored_records
from interlock.processors.explanation.records import Records
from interlock.streams.ports import Broker

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.encryption.keys import KeyStore

_NOT_YET = (
    "ClickHouse does not have the decision yet, so this is what Kafka has of it. Ask again in a moment: the lasting "
    "store follows within seconds."
)


def gather(
    decision_id: str,
    broker: Callable[[], Broker],
    clickhouse: "Callable[[], AbstractContextManager[Client]]",
    keys: "Callable[[], KeyStore | None]",
) -> Records:
    """What is known about the decision; `missing` says what could not be asked.

    All are connected when they are needed; `keys` open what ClickHouse has sealed. Raises InterlockError and
    KafkaException where neither ClickHouse nor Kafka answers.
    """
    try:
        with clickhouse() as client:
            found = stored_records(client, decision_id, keys())
    except (ClickHouseError, InterlockError, OSError) as error:
        why = str(error).strip().splitlines()[0]
        told = (
            "ClickHouse does not answer, so this is what Kafka still has: of a case only its latest state, and of "
            "older decisions nothing. Missing are the earlier steps, and the older versions of policies and names "
            f"({why})."
        )
        return _noted(records_in_kafka(broker(), decision_id, keys), told)
    if found.known:
        return found
    return _noted(records_in_kafka(broker(), decision_id, keys), _NOT_YET)


@contextmanager
def only(connect: "Callable[[], Client]") -> "Iterator[Client]":
    """A connection of its own."""
    client = connect()
    try:
        yield client
    finally:
        client.close()


def _noted(records: Records, what: str) -> Records:
    return replace(records, missing=(what, *records.missing)) if records.known else records
