"""Whether somebody on the roster may do the work that policies send to people."""

from collections.abc import Iterable, Iterator

from interlock.policies.honouring import may_do, read_roster
from interlock.policies.publishing import published_policies
from interlock.policy import review
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved
from interlock.processors.desk.reviewers import Reviewer
from interlock.streams.ports import Broker


def unstaffed(policies: Iterable[Policy], reviewers: Iterable[Reviewer], now: int) -> Iterator[str]:
    """A line for each queue with work that nobody of `reviewers` may do. `now`: microseconds since the epoch."""
    people = list(reviewers)
    told = set()
    for policy in policies:
        for name, domain in policy.domains.items():
            needed = review.terms(policy, "", name, domain.queue).qualifications
            if (domain.queue, needed) in told or any(may_do(person, domain.queue, needed, now) for person in people):
                continue
            told.add((domain.queue, needed))
            what = f"is qualified as {' and '.join(needed)} for queue" if needed else "works queue"
            yield f"nobody on the roster {what} {domain.queue}, to which policy {policy.name} sends {name}"


def roster_problems(broker: Broker, now: int) -> list[str]:
    """The same of what is published and of the roster as it stands. Raises KafkaException."""
    policies = [from_resolved(record["resolved"]) for record in published_policies(broker).values()]
    return list(unstaffed(policies, read_roster(broker), now))
