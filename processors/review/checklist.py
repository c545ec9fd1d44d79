"""Eight questions about a review process, each answered from what is there, with the evidence. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from interlock.policy.model import Policy
from interlock.policy.vocabulary import Priority

Assessment = Literal["yes", "partly", "no"]

# Shares of reviewed decisions: nearly all, so that one odd producer does not spoil the answer; and half.
_NEARLY_ALL, _HALF = 0.95, 0.5

# The busiest person on duty has at most half the capacity more in use than the least busy.
_SPREAD = 0.5

_URGENT = (Priority.CRITICAL, Priority.HIGH)

_TRACKED = ("human_review_rate", "approval_rate", "sla_compliance")


@dataclass(frozen=True)
class ContextCounts:
    """Of the decisions that went to people lately: how many, and how many came with input and with an explanation."""

    decisions: int
    with_input: int
    with_explanation: int


@dataclass(frozen=True)
class ReviewEvidence:
    """What is there. `metrics` and `context`: None where ClickHouse does not say, then `silence` tells why.

    `outcomes` and `examples`: whether people's answers, and training examples made of them, were ever written.
    """

    policies: Mapping[str, Policy]
    open_tasks: Sequence[Mapping[str, Any]]
    reviewers: Mapping[str, Mapping[str, Any]]
    on_duty: frozenset[str]
    metrics: Mapping[str, Any] | None
    context: ContextCounts | None
    silence: str
    outcomes: bool
    examples: bool


@dataclass(frozen=True)
class ChecklistAnswer:
    """`advice`: what would make it a yes; empty where it is one."""

    question: str
    verdict: Assessment
    evidence: str
    advice: str = ""


def assess(found: ReviewEvidence) -> list[ChecklistAnswer]:
    """All eight, in the order of the flow."""
    return [
        _thresholds(found),
        _prioritised(found),
        _service_levels(found),
        _enough_context(found),
        _fed_back(found),
        _tracked(found),
        _fair_load(found),
        _urgent_path(found),
    ]


def _thresholds(found: ReviewEvidence) -> ChecklistAnswer:
    question = "Are thresholds defined for what may take effect without a person?"
    publish = "publish a policy: interlock policy publish FILE"
    if not found.policies:
        return ChecklistAnswer(question, "no", "no policy is published: every decision goes to a person", publish)
    domains = {name: one for policy in found.policies.values() for name, one in policy.domains.items()}
    unknown = sorted({task["domain"] for task in found.open_tasks} - set(domains))
    without = sorted(
        f"{name}/{outcome}" for name, one in domains.items() for outcome in one.outcomes if outcome not in one.lanes
    )
    shown = f"{_count(len(domains), 'domain')} in {_count(len(found.policies), 'policy', 'policies')}"
    if unknown:
        return ChecklistAnswer(
            question, "partly", f"{shown}; open tasks of unknown domains: {', '.join(unknown)}", publish
        )
    if without:
        return ChecklistAnswer(
            question, "partly", f"{shown}; outcomes without a lane: {', '.join(without)}", "give each outcome a lane"
        )
    return ChecklistAnswer(question, "yes", f"{shown}, every outcome with its lane")


def _prioritised(found: ReviewEvidence) -> ChecklistAnswer:
    question = "Is the review queue prioritised?"
    owned = {one.queue for policy in found.policies.values() for one in policy.domains.values()}
    described = {name for policy in found.policies.values() for name in policy.queues}
    stray = sorted({task["queue"] for task in found.open_tasks} - owned - described)
    counts = {str(one): sum(task["priority"] == one for task in found.open_tasks) for one in Priority}
    spread = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
    if not found.policies:
        return ChecklistAnswer(
            question, "no", f"no policy says what is urgent; open tasks: {spread}", "publish a policy"
        )
    if stray:
        return ChecklistAnswer(
            question,
            "partly",
            f"tasks wait in queues that no policy describes: {', '.join(stray)}",
            "give their domains a policy",
        )
    orders = {queue.order for policy in found.policies.values() for queue in policy.queues.values()} or {"deadline"}
    rules = sum(len(policy.priority) for policy in found.policies.values())
    return ChecklistAnswer(
        question,
        "yes",
        f"ordered by {' and '.join(sorted(orders))}; {_count(rules, 'priority rule')}; open tasks: {spread}",
    )


def _service_levels(found: ReviewEvidence) -> ChecklistAnswer:
    question = "Are service levels defined and monitored?"
    if not found.policies:
        return ChecklistAnswer(
            question, "no", "no policy, so only the built-in service levels apply", "publish a policy"
        )
    overdue = sum(bool(task["breached"]) for task in found.open_tasks)
    kept = _number(found, "sla_compliance")
    if kept is None:
        return ChecklistAnswer(
            question,
            "partly",
            f"defined; {overdue} open tasks are overdue; {found.silence or 'nothing was decided or overdue yet'}",
            "watch sla_compliance in `interlock metrics`",
        )
    return ChecklistAnswer(
        question, "yes", f"defined; {kept:.1%} kept, open overdue tasks counted; {overdue} are overdue now"
    )


def _enough_context(found: ReviewEvidence) -> ChecklistAnswer:
    question = "Do reviewers get enough context?"
    advice = "send input, explanation and alternatives with every decision"
    context = found.context
    if context is None or not context.decisions:
        why = found.silence or "no decision went to a person lately"
        return ChecklistAnswer(question, "partly", f"not known: {why}", advice)
    given, explained = context.with_input / context.decisions, context.with_explanation / context.decisions
    text = f"of {context.decisions:,} decisions lately {given:.0%} came with input, {explained:.0%} with an explanation"
    if given >= _NEARLY_ALL and explained >= _NEARLY_ALL:
        return ChecklistAnswer(question, "yes", text)
    return ChecklistAnswer(question, "partly" if given >= _HALF else "no", text, advice)


def _fed_back(found: ReviewEvidence) -> ChecklistAnswer:
    question = "Do corrections flow back into the models?"
    if not found.outcomes:
        return ChecklistAnswer(
            question, "no", "no person has decided anything yet", "let reviewers work: interlock review next"
        )
    if not found.examples:
        return ChecklistAnswer(
            question, "partly", "outcomes are recorded, but no training example was made", "run the feedback role"
        )
    return ChecklistAnswer(question, "yes", "outcomes become training examples")


def _tracked(found: ReviewEvidence) -> ChecklistAnswer:
    question = "Are review rate, approval rate and service level compliance tracked?"
    if found.metrics is None:
        return ChecklistAnswer(question, "no", found.silence, "run ClickHouse and the sink")
    known = {name: value for name in _TRACKED if (value := _number(found, name)) is not None}
    text = ", ".join(f"{name} {value:.1%}" for name, value in known.items())
    missing = [name for name in _TRACKED if name not in known]
    if missing:
        empty = f"no value yet: {', '.join(missing)}"
        return ChecklistAnswer(
            question, "partly" if known else "no", f"{text}; {empty}" if text else empty, "decide some tasks"
        )
    return ChecklistAnswer(question, "yes", text)


def _fair_load(found: ReviewEvidence) -> ChecklistAnswer:
    question = "Is the load spread fairly over the reviewers?"
    people = [found.reviewers[name] for name in sorted(found.on_duty) if name in found.reviewers]
    if not people:
        return ChecklistAnswer(question, "no", "nobody is on duty", "interlock reviewers on-duty ID")
    held = {
        one["id"]: sum(one["id"] in (task["lease_holder"], task["assigned_to"]) for task in found.open_tasks)
        for one in people
    }
    used = [held[one["id"]] / one["capacity"] for one in people]
    text = ", ".join(f"{one['id']} {held[one['id']]} of {one['capacity']}" for one in people)
    if len(people) == 1:
        return ChecklistAnswer(
            question, "partly", f"one person carries everything: {text}", "put a second person on duty"
        )
    if max(used) - min(used) > _SPREAD:
        return ChecklistAnswer(question, "partly", text, "let the queues push: assign: push")
    return ChecklistAnswer(question, "yes", text)


def _urgent_path(found: ReviewEvidence) -> ChecklistAnswer:
    question = "Is there a path for urgent reviews?"
    leads = sorted(name for name, one in found.reviewers.items() if one["role"] == "lead")
    urgent = [
        *(rule.id for policy in found.policies.values() for rule in policy.every_rule() if rule.route == "sync"),
        *(f"priority {one.set}" for policy in found.policies.values() for one in policy.priority if one.set in _URGENT),
        *(f"sync lane of {name}" for name in _sync_lanes(found.policies.values())),
    ]
    advice = "name a lead, and give a rule `route: sync` or a priority rule `set: critical`"
    if leads and urgent:
        return ChecklistAnswer(question, "yes", f"{', '.join(urgent[:3])}; escalations go to {', '.join(leads)}")
    if leads or urgent:
        text = "nothing is urgent by policy" if leads else "nobody is a lead, so escalations reach no one"
        return ChecklistAnswer(question, "partly", text, advice)
    return ChecklistAnswer(question, "no", "nothing is urgent by policy, and nobody is a lead", advice)


def _sync_lanes(policies: Any) -> list[str]:
    """Domains where some confidence leads to a person who is waited for."""
    return sorted(
        name
        for policy in policies
        for name, domain in policy.domains.items()
        for outcome in domain.outcomes
        for _, later, sync in [policy.thresholds(domain.lanes.get(outcome))]
        if sync < later
    )


def _number(found: ReviewEvidence, name: str) -> float | None:
    value = (found.metrics or {}).get(name)
    return float(value) if isinstance(value, int | float) else None


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"
