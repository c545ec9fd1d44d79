"""Consumer groups: who reads what, by an incremental protocol as in KIP-848 and cooperative rebalancing.

Exclusive groups are eager, as with Kafka's range assignor: at every change each member first gives everything back.
"""

from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from interlock.streams.ports import Partition


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """What a transaction needs to prove that its offsets come from a current member."""

    group: str
    member: str
    generation: int


@dataclass(slots=True)
class Member:
    """`target`: what it should read; `owned`: what it does read, until it has given it back."""

    topics: tuple[str, ...]
    generation: int = 0
    owned: set[Partition] = field(default_factory=set)
    target: set[Partition] = field(default_factory=set)


class Group:
    """One group. Members learn of changes when they next call `consume()`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.generation = 0
        self.exclusive = False
        self.members: dict[str, Member] = {}
        self.committed: dict[Partition, tuple[int, str]] = {}

    def join(
        self, member: str, topics: tuple[str, ...], partitions: dict[str, int], *, exclusive: bool = False
    ) -> None:
        """Adds a member. `partitions`: the partition count of every existing topic."""
        self.exclusive = exclusive
        self.members[member] = Member(topics)
        self.rebalance(partitions)

    def leave(self, member: str, partitions: dict[str, int]) -> None:
        """Removes a member, alive or dead; what it read is free at once."""
        if self.members.pop(member, None) is not None:
            self.rebalance(partitions)

    def rebalance(self, partitions: dict[str, int]) -> None:
        """Chooses targets again: balanced per topic, and no member loses a partition without need."""
        self.generation += 1
        # The range assignor remembers nothing: the first partitions go to the member that joined first.
        holders = {p: name for name, member in self.members.items() for p in member.target}
        before = {} if self.exclusive else holders
        for member in self.members.values():
            member.target = set()
        for topic in sorted({topic for member in self.members.values() for topic in member.topics}):
            readers = [name for name, member in self.members.items() if topic in member.topics]
            fair, more = divmod(partitions.get(topic, 0), len(readers))
            room = {name: fair + (index < more) for index, name in enumerate(readers)}
            unassigned = []
            for partition in ((topic, number) for number in range(partitions.get(topic, 0))):
                holder = before.get(partition, "")
                if room.get(holder):
                    room[holder] -= 1
                    self.members[holder].target.add(partition)
                else:
                    unassigned.append(partition)
            for partition in unassigned:
                name = next(name for name in readers if room[name])
                room[name] -= 1
                self.members[name].target.add(partition)

    def to_give_back(self, member: str) -> set[Partition]:
        """What `member` reads and should not, or not before every member has given everything back."""
        state = self.members[member]
        if self.exclusive and state.generation != self.generation:
            return set(state.owned)
        return state.owned - state.target

    def free(self, member: str) -> set[Partition]:
        """What `member` should read, does not read yet, and no other member still reads."""
        taken = {p for other in self.members.values() for p in other.owned}
        return self.members[member].target - taken

    def check(self, metadata: GroupMetadata, *, transactional: bool = False) -> None:
        """Raises unless the member is in the group and its generation is the latest that it has seen.

        As in Kafka, a transaction may also commit for a group without naming any member.
        """
        if transactional and not metadata.member:
            return
        member = self.members.get(metadata.member)
        if member is None:
            code, reason = KafkaError.UNKNOWN_MEMBER_ID, "is not a member of the group any more"
        elif member.generation != metadata.generation:
            code, reason = KafkaError.ILLEGAL_GENERATION, "speaks for an old generation"
        else:
            return
        reason = f"{metadata.member} {reason} (group {self.name})"
        raise KafkaException(KafkaError(code, reason, txn_requires_abort=transactional))
