"""The supervisor of one local instance: brings it up in order, keeps it up, takes it down in reverse order."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

from interlock.local.processes import Process
from interlock.platform import instance as description
from interlock.platform.instance import Instance

log = structlog.get_logger()

# A role finishes the batch in flight, the broker flushes and closes its log segments.
STOP_PATIENCE = 20.0

# How often ends of children are noticed; well below the shortest back-off.
WATCH_SECONDS = 0.1


class Supervisor:
    """Runs `stages` in order, the processes of one stage side by side; `after` maps a role to what must happen once it
    serves, before the next stage starts."""

    def __init__(
        self,
        data_dir: Path,
        instance: Instance,
        stages: list[list[Process]],
        after: dict[str, Callable[[], None]],
        announce: Callable[[str], None],
    ) -> None:
        self._data_dir = data_dir
        self._instance = instance
        self._stages = stages
        self._processes = [process for stage in stages for process in stage]
        self._after = after
        self._announce = announce
        self._stop = threading.Event()
        self._unrecorded = False

    @property
    def stopping(self) -> threading.Event:
        """Set it to take the instance down."""
        return self._stop

    def handle_signals(self) -> None:
        """Ctrl-C and SIGTERM stop everything in order; only in the main thread."""

        def stop(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
            self._stop.set()

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)

    def up(self) -> None:
        """Starts everything; returns when all serve, or raises UserError with everything stopped again."""
        try:
            for stage in self._stages:
                if self._stop.is_set():
                    return
                self._announce(", ".join(process.role for process in stage))
                for process in stage:
                    process.start()
                    self._record()
                for process in stage:
                    process.wait_ready(self._stop.is_set)
                    if process.role in self._after and not self._stop.is_set():
                        self._after[process.role]()
            self._instance.ready = not self._stop.is_set()
            self._record()
        except BaseException:
            self.down()
            raise

    def watch(self) -> None:
        """Returns when asked to stop."""
        while not self._stop.wait(WATCH_SECONDS):
            if any([process.watch() for process in self._processes]) or self._unrecorded:
                self._record()

    def down(self) -> None:
        """Stops everything, the last started first."""
        self._instance.ready = False
        for process in reversed(self._processes):
            process.stop(STOP_PATIENCE)
            self._record()

    def _record(self) -> None:
        """Describes the instance for others. A full disk must not end the supervisor: its children need it then."""
        self._instance.children = [process.child() for process in self._processes if process.state != "new"]
        try:
            description.write(self._data_dir, self._instance)
        except OSError as error:
            if not self._unrecorded:
                log.error("cannot describe the instance; trying again", file=str(self._data_dir), why=error.strerror)
            self._unrecorded = True
        else:
            self._unrecorded = False
