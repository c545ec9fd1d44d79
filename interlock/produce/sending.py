"""Decisions to Kafka at a chosen rate."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from interlock.client.client import Client
from interlock.errors import InterlockError
from interlock.produce.reading import LineError
from interlock.schemas.models import Decision

# Decisions handed over at a time: a tenth of a second at the usual rate of a demo, and few enough that an
# error names where it happened.
BATCH_SIZE = 500

# More errors than a person reads.
MAX_LISTED_ERRORS = 20

# Names of unknown fields may all differ: then the first ones tell enough.
MAX_KINDS = 100

# Where to look for an example.
_FIRST_LINES = 3


@dataclass
class Kind:
    """A problem that lines share: how many have it, and the first of them."""

    lines: int = 0
    first_lines: list[int] = field(default_factory=list)


@dataclass
class Summary:
    """What became of a file. `errors`: the first ones; `rejected` counts all. `kinds`: by field and problem. `failure`:
    why the rest of the file could not be read."""

    sent: int = 0
    rejected: int = 0
    seconds: float = 0.0
    errors: list[LineError] = field(default_factory=list)
    kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)
    failure: InterlockError | None = None

    def reject(self, error: LineError) -> None:
        """Counts a line that is left out."""
        self.rejected += 1
        if len(self.errors) < MAX_LISTED_ERRORS:
            self.errors.append(error)
        for key in dict.fromkeys((problem.field, problem.kind) for problem in error.problems):
            known = key in self.kinds or len(self.kinds) < MAX_KINDS
            found = self.kinds.setdefault(key if known else ("", "other problems"), Kind())
            found.lines += 1
            if len(found.first_lines) < _FIRST_LINES:
                found.first_lines.append(error.line)


def send(
    decisions: Iterable[Decision | LineError],
    client: Client | None,
    *,
    rate: float | None = None,
    strict: bool = False,
    progress: Callable[[int], None] = lambda sent: None,  # noqa: ARG005 - the default shows nothing
    on_error: Callable[[LineError], None] = lambda error: None,  # noqa: ARG005
    stopped: Callable[[], bool] = lambda: False,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Summary:
    """Sends what can be read, at most `rate` a second. `strict`: stops at the first line that cannot be read. Without
    a client nothing is sent, only counted."""
    summary = Summary()
    started = monotonic()
    batch_size = BATCH_SIZE if rate is None else max(1, min(BATCH_SIZE, int(rate / 10)))
    source = iter(decisions)
    while not stopped():
        batch = list(islice(_good(source, summary, strict, on_error), batch_size))
        if not batch:
            break
        summary.sent += client.submit_many(batch) if client is not None else len(batch)
        progress(summary.sent)
        if strict and summary.rejected:
            break
        if rate is not None:
            ahead = summary.sent / rate - (monotonic() - started)
            if ahead > 0:
                sleep(ahead)
    summary.seconds = monotonic() - started
    return summary


def _good(
    source: Iterator[Decision | LineError], summary: Summary, strict: bool, on_error: Callable[[LineError], None]
) -> Iterator[Decision]:
    while True:
        try:
            item = next(source, None)
        except InterlockError as error:  # the file is damaged here; what came before is sent
            summary.failure = error
            return
        if item is None:
            return
        if isinstance(item, Decision):
            yield item
            continue
        summary.reject(item)
        on_error(item)
        if strict:
            return
