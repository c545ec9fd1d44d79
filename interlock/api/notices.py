"""The notices about a decision, for those who may know how it was decided."""

from dataclasses import asdict
from typing import Any

from interlock.api.access.principal import Principal
from interlock.api.backend import Backend
from interlock.api.blindness import check_told
from interlock.api.problems import not_found
from interlock.review.sent_notices import notices_of_decision
from interlock.schemas.times import moment


def notices_about(backend: Backend, person: Principal, decision_id: str) -> dict[str, Any]:
    """What was sent and what is due. Raises Problem, and what queries raise."""
    check_told(backend.board, person, decision_id)
    with backend.clickhouse() as client, backend.payload_reader() as payloads:
        found = notices_of_decision(client, payloads, decision_id, backend.platform.keys_to_read)
    if not found.sent and not found.unwritten:
        raise not_found("notice about decision", decision_id)
    sent = [{**asdict(one), "at": moment(one.at)} for one in found.sent]
    return {"decision_id": decision_id, "sent": sent, "unwritten": list(found.unwritten)}
