"""Kafka in memory: topics, transactions, groups and faults on demand, deterministic and without threads.

    broker = MemoryBroker()  # a cluster, and the first process on it
    broker.create_topics([TopicSpec("payments", partitions=3)])
    producer = broker.producer(None)
    producer.produce("payments", b"value", b"key")
    producer.flush()
    replacement = broker.process()  # another process on the same cluster
    broker.faults.inject(Crash(), after=2)  # the first process dies at its third step from now

It passes the conformance suite of the real broker, so that whole topologies can be tested in milliseconds. A process
can die at any step, which no real broker can be made to do on purpose. Users import it from `interlock.testing`.
"""

from interlock.streams.inline_executor import InlineExecutor
from interlock.streams.memory.broker import MemoryBroker
from interlock.streams.memory.faults import Crash, FaultPlan, Late, Step, abortable, fenced, timed_out, unavailable

__all__ = [
    "Crash",
    "FaultPlan",
    "InlineExecutor",
    "Late",
    "MemoryBroker",
    "Step",
    "abortable",
    "fenced",
    "timed_out",
    "unavailable",
]
