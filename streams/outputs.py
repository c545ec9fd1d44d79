"""What a processor is to the runner: a pure function from messages and a time to columns of records."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from interlock.streams.ports import Message


class Outputs(Protocol):
    """Records to produce, as columns of exactly `count` entries each; lazy iterables are read once.

    `headers` may be None if no record has any. A lazy column (such as `map(Message.headers, messages)`) is
    evaluated while producing: header lists then die young instead of living for a whole batch.
    """

    @property
    def topics(self) -> Iterable[str]: ...
    @property
    def keys(self) -> Iterable[bytes | None]: ...
    @property
    def values(self) -> Iterable[bytes | None]: ...
    @property
    def headers(self) -> Iterable[Any] | None: ...
    @property
    def count(self) -> int: ...


@runtime_checkable
class Replaceable(Protocol):
    """Outputs that say what to write instead of a record that is larger than the producer's `message.max.bytes`."""

    def instead_of(self, row: int) -> tuple[str, tuple[bytes | None, bytes | None, Any]] | None:
        """Topic, and key, value and headers, instead of what the columns have in `row`; None: nothing."""
        ...


class Processor(Protocol):
    """Turns inputs into outputs."""

    def process(self, messages: Sequence[Message], now: int) -> Outputs:
        """MUST be a pure function of its arguments and of state that only `before_batch` changes, or `restore`
        rebuilds: after a failure a batch is processed again, cut differently. `now`: microseconds since the epoch.

        Without messages it is a tick (`RunnerSettings.tick_seconds`): if it has no outputs nothing is committed.

        An exception stops the runner with nothing of the batch committed: for a bad message, return a dead letter
        instead.
        """
        ...
