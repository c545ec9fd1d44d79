"""The broker's classes, loaded and linked once and mapped at every later start: a cache of the JVM (JEP 514).

A broker starts as well without it, only in twice the time and with three times the processor time.
So nobody waits for the cache. Whoever starts an instance without one has it made in the background.
"""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def cache_file(java: Path, jars: Sequence[Path], directory: Path) -> Path:
    """The cache of this Java runtime and these jars in `directory`; it need not exist."""
    release = (java.parent.parent / "release").read_bytes()
    # The JVM refuses a cache whose jars have another path, size or time.
    parts = [f"{jar}:{jar.stat().st_size}:{jar.stat().st_mtime_ns}" for jar in jars]
    key = hashlib.sha256(release + "\n".join(parts).encode()).hexdigest()[:16]
    return directory / f"kafka-{key}.aot"


def java_options(file: Path) -> list[str]:
    """What tells the JVM to use the cache, once there is one."""
    # Of a cache that it cannot use the JVM says so and starts without. That is no cause of any failure.
    return [f"-XX:AOTCache={file}", "-Xlog:aot*=off"] if file.exists() else []


def make_in_background(file: Path) -> None:
    """Starts a process that makes the cache, unless there is one."""
    if not file.exists():
        subprocess.Popen(
            [sys.executable, "-P", "-m", "interlock.streams.embedded_kafka.aot_cache_training"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
