"""Policies of the right form that cannot work: what a person could never do, and what nobody would ever do."""

import math
from collections.abc import Iterator, Mapping, Sequence

from interlock.policy.errors import Diagnostic
from interlock.policy.model import Domain, Pack, Queue, ServiceLevels
from interlock.policy.source_map import Document
from interlock.policy.syntax import near
from interlock.policy.working_hours import Calendar, minutes

_HOUR = 3600

# A task that may wait for longer than a year has no deadline that anybody plans with: nearly always a service level of
# days was meant by the clock on the wall, and the calendar has a few hours a week.
_LONGEST_WEEKS = 52


def unworkable(
    domains: Mapping[str, Domain],
    queues: Mapping[str, Queue],
    levels: ServiceLevels | None,
    packs: Sequence[Pack],
    kinds: Mapping[str, str],
    document: Document,
) -> Iterator[Diagnostic]:
    """Every part that cannot work, of the domains and queues that could be read. `kinds`: of the notices that the
    policy has under a name of its own."""
    yield from _without_choice(domains, document)
    yield from _notices(domains, packs, kinds, document)
    yield from _adverse(domains, packs, document)
    yield from _breaches(domains, queues, packs, document)
    if levels is not None:
        yield from _beyond_a_year(queues, levels, document)


def _without_choice(domains: Mapping[str, Domain], document: Document) -> Iterator[Diagnostic]:
    """A person who is asked must be able to say no."""
    for name, domain in domains.items():
        if len(set(domain.outcomes)) == 1:
            (only,) = set(domain.outcomes)
            yield document.problem(
                ("domains", name, "outcomes"),
                f"{only!r} is the only outcome, so a person who is asked could never reject it",
                f"add what holds instead, such as {_opposite(only)}",
            )


def _opposite(outcome: str) -> str:
    return f"do-not-{outcome}" if not outcome.startswith("do-not-") else outcome.removeprefix("do-not-")


def _notices(
    domains: Mapping[str, Domain], packs: Sequence[Pack], kinds: Mapping[str, str], document: Document
) -> Iterator[Diagnostic]:
    """Every adverse outcome owes a notice of the packs; which outcomes are adverse, only the policy knows."""
    owed = {notice: (index, pack.name) for index, pack in enumerate(packs) for notice in pack.notices}
    named = {lane.notice for domain in domains.values() for lane in domain.lanes.values() if lane.notice is not None}
    given = {kinds.get(name, name) for name in named}
    for notice, (index, pack) in owed.items():
        if domains and notice not in given:
            yield document.problem(
                ("packs", index),
                f"{pack} demands the notice {notice}, which no lane gives",
                f"write notice: {notice} in the lane of the outcome that is adverse",
            )
    if not owed:
        return
    known = " or ".join(owed)
    packs_named = " and ".join(dict.fromkeys(pack for _, pack in owed.values()))
    for name, domain in domains.items():
        if domain.adverse is None and not domain.adverse_outcomes:
            yield document.problem(
                ("domains", name),
                f"{packs_named} owes a notice for every adverse outcome, and this domain does not say which are",
                f"write adverse: [{domain.outcomes[-1]}] and notice: {known} in that lane, or adverse: [] if none is",
            )
        for outcome in domain.adverse_outcomes:
            lane = domain.lanes.get(outcome)
            if outcome in domain.outcomes and (lane is None or lane.notice is None):
                yield document.problem(
                    ("domains", name, "lanes", outcome),
                    f"{outcome!r} is adverse and gives no notice, which {packs_named} demands",
                    f"write notice: {known}",
                )
            elif lane is not None and lane.notice is not None and kinds.get(lane.notice, lane.notice) not in owed:
                yield document.problem(
                    ("domains", name, "lanes", outcome, "notice"),
                    f"{outcome!r} is adverse and gives {lane.notice}, not the notice that {packs_named} demands",
                    f"write notice: {known}, or template: {known} in notices.{lane.notice}",
                )


def _adverse(domains: Mapping[str, Domain], packs: Sequence[Pack], document: Document) -> Iterator[Diagnostic]:
    """Adverse outcomes are outcomes, and where a pack wants reasons no clock brings one about: it has none."""
    wanting = [pack.name for pack in packs if pack.reason_codes]
    for name, domain in domains.items():
        for outcome in domain.adverse or ():
            if outcome not in domain.outcomes:
                yield document.problem(
                    ("domains", name, "adverse"),
                    f"{outcome!r} is not among the outcomes of the domain",
                    near(outcome, domain.outcomes),
                )
        if wanting and domain.on_timeout in domain.adverse_outcomes:
            yield document.problem(
                ("domains", name, "on_timeout"),
                f"{domain.on_timeout!r} is adverse, and {wanting[0]} wants specific reasons: a clock gives none",
                "write escalate, or an outcome that is not adverse",
            )


def _breaches(
    domains: Mapping[str, Domain], queues: Mapping[str, Queue], packs: Sequence[Pack], document: Document
) -> Iterator[Diagnostic]:
    wanting = [pack.name for pack in packs if pack.reason_codes]
    adverse = {outcome for domain in domains.values() for outcome in domain.adverse_outcomes}
    for name, queue in queues.items():
        if wanting and queue.on_breach in adverse:
            yield document.problem(
                ("queues", name, "on_breach"),
                f"{queue.on_breach!r} is adverse, and {wanting[0]} wants specific reasons: a clock gives none",
                "write escalate or raise_priority, or an outcome that is not adverse",
            )


def _beyond_a_year(queues: Mapping[str, Queue], levels: ServiceLevels, document: Document) -> Iterator[Diagnostic]:
    for name, queue in queues.items():
        if queue.calendar is None:
            continue
        a_week = working_seconds(queue.calendar)
        for priority, level in levels.model_dump().items():
            weeks = math.ceil(level / a_week)
            if weeks > _LONGEST_WEEKS:
                yield document.problem(
                    ("queues", name, "calendar"),
                    f"has {a_week / _HOUR:g} h of work a week: the service level {priority} of {level / _HOUR:g} h of "
                    f"work would end after {weeks} weeks",
                    "service levels count working time: shorten the service level, or give the calendar more hours",
                )


def working_seconds(calendar: Calendar) -> int:
    """How much work a week without holidays has."""
    intervals = (minutes(interval) for day in calendar.hours.values() for interval in day)
    return 60 * sum(end - begin for begin, end in intervals)
