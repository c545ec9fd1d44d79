"""How many messages a batch may have: fewer where a commit does not come through in time.

A batch is committed as a whole within one deadline. Over a slow link, or with large messages, a full batch may never
be, and the runner would read and write the same batch for ever.
"""

from confluent_kafka import KafkaError

# Of a request, and of records that could not be delivered before it.
_TIME_OUTS = frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError.REQUEST_TIMED_OUT,
    }
)

# Of the deadline: a batch of twice the size then still takes half of it at most.
_QUICK_SHARE = 0.25


class BatchLimit:
    """`messages`: the limit of the next batch."""

    def __init__(self, largest: int, deadline: float) -> None:
        """`largest`: where nothing is slow; `deadline`: seconds that a commit may take."""
        self.messages = largest
        self._largest = largest
        self._quick_seconds = _QUICK_SHARE * deadline

    def failed(self, error: KafkaError, messages: int) -> None:
        """A batch of so many messages was not committed."""
        if error.code() in _TIME_OUTS and messages:
            self.messages = max(1, min(messages, self.messages) // 2)

    def committed(self, messages: int, seconds: float) -> None:
        """A batch of so many messages was committed in so many seconds."""
        if seconds < self._quick_seconds:
            self.messages = max(self.messages, min(self._largest, 2 * messages))
