"""The supervisor of one local instance: brings it up in order, keeps it up, takes it down in reverse order."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import structlog

from interlock.local.forked import ForkServer
from interlock.local.health import Health
from interlock.local.processes import Process, busy_machine
from interlock.platform import instance as description
from interlock.platform.instance import Instance

log = structlog.get_logger()

# A role finishes the batch in flight, the broker flushes and closes its log segments.
STOP_TIMEOUT_SECONDS = 20.0

# How often ends of children are noticed: while one is being restarted well below the shortest back-off, and otherwise
# seldom, as looking costs an instance at rest as much as a role.
WATCH_INTERVAL_SECONDS = 0.1
QUIET_INTERVAL_SECONDS = 0.5

# How often a starting process is asked whether it serves.
POLL_INTERVAL_SECONDS = 0.05

# On a free machine the slowest process serves by then; after it, a busy machine is named as the reason.
USUAL_START_SECONDS = 15.0

# How often a start that takes minutes says what it waits for.
TELL_SECONDS = 60.0


@dataclass(frozen=True)
class Report:
    """Where the steps of a start are shown: `line` stays on the screen, `status` is replaced by the next one."""

    line: Callable[[str], None]
    status: Callable[[str], None] = lambda _: None


class Supervisor:
    """Runs `stages` in order, the processes of one stage side by side. `after` maps a role to what must happen once its
    stage serves, before the next stage starts. `timeout`: seconds that a starting process may show no sign of life;
    None: it is waited for as long as it lives."""

    def __init__(
        self,
        data_dir: Path,
        instance: Instance,
        stages: list[list[Process]],
        after: dict[str, Callable[[], None]],
        report: Report,
        timeout: float | None = None,
        forks: ForkServer | None = None,
    ) -> None:
        self._forks = forks
        self._data_dir = data_dir
        self._instance = instance
        self._stages = [stage for stage in stages if stage]
        self._processes = [process for stage in self._stages for process in stage]
        self._after = after
        self._report = report
        self._timeout = timeout
        self._stop = threading.Event()
        self._unrecorded = False
        self._busy_reported = False

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
        """Starts everything; returns when all serve, or raises InterlockError with everything stopped again."""
        try:
            if self._forks is not None:
                self._forks.start()
            for stage in self._stages:
                if self._stop.is_set():
                    return
                self._report.line(f"starting {', '.join(process.title for process in stage)} …")
                for process in stage:
                    process.start()
                    self._record()
                self._wait_until_ready(stage)
                for process in stage:
                    if process.name in self._after and not self._stop.is_set():
                        self._after[process.name]()
            self._instance.ready = not self._stop.is_set()
            self._record()
        except BaseException:
            self.down()
            raise

    def _wait_until_ready(self, stage: list[Process]) -> None:
        """Returns when the whole stage serves, or when asked to stop."""
        starting = list(stage)
        told = 0.0
        while starting and not self._stop.is_set():
            for process in list(starting):
                if not process.check_start(self._timeout):
                    continue
                starting.remove(process)
                self._report.line(f"{process.name} ready after {process.seconds:.1f} s")
                self._record()
            if starting:
                seconds, busy = max(process.seconds for process in starting), busy_machine()
                if seconds > USUAL_START_SECONDS and busy and not self._busy_reported:
                    self._busy_reported = True
                    self._report.line(f"starting takes longer than usual{busy}")
                if seconds - told >= TELL_SECONDS:
                    told = seconds
                    waited_for = ", ".join(f"{process.name} (log: {process.log_file})" for process in starting)
                    self._report.line(f"still starting after {seconds:.0f} s, and waited for: {waited_for}")
                self._report.status(f"starting {', '.join(process.name for process in starting)}: {seconds:.0f} s")
                self._stop.wait(POLL_INTERVAL_SECONDS)

    def watch(self) -> None:
        """Returns when asked to stop."""
        health = Health(self._processes)
        threading.Thread(target=health.run, args=(self._stop,), name="health", daemon=True).start()
        while not self._stop.wait(self._interval()):
            problems = health.take()
            for process in self._processes:
                if process.name in problems and process.state == "running":
                    process.restart(problems[process.name], STOP_TIMEOUT_SECONDS)
            changed = any([process.watch() for process in self._processes])
            for process in [process for process in self._processes if process.apart and process.ended]:
                self._separate(process)
            if changed or problems or self._unrecorded:
                self._record()

    def _interval(self) -> float:
        quiet = all(process.state == "running" for process in self._processes)
        return QUIET_INTERVAL_SECONDS if quiet else WATCH_INTERVAL_SECONDS

    def _separate(self, shared: Process) -> None:
        """From now on each of its roles has a process of its own, which the next round of `watch` starts."""
        log.warning("its roles get a process each", process=shared.name, log=str(shared.log_file))
        for process in shared.apart:
            process.take_over()
        for group in (self._processes, *self._stages):
            if shared in group:
                place = group.index(shared)
                group[place : place + 1] = shared.apart

    def down(self) -> None:
        """Stops everything, the last stage first, the processes of one stage side by side."""
        self._instance.ready = False
        for stage in reversed(self._stages):
            for process in stage:
                process.ask_to_stop()
            for process in stage:
                process.wait_stopped(STOP_TIMEOUT_SECONDS)
                self._record()
        if self._forks is not None:
            self._forks.stop()

    def _record(self) -> None:
        """Describes the instance for others. A full disk must not end the supervisor: its children need it then."""
        self._instance.children = [
            child for process in self._processes if process.state != "new" for child in process.children()
        ]
        try:
            description.write(self._data_dir, self._instance)
        except OSError as error:
            if not self._unrecorded:
                log.error("cannot describe the instance; trying again", file=str(self._data_dir), reason=error.strerror)
            self._unrecorded = True
        else:
            self._unrecorded = False
