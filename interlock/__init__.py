"""Interlock: human-in-the-loop decisions on Kafka."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.client.client import AsyncClient, Client, DeliveryError
    from interlock.client.pending import DecisionResult, NotDecidedError
    from interlock.errors import InterlockError
    from interlock.schemas.models import Decision

__all__ = ["AsyncClient", "Client", "Decision", "DecisionResult", "DeliveryError", "InterlockError", "NotDecidedError"]

_HOMES = {
    "AsyncClient": "interlock.client.client",
    "Client": "interlock.client.client",
    "Decision": "interlock.schemas.models",
    "DecisionResult": "interlock.client.pending",
    "DeliveryError": "interlock.client.client",
    "InterlockError": "interlock.errors",
    "NotDecidedError": "interlock.client.pending",
}


def __getattr__(name: str) -> Any:
    """Loads what is asked for: the command line should not pay for the client library, nor the other way round."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'interlock' has no attribute {name!r}")
