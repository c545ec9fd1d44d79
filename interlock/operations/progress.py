"""The progress of all consumer groups of the platform, as an observer sees it."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException

from interlock.streams.ports import Broker, Partition
from interlock.streams.progress import Finding, Judge, Progress, WatchedGroup
from interlock.streams.progress_reader import ProgressReader

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

# By group and partition the member that is assigned it; a group that is missing could not be described.
Owners = Mapping[str, Mapping[Partition, str]]

# Much longer than it takes: a request that runs into its time-out may abort the process (librdkafka issue 4605).
_DESCRIBE_SECONDS = 60.0

# A moving offset is seen moving within seconds.
_SETTLE_PAUSE_SECONDS = 1.0


class GroupsWatch:
    """Looks at groups again and again. Not for several threads."""

    def __init__(
        self,
        broker: Broker,
        groups: Sequence[WatchedGroup],
        owners: Callable[[Collection[str]], Owners] = lambda _: {},
    ) -> None:
        self._groups = groups
        self._owners = owners
        self._reader = ProgressReader(broker)
        self._judge = Judge()
        self.progress: dict[str, dict[Partition, Progress]] = {}
        """By group, as of the latest look."""

    def look(self, now: float) -> list[Finding]:
        """What is wrong at `now`, in seconds of a clock that only goes forward. Raises KafkaException."""
        try:
            observed = {group.group: self._reader.observe(group) for group in self._groups}
            owners = self._owners([group.group for group in self._groups if group.joins])
        except KafkaException:
            self.forget()
            raise
        findings = []
        self.progress = {}
        for group in self._groups:
            progress = observed[group.group]
            if group.optional and all(one.committed is None for one in progress.values()):
                continue  # nobody runs it
            if group.group in owners:
                mine = owners[group.group]
                progress = {each: replace(one, owner=mine.get(each, "")) for each, one in progress.items()}
            self.progress[group.group] = progress
            findings += self._judge.judge(group, progress, now)
        return findings

    def forget(self) -> None:
        """Standing still counts from the next look on."""
        self._judge.forget()

    def close(self) -> None:
        self._reader.close()


def settled_findings(
    watch: GroupsWatch, monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> list[Finding]:
    """What is wrong, by somebody who has not looked before: looks again until every partition in which records wait has
    moved, has got an owner, or has stood still for as long as its group may. Raises KafkaException."""
    findings = watch.look(monotonic())
    first = watch.progress
    while True:
        named = {(finding.group.group, finding.partition) for finding in findings}
        unsettled = [
            (group, partition)
            for group, progress in watch.progress.items()
            for partition, one in progress.items()
            if (group, partition) not in named
            and (one.owner == "" or (one.waiting is not None and one.committed == first[group][partition].committed))
        ]
        if not unsettled:
            return findings
        sleep(_SETTLE_PAUSE_SECONDS)
        findings = watch.look(monotonic())


def group_owners(admin: "AdminClient", groups: Collection[str]) -> Owners:
    """Who is assigned what in `groups`. Raises KafkaException.

    Not for processes that must not end: see `_DESCRIBE_SECONDS`.
    """
    found: dict[str, dict[Partition, str]] = {}
    answers = admin.describe_consumer_groups([*groups], request_timeout=_DESCRIBE_SECONDS)
    for group, answer in answers.items():
        try:
            found[group] = _owners_of(answer.result(_DESCRIBE_SECONDS).members)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise
            found[group] = {}  # nobody has joined it yet
    return found


def _owners_of(members: Sequence[Any]) -> dict[Partition, str]:
    return {
        (place.topic, place.partition): f"{member.client_id} ({member.host})"
        for member in members
        if member.assignment is not None
        for place in member.assignment.topic_partitions
    }
