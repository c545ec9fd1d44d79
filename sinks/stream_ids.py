"""Which log the offsets of a topic count in."""

from collections.abc import Iterable

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

# As for other admin requests: a cluster that is electing leaders may need half a minute.
REQUEST_TIMEOUT_SECONDS = 30.0


def stream_ids(admin: AdminClient, topics: Iterable[str]) -> dict[str, str]:
    """Kafka's id of every topic: the same for as long as the topic lives, another if it is deleted and created again.

    Raises KafkaException, for a topic that does not exist too.
    """
    asked = admin.describe_topics(TopicCollection(list(topics)), request_timeout=REQUEST_TIMEOUT_SECONDS)
    return {topic: str(answer.result().topic_id) for topic, answer in asked.items()}
