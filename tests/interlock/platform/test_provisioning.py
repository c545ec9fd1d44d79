"""Topics of an earlier version are corrected where records could be lost, and the doctor says so until then."""

from typing import Any

from interlock.operations import doctor
from interlock.platform.provisioning import MIN_INSYNC_REPLICAS, create_topics
from interlock.schemas import catalogue
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec


class _Platform:
    """What provisioning and the doctor's check of topics need of a platform."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()

    def serving_kafka(self) -> MemoryBroker:
        return self.broker


def test_existing_topics_get_the_time_of_their_records_from_the_broker() -> None:
    platform: Any = _Platform()
    for topic in catalogue.TOPICS:
        config = {**topic.config(), catalogue.TIMESTAMP_TYPE: "CreateTime", MIN_INSYNC_REPLICAS: "1"}
        platform.broker.create_topics([TopicSpec(topic.name, topic.partitions, config)])
    finding = doctor._topics(platform)
    assert finding.state == "wrong"
    assert "decisions, " in finding.finding
    assert "`interlock topics create`" in finding.finding

    kept_for_days = [topic for topic in catalogue.TOPICS if topic.retention_days is not None]
    corrected = [f"topic {topic.name}: message.timestamp.type is now LogAppendTime" for topic in kept_for_days]
    assert create_topics(platform) == corrected
    assert create_topics(platform) == []
    assert doctor._topics(platform).state == "ok"
    assert catalogue.DECISIONS in kept_for_days
