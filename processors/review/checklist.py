"""Eight questions about a review process, each answered from the state of the system, with the evidence. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from interlock.policy.model import Policy
from interlock.policy.vocabulary import Priority

Assessment = Literal["yes", "partly", "no"]

# Shares of reviewed decisions: nearly all, so that a single odd producer does not spoil the answer; and half.
_NEARLY_ALL, _HALF = 0.95, 0.5

# At most this share of the capacity may lie between the busiest person on duty and the least busy.
_MAX_LOAD_SPREAD = 0.5

# Of those on duty, whoever began least must have begun at least half as much, for the capacity, as whoever began most:
# people have days off. With fewer than ten each chance decides, and what they hold at the moment is compared.
_LEAST_SHARE, _ENOUGH_EACH = 0.5, 10

# So many names fit on a line of a terminal.
_NAMED = 3

_URGENT = (Priority.CRITICAL, Priority.HIGH)

_TRACKED = ("human_review_rate", "approval_rate", "sla_compliance")


@dataclass(frozen=True)
class ContextCounts:
    """The latest decisions that went to people: how many, and how many had an input and an explanation."""

    decisions: int
    with_input: int
    with_explanation: int


@dataclass(frozen=True)
class ReviewEvidence:
    """The state of the system. `metrics`, `handed_out` and `context`: None where ClickHouse does not answer, then
    `silence` says why. `handed_out`: how many tasks each person began in the latest week.

    `outcomes` and `examples`: whether verdicts of people, and training examples made of them, were ever written.
    """

    policies: Mapping[str, Policy]
    open_tasks: Sequence[Mapping[str, Any]]
    reviewers: Mapping[str, Mapping[str, Any]]
    on_duty: frozenset[str]
    metrics: Mapping[str, Any] | None
    handed_out: Mapping[str, int] | None
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


def assess(state: ReviewEvidence) -> list[ChecklistAnswer]:
    """All eight, in the order of the flow."""
    return [
        _thresholds(state),
        _prioritised(state),
        _service_levels(state),
        _enough_context(state),
        _fed_back(state),
        _tracked(state),
        _fair_load(state),
        _urgent_path(state),
    ]


def _thresholds(state: ReviewEvidence) -> ChecklistAnswer:
    question = "Are thresholds defined for what may take effect without a person?"
    publish = "publish a policy: interlock policy publish FILE"
    if not state.policies:
        return ChecklistAnswer(question, "no", "no policy is published: every decision goes to a person", publish)
    domains = {name: domain for policy in state.policies.values() for name, domain in policy.domains.items()}
    unknown = sorted({task["domain"] for task in state.open_tasks} - set(domains))
    without = sorted(
        f"{name}/{outcome}"
        for name, domain in domains.items()
        for outcome in domain.outcomes
        if outcome not in domain.lanes
    )
    count = f"{_count(len(domains), 'domain')} in {_count(len(state.policies), 'policy', 'policies')}"
    if unknown:
        return ChecklistAnswer(
            question, "partly", f"{count}; open tasks of unknown domains: {', '.join(unknown)}", publish
        )
    if without:
        return ChecklistAnswer(
            question, "partly", f"{count}; outcomes without a lane: {', '.join(without)}", "give each outcome a lane"
        )
    return ChecklistAnswer(question, "yes", f"{count}, every outcome with its lane")


def _prioritised(state: ReviewEvidence) -> ChecklistAnswer:
    question = "Is the review queue prioritised?"
    owned = {domain.queue for policy in state.policies.values() for domain in policy.domains.values()}
    described = {name for policy in state.policies.values() for name in policy.queues}
    stray = sorted({task["queue"] for task in state.open_tasks} - owned - described)
    counts = {str(level): sum(task["priority"] == level for task in state.open_tasks) for level in Priority}
    spread = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
    if not state.policies:
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
    orders = {queue.order for policy in state.policies.values() for queue in policy.queues.values()} or {"deadline"}
    rules = sum(len(policy.priority) for policy in state.policies.values())
    return ChecklistAnswer(
        question,
        "yes",
        f"ordered by {' and '.join(sorted(orders))}; {_count(rules, 'priority rule')}; open tasks: {spread}",
    )


def _service_levels(state: ReviewEvidence) -> ChecklistAnswer:
    question = "Are service levels defined and monitored?"
    if not state.policies:
        return ChecklistAnswer(
            question, "no", "no policy, so only the built-in service levels apply", "publish a policy"
        )
    overdue = sum(bool(task["breached"]) for task in state.open_tasks)
    kept = _number(state, "sla_compliance")
    if kept is None:
        return ChecklistAnswer(
            question,
            "partly",
            f"defined; {overdue} open tasks are overdue; {state.silence or 'nothing was decided or overdue yet'}",
            "watch sla_compliance in `interlock metrics`",
        )
    return ChecklistAnswer(
        question, "yes", f"defined; {kept:.1%} kept, open overdue tasks counted; {overdue} are overdue now"
    )


def _enough_context(state: ReviewEvidence) -> ChecklistAnswer:
    question = "Do reviewers get enough context?"
    advice = "send input, explanation and alternatives with every decision"
    context = state.context
    if context is None or not context.decisions:
        why = state.silence or "no decision went to a person lately"
        return ChecklistAnswer(question, "partly", f"not known: {why}", advice)
    given, explained = context.with_input / context.decisions, context.with_explanation / context.decisions
    text = f"of {context.decisions:,} decisions lately {given:.0%} came with input, {explained:.0%} with an explanation"
    if given >= _NEARLY_ALL and explained >= _NEARLY_ALL:
        return ChecklistAnswer(question, "yes", text)
    return ChecklistAnswer(question, "partly" if given >= _HALF else "no", text, advice)


def _fed_back(state: ReviewEvidence) -> ChecklistAnswer:
    question = "Do corrections flow back into the models?"
    if not state.outcomes:
        return ChecklistAnswer(
            question, "no", "no person has decided anything yet", "let reviewers work: interlock review next"
        )
    if not state.examples:
        return ChecklistAnswer(
            question, "partly", "outcomes are recorded, but no training example was made", "run the feedback role"
        )
    return ChecklistAnswer(question, "yes", "outcomes become training examples")


def _tracked(state: ReviewEvidence) -> ChecklistAnswer:
    question = "Are review rate, approval rate and service level compliance tracked?"
    if state.metrics is None:
        return ChecklistAnswer(question, "no", state.silence, "run ClickHouse and the sink")
    known = {name: value for name in _TRACKED if (value := _number(state, name)) is not None}
    text = ", ".join(f"{name} {value:.1%}" for name, value in known.items())
    missing = [name for name in _TRACKED if name not in known]
    if missing:
        empty = f"no value yet: {', '.join(missing)}"
        return ChecklistAnswer(
            question, "partly" if known else "no", f"{text}; {empty}" if text else empty, "decide some tasks"
        )
    return ChecklistAnswer(question, "yes", text)


def _fair_load(state: ReviewEvidence) -> ChecklistAnswer:
    question = "Is the load spread fairly over the reviewers?"
    people = [state.reviewers[name] for name in sorted(state.on_duty) if name in state.reviewers]
    if not people:
        return ChecklistAnswer(question, "no", "no reviewer is on duty", "interlock reviewers on-duty ID")
    if len(people) == 1:
        return ChecklistAnswer(
            question,
            "partly",
            f"one person carries everything: {people[0]['id']}",
            "put a second person on duty",
        )
    began = {person["id"]: (state.handed_out or {}).get(person["id"], 0) for person in people}
    if sum(began.values()) >= _ENOUGH_EACH * len(people):
        share = {person["id"]: began[person["id"]] / person["capacity"] for person in people}
        text = f"begun in the latest week: {', '.join(f'{name} {count}' for name, count in began.items())}"
        is_fair = min(share.values()) >= _LEAST_SHARE * max(share.values())
    else:
        held = {
            name: sum(name in (task["lease_holder"], task["assigned_to"]) for task in state.open_tasks)
            for name in began
        }
        used = [held[person["id"]] / person["capacity"] for person in people]
        text = ", ".join(f"{person['id']} {held[person['id']]} of {person['capacity']}" for person in people)
        is_fair = max(used) - min(used) <= _MAX_LOAD_SPREAD
    if len(people) == 1:
        return ChecklistAnswer(
            question, "partly", f"one person carries everything: {text}", "put a second person on duty"
        )
    if not is_fair:
        return ChecklistAnswer(question, "partly", text, "let the queues push: assign: push")
    return ChecklistAnswer(question, "yes", text)


def _urgent_path(state: ReviewEvidence) -> ChecklistAnswer:
    question = "Is there a path for urgent reviews?"
    leads = sorted(name for name, reviewer in state.reviewers.items() if reviewer["role"] == "lead")
    urgent = [
        *(rule.id for policy in state.policies.values() for rule in policy.every_rule() if rule.route == "sync"),
        *(
            f"priority {rule.set}"
            for policy in state.policies.values()
            for rule in policy.priority
            if rule.set in _URGENT
        ),
        *(f"sync lane of {name}" for name in _sync_lanes(state.policies.values())),
    ]
    advice = "name a lead, and give a rule `route: sync` or a priority rule `set: critical`"
    stuck = sorted(task["task_id"] for task in state.open_tasks if task["stuck"])
    if stuck:
        more = f" and {len(stuck) - _NAMED} more" if len(stuck) > _NAMED else ""
        return ChecklistAnswer(
            question,
            "partly",
            f"nobody on the roster may decide {', '.join(stuck[:_NAMED])}{more}",
            "the alert nobody_can_decide of each says what helps: interlock review list --stuck",
        )
    if leads and urgent:
        return ChecklistAnswer(question, "yes", f"{', '.join(urgent[:3])}; escalations go to {', '.join(leads)}")
    if leads or urgent:
        text = "nothing is urgent by policy" if leads else "there is no lead, so escalations reach no one"
        return ChecklistAnswer(question, "partly", text, advice)
    return ChecklistAnswer(question, "no", "nothing is urgent by policy, and there is no lead", advice)


def _sync_lanes(policies: Any) -> list[str]:
    """Domains where some confidence leads to a person who is waited for."""
    return sorted(
        {
            name
            for policy in policies
            for name, domain in policy.domains.items()
            for outcome in domain.outcomes
            for _, later, sync in [policy.thresholds(domain.lanes.get(outcome))]
            if sync < later
        }
    )


def _number(state: ReviewEvidence, name: str) -> float | None:
    value = (state.metrics or {}).get(name)
    return float(value) if isinstance(value, int | float) else None


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"
