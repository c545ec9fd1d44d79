"""Interlock: human-in-the-loop decisions on Kafka."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.client import AsyncClient, Client, DeliveryError
    from interlock.deciding import Decided, Undecided
    from schemas.models import Decision

__all__ = ["AsyncClient", "Client", "Decided", "Decision", "DeliveryError", "Undecided"]


def __getattr__(name: str) -> Any:
    """Loads what is asked for: the command line should not pay for the client library, nor the other way round."""
    if name == "Decision":
        from schemas.models import Decision

        return Decision
    if name in __all__:
        from interlock import client

        return getattr(client, name)
    raise AttributeError(f"module 'interlock' has no attribute {name!r}")
