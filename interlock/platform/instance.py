"""One local instance in one data directory: where it is, its lock, its description, its ports, its secrets."""

import fcntl
import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING

from interlock.errors import InterlockError
from interlock.platform.secrets import SESSION_KEY_BYTES, TRAIL_KEY_BYTES
from interlock.streams.embedded_kafka.settings import free_port, is_free, password_properties

if TYPE_CHECKING:
    import psutil

# Where Kafka and ClickHouse listen by convention, and what their own tools try first.
KAFKA_PORT = 9092
CLICKHOUSE_PORT = 8123

# Where programs for people listen that need no rights of an administrator.
CONSOLE_PORT = 8080

# The directory of an instance, in the folder it was started from.
DEFAULT_DIRECTORY = ".interlock"

DESCRIPTION = "instance.json"
LOCK = "lock"

# Folders of an instance in its data directory.
PARTS = ("kafka", "clickhouse", "keys", "logs", "executors")

# The permissions of group and others; also the umask of every process of an instance.
OTHERS = stat.S_IRWXG | stat.S_IRWXO


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
    kafka_password: str = ""  # empty: Kafka lets every process of this machine in
    console_port: int = 0  # 0: described by a version without the console
    session_key: str = ""  # empty: described by a version without the HTTP API, until its next start
    trail_key: str = ""  # signs the audit trail; empty: described by a version without one, until its next start
    left_out: list[str] = field(default_factory=list)  # roles that were not to be started

    @property
    def ports(self) -> set[int]:
        """On which its servers and its console listen."""
        return {self.kafka_port, self.controller_port, self.clickhouse_port, self.console_port}

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def kafka_properties(self) -> dict[str, str]:
        """librdkafka's, with which its clients are let in."""
        return password_properties(self.kafka_password)

    @property
    def clickhouse_url(self) -> str:
        return f"http://127.0.0.1:{self.clickhouse_port}"

    @property
    def console_url(self) -> str:
        """Where people work, and where the HTTP API is."""
        return f"http://localhost:{self.console_port}"


def find_data_dir(start: Path) -> Path:
    """The data directory for a command typed in `start`: the nearest instance in it or above, as git finds a
    repository; a new one in `start` where there is none. Directories of other users are passed over: their description
    names addresses to which decisions would be sent."""
    for folder in (start, *start.parents):
        data_dir = folder / DEFAULT_DIRECTORY
        try:
            if (data_dir / DESCRIPTION).stat().st_uid == os.getuid():
                return data_dir
        except OSError:
            continue
    return start / DEFAULT_DIRECTORY


def not_running(data_dir: Path) -> str:
    """What to tell who needs the instance while it is down."""
    return f"no instance is running in {data_dir.absolute()}; `interlock up` starts one"


def acquire(data_dir: Path) -> IO[str]:
    """The lock of the data directory, held as long as the file stays open; refuses a second instance.

    What an instance has written there is closed to other users of the machine: it holds decisions and secrets."""
    try:
        private = not data_dir.exists() or not any(data_dir.iterdir()) or (data_dir / DESCRIPTION).exists()
        data_dir.mkdir(parents=True, exist_ok=True)
        handle = (data_dir / LOCK).open("a+")
    except OSError as error:
        raise InterlockError(f"cannot use the data directory {data_dir}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        running = read(data_dir)
        owner = f" (process {running.supervisor_pid}, Kafka at {running.bootstrap_servers})" if running else ""
        raise InterlockError(
            f"an instance is already running in {data_dir}{owner}. Use it, stop it with `interlock down`, "
            f"or start another one with `--data-dir DIRECTORY --any-port`."
        ) from error
    try:
        # A directory that holds other things as well keeps its permissions.
        for part in [data_dir] if private else [data_dir / name for name in PARTS]:
            close_to_others(part)
    except OSError as error:
        handle.close()
        raise InterlockError(
            f"other users of this machine can read the data directory {data_dir}, and its permissions cannot be "
            f"changed ({error.strerror}): choose a directory of your own with `--data-dir`."
        ) from error
    return handle


def close_to_others(directory: Path) -> None:
    """Takes all rights to a directory and what is in it from group and others. Raises OSError."""
    for folder, _, files in os.walk(directory):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            # Children of a supervisor that was killed may still be at work there.
            with suppress(FileNotFoundError):
                mode = os.lstat(path).st_mode
                if mode & OTHERS and not stat.S_ISLNK(mode):
                    os.chmod(path, stat.S_IMODE(mode) & ~OTHERS)


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


def describe(
    data_dir: Path,
    *,
    kafka_port: int | None = None,
    clickhouse_port: int | None = None,
    console_port: int | None = None,
    any_port: bool = False,
    secure: bool | None = None,
) -> Instance:
    """A description for a start: secrets as before; ports as given, else as before, else the conventional ones.

    With `any_port` a free port takes the place of one that is not given. `secure`: whether Kafka asks for a password;
    None: as before, at first not. Raises InterlockError where a port is taken.
    """
    before = read(data_dir)
    kafka, clickhouse = (before.kafka_port, before.clickhouse_port) if before else (None, None)
    console = before.console_port or None if before else None
    password = before.kafka_password if before else ""
    # None of them listens before the last is chosen.
    before_ports = (kafka, clickhouse, console, before.controller_port if before else None)
    taken = {port for port in (kafka_port, clickhouse_port, console_port, *before_ports) if port}
    if secure is not None:
        password = (password or secrets.token_hex(16)) if secure else ""
    return Instance(
        supervisor_pid=os.getpid(),
        kafka_port=_port("Kafka", "--kafka-port", kafka_port, kafka, KAFKA_PORT, any_port, taken),
        controller_port=_free(before.controller_port if before else None, taken),
        clickhouse_port=_port(
            "ClickHouse", "--clickhouse-port", clickhouse_port, clickhouse, CLICKHOUSE_PORT, any_port, taken
        ),
        console_port=_port("the console", "--console-port", console_port, console, CONSOLE_PORT, any_port, taken),
        writer_password=before.writer_password if before else secrets.token_hex(16),
        analyst_password=before.analyst_password if before else secrets.token_hex(16),
        audit_key=before.audit_key if before else secrets.token_hex(16),
        ready=False,
        children=[],
        kafka_password=password,
        session_key=(before.session_key if before else "") or secrets.token_hex(SESSION_KEY_BYTES),
        trail_key=(before.trail_key if before else "") or secrets.token_hex(TRAIL_KEY_BYTES),
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


def _port(
    server: str,
    option: str,
    given: int | None,
    before: int | None,
    convention: int,
    any_port: bool,
    taken: set[int],
) -> int:
    if any_port and given is None:
        return _free(before, taken)
    port = given or before or convention
    if is_free(port):
        return port
    raise InterlockError(
        f"port {port}, on which {server} would listen, is taken{_owner(port)}. Stop that program, or choose: "
        f"`interlock up --any-port` takes free ports, `interlock up {option} N` takes port N. Commands and `Client()` "
        "find the instance on any port when they start in its folder or below."
    )


def _free(before: int | None, taken: set[int]) -> int:
    """The port of the last start if it is free, else another free one that is not `taken`, which it is from now on."""
    port = before if before and is_free(before) else free_port(taken)
    taken.add(port)
    return port


def _owner(port: int) -> str:
    """The program that listens on a port, as far as the system tells this user."""
    import psutil

    try:
        listeners = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        ]
    except (psutil.Error, OSError):
        return ""
    for pid in listeners:
        try:
            process = psutil.Process(pid) if pid else None
            if process is not None:
                return f" by {process.name()} (process {pid}{_instance_of(process)})"
        except psutil.Error:
            continue
    return ""


def _instance_of(process: "psutil.Process") -> str:
    """The instance that `process` belongs to, where the system tells this user in which directory it was started."""
    import psutil

    try:
        named = process.environ().get("INTERLOCK_DATA_DIR")
        words = process.cmdline()
        given = [word for option, word in pairwise(words) if option == "--data-dir"]
        started = Path(process.cwd())
    except (psutil.Error, OSError):
        return ""
    for directory in [*([Path(named)] if named else []), *(started / word for word in given), find_data_dir(started)]:
        with suppress(OSError, ValueError):
            described = read(directory)
            if described is not None and process.pid in {child.pid for child in described.children}:
                return f", of the instance in {directory}"
    return ""
