"""The roles: each runs in the foreground until SIGTERM or Ctrl-C, and ends with an exit code that a supervisor
understands."""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import structlog

from interlock.connect import Platform
from interlock.errors import Exit, UserError
from interlock.patience import when_available
from schemas import catalogue

if TYPE_CHECKING:
    from streams.ports import Message
    from streams.tables import TableReader

log = structlog.get_logger()


def broker(platform: Platform) -> NoReturn:
    """The embedded Kafka broker of the local instance; this process becomes the Java process."""
    from streams.embedded_kafka import BrokerError, BrokerSettings, run_foreground

    instance = platform.instance
    if instance is None:
        raise UserError("the embedded broker belongs to a local instance: use `interlock up`")
    settings = BrokerSettings(
        data_dir=(platform.settings.data_dir / "kafka").absolute(),
        port=instance.kafka_port,
        controller_port=instance.controller_port,
        partitions=catalogue.DATA_PARTITIONS,
        max_message_bytes=catalogue.MAX_MESSAGE_BYTES,
    )
    try:
        run_foreground(settings)
    except BrokerError as error:
        raise UserError(str(error)) from error


def warehouse(platform: Platform) -> None:
    """The embedded ClickHouse of the local instance."""
    from sinks.embedded_clickhouse.errors import DataDirectoryInUseError
    from sinks.embedded_clickhouse.server import ServerSettings, run_foreground

    instance = platform.instance
    if instance is None:
        raise UserError("the embedded ClickHouse belongs to a local instance: use `interlock up`")
    settings = ServerSettings(
        data_dir=(platform.settings.data_dir / "clickhouse").absolute(),
        port=instance.clickhouse_port,
        writer_user=platform.settings.clickhouse.user,
        writer_password=instance.writer_password,
        analyst_user=platform.settings.clickhouse.analyst_user,
        analyst_password=instance.analyst_password,
    )
    try:
        run_foreground(settings)
    except (DataDirectoryInUseError, OSError) as error:
        raise UserError(str(error)) from error


def router(platform: Platform) -> None:
    """Routes decisions, exactly once."""
    from interlock.counted import CountedRouter
    from processors.router.breaker import TooManyBadMessages
    from processors.router.router import Router
    from processors.router.router import RouterSettings as Settings
    from processors.router.state import RouterState
    from streams.metrics import Metrics
    from streams.runner import ProcessingFailed, Runner, RunnerSettings, Unusable

    stop = stop_on_signals()
    metrics = Metrics("router")
    chosen = platform.settings.router
    audit_key = platform.audit_key
    state = RouterState()
    topics = [catalogue.POLICIES.name, catalogue.CONTROLS.name, catalogue.CALIBRATION_MODELS.name]
    # Nothing is routed before the tables are known: without its policy a decision would go to a person.

    def take(message: "Message") -> None:
        state.apply(message.topic(), message.key(), message.value())

    tables = when_available(lambda: table_reader(platform, topics, take), stop)
    if tables is None:
        return
    with closing(tables):

        def refresh() -> None:
            for message in tables.poll():
                take(message)

        runner = Runner(
            platform.kafka(),
            CountedRouter(Router(state, Settings(audit_key, chosen.max_bad_share)), metrics),
            RunnerSettings(
                group="interlock-router",
                instance=platform.settings.instance_id,
                inputs=(catalogue.DECISIONS.name,),
                max_batch=chosen.max_batch,
                max_wait_seconds=chosen.max_wait_seconds,
            ),
            before_batch=refresh,
            metrics=metrics,
            stop=stop,
        )
        serve_metrics(metrics, platform.settings.metrics_port)
        log.info("router runs", kafka=platform.bootstrap_servers, policies=sorted(state.policies))
        try:
            runner.run()
        except Unusable as error:
            raise UserError(str(error), Exit.NEEDS_A_PERSON) from error
        except ProcessingFailed as error:
            if isinstance(error.__cause__, TooManyBadMessages):
                raise UserError(str(error.__cause__), Exit.NEEDS_A_PERSON) from error
            raise UserError(str(error), Exit.NEEDS_A_PERSON) from error
    log.info("router stopped")


def table_reader(platform: Platform, topics: Sequence[str], take: Callable[["Message"], None]) -> "TableReader":
    """Follows the tables; what they hold by now was given to `take`."""
    from streams.tables import TableReader

    tables = TableReader(platform.serving_kafka(), topics)
    try:
        for message in tables.read_all():
            take(message)
    except BaseException:
        tables.close()
        raise
    return tables


def desk(platform: Platform) -> None:
    """Makes tasks of what people must see, and carries out what they command; stands by while another desk works."""
    from interlock.reviewing.desk_runner import desk_runner
    from processors.desk.memory import FOLLOWED
    from processors.desk.processor import DeskProcessor
    from streams.metrics import Metrics
    from streams.runner import ProcessingFailed, Unusable

    stop = stop_on_signals()
    metrics = Metrics("desk")
    processor = DeskProcessor()
    tables = when_available(lambda: table_reader(platform, FOLLOWED, processor.follow), stop)
    if tables is None:
        return
    with closing(tables):
        runner = desk_runner(
            platform.kafka(), processor, tables, platform.settings.instance_id, metrics=metrics, stop=stop
        )
        serve_metrics(metrics, platform.settings.metrics_port)
        log.info("desk runs", kafka=platform.bootstrap_servers, policies=sorted(processor.desk.state.policies))
        try:
            runner.run()
        except (Unusable, ProcessingFailed) as error:
            raise UserError(str(error), Exit.NEEDS_A_PERSON) from error
    log.info("desk stopped")


def sink(platform: Platform) -> None:
    """Copies every topic to ClickHouse, exactly once."""
    from interlock.sinking import writer
    from sinks.writer import SinkStoppedError
    from streams.metrics import Metrics

    stop = stop_on_signals()
    metrics = Metrics("sink")
    chosen = when_available(lambda: writer(platform, metrics), stop)
    if chosen is None:
        return
    serve_metrics(metrics, platform.settings.metrics_port)
    log.info("sink runs", kafka=platform.bootstrap_servers)
    try:
        chosen.run(stop)
    except SinkStoppedError as error:
        raise UserError(str(error), Exit.NEEDS_A_PERSON) from error
    log.info("sink stopped")


def serve_metrics(metrics: object, port: int) -> None:
    """Serves Prometheus metrics, which is also the sign that the role serves; port 0: none."""
    if port:
        from prometheus_client import start_http_server

        start_http_server(port, registry=metrics.registry)  # type: ignore[attr-defined]


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set; a second signal ends the process at once."""
    stop = threading.Event()

    def handle(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
        if stop.is_set():
            sys.exit(128 + signal_number)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop
