"""Makes the cache of the broker's classes, from what a broker loads until it serves.

`python -m interlock.streams.embedded_kafka.aot_cache_training` makes it now, in about 12 s, unless there is one.
"""

import fcntl
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from interlock.streams.embedded_kafka import jars
from interlock.streams.embedded_kafka.broker import EmbeddedKafka
from interlock.streams.embedded_kafka.errors import BrokerError, JarError
from interlock.streams.embedded_kafka.launch import aot_cache_file
from interlock.streams.embedded_kafka.settings import BrokerSettings

# The JVM writes the cache when it ends: 7 s, but the machine may be busy with what matters more.
_STOP_TIMEOUT_SECONDS = 600.0


def make(file: Path) -> bool:
    """Writes the cache; whether this call did. Raises BrokerError, OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock, tempfile.TemporaryDirectory(dir=file.parent) as directory:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process is making it
            return False
        if file.exists():
            return False
        made = Path(directory) / file.name
        settings = BrokerSettings.on_free_ports(Path(directory) / "broker")
        options = (f"-XX:AOTCacheOutput={made}",)
        with EmbeddedKafka(replace(settings, java_options=options), _STOP_TIMEOUT_SECONDS) as broker:
            broker.stop(_STOP_TIMEOUT_SECONDS)
        made.replace(file)
    return True


def main() -> None:
    os.nice(19)  # nobody waits for it
    try:
        jars.resolve()
        file = aot_cache_file()
        print(f"made {file}" if make(file) else f"{file} is there, or is being made")
    except (BrokerError, JarError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
