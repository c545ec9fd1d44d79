"""What a policy demands of the people who decide what it has routed. It travels with the decision.

Whatever later versions of the policy say, what was demanded stays: see `interlock.policy.review.kept`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from interlock.policy.model import Domain, Policy, Queue, ServiceLevels
from interlock.policy.parts import Name
from interlock.policy.working_hours import Calendar

# Different texts in one running process: policies have a handful of calendars, levels and notices, and their versions
# some more.
_MAX_TEXTS = 1_000

_NOTICES = TypeAdapter(dict[Name, tuple[Name, ...]])

# Where the policy does not describe the queue.
_PLAIN_QUEUE = Queue()

NoticesByOutcome = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Duties:
    """What is demanded, in texts and names that can be written to a record and compared.

    `quorum`: how many different people must agree. `qualifications`: what each of them must have. `outcomes`: what they
    may decide for; empty: anything. `calendar`: the working time in which the service level counts, as
    `calendar_text` writes it. `service_levels`: by priority, as `levels_text` writes them; empty: not told. `notices`:
    by outcome, as `notices_text` writes them. `attestations`: sentences that each of them declares to be true.
    `evidence_opened`: each of them must have opened the evidence. `notify_within_days`: from the decision until its
    subject must have been told; 0: no limit, or not told.
    """

    quorum: int = 1
    qualifications: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    calendar: str = ""
    service_levels: str = ""
    notices: str = ""
    attestations: tuple[str, ...] = ()
    evidence_opened: bool = False
    notify_within_days: int = 0


NO_DUTIES = Duties()


def duties(policy: Policy, domain: Domain | None, queue: str, reasons: Iterable[str]) -> Duties:
    """What `policy` demands for a decision of its `domain` that it sends to `queue` for `reasons`.

    `domain`: None where the policy does not have it.
    """
    queue_terms = policy.queues.get(queue, _PLAIN_QUEUE)
    return Duties(
        quorum=1 if four_eyes(policy).isdisjoint(reasons) else 2,
        qualifications=qualifications(policy, queue_terms),
        outcomes=domain.outcomes if domain else (),
        calendar=calendar_text(queue_terms.calendar),
        service_levels=levels_text(policy.service_levels.model_dump()) if domain else "",
        notices=notices_text(notices(domain)) if domain else "",
        attestations=attestations(policy),
        evidence_opened=evidence_opened(policy),
        notify_within_days=notify_within_days(policy) if domain else 0,
    )


def joint_duties(policies: Iterable[Policy], domain: str) -> Duties:
    """What is demanded where more than one policy has the domain: all that any of them would.

    Which of their rules hold nobody has asked: each counts as met. Service levels count always, the shortest of each
    priority.
    """
    owners = [(policy, policy.domains[domain]) for policy in policies]
    each = [duties(policy, owned, owned.queue, four_eyes(policy)) for policy, owned in owners]
    first, *others = (one.outcomes for one in each)
    return Duties(
        quorum=max(one.quorum for one in each),
        qualifications=tuple(sorted({name for one in each for name in one.qualifications})),
        outcomes=tuple(outcome for outcome in first if all(outcome in outcomes for outcomes in others)),
        service_levels=levels_text(shortest(policy.service_levels.model_dump() for policy, _ in owners)),
        notices=notices_text(all_notices(notices(owned) for _, owned in owners)),
        attestations=tuple(dict.fromkeys(text for one in each for text in one.attestations)),
        evidence_opened=any(one.evidence_opened for one in each),
        notify_within_days=soonest(one.notify_within_days for one in each),
    )


def four_eyes(policy: Policy) -> frozenset[str]:
    """The ids of the rules that demand two people."""
    return frozenset(rule.id for rule in policy.every_rule() if rule.four_eyes)


def qualifications(policy: Policy, queue: Queue) -> tuple[str, ...]:
    """What the queue and the packs demand."""
    return tuple(sorted({*queue.qualifications, *(name for pack in policy.packs for name in pack.qualifications)}))


def attestations(policy: Policy) -> tuple[str, ...]:
    """What the packs have people declare, in the order of the packs."""
    return tuple(dict.fromkeys(text for pack in policy.packs for text in pack.attestations))


def evidence_opened(policy: Policy) -> bool:
    """Whether a pack wants the evidence to be opened before a verdict."""
    return any(pack.evidence_opened for pack in policy.packs)


def notify_within_days(policy: Policy) -> int:
    """Within how many days from the decision its subject must have been told; 0: no pack says so."""
    return soonest(pack.notify_within_days for pack in policy.packs)


def soonest(days: Iterable[int]) -> int:
    """The least number of days; 0 stands for no limit."""
    return min((each for each in days if each > 0), default=0)


def notices(domain: Domain) -> dict[str, tuple[str, ...]]:
    """What must be sent to the subject, by outcome."""
    return {outcome: (lane.notice,) for outcome, lane in domain.lanes.items() if lane.notice is not None}


def shortest(levels: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Of service levels by priority the shortest of each."""
    every = list(levels)
    return {priority: min(each[priority] for each in every) for priority in every[0]}


def all_notices(each: Iterable[NoticesByOutcome]) -> dict[str, tuple[str, ...]]:
    """Every notice that any of them names, by outcome."""
    found: dict[str, tuple[str, ...]] = {}
    for by_outcome in each:
        for outcome, names in by_outcome.items():
            found[outcome] = tuple(dict.fromkeys((*found.get(outcome, ()), *names)))
    return found


def calendar_text(calendar: Calendar | None) -> str:
    """A calendar as JSON; empty for None, which is working time always."""
    return "" if calendar is None else calendar.model_dump_json()


@lru_cache(_MAX_TEXTS)
def calendar_of(text: str) -> Calendar | None:
    """The inverse of `calendar_text`. A text that is none, as where this machine does not know the time zone, means
    working time always: a task is then due too early rather than lost."""
    try:
        return Calendar.model_validate_json(text) if text else None
    except ValidationError:
        return None


def levels_text(seconds: Mapping[str, int]) -> str:
    """Seconds by priority, as JSON."""
    return _json(seconds)


@lru_cache(_MAX_TEXTS)
def levels_of(text: str) -> Mapping[str, int] | None:
    """The inverse of `levels_text`; None for a text that is none, as in a record that does not tell."""
    try:
        return ServiceLevels.model_validate_json(text).model_dump() if text else None
    except ValidationError:
        return None


def notices_text(by_outcome: NoticesByOutcome) -> str:
    """Notices by outcome, as JSON; empty where there are none."""
    return _json(by_outcome) if by_outcome else ""


@lru_cache(_MAX_TEXTS)
def notices_of(text: str) -> NoticesByOutcome:
    """The inverse of `notices_text`; empty for a text that is none."""
    try:
        return _NOTICES.validate_json(text) if text else {}
    except ValidationError:
        return {}


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
