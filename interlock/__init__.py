"""Interlock: human-in-the-loop decisions on Kafka."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.client.async_client import AsyncClient
    from interlock.client.client import Client, DeliveryError
    from interlock.client.result import DecisionResult, NotDecidedError
    from interlock.errors import InterlockError
    from interlock.schemas.models import Decision

    __version__: str

__all__ = [
    "AsyncClient",
    "Client",
    "Decision",
    "DecisionResult",
    "DeliveryError",
    "InterlockError",
    "NotDecidedError",
    "__version__",
]

_MODULES = {
    "AsyncClient": "interlock.client.async_client",
    "Client": "interlock.client.client",
    "Decision": "interlock.schemas.models",
    "DecisionResult": "interlock.client.result",
    "DeliveryError": "interlock.client.client",
    "InterlockError": "interlock.errors",
    "NotDecidedError": "interlock.client.result",
}


def __getattr__(name: str) -> Any:
    """Imports on first use: the command line should not pay for the client library, nor the other way round."""
    if name == "__version__":
        from importlib.metadata import version

        return version("interlock")
    if name not in _MODULES:
        raise AttributeError(f"module 'interlock' has no attribute {name!r}")
    if sys.version_info < (3, 11):  # noqa: UP036 - reached from a checkout, which no installer has refused
        raise ImportError("Interlock needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2])  # noqa: UP031
    from importlib import import_module

    try:
        module = import_module(_MODULES[name])
    except (ImportError, AttributeError) as error:
        from interlock.platform.extras import explain

        explanation = explain(error, f"interlock.{name}")
        if explanation is None:
            raise
        raise ImportError(explanation) from error
    return getattr(module, name)
