"""Carrying out what was decided: the library for executors, and the executors that come with Interlock."""

from interlock.executors.execution import Execution
from interlock.executors.stream import Executor
from interlock.streams.dispatch.deliveries import PermanentError, RetryLater
from interlock.streams.dispatch.seen import MemorySeen, Seen, SqliteSeen

__all__ = ["Execution", "Executor", "MemorySeen", "PermanentError", "RetryLater", "Seen", "SqliteSeen"]
