"""Carrying out what was decided: the library for executors, and the executors that come with Interlock."""

from interlock.executors.deliveries import Refused, TryLater
from interlock.executors.execution import Execution
from interlock.executors.seen import MemorySeen, Seen, SqliteSeen
from interlock.executors.stream import Executor

__all__ = ["Execution", "Executor", "MemorySeen", "Refused", "Seen", "SqliteSeen", "TryLater"]
