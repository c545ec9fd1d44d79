"""Decisions to Kafka at a chosen rate."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from interlock.client.client import Client
from interlock.produce.reading import LineError
from interlock.schemas.models import Decision

# Decisions handed over at a time: a tenth of a second at the usual rate of a demo, and few enough that an
# error names where it happened.
BATCH_SIZE = 500

# More errors than a person reads.
MAX_LISTED_ERRORS = 20


@dataclass
class Summary:
    """What became of a file. `errors`: the first ones; `rejected` counts all."""

    sent: int = 0
    rejected: int = 0
    seconds: float = 0.0
    errors: list[LineError] = field(default_factory=list)


def send(
    decisions: Iterable[Decision | LineError],
    client: Client,
    *,
    rate: float | None = None,
    strict: bool = False,
    progress: Callable[[int], None] = lambda sent: None,  # noqa: ARG005 - the default shows nothing
    on_error: Callable[[LineError], None] = lambda error: None,  # noqa: ARG005
    stopped: Callable[[], bool] = lambda: False,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Summary:
    """Sends what can be read, at most `rate` a second. `strict`: stops at the first line that cannot be read."""
    summary = Summary()
    started = monotonic()
    batch_size = BATCH_SIZE if rate is None else max(1, min(BATCH_SIZE, int(rate / 10)))
    source = iter(decisions)
    while not stopped():
        batch = list(islice(_good(source, summary, strict, on_error), batch_size))
        if not batch:
            break
        summary.sent += client.submit_many(batch)
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
    for item in source:
        if isinstance(item, Decision):
            yield item
            continue
        summary.rejected += 1
        if len(summary.errors) < MAX_LISTED_ERRORS:
            summary.errors.append(item)
        on_error(item)
        if strict:
            return
