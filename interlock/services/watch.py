"""The watch: looks at the progress of all consumer groups from outside, and tells what stands still, trials of policies
included.

Each finding becomes one alert; as long as it lasts it stands in the metrics and under `/findings`, where `interlock
status` reads it.
"""

import threading
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any, get_args

import structlog
from confluent_kafka import KafkaException

from interlock.operations.group_owners import group_owners
from interlock.operations.progress import GroupsWatch
from interlock.platform.connection import Platform
from interlock.platform.groups import watched_groups
from interlock.processors.events import Event
from interlock.schemas import catalogue
from interlock.services.endpoint import serve
from interlock.services.finding_alerts import finding_alert, send_alerts
from interlock.services.forgotten_trials import ForgottenTrials, told_before
from interlock.services.retry import UNAVAILABLE, Waiting, wait_until_available
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message
from interlock.streams.progress import Finding, Kind, WatchedGroup
from interlock.streams.tables import TableReader

log = structlog.get_logger()

LOOK_SECONDS = 5.0

# The other roles may have been started at the same moment, and need longer than that to join their groups.
FIRST_LOOK_SECONDS = 30.0

# Alerts that were given before a restart are not given again: more of them than can be in question.
_REMEMBERED_ALERTS = 10_000


# Findings that concern a member or a whole group, and mostly many partitions at once.
_OF_A_GROUP = ("stalled", "no_owner")


@dataclass(frozen=True)
class Fact:
    """A finding, for programs."""

    kind: str
    role: str
    group: str
    topic: str
    partition: int
    offset: int
    records: int
    text: str


class Watch:
    """Tells findings: as alerts, as metrics, as facts. Not for several threads, but `facts` may be read by others."""

    def __init__(self, broker: Broker, groups: Sequence[WatchedGroup], watch: GroupsWatch, metrics: Metrics) -> None:
        """Raises KafkaException."""
        self._groups = groups
        self._watch = watch
        self._metrics = metrics
        self._broker = broker
        with closing(TableReader(broker, [catalogue.ALERTS.name], last=_REMEMBERED_ALERTS, once=True)) as alerts:
            self._told = {_id_of(message) for message in alerts.read_all()}
        self._standing: set[tuple[str, str]] = set()  # kinds and groups that were alerted, and still stand
        self.facts: list[dict[str, Any]] = []
        self._measure([])

    def step(self, now: float, time_us: int) -> list[Finding]:
        """One look. `now`: seconds of a clock that only goes forward; `time_us`: for the alerts, microseconds since the
        epoch. Raises KafkaException."""
        try:
            findings = self._watch.look(now)
        except KafkaException:
            self.facts = []  # nothing is known now
            raise
        self.facts = [_fact(finding, now) for finding in findings]
        self._metrics.set("last_look_timestamp_seconds", time_us / 1e6)
        self._measure(findings)
        self._tell(findings, now, time_us)
        return findings

    def close(self) -> None:
        self._watch.close()

    def _tell(self, findings: Sequence[Finding], now: float, time_us: int) -> None:
        """One alert for each loss, and one for each group that stands still, however many partitions it reads."""
        standing: set[tuple[str, str]] = set()
        new: dict[str, Event] = {}
        for finding in findings:
            pair = finding.kind, finding.group.group
            event = finding_alert(finding, now, time_us)
            if event.key not in self._told and pair not in self._standing | standing:
                new[event.key] = event
            if finding.kind in _OF_A_GROUP:
                standing.add(pair)
        if new:  # if Kafka does not take them, the next look tries again
            send_alerts(self._broker, new.values())
            for event in new.values():
                log.error((event.record or {})["message"])
        self._told.update(new)
        self._standing = standing

    def _measure(self, findings: Collection[Finding]) -> None:
        for group in self._groups:
            progress = self._watch.progress.get(group.group, {})
            for topic in group.topics:
                lag = sum(one.lag for (name, _), one in progress.items() if name == topic)
                self._metrics.set("group_lag", lag, group=group.group, topic=topic)
        for group, kind in product(self._groups, get_args(Kind)):
            count = sum(finding.group is group and finding.kind == kind for finding in findings)
            self._metrics.set("group_findings", count, group=group.group, kind=kind)


def run(platform: Platform, stop: threading.Event) -> None:
    """Watches all consumer groups, and alerts people to what stands still."""
    metrics = Metrics("watch")
    groups = watched_groups(platform.settings)

    def make() -> tuple[Watch, ForgottenTrials]:
        broker = platform.serving_kafka()
        owners = partial(group_owners, platform.client_properties)
        trials = ForgottenTrials(broker, platform.settings.watch.trial_days, told_before(broker))
        return Watch(broker, groups, GroupsWatch(broker, groups, owners), metrics), trials

    made = wait_until_available(make, stop)
    if made is None:
        return
    watch, trials = made
    serve(metrics, platform.settings, findings=lambda: watch.facts)
    log.info("watch runs", kafka=platform.bootstrap_servers, groups=len(groups))
    with closing(watch):
        follow(watch, trials, stop)
    log.info("watch stopped")


def follow(watch: Watch, trials: ForgottenTrials, stop: threading.Event) -> None:
    """Looks until `stop` is set; waits for Kafka where it is away."""
    waiting = Waiting("looking at the consumer groups and trials")
    stop.wait(FIRST_LOOK_SECONDS)
    while not stop.wait(LOOK_SECONDS):
        try:
            watch.step(time.monotonic(), time.time_ns() // 1000)
            trials.step(time.time_ns() // 1000)
        except UNAVAILABLE as error:
            waiting.failed(error, stop)
        else:
            waiting.succeeded()


def _fact(finding: Finding, now: float) -> dict[str, Any]:
    topic, partition = finding.partition
    group = finding.group
    text = finding.text(now)
    return asdict(Fact(finding.kind, group.role, group.group, topic, partition, finding.offset, finding.records, text))


def _id_of(message: Message) -> str:
    return (message.key() or b"").decode(errors="replace")
