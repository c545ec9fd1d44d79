"""What a dispatcher needs where records that cannot be carried out are put aside, and order is kept all the same."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from interlock.streams.dispatch.deliveries import Job
from interlock.streams.ports import Message, Partition


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a job is handed over, is left out for good, or becomes a dead letter unattempted, because one waits that
    comes before it. `reason`: why not, for a person."""

    what: Literal["hand_over", "leave_out", "wait"]
    reason: str = ""


class DeadLetters(Protocol):
    """Called from the dispatcher's thread only. Every method but `forget` may raise KafkaException; it is called again
    then."""

    def restore(self, numbers: Collection[int]) -> None:
        """Learns what waits in the partitions of these numbers, which were assigned."""
        ...

    def forget(self, numbers: Collection[int]) -> None:
        """Another member has these partitions now."""
        ...

    def admit(self, message: Message, job: Job[Any]) -> Admission:
        """What to do with a job whose turn it is. What that changes is durable when it returns."""
        ...

    def put(self, message: Message, job: Job[Any], code: str, reason: str, *, in_doubt: bool) -> bool:
        """Returns when the dead letter is stored; False if the record was a dead letter before. `in_doubt`: whether an
        attempt may have taken effect although it failed. After a crash a dead letter may be there twice."""
        ...

    def done(self, message: Message, job: Job[Any]) -> None:
        """The job was carried out."""
        ...

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The group has committed these offsets."""
        ...
