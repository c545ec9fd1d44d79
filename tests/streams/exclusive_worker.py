"""A process with an exclusive runner on a real Kafka, to be killed: `python -m tests.streams.exclusive_worker`."""

import signal
import sys
import threading

from interlock.streams.kafka import KafkaBroker
from interlock.streams.runner import Runner, RunnerSettings
from tests.streams.counting import Counting


def main(bootstrap_servers: str, group: str, name: str, counts: str, *inputs: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    broker = KafkaBroker(bootstrap_servers)
    counting = Counting(broker, name, counts=counts)
    settings = RunnerSettings(group, name, inputs, exclusive=True)
    Runner(broker, counting, settings, restore=counting.restore, stop=stop).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
