"""Topics of an earlier version are corrected where records could be lost, and the doctor says so until then."""

from typing import Any

from interlock.operations import doctor
from interlock.platform.provisioning import MIN_INSYNC_REPLICAS, alter_topics, create_topics
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


def test_a_topic_of_an_earlier_version_gets_its_retention_when_somebody_says_that_records_may_go() -> None:
    platform: Any = _Platform()
    create_topics(platform)
    assert doctor._topics(platform).state == "ok"
    platform.broker.configure_topic("resolutions", {"cleanup.policy": "compact"})
    platform.broker.configure_topic("alerts", {"retention.ms": "1000"})
    finding = doctor._topics(platform)
    assert (finding.state, "`interlock topics alter`" in finding.finding) == ("warning", True)
    shown = alter_topics(platform, deleting=False, apply=False)
    assert [(each.topic, each.setting) for each in shown.corrected] == [("alerts", "retention.ms")]
    assert [(each.topic, each.setting) for each in shown.differences] == [("resolutions", "cleanup.policy")]
    assert doctor._topics(platform).finding == finding.finding
    alter_topics(platform, deleting=False, apply=True)
    assert "alerts" not in doctor._topics(platform).finding
    alter_topics(platform, deleting=True, apply=True)
    assert doctor._topics(platform).state == "ok"
