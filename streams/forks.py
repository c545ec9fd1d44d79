"""Kafka clients after a fork: their threads stay in the parent, so that a child can neither use nor free them."""

import ctypes


def abandon(inherited: object) -> None:
    """Keeps an object that a child process has inherited from being freed, at the interpreter's exit too: librdkafka
    would wait for threads that this process does not have."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))
