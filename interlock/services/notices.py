"""The role that writes notices to the people whom decisions are about."""

import threading
from contextlib import closing

import structlog

from interlock.errors import OperatorRequiredError
from interlock.platform.connection import Platform
from interlock.processors.notices.words import Words
from interlock.review.payload import PayloadReader
from interlock.services.endpoint import serve
from interlock.services.liveness import watch_role
from interlock.services.notices_runner import TABLES, notices_runner
from interlock.services.resting import fetching
from interlock.services.retry import wait_until_available
from interlock.services.table_reader import table_reader
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Message
from interlock.streams.runner import ProcessingError, UnrecoverableError

log = structlog.get_logger()


def run(platform: Platform, stop: threading.Event) -> None:
    """Writes the notices that decisions owe, exactly once."""
    metrics = Metrics("notices")
    words = Words()
    has_clickhouse = platform.settings.clickhouse.url is not None or platform.instance is not None

    def take(message: Message) -> None:
        words.apply(message.key(), message.value())

    tables = wait_until_available(lambda: table_reader(platform, TABLES, take), stop)
    if tables is None:
        return
    broker = platform.kafka()
    with (
        closing(tables),
        closing(
            PayloadReader(broker, platform.clickhouse if has_clickhouse else None, lambda: platform.keys_to_read)
        ) as payloads,
    ):
        runner = notices_runner(
            broker,
            words,
            tables,
            payloads,
            platform.settings.instance_id,
            metrics=metrics,
            stop=stop,
            keys=lambda: platform.keys_to_read,
            consumer_overrides=fetching(platform),
        )
        serve(metrics, platform.settings, health=watch_role(platform, "notices", stop))
        log.info("notices runs", kafka=platform.bootstrap_servers, notices=sorted(words.names))
        try:
            runner.run()
        except ProcessingError as error:
            if not stop.is_set():
                raise OperatorRequiredError(str(error)) from error
        except UnrecoverableError as error:
            raise OperatorRequiredError(str(error)) from error
    log.info("notices stopped")
