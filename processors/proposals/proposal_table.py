"""All proposals, with what people decided on them."""

from collections.abc import Iterator
from typing import Any

import structlog

from interlock.processors.events import Event
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key

log = structlog.get_logger()

Proposal = dict[str, Any]


class ProposalTable:
    """The topic `proposals` as a table, including what this process has just written."""

    def __init__(self) -> None:
        self._proposals: dict[str, Proposal] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Applies a record of the topic; one that cannot be read, or is not about its key, changes nothing."""
        name = (key or b"").decode(errors="replace")
        if value is None:
            self._proposals.pop(name, None)
            return
        try:
            proposal = wire.decode_plain("Proposal", value)
            check_key(name, proposal["proposal_id"])
        except ValueError as error:  # WireError is one
            log.error("unusable proposal; the previous one stays", proposal=name, error=str(error))
            return
        self._proposals[name] = proposal

    def put(self, proposal: Proposal) -> Event:
        """Stores `proposal`, and returns the event that writes it."""
        self._proposals[proposal["proposal_id"]] = proposal
        return Event(catalogue.PROPOSALS, proposal["proposal_id"], proposal)

    def get(self, proposal_id: str) -> Proposal | None:
        return self._proposals.get(proposal_id)

    def is_open(self, proposal_id: str) -> bool:
        """Whether it waits for a person."""
        proposal = self._proposals.get(proposal_id)
        return proposal is not None and proposal["state"] == "open"

    def __iter__(self) -> Iterator[Proposal]:
        """By id."""
        return iter([self._proposals[name] for name in sorted(self._proposals)])
