"""Roles as children of the fork server, handled like `subprocess.Popen`."""

import gc
import json
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from interlock.platform.heap import give_back_unused
from interlock.platform.instance import OTHERS

# Whatever else runs needs these two. They start first, and need nothing that roles import.
SERVERS = ("kafka", "clickhouse")

# Asks for topics and tables instead of a role.
PREPARE = "prepare"

# A request names a role, its log and some settings.
REQUEST_BYTES = 64 * 1024

# Of a process whose end nobody can tell any more.
_UNKNOWN = -signal.SIGKILL


@dataclass(frozen=True)
class Request:
    """One process to fork: its name, settings beside those of the server, and the file for what it writes. `ports`: the
    roles that run in it, where they are several, each with its metrics port."""

    name: str
    environment: Mapping[str, str]
    log_file: str
    ports: Mapping[str, int]

    def encode(self) -> bytes:
        return json.dumps(self.__dict__).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Request":
        return cls(**json.loads(data))


Serve = Callable[[socket.socket], object]


class ForkServer:
    """The process from which roles are forked. It ends with the supervisor; the roles outlive it."""

    def __init__(self, environment: Mapping[str, str], log_file: Path, serve: Serve | None = None) -> None:
        """`serve`: what the server does with its socket. With it, and as long as this process has a single thread, the
        server starts as a fork, which shares the memory of what this process has imported."""
        self._environment = environment
        self._log_file = log_file
        self._serve = serve
        self._process: subprocess.Popen[bytes] | multiprocessing.process.BaseProcess | None = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Begins with the imports, and returns at once; does nothing while it runs."""
        if self._runs():
            return
        self.stop()
        self._log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whole messages, as on a datagram socket, and an end, as on a stream.
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, open(self._log_file, "ab", opener=_private) as output:
            if self._serve is not None and threading.active_count() == 1:
                self._process = self._forked(self._serve, theirs, output.fileno())
            else:
                self._process = self._spawned(theirs, output.fileno())

    def _runs(self) -> bool:
        match self._process:
            case None:
                return False
            case subprocess.Popen():
                return self._process.poll() is None
        return self._process.is_alive()

    def _forked(self, serve: Serve, theirs: socket.socket, output: int) -> multiprocessing.process.BaseProcess:
        gc.collect()
        give_back_unused()
        gc.freeze()  # a collection would write to every object, in memory that both shall share
        process = multiprocessing.get_context("fork").Process(
            target=_serve_as_fork, args=(serve, theirs, output, self._environment), daemon=True
        )
        process.start()
        return process

    def _spawned(self, theirs: socket.socket, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "interlock.cli.fork_server", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **self._environment},
            pass_fds=[theirs.fileno()],
            process_group=0,
            umask=OTHERS,
        )

    def fork(
        self, name: str, environment: Mapping[str, str], log_file: Path, ports: Mapping[str, int] | None = None
    ) -> "Forked":
        """Asks for the role `name`, or for several in a process of that name. Raises OSError."""
        request = Request(name, environment, str(log_file.absolute()), ports or {}).encode()
        told, telling = os.pipe()
        try:
            try:
                self._send(request, telling)
            except BrokenPipeError:  # the server is ending at this moment
                self.stop()
                self._send(request, telling)
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(telling)
        return Forked(told)

    def _send(self, request: bytes, telling: int) -> None:
        self.start()
        assert self._socket is not None
        socket.send_fds(self._socket, [request], [telling])

    def stop(self) -> None:
        """The roles go on."""
        if self._socket is not None:
            self._socket.close()
        match self._process:
            case None:
                pass
            case subprocess.Popen():
                self._process.wait()
            case _:
                self._process.join()
        self._socket = self._process = None


def _serve_as_fork(serve: Serve, theirs: socket.socket, output: int, environment: Mapping[str, str]) -> None:
    """What a new process begins with: a group, permissions, files and settings of its own."""
    os.setpgid(0, 0)
    os.umask(OTHERS)
    standard = sys.stdin.fileno(), sys.stdout.fileno(), sys.stderr.fileno()
    for descriptor in standard[1:]:
        os.dup2(output, descriptor)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        # The lock of the instance above all, which must be free as soon as the supervisor ends.
        if descriptor not in (*standard, theirs.fileno()):
            with suppress(OSError):  # that of the list itself
                os.close(descriptor)
    os.environ.update(environment)
    serve(theirs)


class Forked:
    """One child of the server, which tells first its pid and at the end its exit code."""

    def __init__(self, told: int) -> None:
        os.set_blocking(told, False)
        self._told = told
        self._text = b""
        self.pid = 0
        """0 until it is forked."""
        self.returncode: int | None = None
        self._signals: list[int] = []

    def __del__(self) -> None:
        if self.returncode is None:
            os.close(self._told)

    def poll(self) -> int | None:
        """The exit code, once it has ended."""
        if self.returncode is not None:
            return self.returncode
        try:
            data = os.read(self._told, 64)
        except BlockingIOError:
            return None
        self._text += data
        numbers = [int(line) for line in self._text.split(b"\n")[:-1]]
        if numbers and not self.pid:
            self.pid = numbers[0]
            for each in self._signals:
                _send(self.pid, each)
        if len(numbers) > 1:
            self._ended(numbers[1])
        elif not data:
            # The server was killed. Without it nobody knows when this one ends, so it ends now.
            if self.pid:
                _send(self.pid, signal.SIGKILL)
            self._ended(_UNKNOWN)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._told], [], [], left)[0]:
                raise subprocess.TimeoutExpired("a role", timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Also before it is forked: then it gets the signal as soon as it is."""
        if self.poll() is not None:
            return
        if self.pid:
            _send(self.pid, number)
        else:
            self._signals.append(number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, code: int) -> None:
        self.returncode = code
        os.close(self._told)


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it ends at this moment, which is told next
        os.kill(pid, number)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
