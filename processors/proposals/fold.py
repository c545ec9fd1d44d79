"""Everything that follows from training examples here, for every lane and model version."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from interlock.policy.model import Policy
from interlock.policy.review import owner
from interlock.policy.version import from_resolved
from interlock.processors.arrival_order import ArrivalOrderBuffer
from interlock.processors.calibration.labels import BadLabelError
from interlock.processors.calibration.rate import Crossing
from interlock.processors.calibration.signals import drift
from interlock.processors.events import Event
from interlock.processors.proposals.certificate import Certificate
from interlock.processors.proposals.examples import Example, example
from interlock.processors.proposals.lane import WINDOW, Lane
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.proposing import Owner, proposal
from interlock.processors.proposals.record import lane_of, revoked
from interlock.schemas import catalogue, wire

log = structlog.get_logger()

# What `follow` takes: what the proposals depend upon besides the examples.
FOLLOWED = (catalogue.POLICIES.name, catalogue.PROPOSALS.name, catalogue.DRIFT_SIGNALS.name)


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """`alpha`: share of wrong decisions that may take effect by themselves; `delta`: risk of certifying more. Looked at
    after every so many examples of a lane (`every`)."""

    alpha: float = 0.05
    delta: float = 0.10
    every: int = 100


class ProposalFold:
    """The evidence is a fold of the examples in the order in which their decisions arrived, and of the drift signals by
    their time. Policies and what people said to earlier proposals decide only what is written. `refused`: unusable
    examples, by reason."""

    def __init__(self, settings: ProposalSettings) -> None:
        self._settings = settings
        self._lanes: dict[tuple[str, str, str, str], Lane] = {}
        self._recent: dict[tuple[str, str, str], deque[Example]] = {}
        self._settled: dict[tuple[str, str], ArrivalOrderBuffer[Example]] = {}
        self._moved: dict[tuple[str, str], list[int]] = {}
        self._policies: dict[str, Policy] = {}
        self._versions: dict[str, str] = {}
        self.book = ProposalTable()
        self.refused: Counter[str] = Counter()

    def follow(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Takes over a record of a topic in FOLLOWED."""
        if topic == catalogue.PROPOSALS.name:
            self.book.follow(key, value)
        elif topic == catalogue.POLICIES.name:
            self._follow_policy((key or b"").decode(errors="replace"), value)
        else:
            self._follow_signal(value)

    def take(self, record: Mapping[str, Any], *, replayed: bool = False) -> list[Event]:
        """What follows from one `TrainingExample` record, times as integers. `replayed`: it was taken before, only the
        evidence is wanted."""
        try:
            one = example(record)
        except BadLabelError as error:
            self.refused[error.reason] += 1
            return []
        if one is None:
            return []
        settled = self._settled.setdefault((one.model_id, one.model_version), ArrivalOrderBuffer())
        ready = settled.add(one.example_id, one.at, record["settled_before"], one)
        return [event for each in ready for event in self._count(each, record["decided_at"], replayed=replayed)]

    def _count(self, one: Example, now: int, *, replayed: bool) -> list[Event]:
        self._restart_after_drift(one)
        lane = self._lanes.get(one.lane)
        if lane is None:
            lane = self._lanes[one.lane] = Lane(one.lane, self._settings.alpha, self._settings.delta)
        recent = self._recent.setdefault((one.domain, one.model_id, one.model_version), deque(maxlen=WINDOW))
        recent.append(one)
        broken = lane.take(one)
        if broken is not None:
            events = _broken(lane, *broken, one, now)
            lane.restart()
            return events
        if lane.count % self._settings.every:
            return []
        its = self._owner(one.domain)
        lane.prove(its.policy.attribute_types() if its else {})
        return [] if replayed else self._told(lane, its, now)

    def _told(self, lane: Lane, its: Owner | None, now: int) -> list[Event]:
        """New proposals, and the end of open ones that no longer hold or no longer change anything."""
        recent = self._recent[lane.name[0], lane.name[2], lane.name[3]]
        made = [proposal(claim, lane, recent, its, now) for claim in lane.claims] if its else []
        wanted = {one["proposal_id"]: one for one in made if one is not None}
        events = []
        for known in list(self.book):
            # After a crash the book knows what followed from examples that are still to be taken again.
            current = known["state"] == "open" and known["proposed_at"] <= now
            if current and lane_of(known) == lane.name and known["proposal_id"] not in wanted:
                newer = any(one["kind"] == known["kind"] for one in wanted.values())
                why = "replaced by a newer proposal" if newer else "no longer certified, or the policy does so already"
                events.append(self.book.note(revoked(known, why, now)))
        events += [self.book.note(one) for name, one in wanted.items() if self.book.get(name) is None]
        return events

    def _owner(self, domain: str) -> Owner | None:
        found = owner(self._policies, domain)
        return Owner(found, self._versions[found.name]) if found else None

    def _restart_after_drift(self, one: Example) -> None:
        """Forgets what was seen of a model before the latest signal that it, or its world, has changed."""
        moved = self._moved.get((one.model_id, one.model_version), [])
        if not moved or moved[0] > one.at:
            return
        moved[:] = [at for at in moved if at > one.at]
        for lane in self._lanes.values():
            if lane.name[2:] == (one.model_id, one.model_version):
                lane.restart()

    def _follow_policy(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._policies.pop(name, None)
            return
        try:
            record = wire.decode_plain("PolicyVersion", value)
            self._policies[name] = from_resolved(record["resolved"])
            self._versions[name] = record["version"]
        except (wire.WireError, ValueError) as error:
            log.error("policy refused; the one before stays in force", policy=name, error=str(error))

    def _follow_signal(self, value: bytes | None) -> None:
        try:
            record = wire.decode_plain("DriftSignal", value)
        except wire.WireError as error:
            log.error("drift signal refused", error=str(error))
            return
        # A broken certificate has restarted its lane already.
        if record["monitor"] != "certificate":
            moved = self._moved.setdefault((record["model_id"], record["model_version"]), [])
            moved.append(record["at"])
            moved.sort()


def _broken(lane: Lane, certificate: Certificate, crossing: Crossing, one: Example, now: int) -> list[Event]:
    return drift(
        "certificate",
        cause=one.example_id,
        model_id=one.model_id,
        model_version=one.model_version,
        domain=one.domain,
        statistic=crossing.statistic,
        threshold=crossing.threshold,
        seen=crossing.seen,
        message=(
            f"certificate {certificate.proposal_id} for {one.domain}/{one.prediction} is broken: "
            f"{certificate.error_rate:.1%} of what it covers is wrong, {lane.alpha:.0%} were promised"
        ),
        at=now,
        revokes=lane.certified,
    )
