"""Finds similar cases for a reviewer: asks ClickHouse by the best method that gives any."""

from typing import TYPE_CHECKING

from interlock.policy.model import Policy
from interlock.processors.review.payload import Payload
from interlock.processors.review.similar import (
    NEAREST,
    Method,
    SimilarCase,
    SimilarCases,
    Subject,
    methods_for,
    none_found,
    subject_of,
    summarise,
    wanted,
)
from interlock.processors.review.view import TaskView
from interlock.sinks.similar_cases import NearCase, Nearest, SimilarCaseQueries

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.encryption.keys import KeyStore


def find_similar_cases(
    client: "Client",
    decision_id: str,
    view: TaskView,
    payload: Payload,
    in_force: Policy | None,
    now: int,
    keys: "KeyStore | None" = None,
) -> SimilarCases | None:
    """Similar cases of a task at `now` (microseconds since the epoch); None where none are to be shown.

    Nothing is asked where the AI's answer is hidden, or where the producer sent similar cases. `client`: of the
    read-only analyst. `decision_id`: of the task's record, and never among the cases; view and payload of a gold item
    have another one, and the case that it copies is the nearest of all. `in_force`: the policy that owns the domain,
    whose attributes are compared. `keys`: open what is sealed; cases that they do not open are left out. Raises
    ClickHouseError.
    """
    if not wanted(view):
        return None
    subject = subject_of(payload.routed, {} if in_force is None else in_force.attribute_types())
    queries = SimilarCaseQueries(client, decision_id, subject.domain, now, NEAREST, keys)
    for method in methods_for(subject):
        found = _ask(queries, method, subject)
        if found.rows:
            return summarise(subject, method, [_case(row) for row in found.rows], found.compared)
    return none_found(subject)


def _ask(queries: SimilarCaseQueries, method: Method, subject: Subject) -> Nearest:
    match method:
        case "vector":
            return queries.by_vector(subject.model_id, subject.vector)
        case "attributes":
            return queries.by_attributes(subject.words, subject.numbers)
        case "confidence":
            return queries.by_confidence(subject.model_id, subject.prediction, subject.confidence)


def _case(row: NearCase) -> SimilarCase:
    return SimilarCase(
        case_id=row.decision_id,
        model_id=row.model_id,
        outcome=row.outcome,
        prediction=row.prediction,
        confidence=row.confidence,
        overridden=row.outcome != row.prediction,
        decided_at=row.decided_at,
        similarity=row.similarity,
    )
