"""The ends of partitions whose leader is only being elected."""

from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.streams import kafka
from interlock.streams.kafka import KafkaBroker


class Electing:
    """An administration client of a cluster that answers with `errors`, one after another, before it tells an end."""

    def __init__(self, *errors: int) -> None:
        self._errors = list(errors)

    def list_topics(self, topic: str, **_: Any) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions=[0])})

    def list_offsets(self, asked: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, "Future[Any]"]:
        (partition,) = asked
        answer: Future[Any] = Future()
        if self._errors:
            answer.set_exception(KafkaException(KafkaError(self._errors.pop(0))))
        else:
            answer.set_result(SimpleNamespace(offset=7))
        return {partition: answer}

    def poll(self, *_: Any) -> int:
        return 0


def broker(admin: Electing) -> KafkaBroker:
    made = KafkaBroker("nowhere:9092")
    made._admin_client = admin  # type: ignore[assignment]  # what it answers cannot be timed with a real cluster
    return made


def test_a_partition_without_a_leader_is_asked_about_again() -> None:
    admin = Electing(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
    assert broker(admin).end_offsets("decisions") == {0: 7}


def test_a_partition_that_gets_no_leader_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "ADMIN_TIMEOUT_SECONDS", 0.0)
    with pytest.raises(KafkaException, match="NOT_LEADER"):
        broker(Electing(*[KafkaError.NOT_LEADER_FOR_PARTITION] * 9)).end_offsets("decisions")


def test_another_error_is_told_at_once() -> None:
    with pytest.raises(KafkaException, match="INVALID_REQUEST"):
        broker(Electing(KafkaError.INVALID_REQUEST)).end_offsets("decisions")
