"""The embedded broker as a child process, for tests and tools: started, ready, killed, restarted, stopped."""

import logging
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from interlock.streams.embedded_kafka.errors import BrokerError
from interlock.streams.embedded_kafka.launch import claimed, command_line, disk_errors, explain, hand_over
from interlock.streams.embedded_kafka.settings import BrokerSettings, password_properties

_logger = logging.getLogger(__name__)

START_TIMEOUT = 90.0  # seconds; measured 3 to 8 on a free machine, several times that on a crowded one
STOP_TIMEOUT = 30.0  # seconds; measured 0.5
_REQUEST_TIMEOUT_SECONDS = 0.5  # of one readiness request, before the process is checked again
_RETRY_SECONDS = 0.02  # a refusal may come at once, and asking again at once would take the broker's CPU

_CLIENT_NAME = "interlock-readiness"  # the broker remembers it as a transactional id


class EmbeddedKafka:
    """A real Kafka broker that lives as long as the `with` block, and never longer than this process.

    A data directory is enough to start one; it then listens on free ports. `kill` and `restart` keep ports
    and data; the directory is the caller's and is never deleted.
    """

    def __init__(self, where: Path | BrokerSettings, start_timeout: float = START_TIMEOUT) -> None:
        self.settings = where if isinstance(where, BrokerSettings) else BrokerSettings.on_free_ports(where)
        self.start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        return self.settings.bootstrap_servers

    @property
    def log(self) -> Path:
        """Where Kafka's output is appended."""
        return self.settings.data_dir / "broker.log"

    @property
    def pid(self) -> int:
        """The JVM itself. Raises `BrokerError` when the broker is not running."""
        if self._process is None:
            raise BrokerError(f"The broker of {self.settings.data_dir} is not running.")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it serves. Raises `BrokerError` with the end of its log if it does not."""
        if self._process is not None and self._process.poll() is None:
            raise BrokerError(f"The broker of {self.settings.data_dir} is already running.")
        self.kill()  # what is left of a broker that died by itself
        with claimed(self.settings) as claim:
            command = command_line(self.settings)
            with disk_errors(self.settings.data_dir):
                log = self.log.open("ab")
            with log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[claim],
                    start_new_session=True,  # Ctrl-C must reach the broker's clients before the broker
                )
            try:
                self._guard = _guard(self._process.pid)
                hand_over(claim, self._process.pid, self.settings)
                wait_until_ready(self.bootstrap_servers, self.start_timeout, self._check_alive, self.settings.password)
            except TimeoutError as error:
                self.kill()
                raise BrokerError(f"Kafka did not become ready: {error} {explain(self._new_log())}") from error
            except BaseException:
                self.kill()
                raise

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Orderly shutdown; what does not end within `timeout` seconds is killed. No-op when not running."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            _logger.warning("Kafka in %s did not stop within %s s: killed", self.settings.data_dir, timeout)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would. No-op when not running."""
        if self._process is not None:
            self._process.kill()
        if self._guard is not None:
            # Before the broker is reaped: until then its process id cannot belong to another process.
            self._guard.kill()
            self._guard.communicate()
        if self._process is not None:
            self._process.wait()
        self._process = self._guard = None

    def restart(self) -> None:
        """Start again on the same data and ports, after an orderly stop if it is still running."""
        self.stop()
        self.start()

    def _check_alive(self) -> None:
        if self._process is not None and (code := self._process.poll()) is not None:
            raise BrokerError(f"Kafka stopped while starting (exit code {code}): {explain(self._new_log())}")

    def _new_log(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """Stands in for this process should it be killed: at the end of the pipe it kills the broker."""
    return subprocess.Popen(
        ["sh", "-c", 'read -r _; kill -9 "$0"', str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until_ready(
    bootstrap_servers: str, timeout: float, check: Callable[[], None] = lambda: None, password: str = ""
) -> None:
    """Return as soon as the broker serves metadata, groups and transactions. Raises `TimeoutError`.

    `check` is called about twice a second and may raise, for example because the process has died.
    """
    deadline = time.monotonic() + timeout
    client: dict[str, Any] = {
        "bootstrap.servers": bootstrap_servers,
        **password_properties(password),
        # Refused connections are what we expect here: neither wait long between them nor report them.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 200,
        "log_level": 0,
        "error_cb": lambda _: None,
    }
    # Not an AdminClient: if the coordinator of a group does not answer in time, or its connection breaks, requests of
    # an AdminClient such as describe_consumer_groups fail an assertion in librdkafka, which aborts the whole process
    # (confluentinc/librdkafka issue 4605, in 2.16 too). A consumer may ask the same question with any time-out.
    with closing(Consumer({**client, "group.id": _CLIENT_NAME})) as consumer:
        _until(lambda: consumer.list_topics(timeout=_REQUEST_TIMEOUT_SECONDS), "it does not answer", deadline, check)
        # Metadata is served before the coordinators are: ask each for something. On a new broker that creates their
        # topics, which the first consumer and the first producer would otherwise wait for.
        partition = TopicPartition(
            _CLIENT_NAME, 0
        )  # of a topic that does not exist: the answer is that it has no offset
        _until(
            lambda: consumer.committed([partition], _REQUEST_TIMEOUT_SECONDS),
            "it cannot serve consumer groups",
            deadline,
            check,
        )
    producer = Producer({**client, "transactional.id": _CLIENT_NAME})
    _until(
        lambda: producer.init_transactions(_REQUEST_TIMEOUT_SECONDS), "it cannot begin transactions", deadline, check
    )


def _until(request: Callable[[], object], otherwise: str, deadline: float, check: Callable[[], None]) -> None:
    while True:
        check()
        try:
            request()
            check()  # the answer came from the process we mean
            return
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{otherwise} ({error.args[0].str()}).") from error
            time.sleep(_RETRY_SECONDS)
