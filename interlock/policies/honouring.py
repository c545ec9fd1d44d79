"""Whether the packs of a policy can be honoured by the people on the roster: a policy whose packs cannot is refused."""

from collections.abc import Iterable, Iterator

from interlock.errors import InterlockError
from interlock.policy import review
from interlock.policy.conditions.contradictions import contradiction
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.model import Policy
from interlock.policy.vocabulary import ROUTING_COLUMNS
from interlock.processors.desk.reviewers import Reviewer, from_record, holds
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker
from interlock.streams.tables import newest


class UnhonouredPackError(InterlockError):
    """What a pack of the policy demands cannot be done as things stand; the message says what, and what to do."""


def read_roster(broker: Broker) -> list[Reviewer]:
    """Everybody on the roster. Raises KafkaException."""
    found = newest(broker, catalogue.REVIEWERS.name, lambda _, value: from_record(wire.decode_plain("Reviewer", value)))
    return list(found.values())


def may_do(person: Reviewer, queue: str, needed: Iterable[str], now: int) -> bool:
    """Whether a person works `queue` and has every qualification at `now` (microseconds since the epoch)."""
    return person.works(queue) and holds(person.qualifications, needed, now)


def unqualified_queues(policy: Policy, reviewers: Iterable[Reviewer], now: int) -> Iterator[str]:
    """A sentence for each queue whose tasks need a qualification of a pack that nobody has together with the others,
    or two people by a rule of a pack, of whom there is only one."""
    people = list(reviewers)
    by_packs = {name: pack.name for pack in policy.packs for name in pack.qualifications}
    told = set()
    for name, domain in policy.domains.items():
        needed = review.terms(policy, "", name, domain.queue).qualifications
        qualifying = [by_packs[one] for one in needed if one in by_packs]
        doubling = list(_demanding_two(policy, name))
        able = sum(may_do(person, domain.queue, needed, now) for person in people)
        short_of = (bool(qualifying) and able == 0, bool(doubling) and able < 2)
        if not any(short_of) or (domain.queue, needed, short_of) in told:
            continue
        told.add((domain.queue, needed, short_of))
        as_what = f"qualified as {' and '.join(needed)}" if needed else "able to work it"
        if short_of[0]:
            yield (
                f"pack {' and '.join(dict.fromkeys(qualifying))} demands that who decides in queue {domain.queue} is "
                f"{as_what}, and nobody on the roster is"
            )
        else:
            yield (
                f"pack {' and '.join(doubling)} demands two people for decisions of {name} in queue {domain.queue}, "
                f"and {'only one' if able else 'nobody'} on the roster is {as_what}"
            )


def _demanding_two(policy: Policy, domain: str) -> Iterator[str]:
    """The packs with a rule that sends some decision of the domain to two people."""
    columns = {**ROUTING_COLUMNS, **policy.attribute_types()}
    for pack in policy.packs:
        rules = [rule.when for rule in pack.rules if rule.four_eyes]
        # Names of domains have no quotes.
        if any(contradiction(parse_condition(f"domain = '{domain}' AND ({when})", columns)) is None for when in rules):
            yield pack.name


def check_people(broker: Broker, policy: Policy, now: int) -> None:
    """Raises UnhonouredPackError where nobody may decide what a pack wants decided by qualified people, or one alone
    what it wants decided by two, and KafkaException."""
    if not any(pack.qualifications or any(rule.four_eyes for rule in pack.rules) for pack in policy.packs):
        return
    problems = list(unqualified_queues(policy, read_roster(broker), now))
    if problems:
        raise UnhonouredPackError(
            f"policy {policy.name} cannot be honoured; nothing was changed: {'; '.join(problems)}. Enter the "
            "qualification of who has it (`interlock reviewers add ID --qualification NAME`), then publish again."
        )
