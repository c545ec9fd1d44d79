"""The embedded Kafka broker of a local instance."""

from typing import NoReturn

from interlock.errors import InterlockError
from interlock.platform.connection import Platform
from interlock.schemas import catalogue
from interlock.services.resting import BROKER_HEARTBEATS
from interlock.streams.embedded_kafka import BrokerError, BrokerSettings, run_foreground


def run(platform: Platform) -> NoReturn:
    """The embedded Kafka broker of the local instance; this process becomes the Java process."""

    instance = platform.instance
    if instance is None:
        raise InterlockError("the embedded broker belongs to a local instance: use `interlock up`")
    settings = BrokerSettings(
        data_dir=(platform.settings.data_dir / "kafka").absolute(),
        port=instance.kafka_port,
        controller_port=instance.controller_port,
        partitions=catalogue.DATA_PARTITIONS,
        max_message_bytes=catalogue.MAX_MESSAGE_BYTES,
        password=instance.kafka_password,
        properties=BROKER_HEARTBEATS,
    )
    try:
        run_foreground(settings)
    except BrokerError as error:
        raise InterlockError(str(error)) from error
