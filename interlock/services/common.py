"""What services share: signals, tables."""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from interlock.platform.connection import Platform
from interlock.streams.ports import Message
from interlock.streams.tables import TableReader

if TYPE_CHECKING:
    pass


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
