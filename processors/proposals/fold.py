"""Proposals and broken certificates of all lanes and model versions, from training examples."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from interlock.learning.answered import MIN_ANSWERED
from interlock.policy.errors import PolicyError
from interlock.policy.model import Policy
from interlock.policy.review import owner as policy_owner
from interlock.policy.version import from_resolved
from interlock.processors.answered import AnsweredWays, TallyTable
from interlock.processors.arrival_order import LONGEST_WAIT, ArrivalOrderBuffer
from interlock.processors.calibration.alarm_level import FALSE_ALARMS_PER_YEAR, alarm_level
from interlock.processors.calibration.labels import BadLabelError
from interlock.processors.events import Event
from interlock.processors.proposals.broken import broken
from interlock.processors.proposals.by_group import grouping
from interlock.processors.proposals.examples import Example, example
from interlock.processors.proposals.groups import with_groups
from interlock.processors.proposals.lane import WINDOW, Lane
from interlock.processors.proposals.progress import progress
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.proposing import PolicyInForce, proposal
from interlock.processors.proposals.record import lane_of, revoked
from interlock.processors.proposals.risk import Starts, delta_of
from interlock.processors.proposals.withdrawing import is_withdrawn, withdrawn
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key

log = structlog.get_logger()

# The topics that `apply` takes: what proposals depend on besides the examples.
TABLE_TOPICS = (catalogue.POLICIES.name, catalogue.PROPOSALS.name, catalogue.TALLIES.name)


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """`alpha`: share of wrong decisions that may take effect by themselves; `delta`: risk of certifying more.
    `every`: examples of a lane between two looks. `min_answered`: share of what was chosen on each way to a person that
    must be answered before anything is proposed; 0: nobody asks. `false_alarms_per_year`: see
    `calibration.alarm_level`. `gold_is_typical`: gold items are as hard as other decisions, see
    `learning.reviewer_errors.visible`. `longest_wait`: microseconds for which an example waits at most for those of
    earlier decisions."""

    alpha: float = 0.05
    delta: float = 0.10
    every: int = 100
    min_answered: float = MIN_ANSWERED
    false_alarms_per_year: float = FALSE_ALARMS_PER_YEAR
    gold_is_typical: bool = False
    longest_wait: int = LONGEST_WAIT


class ProposalFold:
    """The evidence is a fold of the examples in the order in which their decisions arrived. Policies and decisions on
    earlier proposals determine only what is written.

    `refused`: number of unusable examples, by reason.
    """

    def __init__(self, settings: ProposalSettings) -> None:
        self._settings = settings
        self._lanes: dict[tuple[str, str, str, str], Lane] = {}
        self._recent: dict[tuple[str, str, str], deque[Example]] = {}
        self._buffers: dict[str, ArrivalOrderBuffer[Example]] = {}
        self._policies: dict[str, Policy] = {}
        self._versions: dict[str, str] = {}
        self._answered: dict[str, AnsweredWays] = {}
        self._tallies = TallyTable()
        self._starts = Starts()
        self.table = ProposalTable()
        self.refused: Counter[str] = Counter()

    def apply(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Applies a record of a topic in TABLE_TOPICS."""
        if topic == catalogue.PROPOSALS.name:
            self.table.apply(key, value)
        elif topic == catalogue.TALLIES.name:
            self._tallies.apply(value)
        else:
            self._apply_policy((key or b"").decode(errors="replace"), value)

    def process(self, record: Mapping[str, Any], *, replayed: bool = False) -> list[Event]:
        """What follows from one `TrainingExample` record, times as integers. `replayed`: it was processed before,
        and only the evidence is needed."""
        try:
            new = example(record)
        except BadLabelError as error:
            self.refused[error.reason] += 1
            return []
        if new is None:
            return []
        now = record["decided_at"]
        model = f"{new.model_id}@{new.model_version}"
        self._answered.setdefault(model, AnsweredWays(self._tallies, model)).observe(record, now)
        buffer = self._buffers.setdefault(model, ArrivalOrderBuffer(self._settings.longest_wait))
        ready = buffer.add(new.example_id, new.at, record["settled_before"], new, now)
        return [event for each in ready for event in self._count(each, now, replayed=replayed)]

    def tick(self, now: int) -> list[Event]:
        """What follows from time alone: examples that have waited for what is late by now, or for too long."""
        ready = [
            example
            for model, buffer in self._buffers.items()
            for example in buffer.release(self._tallies.watermark(model), now)
        ]
        return [event for each in ready for event in self._count(each, now, replayed=False)]

    def _count(self, new: Example, now: int, *, replayed: bool) -> list[Event]:
        lane = self._lanes.get(new.lane)
        if lane is None:
            lane = self._lanes[new.lane] = self._new_lane(new.lane)
        recent = self._recent.setdefault((new.domain, new.model_id, new.model_version), deque(maxlen=WINDOW))
        recent.append(new)
        alarm = lane.add(new)
        if alarm is not None:
            events = broken(lane, *alarm, now)
            lane.restart()
            return events
        if lane.count % self._settings.every:
            return []
        owner = self._owner(new.domain)
        missing = self._missing(new, now)
        delta = delta_of(owner.policy if owner else None, lane.start, self._settings.delta)
        newest = self._answered[f"{new.model_id}@{new.model_version}"].newest(now)
        by = grouping(owner.policy.domains[new.domain]) if owner else None
        lane.look(delta, {way: told for (domain, way), told in newest.items() if domain == new.domain}, by)
        lane.prove(owner.policy.attribute_types() if owner else {}, fresh=not missing)
        return [] if replayed else [*self._proposed(lane, owner, now), progress(lane, now, missing)]

    def _missing(self, example: Example, now: int) -> tuple[str, ...]:
        """Which answers are missing to certify anything more, for people; what is certified stays so as far as the
        evidence allows with as few answers."""
        minimum = self._settings.min_answered
        model = f"{example.model_id}@{example.model_version}"
        ways = self._answered[model]
        return ways.missing_lately(minimum, now, example.domain) or ways.missing(minimum, now, example.domain)

    def _new_lane(self, name: tuple[str, str, str, str]) -> Lane:
        settings = self._settings
        level = alarm_level(settings.false_alarms_per_year)
        return Lane(name, settings.alpha, settings.delta, level, typical=settings.gold_is_typical, starts=self._starts)

    def _proposed(self, lane: Lane, owner: PolicyInForce | None, now: int) -> list[Event]:
        """New proposals, and the revocation of open ones that no longer hold or no longer change anything."""
        recent = self._recent[lane.name[0], lane.name[2], lane.name[3]]
        supported = [proposal(claim, lane, recent, owner, now) for claim in lane.claims] if owner else []
        current = {new["proposal_id"]: new for new in supported if new is not None}
        events = []
        for known in list(self.table):
            # After a crash the table holds proposals from examples that are still to be processed again.
            is_open = known["state"] == "open" and known["proposed_at"] <= now
            if is_open and lane_of(known) == lane.name and known["proposal_id"] not in current:
                newer = any(new["kind"] == known["kind"] for new in current.values())
                events.append(self.table.put(revoked(known, withdrawn(known, lane, newer=newer), now)))
        claims = {claim.proposal_id: claim for claim in lane.claims}
        for name, new in current.items():
            earlier = self.table.get(name)
            if earlier is None or is_withdrawn(earlier, now):
                assert owner is not None
                told = with_groups(new, claims[name], lane, recent, owner.policy.domains[lane.name[0]])
                events.append(self.table.put(told))
        return events

    def _owner(self, domain: str) -> PolicyInForce | None:
        policy = policy_owner(self._policies, domain)
        return PolicyInForce(policy, self._versions[policy.name]) if policy else None

    def _apply_policy(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._policies.pop(name, None)
            return
        try:
            record = wire.decode_plain("PolicyVersion", value)
            policy = from_resolved(record["resolved"])
            check_key(name, record["name"], policy.name)
        except (PolicyError, ValueError) as error:  # WireError is a ValueError
            log.error("policy refused; the previous one stays in force", policy=name, error=str(error))
            return
        self._policies[name] = policy
        self._versions[name] = record["version"]
