"""Who is in a consumer group."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

# A coordinator that has just started may take some seconds.
REQUEST_TIMEOUT_SECONDS = 30.0


def count_members(admin: AdminClient, group: str) -> int:
    """How many members the group has now; 0 if there is no such group. Raises KafkaException."""
    described = admin.describe_consumer_groups([group], request_timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        return len(described[group].result().members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise
