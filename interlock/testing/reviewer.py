"""The connection of a reviewer's tool to the desk of a topology: no thread, every answer before the call returns."""

from collections.abc import Callable
from typing import Any

from interlock.review.desk_connection import CommandRefusedError, DeskConnection, DeskUnavailableError, Reply


class SteppedConnection(DeskConnection):
    """Asks by stepping the topology, so that tools built on DeskClient run in the thread of the test."""

    def __init__(self, ask: Callable[[dict[str, Any]], Reply | None]) -> None:
        """`ask`: sends a `Command` record, runs the topology, and returns the reply if there is one."""
        self._ask = ask

    def ask(self, command: dict[str, Any]) -> Reply:
        """The reply to a `Command` record. Raises CommandRefusedError, or DeskUnavailableError if no desk runs."""
        reply = self._ask(command)
        if reply is None:
            raise DeskUnavailableError(command, 0, " (no desk of the topology runs)")
        if not reply.accepted:
            raise CommandRefusedError(reply)
        return reply

    def close(self) -> None:
        """Nothing to close."""
