"""What a client talks to: Kafka, and ClickHouse where there is one."""

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from interlock.streams.ports import Broker

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as ClickHouseClient

    from interlock.client.stored import StoredResolutions
    from interlock.encryption.fields import Encryption
    from interlock.schemas.signed_commands import Signer

log = logging.getLogger(__name__)


def kafka_broker(bootstrap_servers: str | None, properties: Mapping[str, str] | None) -> Broker:
    """Kafka at that address; without one, where the settings or the local instance say. Raises InterlockError."""
    if bootstrap_servers is not None:
        from interlock.streams.kafka import KafkaBroker

        return KafkaBroker(bootstrap_servers, properties)
    from interlock.platform.connection import connect

    return connect().kafka()


def settings_signer() -> "Signer | None":
    """What signs commands, as the settings say."""
    from interlock.platform.connection import connect

    return connect().signer


def settings_encryption() -> "Encryption | None":
    """What seals personal fields before they enter Kafka, where the settings say so. Raises InterlockError without
    keys."""
    from interlock.platform.connection import connect

    return connect().encryption()


def stored_resolutions(
    given: "ClickHouseClient | str | None", *, from_settings: bool
) -> "Callable[[], StoredResolutions | None]":
    """What connects to ClickHouse when it is called: most clients only submit. It gives None where there is none.

    `given`: a DSN or a client; without it, `from_settings` says whether settings and local instance name one.
    """
    process = os.getpid()

    def stored() -> "StoredResolutions | None":
        if given is None and not from_settings:
            return None
        try:
            import clickhouse_connect
        except ModuleNotFoundError:
            if given is not None:
                raise
            return None  # not installed, as for a producer that only submits
        from interlock.client.stored import StoredResolutions

        if given is None:
            from interlock.platform.connection import connect

            platform = connect()
            return StoredResolutions(platform.clickhouse(analyst=True), platform.keys_to_read)
        if isinstance(given, str):
            return StoredResolutions(clickhouse_connect.get_client(dsn=given, autogenerate_session_id=False))
        if os.getpid() != process:
            log.warning("a client of ClickHouse does not survive a fork: give a DSN; Kafka is read instead")
            return None
        return StoredResolutions(given)

    return stored
