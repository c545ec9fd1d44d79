"""What a policy says about the review of its decisions: the terms on which people queue_terms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from interlock.policy.calendars import due
from interlock.policy.model import Calendar, Domain, Policy, Queue

# Always allowed: a reviewer who agrees needs no other reason, and a list without a way out makes people give a wrong
# reason.
AGREE, _OTHER = "agree", "other"

# The codes where neither the domain nor a pack names any.
DEFAULT_REASON_CODES = (
    AGREE,
    "wrong-prediction",
    "missing-information",
    "outside-policy",
    "special-circumstances",
    _OTHER,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that one policy sets for tasks of one domain in one queue.

    `known`: a policy owns the domain; otherwise everything is a default. `outcomes`: what may be decided for; empty:
    anything. `service_seconds`: by priority, in the working time of `calendar`. `floors`: by priority. `on_breach`:
    escalate, raise_priority or an outcome. `on_timeout`: escalate or an outcome. `notices`: what is due to the subject,
    by outcome. `four_eyes`: ids of the rules that demand two people.
    """

    policy_version: str
    known: bool
    outcomes: tuple[str, ...]
    reason_codes: tuple[str, ...]
    qualifications: tuple[str, ...]
    service_seconds: Mapping[str, int]
    calendar: Calendar | None
    lease_seconds: int
    lease_limit_seconds: int
    start_within_seconds: int
    override_seconds: int
    options: int
    push: bool
    order: Literal["deadline", "score"]
    floors: Mapping[str, float]
    on_breach: str
    on_timeout: str
    notices: Mapping[str, str]
    four_eyes: frozenset[str]


def terms(policy: Policy | None, version: str, domain: str, queue: str) -> Terms:
    """The terms of tasks of `domain` in `queue` under `policy`, whose version is `version`.

    Without a policy, or with one that does not have the domain, the defaults apply; likewise for a queue that the
    policy does not describe.
    """
    known = policy is not None and domain in policy.domains
    policy = policy if policy is not None and known else _NO_POLICY
    domain_terms = policy.domains.get(domain, _NO_DOMAIN)
    queue_terms = policy.queues.get(queue, _PLAIN_QUEUE)
    # People may send a task to a queue whose outcome for a breach is not among those of the task's domain.
    breach_is_possible = queue_terms.on_breach in ("escalate", "raise_priority", *domain_terms.outcomes)
    return Terms(
        policy_version=version,
        known=known,
        outcomes=domain_terms.outcomes if known else (),
        reason_codes=_reason_codes(policy, domain_terms),
        qualifications=tuple(
            sorted({*queue_terms.qualifications, *(name for pack in policy.packs for name in pack.qualifications)})
        ),
        service_seconds=policy.service_levels.model_dump(),
        calendar=queue_terms.calendar,
        lease_seconds=queue_terms.lease,
        lease_limit_seconds=queue_terms.lease_limit_seconds,
        start_within_seconds=queue_terms.start_within,
        override_seconds=domain_terms.override_window,
        options=domain_terms.options,
        push=queue_terms.assign == "push",
        order=queue_terms.order,
        floors={str(priority): share for priority, share in queue_terms.floors.items()},
        on_breach=queue_terms.on_breach if breach_is_possible else "escalate",
        on_timeout=domain_terms.on_timeout,
        notices={outcome: lane.notice for outcome, lane in domain_terms.lanes.items() if lane.notice is not None},
        four_eyes=frozenset(rule.id for rule in policy.every_rule() if rule.four_eyes),
    )


def deadline(terms: Terms, priority: str, start: int) -> int:
    """Until when a task that counts from `start` must be decided."""
    return due(start, terms.service_seconds[priority], terms.calendar)


def warning(terms: Terms, priority: str, start: int) -> int:
    """When three quarters of the service level have passed, in working time."""
    return due(start, terms.service_seconds[priority] * 3 // 4, terms.calendar)


def quorum(terms: Terms, reasons: Iterable[str]) -> int:
    """How many different people must agree on a decision that was sent to them for `reasons`."""
    return 1 if terms.four_eyes.isdisjoint(reasons) else 2


def owner(policies: Mapping[str, Policy], domain: str) -> Policy | None:
    """The policy that has the domain; None if none has it, or more than one."""
    owners = [policy for policy in policies.values() if domain in policy.domains]
    return owners[0] if len(owners) == 1 else None


def _reason_codes(policy: Policy, domain: Domain) -> tuple[str, ...]:
    """The codes in the order in which they are offered."""
    named = [*domain.reason_codes, *(code for pack in policy.packs for code in pack.reason_codes)]
    return tuple(dict.fromkeys([AGREE, *named, _OTHER])) if named else DEFAULT_REASON_CODES


# The defaults.
_NO_POLICY = Policy(name="none")
_NO_DOMAIN = Domain(models=("*",), outcomes=("any",))
_PLAIN_QUEUE = Queue()
