"""When a role shall stop."""

import signal
import sys
import threading
from types import FrameType


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
