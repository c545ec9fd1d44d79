"""Releases of Kafka that lose transaction markers are told from those that do not."""

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient

from interlock.operations.broker_release import brokers_that_lose_markers, loses_markers

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka


def test_a_setting_that_came_with_4_3_tells_such_a_broker() -> None:
    assert loses_markers({"log.dirs", "cordoned.log.dirs"})
    assert not loses_markers({"log.dirs"})


@pytest.mark.kafka
def test_the_embedded_kafka_is_none_of_them(kafka: "EmbeddedKafka") -> None:
    assert brokers_that_lose_markers(AdminClient({"bootstrap.servers": kafka.bootstrap_servers})) == []
