"""What a reviewer sees of a task. A pure function decides what may be shown; tools render it and add nothing.

Blind tasks withhold everything that tells or hints at the AI's answer until the verdict. Manual cases hide it in the
same manner, and a tool asks for the view again with `reveal` when the reviewer wants to see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from interlock.policy.duties import Duties
from interlock.policy.model import Policy
from interlock.policy.review import AGREE, Terms, kept, offered, terms
from interlock.processors.review.due import due_at
from interlock.processors.review.escalated import escalated_to
from interlock.processors.review.payload import Payload
from interlock.processors.review.reasons import RouteReason, explain_reasons
from interlock.processors.review.standing import kept_duties, standing
from interlock.processors.review.times import SECOND, micros
from interlock.processors.task_kinds import DECIDE_FIRST, apparent_kind
from interlock.schemas import json_text

AIVisibility = Literal["shown", "hidden", "withheld"]
EvidenceVisibility = Literal["shown", "folded"]


@dataclass(frozen=True)
class Option:
    """An outcome to choose from. `confidence`: the model's, None where unknown or withheld."""

    outcome: str
    confidence: float | None
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()


@dataclass(frozen=True)
class AIAnswer:
    """What the AI said, and why. `confidence` is the calibrated one, `raw_confidence` the model's own.
    `alone`: its reasons and alternatives are withheld, because they would tell whether it is the model's."""

    prediction: str
    confidence: float
    raw_confidence: float
    model: str
    reasoning: str
    top_features: tuple[dict[str, Any], ...]
    similar_cases: tuple[dict[str, Any], ...]
    accuracy_on_similar: float | None
    alone: bool = False


@dataclass(frozen=True)
class TaskView:
    """A task as one reviewer may see it. Instants are microseconds since the epoch, seconds count from `now`;
    `lease_until` and `lease_seconds` are None without a lease.

    `due_seconds`: until the deadline, or until its caller stops waiting if that comes first. `created_at`: when the
    model decided, by the producer's clock.
    `why_first`: why this task came before others. `why`: why a person is asked. `ai`: None unless it is shown.
    `damage`: what cannot be read of the payload, whose record is damaged; the fields that it names are empty or cut.
    `signatures_needed`: how many people must agree before a verdict holds, `signatures_given`: how many have judged it
    so far. `reasoned`: the outcomes for which `agree` is no reason. `opinions`: earlier verdicts that this reviewer may
    know. `effect`: the outcome in force, if any.
    `opinion_due`: a first opinion is due before the AI's answer is shown; `first_opinion`: the one that this reviewer
    gave. `attestations`: what whoever decides it declares with the verdict. `evidence`: folded until this reviewer has
    told the desk, with `open_evidence`, of opening it: a pack wants that before a verdict.
    `standing`: how it stands where it is no plain first review, in sentences. `escalated_to`: who may decide it, in
    words, if it was escalated; `escalation_note`: what was said when it last went up or came back, or was recalled.
    """

    task_id: str
    decision_id: str
    kind: str
    state: str
    domain: str
    queue: str
    priority: str
    workflow: str
    created_at: int
    deadline: int
    due_seconds: int
    breached: bool
    lease_holder: str
    lease_epoch: int
    lease_until: int | None
    lease_seconds: int | None
    payload_hash: str
    verified: bool
    payload_note: str
    damage: tuple[str, ...]
    why_first: str
    why: tuple[str, ...]
    subject_id: str
    jurisdiction: str
    impact: str
    amount: float | None
    attributes: dict[str, str]
    input: Any
    previous_decisions: tuple[dict[str, Any], ...]
    options: tuple[Option, ...]
    verdicts: tuple[str, ...]
    reason_codes: tuple[str, ...]
    reasoned: tuple[str, ...]
    opinion_due: bool
    first_opinion: str
    attestations: tuple[str, ...]
    evidence: EvidenceVisibility
    ai_shown: AIVisibility
    ai: AIAnswer | None
    effect: str
    notices: tuple[str, ...]
    statement: str
    standing: tuple[str, ...]
    escalated_to: str
    escalation_note: str
    signatures_needed: int
    signatures_given: int
    opinions: tuple[dict[str, Any], ...]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def build_view(
    task: Mapping[str, Any],
    payload: Payload,
    now: int,
    *,
    routed_by: Policy | None = None,
    in_force: Policy | None = None,
    why_first: str = "",
    reveal: bool = False,
    reader: str = "",
) -> TaskView:
    """The view of a `Task` record with its payload at `now` (microseconds since the epoch).

    `routed_by`: the policy that sent it to a person, None if it is no longer known. `in_force`: the one that owns the
    domain now, whose outcomes and reason codes a verdict may use. `reveal`: the reviewer of a manual case asked for the
    AI's answer. `reader`: who looks, so that the evidence stays folded until that person opens it where that is due.
    """
    routed = payload.routed
    decision = routed["decision"]
    visibility = _visibility(task, reveal)
    hidden = visibility != "shown"
    # In the reliance experiment the answer may be another one than the model's: nothing else may tell which it was.
    discreet = hidden or bool(task["arm"])
    opinion_due = task["blind"] and task["arm"] == DECIDE_FIRST
    # Gold items look like any other. What took effect already was certain to the AI, and often only one of its
    # answers can take effect by itself: under a blind review the kind is withheld too.
    kind = apparent_kind(task["kind"], task["appeals"])
    disguised = kind == "gold" or (hidden and kind in ("audit", "post_approval"))
    agreed = terms_of_task(task, in_force)
    folded = agreed.evidence_opened and reader not in ("", *(each["reviewer"] for each in task["evidence_opened"]))
    reasons = [reason for reason in explain_reasons(routed, routed_by) if not (discreet and reason.reveals_prediction)]
    lease_until = None if task["lease_until"] is None else micros(task["lease_until"])
    needed = _signatures_needed(task, agreed, reasons, hidden)
    alone = terms(in_force, task["policy_version"], task["domain"], task["routed_queue"])
    kept_back = kept_duties(_duties(task), alone, tuple(task["reasons"]), needed if hidden else task["quorum"])
    return TaskView(
        task_id=task["task_id"],
        # That of the decision, but for gold items, whose case must not be found.
        decision_id=task["task_id"],
        kind="review" if disguised else kind,
        state=task["state"],
        domain=task["domain"],
        queue=task["queue"],
        priority=task["priority"],
        workflow=task["workflow"],
        created_at=micros(decision["created_at"]),
        deadline=micros(task["deadline"]),
        due_seconds=(due_at(task, now) - now) // SECOND,
        breached=task["breached"],
        lease_holder=task["lease_holder"],
        lease_epoch=task["lease_epoch"],
        lease_until=lease_until,
        lease_seconds=None if lease_until is None else max(0, lease_until - now) // SECOND,
        payload_hash=task["payload_hash"],
        verified=payload.verified,
        payload_note=payload.note,
        damage=payload.damage,
        why_first=why_first,
        why=tuple(reason.text for reason in reasons),
        subject_id=decision["subject_id"],
        jurisdiction=decision["jurisdiction"],
        impact=decision["impact"],
        amount=decision["amount"],
        attributes={} if folded else dict(decision["attributes"]),
        input=None if folded else _input(decision["input"]),
        previous_decisions=() if folded else tuple(decision["history"]["previous_decisions"]),
        options=_options(task, decision, agreed, discreet),
        verdicts=() if opinion_due else ("choose",) if hidden else ("approve", "reject", "modify", "choose"),
        # Nobody can agree with an answer that is not shown.
        reason_codes=tuple(code for code in agreed.reason_codes if not (hidden and code == AGREE)),
        reasoned=agreed.reasoned,
        opinion_due=opinion_due,
        first_opinion=next((one["outcome"] for one in task["first_opinions"] if one["reviewer"] == reader), ""),
        attestations=agreed.attestations,
        evidence="folded" if folded else "shown",
        ai_shown=visibility,
        ai=None if hidden else _answer_alone(task, decision) if discreet else _answer(routed),
        effect="" if hidden else task["outcome"],
        notices=() if discreet else tuple(routed["notices"]),
        statement=task["statement"],
        standing=standing(task, agreed, kept_back, hidden=hidden),
        escalated_to="" if task["state"] == "done" else escalated_to(task["escalation"], task["with_team"]),
        escalation_note=task["escalation_note"],
        signatures_needed=needed,
        signatures_given=len(_this_round(task)) if needed > 1 else 0,
        opinions=_opinions(task, hidden),
    )


def terms_of_task(task: Mapping[str, Any], in_force: Policy | None) -> Terms:
    """What holds for a `Task` record: what the policy that owns its domain now says, and what it was routed with."""
    return kept(terms(in_force, task["policy_version"], task["domain"], task["queue"]), _duties(task))


def _duties(task: Mapping[str, Any]) -> Duties:
    """What it was routed with."""
    return Duties(
        task["quorum"],
        tuple(task["routed_qualifications"]),
        tuple(task["routed_outcomes"]),
        task["routed_calendar"],
        task["routed_service_levels"],
        task["routed_notices"],
        tuple(task["routed_attestations"]),
        task["routed_evidence_opened"],
        task["routed_notify_within_days"],
    )


def _visibility(task: Mapping[str, Any], reveal: bool) -> AIVisibility:
    if task["blind"]:
        return "withheld"
    return "hidden" if task["route"] == "manual" and task["state"] != "done" and not reveal else "shown"


def _signatures_needed(
    task: Mapping[str, Any], agreed: Terms, visible_reasons: Sequence[RouteReason], hidden: bool
) -> int:
    """How many people must agree before a verdict holds, as far as this reviewer may know.

    A rule that asks for two people may look at what the AI said. While the AI's answer is hidden, the number is told
    only where a rule asks for it whose text is shown. Of a proposed override the one who answers it decides.
    """
    if task["kind"] == "override":
        return 1
    if task["kind"] == "audit" or (task["kind"] == "gold" and task["blind"] and not task["arm"]):
        return 1
    if hidden and agreed.four_eyes.isdisjoint(reason.reason for reason in visible_reasons):
        return 1
    return int(task["quorum"])


def _options(task: Mapping[str, Any], decision: Mapping[str, Any], agreed: Terms, hidden: bool) -> tuple[Option, ...]:
    """Best first where the AI's answer is shown, otherwise in an order that says nothing of it."""
    outcomes = agreed.outcomes
    alternatives = {alternative["option"]: alternative for alternative in decision["alternatives"]}
    if hidden:
        # Pros and cons come from the model, and it gives none for what it proposes: their absence would tell.
        names = outcomes or sorted({decision["prediction"], *alternatives})
        return tuple(Option(name, None) for name in names)
    confidences = {decision["prediction"]: decision["confidence"]}
    confidences |= {name: alternative["confidence"] for name, alternative in alternatives.items()}
    every = dict.fromkeys([decision["prediction"], *_by_confidence(confidences), *outcomes])
    names = offered(task["options"], agreed) if task["options"] else tuple(every)
    return tuple(
        Option(
            name,
            confidences.get(name),
            tuple(alternatives.get(name, {}).get("pros", ())),
            tuple(alternatives.get(name, {}).get("cons", ())),
        )
        for name in names
    )


def _by_confidence(confidences: Mapping[str, float]) -> list[str]:
    return sorted(confidences, key=lambda name: -confidences[name])


def _answer(routed: Mapping[str, Any]) -> AIAnswer:
    decision, explanation = routed["decision"], routed["decision"]["explanation"]
    return AIAnswer(
        prediction=decision["prediction"],
        confidence=routed["calibrated_confidence"],
        raw_confidence=decision["confidence"],
        model=f"{decision['model_id']} {decision['model_version']}".strip(),
        reasoning=explanation["reasoning"],
        top_features=tuple(explanation["top_features"]),
        similar_cases=tuple(explanation["similar_cases"]),
        accuracy_on_similar=decision["history"]["model_accuracy_on_similar"],
    )


def _answer_alone(task: Mapping[str, Any], decision: Mapping[str, Any]) -> AIAnswer:
    return AIAnswer(
        prediction=task["prediction"],
        confidence=task["confidence"],
        raw_confidence=task["confidence"],
        model=f"{decision['model_id']} {decision['model_version']}".strip(),
        reasoning="",
        top_features=(),
        similar_cases=(),
        accuracy_on_similar=None,
        alone=True,
    )


def _opinions(task: Mapping[str, Any], hidden: bool) -> tuple[dict[str, Any], ...]:
    """Of another round always, since an appeal is against them; of this round only once two people have disagreed:
    the second of two must not know what the first one said. A proposed override is there to be answered. The kind of
    a verdict (approve, reject) tells the AI's answer, so a blind reader gets the outcome alone."""
    present = _this_round(task)
    earlier = [verdict for verdict in task["verdicts"] if verdict["round"] != task["round"]]
    is_known = len(present) > 1 or task["kind"] == "override" or task["state"] == "done"
    known = earlier + (present if is_known else [])
    return tuple({**verdict, "verdict": "" if hidden else verdict["verdict"]} for verdict in known)


def _this_round(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [verdict for verdict in task["verdicts"] if verdict["round"] == task["round"]]


def _input(text: str) -> Any:
    """The JSON object a producer sent, or its text where it is none, or none that every reader takes."""
    try:
        return json_text.parse(text) if text else None
    except json_text.JsonError:
        return text
