"""From a routed decision to a task."""

from dataclasses import dataclass

from interlock.policy import review
from interlock.policy.duties import Duties, calendar_text
from interlock.policy.review import Terms
from interlock.processors.desk.arms import draw_arm
from interlock.processors.desk.deadlines import reschedule
from interlock.processors.desk.order import score
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import DESK, POLICY, Task
from interlock.processors.desk.task_records import resolution, task_alert, task_changed
from interlock.processors.desk.verdicts import automatic_verdict
from interlock.processors.events import Event

_SECOND = 1_000_000

# For an unknown priority: soon, without pushing aside what is known to be critical.
_DEFAULT_PRIORITY = "high"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the desk reads of a routed decision; `alternatives` as (option, confidence). Times in microseconds.

    `quorum`: 0 where the router did not tell what it demands of people, as before version 2 of its schema.
    `caller`: who waits for it, empty if nobody is named. `caller_seconds`: for how long from now on, None if unknown.
    """

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
    quorum: int = 0
    qualifications: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    calendar: str = ""
    service_levels: str = ""
    outcome_notices: str = ""
    attestations: tuple[str, ...] = ()
    evidence_opened: bool = False
    caller: str = ""
    caller_seconds: float | None = None
    notices: tuple[str, ...] = ()
    notify_within_days: int = 0
    created_at: int | None = None


def arrive(state: DeskState, arrival: Arrival, now: int) -> list[Event]:
    """The task of a routed decision, and its first resolution where it took effect already.

    A known decision makes no second task, and an alert if it differs: the router recognises only what was sent lately.
    One that took effect unseen (route auto, no audit) becomes a done task, so that it can be overridden or appealed.
    """
    known = state.tasks.get(arrival.decision_id)
    # A gold item has an id that was free; it gives way to a decision that comes under it after all.
    if known is not None and known.kind != "gold":
        return [task_changed(known, "repeated", DESK, now), *_contradiction(known, arrival, now)]
    in_force = state.terms_of(arrival.domain, arrival.queue)
    duties = _duties(arrival, in_force)
    terms = review.kept(in_force, duties)
    took_effect = arrival.route == "auto"
    unseen = took_effect and not arrival.audit and arrival.override_until is None
    # What has not taken effect needs a resolution, whatever else its record says.
    measured = "audit" if arrival.audit else "post_approval" if arrival.override_until is not None else "review"
    kind = measured if took_effect else "review"
    confidence = min(1.0, max(0.0, arrival.calibrated_confidence)) if arrival.calibrated_confidence >= 0 else 0.0
    impact = state.impact(arrival.queue, arrival.amount, arrival.impact)
    task = Task(
        task_id=arrival.decision_id,
        decision_id=arrival.decision_id,
        kind=kind,
        state="done" if unseen else "waiting",
        queue=arrival.queue,
        priority=arrival.priority if arrival.priority in terms.service_seconds else _DEFAULT_PRIORITY,
        route=arrival.route,
        workflow=arrival.workflow,
        domain=arrival.domain,
        model_id=arrival.model_id,
        model_version=arrival.model_version,
        prediction=arrival.prediction,
        confidence=arrival.calibrated_confidence,
        raw_confidence=arrival.confidence,
        propensity=arrival.propensity,
        amount=arrival.amount,
        impact=impact,
        compliance_review=arrival.compliance_review,
        policy_version=arrival.policy_version,
        deadline_policy=terms.policy_version,
        routed_at=arrival.routed_at,
        arrived_at=now,
        due_from=min(arrival.routed_at, now),
        deadline=0,
        score=score(impact, confidence, arrival.compliance_review),
        blind=kind == "audit",
        quorum=duties.quorum,
        reasons=arrival.reasons,
        routed_queue=arrival.queue,
        routed_qualifications=duties.qualifications,
        routed_outcomes=duties.outcomes,
        routed_calendar=duties.calendar,
        routed_service_levels=duties.service_levels,
        routed_notices=duties.notices,
        routed_attestations=duties.attestations,
        routed_evidence_opened=duties.evidence_opened,
        routed_notify_within_days=duties.notify_within_days,
        created_at=_created_at(arrival),
        payload_hash=arrival.payload_hash,
        topic=arrival.topic,
        partition=arrival.partition,
        offset=arrival.offset,
        caller=arrival.caller,
        caller_until=None if arrival.caller_seconds is None else now + round(arrival.caller_seconds * _SECOND),
        options=_options(arrival, terms.outcomes, terms.options) if arrival.workflow == "hybrid" else (),
    )
    events = []
    if took_effect:
        task.version = task.effect = 1
        task.notices = arrival.notices
        task.outcome = arrival.prediction
        task.decided_by = POLICY
        task.decided_at = arrival.routed_at
        task.source = POLICY
        window = arrival.routed_at + terms.override_seconds * _SECOND
        if not unseen:
            # What nobody is to look at is final at once, and its callers are told so: only an appeal changes it.
            task.override_until = window if arrival.override_until is None else arrival.override_until
        task.final_at = task.override_until
        verdict = automatic_verdict(arrival.prediction, "policy", "took effect by itself", task, now)
        events.append(resolution(task, verdict, source=POLICY, decided_by=()))
    draw_arm(state, task, now)
    reschedule(state, task, now)
    state.keep(task)
    events.append(task_changed(task, "taken_over" if unseen else "arrived", DESK, now))
    return events


def _duties(arrival: Arrival, in_force: Terms) -> Duties:
    """What the router told; of an old record what the policy in force says."""
    if arrival.quorum > 0:
        return Duties(
            arrival.quorum,
            arrival.qualifications,
            arrival.outcomes,
            arrival.calendar,
            arrival.service_levels,
            arrival.outcome_notices,
            arrival.attestations,
            arrival.evidence_opened,
            max(0, arrival.notify_within_days),
        )
    return Duties(1, in_force.qualifications, in_force.outcomes, calendar_text(in_force.calendar))


def _created_at(arrival: Arrival) -> int | None:
    """When the decision was made; not after it was routed, by whatever clock, and after 1970. None where it took effect
    at once, and where its record does not tell: no term runs from it."""
    if arrival.route == "auto" or arrival.created_at is None:
        return None
    return max(0, min(arrival.created_at, arrival.routed_at))


def differences(known: Task, arrival: Arrival) -> list[str]:
    """What a routed decision says otherwise than the one that a task is about; empty if they are the same decision."""
    names = ("domain", "model_id", "model_version", "prediction", "amount", "compliance_review")
    pairs = {name: (getattr(known, name), getattr(arrival, name)) for name in names}
    pairs["confidence"] = known.raw_confidence, arrival.confidence
    # As texts, where a number that is none (NaN) equals itself: a person judges such a decision.
    return [name for name, (one, other) in pairs.items() if str(one) != str(other)]


def _contradiction(known: Task, arrival: Arrival, now: int) -> list[Event]:
    """An alert if another decision came under the id of a task."""
    different = differences(known, arrival)
    if not different:
        return []
    message = (
        f"Another decision came under the id of task {known.task_id}: {', '.join(different)} differ. It is at "
        f"{arrival.topic}[{arrival.partition}] offset {arrival.offset}, and has no task; the first one, at "
        f"{known.topic}[{known.partition}] offset {known.offset}, stands. If the second one took effect by itself it "
        "must be undone by hand. A producer must give every decision an id of its own."
    )
    cause = f"{known.decision_id}/{arrival.payload_hash}"
    return [task_alert(known, "contradiction", cause, "critical", (), message, now)]


def _options(arrival: Arrival, outcomes: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The outcomes to choose from, the model's own first, then by its confidence in them."""
    ranked = sorted(arrival.alternatives, key=lambda option: -option[1])
    named = dict.fromkeys([arrival.prediction, *(option for option, _ in ranked), *outcomes])
    return tuple(option for option in named if not outcomes or option in outcomes)[:count]
