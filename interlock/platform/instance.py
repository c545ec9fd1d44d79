"""One local instance in one data directory: its lock, its description, its secrets."""

import fcntl
import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from interlock.errors import InterlockError
from interlock.streams.embedded_kafka.settings import free_port

DESCRIPTION = "instance.json"
LOCK = "lock"


@dataclass(frozen=True)
class Child:
    """A running process of the instance. `started` tells a process from a later one with the same pid."""

    role: str
    pid: int
    started: float
    metrics_port: int = 0
    restarts: int = 0
    state: str = "running"


@dataclass
class Instance:
    """What tools need in order to reach the instance. Contains passwords: the file is readable by its owner only."""

    supervisor_pid: int
    kafka_port: int
    controller_port: int
    clickhouse_port: int
    writer_password: str
    analyst_password: str
    audit_key: str
    ready: bool
    children: list[Child]

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def clickhouse_url(self) -> str:
        return f"http://127.0.0.1:{self.clickhouse_port}"


def acquire(data_dir: Path) -> IO[str]:
    """The lock of the data directory, held as long as the file stays open; refuses a second instance."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        handle = (data_dir / LOCK).open("a+")
    except OSError as error:
        raise InterlockError(f"cannot use the data directory {data_dir}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        running = read(data_dir)
        who = f" (process {running.supervisor_pid}, Kafka at {running.bootstrap_servers})" if running else ""
        raise InterlockError(
            f"an instance is already running in {data_dir}{who}. Use it, stop it with `interlock down`, "
            f"or start another one with `--data-dir`."
        ) from error
    return handle


def is_running(data_dir: Path) -> bool:
    """Whether some process holds the lock of the data directory."""
    try:
        with (data_dir / LOCK).open("a+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read(data_dir: Path) -> Instance | None:
    """The description of the instance that runs or ran in the data directory."""
    try:
        content = json.loads((data_dir / DESCRIPTION).read_text())
    except FileNotFoundError:
        return None
    content["children"] = [Child(**child) for child in content["children"]]
    return Instance(**content)


def write(data_dir: Path, instance: Instance) -> None:
    """Replaces the description in one step, so that no reader sees half of it."""
    path = data_dir / DESCRIPTION
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(instance), file, indent=1)
    new.replace(path)


def describe(data_dir: Path, *, kafka_port: int = 0, clickhouse_port: int = 0) -> Instance:
    """A description for a start: ports as before where they are still free, secrets as before."""
    before = read(data_dir)
    return Instance(
        supervisor_pid=os.getpid(),
        kafka_port=kafka_port or _usable(before.kafka_port if before else 0),
        controller_port=_usable(before.controller_port if before else 0),
        clickhouse_port=clickhouse_port or _usable(before.clickhouse_port if before else 0),
        writer_password=before.writer_password if before else secrets.token_hex(16),
        analyst_password=before.analyst_password if before else secrets.token_hex(16),
        audit_key=before.audit_key if before else secrets.token_hex(16),
        ready=False,
        children=[],
    )


def alive(child: Child) -> bool:
    """Whether that very process, not a later one with its pid, is still there."""
    import psutil  # clients that only read the description do not have it

    try:
        process = psutil.Process(child.pid)
        same = abs(process.create_time() - child.started) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _usable(port: int) -> int:
    """`port` if nobody listens on it, else a free one."""
    if port:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return free_port()
            return port
    return free_port()
