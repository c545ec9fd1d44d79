"""Kafka in memory: topics, transactions, groups and faults on demand, deterministic and without threads.

It passes the conformance suite of the real broker, so that whole topologies can be tested in milliseconds,
and it can die at any step, which a real broker cannot be made to do on purpose.
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
