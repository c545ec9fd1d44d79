"""Apache Kafka as an ordinary child process: no Docker, no root, no system Java.

`jars` obtains and verifies what is run, `settings` and `server.properties` say how, `launch` becomes the
broker (what a supervisor wants), `broker` keeps one as a child (what tests and tools want).
"""

from interlock.streams.embedded_kafka.broker import EmbeddedKafka, wait_until_ready
from interlock.streams.embedded_kafka.errors import BrokerError, JarError
from interlock.streams.embedded_kafka.launch import prepare, run_foreground
from interlock.streams.embedded_kafka.settings import BrokerSettings, free_port

__all__ = [
    "BrokerError",
    "BrokerSettings",
    "EmbeddedKafka",
    "JarError",
    "free_port",
    "prepare",
    "run_foreground",
    "wait_until_ready",
]
