"""What a policy says about the review of its decisions: the terms on which people decide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from interlock.policy.calendars import due
from interlock.policy.duties import (
    Duties,
    NoticesByOutcome,
    all_notices,
    attestations,
    calendar_of,
    evidence_opened,
    four_eyes,
    joint_duties,
    levels_of,
    notices,
    notices_of,
    notify_within_days,
    qualifications,
    shortest,
    soonest,
)
from interlock.policy.model import Appeals, Domain, Pack, Policy, Queue, Reliance
from interlock.policy.working_hours import Calendar
from interlock.schemas.reasons import AMBIGUOUS_DOMAIN

# Always allowed: a reviewer who agrees needs no other reason, and a list without a way out makes people give a wrong
# reason.
AGREE, OTHER = "agree", "other"

# The codes where neither the domain nor a pack names any.
DEFAULT_REASON_CODES = (
    AGREE,
    "wrong-prediction",
    "missing-information",
    "outside-policy",
    "special-circumstances",
    OTHER,
)


# Where a policy names no floors: audits are of low priority, and what nobody audits nobody knows. At a load of 120 %
# and audits of 5 % people do 77 to 96 % of these in time without a floor, 83 to 100 % with a tenth of the hand-outs,
# which costs reviews up to three points (tests/processors/desk/test_queueing.py). `floors: {low: 0}` means none.
DEFAULT_FLOORS: Mapping[str, float] = {"low": 0.1}


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Within how many seconds of the working time of `calendar` something must be decided; None: all time counts."""

    seconds: int
    calendar: Calendar | None


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that one policy sets for tasks of one domain in one queue.

    `known`: a policy owns the domain; otherwise everything is a default. `described`: a policy says how the queue is
    worked; `elsewhere`: it is another one than that of the domain. `outcomes`: what may be decided for; empty:
    anything. `service_seconds`: by priority, in the working time of `calendar`. `routed_seconds` and
    `routed_calendar`: the same as the policy had it that routed the task; they count besides, where they were told.
    `floors`: by priority. `on_breach`: escalate, raise_priority or an outcome. `on_timeout`: escalate or an outcome.
    `notices`: what is due to the subject, by outcome. `own_words`: codes with which the reviewer's text is told to the
    subject. `four_eyes`: ids of the rules that demand two people.
    `reasoned`: the outcomes that need a reason of the list, for which `agree` is none. `specific`: those whose notice
    says the reviewer's text, with the codes of `own_words`, as the reason.
    `audit_seconds`: after how long an audit ends that nobody did. `appeals`: as long as the packs want.
    `attestations`: what whoever gives a verdict declares. `evidence_opened`: and must have opened the evidence.
    `reliance`: the experiment in which reviews may take part.
    `notify_within_days`: from the decision until its subject must have been told, above service levels; 0: no limit.
    """

    policy_version: str
    known: bool
    described: bool
    elsewhere: bool
    outcomes: tuple[str, ...]
    reason_codes: tuple[str, ...]
    reasoned: tuple[str, ...]
    qualifications: tuple[str, ...]
    service_seconds: Mapping[str, int]
    calendar: Calendar | None
    lease_seconds: int
    lease_limit_seconds: int
    start_within_seconds: int
    override_seconds: int
    options: int
    push: bool
    picking: bool
    order: Literal["deadline", "score"]
    floors: Mapping[str, float]
    on_breach: str
    on_timeout: str
    notices: NoticesByOutcome
    own_words: frozenset[str]
    four_eyes: frozenset[str]
    audit_seconds: int
    appeals: Appeals
    attestations: tuple[str, ...] = ()
    evidence_opened: bool = False
    reliance: Reliance | None = None
    routed_seconds: Mapping[str, int] | None = None
    routed_calendar: Calendar | None = None
    notify_within_days: int = 0
    specific: frozenset[str] = frozenset()


def terms(policy: Policy | None, version: str, domain: str, queue: str, elsewhere: Queue | None = None) -> Terms:
    """The terms of tasks of `domain` in `queue` under `policy`, whose version is `version`.

    Without a policy, or with one that does not have the domain, the defaults apply. `elsewhere`: how another policy
    describes the queue, which counts where this one does not; without it the defaults apply there too.
    """
    known = policy is not None and domain in policy.domains
    policy = policy if policy is not None and known else _NO_POLICY
    domain_terms = policy.domains.get(domain, _NO_DOMAIN)
    described = policy.queues.get(queue, elsewhere if known else None)
    queue_terms = described or _PLAIN_QUEUE
    return Terms(
        policy_version=version,
        known=known,
        described=described is not None,
        elsewhere=described is not None and queue not in policy.queues,
        outcomes=domain_terms.outcomes if known else (),
        reason_codes=reason_codes(domain_terms, policy.packs),
        reasoned=domain_terms.adverse_outcomes if any(pack.reason_codes for pack in policy.packs) else (),
        qualifications=qualifications(policy, queue_terms),
        service_seconds=policy.service_levels.model_dump(),
        calendar=queue_terms.calendar,
        lease_seconds=queue_terms.lease,
        lease_limit_seconds=queue_terms.lease_limit_seconds,
        start_within_seconds=queue_terms.start_within,
        override_seconds=domain_terms.override_window,
        options=domain_terms.options,
        push=queue_terms.assign == "push",
        picking=queue_terms.picking,
        order=queue_terms.order,
        floors=_floors(queue_terms),
        # People may send a task to a queue whose outcome for a breach is not among those of the task's domain.
        on_breach=_possible(queue_terms.on_breach, domain_terms.outcomes),
        on_timeout=domain_terms.on_timeout,
        notices=notices(domain_terms),
        own_words=_own_words(policy, domain_terms),
        four_eyes=four_eyes(policy),
        audit_seconds=policy.audit.expires,
        appeals=_appeals(policy, domain_terms),
        attestations=attestations(policy),
        evidence_opened=evidence_opened(policy),
        reliance=domain_terms.reliance,
        notify_within_days=notify_within_days(policy),
        specific=_specific(policy, domain_terms),
    )


def disputed_terms(owners: Mapping[str, Policy], domain: str, queue: str) -> Terms:
    """The terms where more than one policy, each under its version, has the domain: all that any of them demands."""
    every = [terms(policy, version, domain, queue) for version, policy in owners.items()]
    two_people = frozenset(name for one in every for name in one.four_eyes)
    joint = joint_duties(owners.values(), domain)
    return replace(
        terms(None, "+".join(owners), domain, queue),
        outcomes=joint.outcomes,
        qualifications=tuple(sorted({*joint.qualifications, *(name for one in every for name in one.qualifications)})),
        reasoned=tuple(sorted({outcome for one in every for outcome in one.reasoned})),
        # No rule was asked about a decision that was routed under both policies: each may hold.
        four_eyes=two_people | {AMBIGUOUS_DOMAIN} if two_people else two_people,
        service_seconds=shortest(one.service_seconds for one in every),
        notices=all_notices(one.notices for one in every),
        attestations=joint.attestations,
        evidence_opened=joint.evidence_opened,
        notify_within_days=joint.notify_within_days,
        specific=frozenset(outcome for one in every for outcome in one.specific),
    )


def kept(terms: Terms, duties: Duties) -> Terms:
    """`terms` for what was routed with `duties`: the policy in force can demand more, and never less.

    An outcome must be possible under both. Where that leaves none, the policy in force counts: it has the last word on
    what can be carried out. The working time it was routed with counts where the queue is described no longer. Of two
    service levels the one counts that ends earlier. A notice is the one of the policy in force, which may have other
    words for it; where that has none for the outcome, it is the one of before.
    """
    outcomes = tuple(outcome for outcome in terms.outcomes if outcome in duties.outcomes) or terms.outcomes
    outcomes = outcomes or duties.outcomes
    routed_calendar = calendar_of(duties.calendar)
    routed_seconds = levels_of(duties.service_levels)
    return replace(
        terms,
        outcomes=outcomes,
        qualifications=tuple(sorted({*terms.qualifications, *duties.qualifications})),
        # Without a policy only what people were told is known.
        service_seconds=terms.service_seconds if terms.known or routed_seconds is None else routed_seconds,
        calendar=terms.calendar if terms.described else routed_calendar,
        routed_seconds=routed_seconds,
        routed_calendar=routed_calendar,
        on_breach=_possible(terms.on_breach, outcomes),
        on_timeout=_possible(terms.on_timeout, outcomes),
        notices={**notices_of(duties.notices), **terms.notices},
        attestations=tuple(dict.fromkeys((*terms.attestations, *duties.attestations))),
        evidence_opened=terms.evidence_opened or duties.evidence_opened,
        notify_within_days=soonest((terms.notify_within_days, duties.notify_within_days)),
    )


def loosened(terms: Terms, duties: Duties, reasons: Iterable[str]) -> tuple[str, ...]:
    """What was demanded by `duties` and is not by the policy in force (`terms`: its own, for the queue of then), in
    words; empty if nothing is missing. Of deadlines see `gives_more_time`."""
    missing = [name for name in duties.qualifications if name not in terms.qualifications]
    kept_back = [f"the qualification {name}" for name in missing]
    if duties.quorum > quorum(terms, reasons):
        kept_back.insert(0, "two people who agree")
    kept_back += [f"the attestation “{text}”" for text in duties.attestations if text not in terms.attestations]
    if duties.evidence_opened and not terms.evidence_opened:
        kept_back.append("the opening of its evidence")
    if duties.outcomes and not terms.outcomes:
        kept_back.append(f"an outcome among {', '.join(duties.outcomes)}")
    if duties.calendar and not terms.described:
        kept_back.append("the working time of its queue")
    for outcome, names in sorted(notices_of(duties.notices).items()):
        if outcome not in terms.notices and outcome in (terms.outcomes or (outcome,)):
            kept_back.append(f"the notice {', '.join(names)} of {outcome}")
    if soonest((duties.notify_within_days, terms.notify_within_days)) != terms.notify_within_days:
        kept_back.append(f"{duties.notify_within_days} days from the decision until its subject is told")
    return tuple(kept_back)


def gives_more_time(terms: Terms, duties: Duties, priority: str, start: int, *, appeal: bool) -> bool:
    """Whether the policy in force alone (`terms`, as for `loosened`) would have a later deadline than with `duties`."""
    if not terms.known:
        return False
    both = kept(terms, duties)
    in_force, *_ = _service_levels(both, priority, appeal)
    return deadline(both, priority, start, appeal=appeal) < due(start, in_force.seconds, in_force.calendar)


def offered(options: Iterable[str], terms: Terms) -> tuple[str, ...]:
    """Which of `options`, those of the hybrid workflow, can still be chosen; without any, every possible outcome."""
    possible = tuple(option for option in options if not terms.outcomes or option in terms.outcomes)
    return possible or terms.outcomes


def ordered_as(terms: Terms, queue: Queue) -> Terms:
    """The same terms with the order and the floors of `queue`."""
    return replace(terms, order=queue.order, floors=_floors(queue))


def _floors(queue: Queue) -> dict[str, float]:
    if not queue.floors:
        return dict(DEFAULT_FLOORS)
    return {str(priority): share for priority, share in queue.floors.items()}


def deadline(terms: Terms, priority: str, start: int, *, appeal: bool = False) -> int:
    """Until when a task must be decided whose service level began at `start`: an appeal within its own, if the policy
    has one."""
    return min(due(start, level.seconds, level.calendar) for level in _service_levels(terms, priority, appeal))


def warning(terms: Terms, priority: str, start: int, *, appeal: bool = False) -> int:
    """When three quarters of it have passed, in the working time that counts."""
    levels = _service_levels(terms, priority, appeal)
    first = min(levels, key=lambda level: due(start, level.seconds, level.calendar))
    return due(start, first.seconds * 3 // 4, first.calendar)


def _service_levels(terms: Terms, priority: str, appeal: bool) -> list[ServiceLevel]:
    """Those that count: of the policy in force, and of the one that routed the task."""
    own = terms.appeals.service_level if appeal else None
    in_force = ServiceLevel(terms.service_seconds[priority] if own is None else own, terms.calendar)
    if terms.routed_seconds is None or own is not None:
        return [in_force]
    return [in_force, ServiceLevel(terms.routed_seconds[priority], terms.routed_calendar)]


def quorum(terms: Terms, reasons: Iterable[str]) -> int:
    """How many different people must agree on a decision that was sent to them for `reasons`."""
    return 1 if terms.four_eyes.isdisjoint(reasons) else 2


def owner(policies: Mapping[str, Policy], domain: str) -> Policy | None:
    """The policy that has the domain; None if none has it, or more than one."""
    owners = [policy for policy in policies.values() if domain in policy.domains]
    return owners[0] if len(owners) == 1 else None


def _appeals(policy: Policy, domain: Domain) -> Appeals:
    """What the domain says, for as long as the packs demand."""
    within = max([domain.appeals.within, *(pack.appeal_days * 86_400 for pack in policy.packs)])
    return domain.appeals.model_copy(update={"within": within})


def _possible(instead: str, outcomes: tuple[str, ...]) -> str:
    """What happens instead of a verdict; an outcome that cannot be decided for does not: then it is escalated."""
    return instead if instead in ("escalate", "raise_priority", *outcomes) else "escalate"


def _own_words(policy: Policy, domain: Domain) -> frozenset[str]:
    names = {name for due in notices(domain).values() for name in due}
    told = {OTHER}
    for name in names & policy.notices.keys():
        told.update(policy.notices[name].own_words)
        if policy.notices[name].quote_reviewer:
            told.update(reason_codes(domain, policy.packs))
    return frozenset(told)


def _specific(policy: Policy, domain: Domain) -> frozenset[str]:
    """The outcomes with a notice that a pack owes, or for which the policy has the words."""
    written = {*policy.notices, *(name for pack in policy.packs for name in pack.notices)}
    return frozenset(outcome for outcome, names in notices(domain).items() if not written.isdisjoint(names))


def reason_codes(domain: Domain, packs: Iterable[Pack]) -> tuple[str, ...]:
    """The codes of a verdict in the order in which they are offered."""
    named = [*domain.reason_codes, *(code for pack in packs for code in pack.reason_codes)]
    return tuple(dict.fromkeys([AGREE, *named, OTHER])) if named else DEFAULT_REASON_CODES


# The defaults.
_NO_POLICY = Policy(name="none")
_NO_DOMAIN = Domain(models=("*",), outcomes=("any",))
_PLAIN_QUEUE = Queue()
