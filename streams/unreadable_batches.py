"""What a consumer returns in the place of a batch that the client refuses to decompress, so that it can read on.

librdkafka reports such a batch again and again at the same place. It is one record of Kafka's log to everybody but its
readers, and a few kilobytes of zstd may become gigabytes: it must become a dead letter like any other record that
cannot be read.
"""

from collections.abc import Callable

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError

from interlock.streams.ports import Headers

# Says why the value is empty.
HEADER = "interlock-unreadable-batch"


class UnreadableBatch:
    """Stands for the records from `first` to `last` of a partition. Its value is empty, which no role can read."""

    def __init__(self, topic: str, partition: int, first: int, last: int, why: str, now: int) -> None:
        """`now`: in milliseconds; the records' own times cannot be read either."""
        self._topic = topic
        self._partition = partition
        self._last = last
        self._now = now
        place = f"offset {first}" if first == last else f"offsets {first} to {last}"
        self._text = f"{topic}[{partition}] {place}: {why}"

    def __str__(self) -> str:
        return self._text

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        """The last one, so that reading goes on behind the batch."""
        return self._last

    def key(self) -> bytes | None:
        return b""

    def value(self) -> bytes | None:
        return b""

    def headers(self) -> Headers:
        return [(HEADER, self._text.encode())]

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, self._now

    def error(self) -> KafkaError | None:
        return None


def end_of_batch(is_in_batch: Callable[[int], bool], first: int, end: int) -> int:
    """The offset behind a batch that begins at `first`, in a partition that ends at `end`.

    `is_in_batch(offset)`: whether reading from there fails because of the same batch. Most batches are small, so the
    nearest offsets are tried first: the number of questions is logarithmic in the size of the batch.
    """
    inside, step = first, 1
    while inside + step < end and is_in_batch(inside + step):
        inside += step
        step *= 2
    outside = min(inside + step, end)
    while outside - inside > 1:
        middle = (inside + outside) // 2
        if is_in_batch(middle):
            inside = middle
        else:
            outside = middle
    return outside
