"""Three days of loan applications, the data behind the questions and answers of docs/analysts.md and its notebook."""

from typing import Any

from interlock.schemas import wire
from tests.sinks import review_records
from tests.sinks.review_records import HOUR, MINUTE, SECOND
from tests.sinks.sink_world import ASYNC, AUTO, MANUAL, OUTCOMES, SYNC, TASKS, World, decision, routed

DOMAIN = "loan_approval"
# 2026-01-05T08:00:00Z, a Monday, in microseconds.
MONDAY = 1_767_600_000 * SECOND
DAYS = 3
A_DAY = 60
EVERY = 8 * MINUTE
AUDIT_RATE = 0.1
_PEOPLE = ("ann", "bob", "carla")
_TOPICS = {"auto": AUTO, "async": ASYNC, "sync": SYNC, "manual": MANUAL}


def fill(world: World) -> None:
    """Sixty applications a day: two of three take effect by themselves, of which every tenth is audited; people decide
    the others but for the last ones, which still wait."""
    for number in range(DAYS * A_DAY):
        _apply(world, number)
    world.commit_router()
    writer = world.writer()
    world.settle(writer)
    writer.close()


def _apply(world: World, number: int) -> None:
    at = MONDAY + number // A_DAY * 24 * HOUR + number % A_DAY * EVERY
    route = ("auto", "auto", "async", "auto", "auto", "sync" if number % 12 == 5 else "async")[number % 6]
    audited = route == "auto" and number % 10 == 0
    decision_id = f"loan-{number:03}"
    prediction = "reject" if number % 5 == 4 else "approve"
    confidence = round((0.9 if route == "auto" else 0.6) + number % 8 / 100, 2)
    record = decision(
        decision_id,
        DOMAIN,
        model_id="credit",
        model_version="8" if number >= A_DAY else "7",
        prediction=prediction,
        confidence=confidence,
        created_at=at - SECOND,
        amount=1000.0 + number % 40 * 500,
        jurisdiction=("DE", "FR")[number % 2],
        subject_id=f"customer-{number:03}",
        attributes={"age": str(20 + number * 7 % 50)},
    )
    reasons = {"auto": ["lane:approve:auto"], "async": ["lane:approve:async"], "sync": ["rule:large-loan"]}[route]
    envelope = routed(
        record,
        route,
        routed_at=at,
        reasons=reasons,
        calibrated_confidence=confidence,
        audit=audited,
        propensity=AUDIT_RATE if route == "auto" else 1.0,
        priority="high" if route == "sync" else "low",
    )
    world.send(_TOPICS[route], decision_id.encode(), wire.encode("RoutedDecision", envelope))
    if audited:
        world.send(ASYNC, decision_id.encode(), wire.encode("RoutedDecision", envelope))
    if route != "auto" or audited:
        _work(world, number, at, record, envelope)


def _work(world: World, number: int, at: int, record: dict[str, Any], envelope: dict[str, Any]) -> None:
    """A task, and its verdict unless it is one of the last."""
    decision_id, kind = record["decision_id"], "audit" if envelope["audit"] else "review"
    claimed = at + (5 + number % 7 * 10) * MINUTE
    decided = claimed + (2 + number % 5) * MINUTE
    deadline = at + HOUR
    common = {
        "domain": DOMAIN,
        "kind": kind,
        "queue": "underwriting",
        "priority": envelope["priority"],
        "route": envelope["route"],
        "model_id": record["model_id"],
        "model_version": record["model_version"],
        "prediction": record["prediction"],
        "confidence": record["confidence"],
        "raw_confidence": record["confidence"],
        "propensity": envelope["propensity"],
        "arrived_at": at,
        "deadline": deadline,
    }
    of_task = {**common, "amount": record["amount"], "routed_at": at, "due_from": at, "created_at": at}
    world.tell(TASKS, decision_id, review_records.task(decision_id, at=at, **of_task))
    if number >= DAYS * A_DAY - 10:
        return
    person = _PEOPLE[number // 6 % 3]
    overridden = number % 9 == 2 or number == 30 or (person == "bob" and number % 4 == 1)
    final = record["prediction"]
    if overridden:
        final = "reject" if final == "approve" else "approve"
    closed = {"state": "done", "actor": person, "at": decided, "decided_at": decided, "closed_at": decided}
    ended = {
        "breached": decided > deadline,
        "outcome": final,
        "decided_by": person,
        "source": "review",
        "version": 1,
    }
    world.tell(TASKS, decision_id, review_records.task(decision_id, "resolved", **of_task, **closed, **ended))
    world.tell(
        OUTCOMES,
        decision_id,
        review_records.outcome(
            decision_id,
            **common,
            reviewer=person,
            outcome=final,
            verdict="reject" if overridden else "approve",
            reason_code="income" if overridden else "fits",
            at=decided,
            claimed_at=claimed,
            within_sla=decided <= deadline,
            audit=envelope["audit"],
            settled_before=decided,
            way_settled_before=decided,
        ),
    )
