"""The conformance suite against the broker in memory and against Apache Kafka."""

from typing import TYPE_CHECKING

import pytest

from interlock.streams.clock import ManualClock
from interlock.streams.kafka import GroupProtocol, KafkaBroker
from interlock.streams.memory import MemoryBroker
from tests.streams.conformance import Conformance, Environment
from tests.streams.exclusive_conformance import ExclusiveConformance
from tests.streams.group_conformance import GroupConformance

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka


class TestMemory(Conformance, GroupConformance, ExclusiveConformance):
    @pytest.fixture
    def env(self) -> Environment:
        clock = ManualClock()
        return Environment(MemoryBroker(clock), clock.advance)


@pytest.mark.kafka
class TestKafka(Conformance, ExclusiveConformance):
    @pytest.fixture
    def env(self, kafka: "EmbeddedKafka") -> Environment:
        return Environment(KafkaBroker(kafka.bootstrap_servers), lambda _: None)


@pytest.mark.kafka
class TestKafkaGroups(GroupConformance):
    @pytest.fixture(params=["consumer", "classic"])
    def env(self, kafka: "EmbeddedKafka", request: pytest.FixtureRequest) -> Environment:
        protocol: GroupProtocol = request.param
        return Environment(KafkaBroker(kafka.bootstrap_servers, group_protocol=protocol), lambda _: None)
