"""Child processes: start, watch, restart with back-off, stop in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from interlock.errors import InterlockError
from interlock.local.forked import Forked, ForkServer
from interlock.platform.exit_codes import ExitCode
from interlock.platform.instance import OTHERS, Child
from interlock.platform.probes import listens
from interlock.streams.embedded_kafka.launch import known_cause, without_stack_frames
from interlock.streams.embedded_kafka.settings import free_port, is_free

log = structlog.get_logger()

# The back-off doubles from a quarter of a second, so that a single crash is hardly noticed, up to half a minute, so
# that a process that cannot start does not keep a laptop busy.
FIRST_BACKOFF = 0.25
LONGEST_BACKOFF = 30.0

# A process that ran this long was healthy: its next crash starts with the first back-off again.
HEALTHY_SECONDS = 60.0

# Runnable processes for each core from which on starting takes noticeably longer.
BUSY_LOAD = 1.5


@dataclass(eq=False)
class Process:
    """One supervised process. `ready` tells whether it serves; without it, that something listens on each of its
    `metrics_ports`, by role, does. With `forks` it is forked and `command` is not used.

    `apart`: where several roles share it, each of them as a process of its own. They take its place where it has ended
    by itself, or stands still: then only the role ends whose fault it is."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log_file: Path
    ready: Callable[[], bool] | None = None
    metrics_ports: dict[str, int] = field(default_factory=dict)
    forks: ForkServer | None = None
    apart: Sequence["Process"] = ()
    restarts: int = 0
    state: str = "new"
    _popen: subprocess.Popen[bytes] | Forked | None = None
    _started: float = 0.0
    _log_start: int = 0
    _log_size: int = 0
    _last_sign: float = 0.0
    _backoff: float = FIRST_BACKOFF
    _next_start: float = field(default=0.0)
    _kill_at: float | None = None

    def start(self) -> None:
        """Starts it in a process group of its own, so that Ctrl-C reaches the supervisor only: it stops in order."""
        self.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.log_file, "ab", opener=_private) as output:
            self._log_start = self._log_size = output.seek(0, os.SEEK_END)
            # Another program may have taken one since it was chosen, or since the process before this one ended.
            for role, port in self.metrics_ports.items():
                if not is_free(port):
                    self.metrics_ports[role] = free_port(self.metrics_ports.values())
            environment = {**self.environment, "INTERLOCK_METRICS_PORT": str(self.metrics_ports.get(self.name, 0))}
            if self.forks is not None:
                ports = self.metrics_ports if self.apart else {}
                self._popen = self.forks.fork(self.name, environment, self.log_file, ports)
            else:
                self._popen = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **environment},
                    process_group=0,
                    umask=OTHERS,
                )
        self._started = self._last_sign = time.monotonic()
        self._kill_at = None
        self.state = "starting"

    def run(self) -> None:
        """Starts it and waits for its end. Raises InterlockError with what it has written, if it fails."""
        self.start()
        assert self._popen is not None
        if code := self._popen.wait():
            raise InterlockError(f"{self.name} ended with code {code}.\n{self.tail()}")

    def _serves(self) -> bool:
        return self.ready() if self.ready is not None else all(map(listens, self.metrics_ports.values()))

    @property
    def title(self) -> str:
        """Its name, with the roles that share it."""
        return f"{self.name} ({', '.join(self.metrics_ports)})" if self.apart else self.name

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self._started

    def check_start(self, timeout: float | None) -> bool:
        """Whether it serves by now. Raises InterlockError with what it has written since this start, if it has ended or
        has neither served nor written anything for `timeout` seconds; None: it may take as long as it lives."""
        assert self._popen is not None
        if self._popen.poll() is not None:
            raise InterlockError(f"{self.name} ended with code {self._popen.returncode} while starting.\n{self.tail()}")
        if self._serves():
            self.state = "running"
            return True
        now, size = time.monotonic(), self.log_file.stat().st_size
        if size != self._log_size:
            self._log_size, self._last_sign = size, now
        if timeout is not None and now - self._last_sign > timeout:
            raise InterlockError(
                f"{self.name} does not serve after {self.seconds:.0f} s, and has written nothing for {timeout:g} s"
                f"{busy_machine()}; `--timeout` lets it take longer.\n{self.tail()}"
            )
        return False

    def watch(self) -> bool:
        """Notices an end and starts again when the back-off is over; True if anything changed."""
        now = time.monotonic()
        if self._popen is not None:
            code = self._popen.poll()
            if code is None:
                if now - self._started > HEALTHY_SECONDS:
                    self._backoff = FIRST_BACKOFF
                if self._kill_at is not None and now > self._kill_at:
                    self._kill_at = None
                    self._popen.kill()
                if self.state == "starting" and self._serves():
                    self.state = "running"
                    return True
                return False
            self._popen = None
            if code == ExitCode.OPERATOR_REQUIRED:
                self.state = "stopped: needs a person"
                log.error("stopped on purpose and not started again", role=self.name, log=str(self.log_file))
                return True
            self.state = "restarting"
            self._next_start = now + self._backoff
            log.warning("ended; starting again", role=self.name, code=code, seconds=self._backoff)
            self._backoff = min(self._backoff * 2, LONGEST_BACKOFF)
            return True
        if self.state == "restarting" and now >= self._next_start:
            self.restarts += 1
            try:
                self.start()
            except OSError as error:  # no memory or no room for another process; later there may be
                self._next_start = now + self._backoff
                self._backoff = min(self._backoff * 2, LONGEST_BACKOFF)
                log.error("cannot be started; trying again", role=self.name, reason=error.strerror)
            return True
        return False

    @property
    def ended(self) -> bool:
        """By itself, or because it stood still."""
        return self._popen is None and self.state not in ("new", "stopped")

    def take_over(self) -> None:
        """Lets `watch` start it, in the place of a process that has ended."""
        self.state, self._next_start = "restarting", time.monotonic()

    def restart(self, reason: str, timeout: float) -> None:
        """Stops it, by SIGKILL when `timeout` seconds are not enough, and returns at once; `watch` starts it again."""
        log.error("restarting a role that stands still", role=self.name, reason=reason)
        self.state = "stopping: stands still"
        self._kill_at = time.monotonic() + timeout
        self.ask_to_stop()

    def ask_to_stop(self) -> None:
        """SIGTERM; returns at once."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)

    def wait_stopped(self, timeout: float) -> None:
        """Returns when it has ended: by itself, or by SIGKILL when `timeout` seconds were not enough."""
        if self._popen is None or self._popen.poll() is not None:
            self.state = "stopped"
            return
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            log.warning("did not stop in time; killed", role=self.name, seconds=timeout)
            self._popen.kill()
            self._popen.wait()
        self.state = "stopped"

    def children(self) -> list[Child]:
        """How the instance's description names its roles."""
        pid = self._popen.pid if self._popen is not None else 0
        try:
            started = psutil.Process(pid).create_time() if pid else 0.0
        except psutil.NoSuchProcess:
            started = 0.0
        ports = self.metrics_ports or {self.name: 0}
        return [Child(role, pid, started, port, self.restarts, self.state) for role, port in ports.items()]

    def tail(self, lines: int = 15) -> str:
        """The end of what it has written since it was started."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(self._log_start)
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            text = ""
        if not text:
            return f"It has written nothing to {self.log_file} since this start."
        cause = known_cause(text) if self.name == "kafka" else None
        return "\n".join(
            [
                *([f"Probably {cause}."] if cause else []),
                f"The end of {self.log_file}:",
                *(f"  {line}" for line in without_stack_frames(text)[-lines:]),
            ]
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def busy_machine() -> str:
    """A remark for messages, where other programs keep this machine busy; empty elsewhere."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f" (this machine is busy: load {load:.0f} on {cores} cores)" if load > BUSY_LOAD * cores else ""


def role_command(role: str) -> list[str]:
    """The command line of a role in the foreground."""
    return [sys.executable, "-P", "-m", "interlock", "run", role]
