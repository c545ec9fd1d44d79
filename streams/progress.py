"""Whether consumer groups make progress: judged from committed offsets and the ends of logs, by somebody who is not in
the group.

A member of a group cannot tell. What it is not assigned it does not see, the ends that its client remembers are those
of its last fetch, and a request that never returns leaves its numbers as they were.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from interlock.streams.ports import Partition

# stalled: records are waiting, and the committed offset has not moved for some time. no_owner: no member of the group
# is assigned the partition. went_back: the committed offset is lower than it was, so that records are read again.
# expired: records were deleted before they were read.
Kind = Literal["stalled", "no_owner", "went_back", "expired"]

# What a group leaves unread when it has read everything: the marker that ends the last transaction takes one offset.
# In a quiet topic it is deleted some day, and nothing is lost.
MARKER = 1


@dataclass(frozen=True, slots=True)
class WatchedGroup:
    """`role`: the service whose instances are the group's members. `stalled_seconds`: how long the committed offset of
    a partition may stand still although records are waiting. `optional`: not everybody runs this role, so that a group
    without any committed offset is left alone. `joins`: its instances are members of the group and own partitions.
    `holds_seconds`: how much longer it may hold records back on purpose."""

    group: str
    role: str
    topics: tuple[str, ...]
    stalled_seconds: float
    optional: bool = False
    joins: bool = True
    holds_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One partition at one time. `committed`: None if the group has committed nothing. `start`: the first offset that
    still exists. `waiting`: the offset of the first record that is not read yet, None if there is none; the end of the
    log does not tell, because markers of transactions and aborted records stand there too. `lag`: offsets from there to
    the end. `owner`: the member that reads the partition; empty: none; None: not known."""

    committed: int | None
    start: int
    waiting: int | None
    lag: int = 0
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one partition of one group, since when (seconds, as `now`), and at which committed offset.
    `records`: how many are waiting, are read again or were deleted unread; transaction markers are counted too."""

    kind: Kind
    group: WatchedGroup
    partition: Partition
    since: float
    offset: int
    records: int = 0
    owner: str | None = None

    @property
    def cause(self) -> str:
        """Tells it from others of its kind: the same for everybody who looks, as long as it lasts."""
        topic, number = self.partition
        return f"{self.group.group}/{topic}/{number}/{self.offset}"

    def text(self, now: float) -> str:
        """What happened and what to do."""
        where = f"{self.partition[0]}[{self.partition[1]}]"
        role, group, seconds = self.group.role, self.group.group, f"{now - self.since:.0f} s"
        match self.kind:
            case "stalled":
                owners = {None: "", "": ", which nobody is assigned"}
                reader = owners.get(self.owner, f", assigned to {self.owner}")
                return (
                    f"{role} stands still at {where}{reader}: {self.records} offsets wait from {self.offset} on, where "
                    f"group {group} has been for {seconds}. Is {role} running? Its log says what it waits for; a "
                    "restart makes it join the group again."
                )
            case "no_owner":
                return (
                    f"{where} has had no reader in group {group} for {seconds}: restart {role}. If that does not help, "
                    "stop all members of the group for a minute, so that its coordinator forgets them."
                )
            case "went_back":
                return (
                    f"the committed offset of group {group} in {where} went back by {self.records} to {self.offset}: "
                    f"{role} would read these records again. Unless somebody has reset the offsets, stop {role} until "
                    "it is known why."
                )
            case "expired":
                return (
                    f"{self.records} records of {where} expired unread: retention has deleted them before {role} "
                    f"(group {group}) read them. Ask who sent them to send them again, and see why {role} was so late."
                )


@dataclass(slots=True)
class _Memory:
    """`moved`: when the committed offset last moved, or nothing was waiting; `seen_moving`: whether it ever did so.
    `highest`: the highest committed offset that was seen. `without_owner`: when it was first and last known that the
    partition has no owner."""

    moved: float
    committed: int | None
    highest: int
    seen_moving: bool = False
    back: Finding | None = None
    without_owner: tuple[float, float] | None = None
    named: bool = False


class Judge:
    """Remembers what was observed of the groups before. Not for several threads."""

    def __init__(self) -> None:
        self._memories: dict[tuple[str, Partition], _Memory] = {}

    def forget(self) -> None:
        """Nothing could be observed, for instance because Kafka was away: standing still counts from the next time."""
        for memory in self._memories.values():
            memory.moved = float("inf")
            memory.without_owner = None

    def judge(self, group: WatchedGroup, observed: Mapping[Partition, Progress], now: float) -> list[Finding]:
        """What is wrong with `group` at `now`, in seconds of any clock that only goes forward."""
        findings = []
        for partition in sorted(observed):
            found = list(self._partition(group, partition, observed[partition], now))
            self._memories[group.group, partition].named = bool(found)
            findings += found
        return findings

    def in_doubt(self, group: WatchedGroup) -> bool:
        """Whether a partition of `group` has never been seen moving, or has no owner, and is not named for it yet."""
        return any(
            not memory.named and (not memory.seen_moving or memory.without_owner is not None)
            for (name, _), memory in self._memories.items()
            if name == group.group
        )

    def _partition(
        self, group: WatchedGroup, partition: Partition, progress: Progress, now: float
    ) -> Iterator[Finding]:
        offset = progress.committed or 0
        memory = self._memories.setdefault((group.group, partition), _Memory(now, progress.committed, offset))
        if progress.waiting is None or progress.committed != memory.committed:
            memory.moved, memory.seen_moving = now, True
        memory.moved = min(memory.moved, now)
        memory.committed = progress.committed
        if progress.owner is not None:
            since = now if memory.without_owner is None else memory.without_owner[0]
            memory.without_owner = None if progress.owner else (since, now)
        if progress.committed is not None and offset < memory.highest and memory.back is None:
            memory.back = Finding("went_back", group, partition, now, offset, memory.highest - offset)
        if offset >= memory.highest:
            memory.highest, memory.back = offset, None
        if progress.committed is not None and progress.start - offset > MARKER:
            yield Finding("expired", group, partition, now, offset, progress.start - offset)
        if memory.back is not None:
            yield memory.back
        first, last = memory.without_owner or (now, now)
        if now - memory.moved >= group.stalled_seconds + group.holds_seconds:
            owner = "" if memory.without_owner is not None else progress.owner
            yield Finding("stalled", group, partition, memory.moved, offset, progress.lag, owner)
        elif last - first >= group.stalled_seconds:
            yield Finding("no_owner", group, partition, first, offset)
