"""A chunk: the range of offsets of one partition that is inserted at once, and its identity."""

import json
from dataclasses import dataclass

from interlock.errors import InterlockError
from interlock.streams.ports import Partition


class ForeignMetadataError(InterlockError, ValueError):
    """Committed metadata that the sink did not write."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The records of one partition from offset `first` to offset `last`, both included, both of real records."""

    topic: str
    partition: int
    first: int
    last: int

    @property
    def topic_partition(self) -> Partition:
        return self.topic, self.partition

    def token(self, stream: str) -> str:
        """The deduplication token of the insert: equal for equal chunks of one log, different for all others."""
        return f"{stream}/{self.topic}/{self.partition}/{self.first}-{self.last}"

    def metadata(self) -> str:
        """The plan, as it stands beside the committed offset in Kafka."""
        return json.dumps({"inserting": [self.first, self.last]})


def planned(topic: str, partition: int, metadata: str | None) -> Chunk | None:
    """The chunk that committed `metadata` announces; None where it is empty. Raises ForeignMetadataError."""
    if not metadata:
        return None
    try:
        first, last = json.loads(metadata)["inserting"]
        return Chunk(topic, partition, int(first), int(last))
    except (ValueError, TypeError, KeyError) as error:
        raise ForeignMetadataError(
            f"the offset committed for {topic}[{partition}] carries metadata that is not the sink's: {metadata!r}. "
            f"Does another program use the sink's consumer group?"
        ) from error
