"""From a routed decision to a task."""

from dataclasses import dataclass

from interlock.policy import review
from interlock.processors.desk.deadlines import reschedule
from interlock.processors.desk.order import score
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import NOBODY, Task
from interlock.processors.desk.task_records import resolution, task_changed
from interlock.processors.desk.timers import DESK
from interlock.processors.desk.verdicts import automatic_verdict
from interlock.processors.events import Event

_SECOND = 1_000_000

# For a priority that nobody knows: soon, without pushing aside what is known to be critical.
_IN_DOUBT = "high"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the desk reads of a routed decision; `alternatives` as (option, confidence). Times in microseconds."""

    topic: str
    partition: int
    offset: int
    payload_hash: str
    routed_at: int
    route: str
    reasons: tuple[str, ...]
    calibrated_confidence: float
    policy_version: str
    workflow: str
    priority: str
    queue: str
    audit: bool
    propensity: float
    override_until: int | None
    decision_id: str
    domain: str
    model_id: str
    model_version: str
    prediction: str
    confidence: float
    impact: str
    amount: float | None
    compliance_review: bool
    alternatives: tuple[tuple[str, float], ...] = ()


def arrive(state: DeskState, one: Arrival, now: int) -> list[Event]:
    """The task of a routed decision, and the first word on it where it took effect already.

    A decision that is known is not taken again: a producer that is unsure whether its message got through sends it
    twice. One that took effect unseen (route auto, no audit) is taken over as done, so that it can be overridden or
    appealed.
    """
    known = state.tasks.get(one.decision_id)
    if known is not None:
        return [task_changed(known, "repeated", DESK, now)]
    terms = state.terms_of(one.domain, one.queue)
    took_effect = one.route == "auto"
    unseen = took_effect and not one.audit and one.override_until is None
    # What has not taken effect waits for its word, whatever else its record says.
    measured = "audit" if one.audit else "post_approval" if one.override_until is not None else "review"
    kind = measured if took_effect else "review"
    confidence = min(1.0, max(0.0, one.calibrated_confidence)) if one.calibrated_confidence >= 0 else 0.0
    impact = state.impact(one.queue, one.amount, one.impact)
    task = Task(
        task_id=one.decision_id,
        decision_id=one.decision_id,
        kind=kind,
        state="done" if unseen else "waiting",
        queue=one.queue,
        priority=one.priority if one.priority in terms.service_seconds else _IN_DOUBT,
        route=one.route,
        workflow=one.workflow,
        domain=one.domain,
        model_id=one.model_id,
        model_version=one.model_version,
        prediction=one.prediction,
        confidence=one.calibrated_confidence,
        raw_confidence=one.confidence,
        propensity=one.propensity,
        amount=one.amount,
        impact=impact,
        compliance_review=one.compliance_review,
        policy_version=one.policy_version,
        deadline_policy=terms.policy_version,
        routed_at=one.routed_at,
        arrived_at=now,
        due_from=min(one.routed_at, now),
        deadline=0,
        score=score(impact, confidence, one.compliance_review),
        blind=kind == "audit",
        quorum=review.quorum(terms, one.reasons),
        payload_hash=one.payload_hash,
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        options=_options(one, terms.outcomes, terms.options) if one.workflow == "hybrid" else (),
    )
    made = []
    if took_effect:
        task.version = task.effect = 1
        task.outcome = one.prediction
        task.decided_by = NOBODY
        task.decided_at = one.routed_at
        window = one.routed_at + terms.override_seconds * _SECOND
        task.override_until = window if one.override_until is None else one.override_until
        verdict = automatic_verdict(one.prediction, "policy", "took effect by itself", task, now)
        final = task.window_open_until is None
        made.append(resolution(task, verdict, source="policy", decided_by=(), final=final))
    reschedule(state, task, now)
    state.keep(task)
    made.append(task_changed(task, "taken_over" if unseen else "arrived", DESK, now))
    return made


def _options(one: Arrival, outcomes: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The outcomes to choose from, the model's own first, then by its confidence in them."""
    ranked = sorted(one.alternatives, key=lambda option: -option[1])
    named = dict.fromkeys([one.prediction, *(option for option, _ in ranked), *outcomes])
    return tuple(option for option in named if not outcomes or option in outcomes)[:count]
