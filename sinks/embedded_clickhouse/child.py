"""The embedded ClickHouse server as a child process, for tests, tools and demos."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError
from interlock.sinks.embedded_clickhouse.listening import listen
from interlock.sinks.embedded_clickhouse.settings import ANALYST_PASSWORD, WRITER_PASSWORD, ServerSettings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# The first start loads half a gigabyte of library: one second warm, several from a cold disk.
_START_SECONDS = 60.0
# The server itself gives up after 20 s (server.py).
_STOP_SECONDS = 25.0
_LOG_LINES = 20


class ServerDiedError(InterlockError, RuntimeError):
    """The server process ended or never answered; the message holds the end of its log."""


class EmbeddedClickHouse:
    """A server process that lives as long as the ``with`` block, and never longer than this process.

    ``kill`` is SIGKILL, as a crash would be; ``restart`` starts it again on the same data and the same port.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return self.settings.host

    @property
    def port(self) -> int:
        """The real port; known from ``start`` on when the settings say 0."""
        return self.settings.port

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.settings.data_dir / "server.log"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and wait until it answers. Raises ServerDiedError if it does not."""
        if self._process is not None:
            raise RuntimeError("embedded ClickHouse: already started")
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-P", "-m", "interlock.sinks.embedded_clickhouse", "--stop-with-parent"]
        command += ["--data-dir", str(self.settings.data_dir)]
        command += ["--writer-user", self.settings.writer_user, "--analyst-user", self.settings.analyst_user]
        passwords = {
            WRITER_PASSWORD: self.settings.writer_password,
            ANALYST_PASSWORD: self.settings.analyst_password,
        }
        # The listener is made here and inherited: the port is known and ours before the process runs.
        with listen(self.host, self.port) as listener, self.log_path.open("ab") as log:
            self.settings = replace(self.settings, port=listener.getsockname()[1])
            self._process = subprocess.Popen(
                [*command, "--listen-fd", str(listener.fileno())],
                env=os.environ | passwords,
                stdin=subprocess.PIPE,  # closes when this process dies: the server's sign to stop
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
            )
        try:
            self._wait_for_ping(time.monotonic() + _START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long. Does nothing when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reap()

    def kill(self) -> None:
        """SIGKILL: what a crash looks like. Does nothing when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def restart(self) -> None:
        """Stop it if it runs, and start it again on the same data, port and passwords."""
        self.stop()
        self.start()

    def client(self, user: str | None = None, **options: Any) -> Client:
        """A clickhouse-connect client for the writer (default) or the analyst.

        Without a session: every query is on its own, so one client may be used by several threads.
        """
        import clickhouse_connect  # not at the top: the server's process imports this module, and needs no client

        passwords = {account.name: account.password for account in self.settings.accounts}
        name = user or self.settings.writer_user
        options = {"autogenerate_session_id": False} | options
        return clickhouse_connect.get_client(
            host=self.host, port=self.port, username=name, password=passwords[name], **options
        )

    def __enter__(self) -> EmbeddedClickHouse:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_for_ping(self, deadline: float) -> None:
        assert self._process is not None
        while time.monotonic() < deadline:
            # The listener queues the request until the server is up, and resets it when the process dies.
            connection = http.client.HTTPConnection(self.host, self.port, timeout=_START_SECONDS)
            try:
                connection.request("GET", "/ping")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                # It is dying, or has not begun to listen.
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(1.0)
            finally:
                connection.close()
            if self._process.poll() is not None:
                raise ServerDiedError(f"embedded ClickHouse ended at start, {self._last_words()}")
        raise ServerDiedError(f"embedded ClickHouse gave no answer in {_START_SECONDS} s, {self._last_words()}")

    def _last_words(self) -> str:
        code = None if self._process is None else self._process.poll()
        lines = self.log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return f"exit code {code}; last lines of {self.log_path}:\n" + "\n".join(lines)

    def _reap(self) -> None:
        assert self._process is not None
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self._process = None
