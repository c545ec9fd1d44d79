"""Kafka clients after a fork: their threads stay in the parent, so that a child can neither use nor free them.

A child that uses one all the same would wait for ever, or until a time-out: it is told at once instead.
"""

import ctypes
import os
import weakref
from typing import Any, NoReturn, Protocol

from interlock.errors import InterlockError


class ForkedError(InterlockError):
    """A Kafka client is used in a child process, and was made before the fork."""


class Inherited(Protocol):
    """What begins anew, or ends, in a child process."""

    def after_fork(self) -> None:
        """Runs in the child, before anything else does."""


_KNOWN: "weakref.WeakSet[Any]" = weakref.WeakSet()


def begin_anew_in_children(client: Inherited) -> None:
    """Calls its `after_fork` in every process that is forked from this one as long as it lives."""
    _KNOWN.add(client)


def abandon(inherited: object) -> None:
    """Keeps an object that a child process has inherited from being freed, at the interpreter's exit too: librdkafka
    would wait for threads that this process does not have."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def disable(client: Any, methods: tuple[str, ...]) -> None:
    """Lets `methods` of an inherited client raise ForkedError, and `close` do nothing."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise ForkedError(
            "a Kafka client was made before this process was forked, as gunicorn with preload and multiprocessing do, "
            "and its threads stayed in the parent: make what uses it (Executor, KafkaBroker.consumer, …) in the child"
        )

    abandon(client)
    # On the object and not in the class: a check at every call would cost the hot path as much as the call.
    for name in methods:
        setattr(client, name, refuse)
    client.close = lambda *_: None


def _after_fork() -> None:
    for client in list(_KNOWN):
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
