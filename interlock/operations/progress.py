"""The progress of all consumer groups of the platform, as an observer sees it."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from confluent_kafka import KafkaException

from interlock.operations.group_owners import Owners
from interlock.streams.ports import Broker, Partition
from interlock.streams.progress import Finding, Judge, Progress, WatchedGroup
from interlock.streams.progress_reader import ProgressReader

# To find out who is assigned what starts a process, which takes a tenth of a second of processor time.
OWNERS_SECONDS = 120.0

# Where a group has read everything, only the ends of its partitions are looked at, all in one request. What they do not
# show, such as offsets that somebody sets back, is seen after so long.
REST_SECONDS = 120.0

# A moving offset is seen moving within seconds.
_SETTLE_PAUSE_SECONDS = 1.0


class GroupsWatch:
    """Looks at groups again and again. Not for several threads."""

    def __init__(
        self,
        broker: Broker,
        groups: Sequence[WatchedGroup],
        owners: Callable[[Collection[str]], Owners] = lambda _: {},
        owners_seconds: float = OWNERS_SECONDS,
    ) -> None:
        """`owners`: asked again after `owners_seconds`."""
        self._groups = groups
        self._owners = owners
        self._owners_seconds = owners_seconds
        self._next_owners: float | None = None
        self._next_observation: float | None = None
        self._reader = ProgressReader(broker)
        self._judge = Judge()
        self._observed: dict[str, dict[Partition, Progress]] = {}
        # By partition, as of just before its groups were observed.
        self._ends: dict[Partition, int] = {}
        self.progress: dict[str, dict[Partition, Progress]] = {}
        """By group, as of the latest look."""

    def look(self, now: float) -> list[Finding]:
        """What is wrong at `now`, in seconds of a clock that only goes forward. Raises KafkaException."""
        try:
            observed = self._observe(now)
        except KafkaException:
            self.forget()
            raise
        owners: Owners = {}
        if self._next_owners is None or now >= self._next_owners:
            self._next_owners = now + self._owners_seconds
            owners = self._owners([group.group for group in self._groups if group.joins])
        findings = []
        self.progress = {}
        for group in self._groups:
            progress = observed[group.group]
            if group.optional and all(one.committed is None for one in progress.values()):
                continue  # nobody runs it
            if group.group in owners:
                mine = owners[group.group]
                progress = {each: replace(one, owner=mine.get(each, "")) for each, one in progress.items()}
            findings += self._judge.judge(group, progress, now)
            self.progress[group.group] = progress
        return findings

    def _observe(self, now: float) -> dict[str, dict[Partition, Progress]]:
        """Asks about groups for which something waits, or may wait by now, and now and then about all."""
        ends = self._reader.ends({partition for progress in self._observed.values() for partition in progress})
        everything = self._next_observation is None or now >= self._next_observation
        if everything:
            self._next_observation = now + REST_SECONDS
        for group in self._groups:
            before = self._observed.get(group.group)
            if everything or before is None or not self._rests(before, ends):
                self._observed[group.group] = self._reader.observe(group)
        self._ends = ends
        return self._observed

    def _rests(self, progress: Mapping[Partition, Progress], ends: Mapping[Partition, int]) -> bool:
        return all(one.waiting is None and self._ends.get(each) == ends[each] for each, one in progress.items())

    def forget(self) -> None:
        """Standing still counts from the next look on."""
        self._judge.forget()
        self._observed, self._ends = {}, {}

    @property
    def patience(self) -> float:
        """Seconds after which nothing is too early to say."""
        return max(group.stalled_seconds for group in self._groups) + 2 * self._owners_seconds

    def unsettled(self) -> bool:
        """Whether a partition has not moved, or has no owner, and it is too early to say that this is wrong."""
        return any(self._judge.in_doubt(group) for group in self._groups)

    def close(self) -> None:
        self._reader.close()


def settled_findings(
    watch: GroupsWatch, monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> list[Finding]:
    """What is wrong, by somebody who has not looked before: looks again until every partition in which records wait has
    moved, has got an owner, or has stood still for as long as its group may. Raises KafkaException."""
    deadline = monotonic() + watch.patience
    findings = watch.look(monotonic())
    while watch.unsettled() and monotonic() < deadline:
        sleep(_SETTLE_PAUSE_SECONDS)
        findings = watch.look(monotonic())
    return findings
