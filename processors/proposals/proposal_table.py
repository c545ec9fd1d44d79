"""The proposals there are, and what people said to them."""

from collections.abc import Iterator
from typing import Any

import structlog

from interlock.processors.events import Event
from interlock.schemas import catalogue, wire

log = structlog.get_logger()

Proposal = dict[str, Any]


class ProposalTable:
    """The topic `proposals` as it stands, with what was just written to it."""

    def __init__(self) -> None:
        self._known: dict[str, Proposal] = {}

    def follow(self, key: bytes | None, value: bytes | None) -> None:
        """Takes over a record of the topic; one that cannot be read changes nothing."""
        name = (key or b"").decode(errors="replace")
        if value is None:
            self._known.pop(name, None)
            return
        try:
            self._known[name] = wire.decode_plain("Proposal", value)
        except wire.WireError as error:
            log.error("proposal refused; the one before stays", proposal=name, error=str(error))

    def note(self, proposal: Proposal) -> Event:
        """`proposal` as an event, and as it stands from now on."""
        self._known[proposal["proposal_id"]] = proposal
        return Event(catalogue.PROPOSALS, proposal["proposal_id"], proposal)

    def get(self, proposal_id: str) -> Proposal | None:
        return self._known.get(proposal_id)

    def is_open(self, proposal_id: str) -> bool:
        """Nobody decided on it yet."""
        found = self._known.get(proposal_id)
        return found is not None and found["state"] == "open"

    def __iter__(self) -> Iterator[Proposal]:
        """By id."""
        return iter([self._known[name] for name in sorted(self._known)])
