"""What services share: signals, metrics, tables."""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from interlock.errors import InterlockError
from interlock.platform.connection import Platform
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Message
from interlock.streams.tables import TableReader

if TYPE_CHECKING:
    from interlock.platform.settings import Settings


def table_reader(platform: Platform, topics: Sequence[str], take: Callable[[Message], None]) -> TableReader:
    """Follows the tables; what they hold by now was given to `take`."""
    tables = TableReader(platform.serving_kafka(), topics)
    try:
        for message in tables.read_all():
            take(message)
    except BaseException:
        tables.close()
        raise
    return tables


def serve_metrics(metrics: Metrics, settings: "Settings") -> None:
    """Serves Prometheus metrics, which is also the sign that the role serves; port 0: none.

    Raises InterlockError where the address cannot be had."""
    host, port = settings.metrics_host, settings.metrics_port
    if not port:
        return
    try:
        start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise InterlockError(
            f"metrics cannot be served on {host}:{port}: {error.strerror or error}. Choose another "
            "INTERLOCK_METRICS_PORT, or an INTERLOCK_METRICS_HOST that is an address of this machine."
        ) from error


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
