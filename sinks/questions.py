"""Stand-in."""

from typing import Any


def ask(client: Any, name: str, **parameters: Any) -> Any:
    from interlock.errors import InterlockError

    raise InterlockError("not yet")
