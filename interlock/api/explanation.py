"""The explanation of a decision, for whoever may have it."""

from datetime import UTC, datetime

from interlock.api.access.principal import Principal
from interlock.api.backend import Backend
from interlock.api.blindness import check_told
from interlock.api.problems import not_found
from interlock.explanations.gathering import gather
from interlock.explanations.page import Told
from interlock.processors.explanation.explain import explain
from interlock.processors.explanation.for_subject import explain_to_subject
from interlock.processors.review.times import micros


def explanation_of(
    backend: Backend, person: Principal, decision_id: str, *, as_of: datetime | None = None, for_subject: bool = False
) -> Told:
    """What the person may read of it. Raises Problem: where nobody knows the decision, and to whoever may still judge
    it, before anybody knows whether it is one; and KafkaException."""
    check_told(backend.board, person, decision_id)
    records = gather(decision_id, lambda: backend.broker, backend.clickhouse, lambda: backend.platform.keys_to_read)
    if as_of is not None:
        records = records.until(micros(as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)))
    if not records.known:
        raise not_found("decision", decision_id)
    return explain_to_subject(records) if for_subject else explain(records)
