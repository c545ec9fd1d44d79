"""Whether a cluster runs a release of Kafka that loses transaction markers (docs/deploying.md)."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]  # re-exported

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

# Brokers do not tell their release, but the names of all their settings. This one came with 4.3 (KIP-1066).
_SINCE_4_3 = "cordoned.log.dirs"

_REQUEST_SECONDS = 10.0


def loses_markers(settings: Collection[str]) -> bool:
    """Whether a broker with settings of these names is of release 4.3 or later."""
    return _SINCE_4_3 in settings


def brokers_that_lose_markers(admin: "AdminClient") -> list[int]:
    """The ids of such brokers. Raises KafkaException, also where these settings may not be read."""
    brokers = sorted(admin.list_topics(timeout=_REQUEST_SECONDS).brokers)
    resources = [ConfigResource(ResourceType.BROKER, str(broker)) for broker in brokers]
    answers = admin.describe_configs(resources, request_timeout=_REQUEST_SECONDS)
    return [int(resource.name) for resource, answer in answers.items() if loses_markers(answer.result())]
