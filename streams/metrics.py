"""Every metric of the system, typed; the documentation and the dashboards derive from this module.

Nothing here is called per message: counts are added once per batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CounterName = Literal[
    "messages_in",
    "messages_out",
    "batches",
    "aborts",
    "producer_restarts",
    "rebalances",
    "dead_letters",
    "repeated",
    "unavailable",
    "commands",
    "task_events",
    "notices",
    "replayed",
    "http_requests",
    "drift_signals",
]
GaugeName = Literal[
    "lag",
    "assigned_partitions",
    "breaker_share",
    "open_tasks",
    "unreadable_state",
    "group_lag",
    "group_findings",
    "http_open",
    "last_look_timestamp_seconds",
]
HistogramName = Literal["batch_size", "batch_seconds", "commit_seconds", "http_seconds"]
MetricName = CounterName | GaugeName | HistogramName

PREFIX = "interlock_"

# A batch or commit takes 2 ms on a quiet system, 50 ms at full speed and seconds when Kafka is overloaded.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# Batches end at 10,000 messages; below, it is the waiting time that ends them.
_SIZES = (1.0, 10.0, 100.0, 1_000.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric means. Every metric also carries the label `role` (router, sink, desk, …)."""

    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


DEFINITIONS: Mapping[MetricName, Definition] = {
    "messages_in": Definition("Messages whose batch was committed."),
    "messages_out": Definition("Records written by committed transactions."),
    "batches": Definition("Batches committed."),
    "aborts": Definition("Transactions aborted and replayed."),
    "producer_restarts": Definition(
        "Producers thrown away because a transaction ended in doubt or another instance took over."
    ),
    "rebalances": Definition("Assignments or revocations of partitions.", ("event",)),
    "dead_letters": Definition("Messages put aside because they cannot be read.", ("reason",)),
    "repeated": Definition("Decisions that were sent again unchanged, and so have no further effect."),
    "unavailable": Definition("Failed attempts to reach Kafka or ClickHouse."),
    "commands": Definition("Commands answered by the desk, by the code of the reply.", ("code",)),
    "task_events": Definition("Changes of tasks by the desk, by kind: not_judged, breached, …", ("event",)),
    "notices": Definition("Notices to subjects: written, or unwritable by anybody but a person.", ("result",)),
    "replayed": Definition("Records read again after a start, to have the state that they lead to."),
    "http_requests": Definition("Requests answered, by route and status.", ("method", "route", "status")),
    "http_open": Definition("Requests under way, those that wait and streams of events included."),
    "http_seconds": Definition(
        "From a request to the end of its answer, without waits for resolutions and streams of events.",
        buckets=_SECONDS,
    ),
    "drift_signals": Definition(
        "Alarms of monitors: a shift of confidence, a high override rate, a certificate that is broken.", ("monitor",)
    ),
    "lag": Definition(
        "Messages not yet processed, over the assigned partitions, as of the latest batch; of a role that stands still "
        "interlock_group_lag tells the truth."
    ),
    "assigned_partitions": Definition("Partitions this instance reads."),
    "group_lag": Definition("Offsets that wait for a consumer group, over all partitions.", ("group", "topic")),
    "group_findings": Definition(
        "Partitions of a consumer group that are stalled, have no owner, went back or lost records.", ("group", "kind")
    ),
    "last_look_timestamp_seconds": Definition(
        "When the watch saw the consumer groups last, in seconds since 1970: what it says of them is as old."
    ),
    "breaker_share": Definition("Share of bad messages among the latest ones, 0 to 1."),
    "open_tasks": Definition("Tasks that are not decided yet."),
    "unreadable_state": Definition(
        "Records of the desk's own that it could not read when it took over, and has left out.", ("topic",)
    ),
    "batch_size": Definition("Messages per batch.", buckets=_SIZES),
    "batch_seconds": Definition("Processing time of a batch, without waiting for input.", buckets=_SECONDS),
    "commit_seconds": Definition("From the last record of a batch to its committed transaction.", buckets=_SECONDS),
}


class Metrics:
    """The metrics of one process. Names of the wrong kind are type errors."""

    def __init__(self, role: str, registry: CollectorRegistry | None = None) -> None:
        """`registry`: where to expose them, by default a new one (`self.registry`)."""
        self.registry = registry or CollectorRegistry()
        self._role = role
        self._counters = {n: Counter(*_arguments(n), registry=self.registry) for n in get_args(CounterName)}
        self._gauges = {n: Gauge(*_arguments(n), registry=self.registry) for n in get_args(GaugeName)}
        self._histograms = {
            n: Histogram(*_arguments(n), registry=self.registry, buckets=DEFINITIONS[n].buckets)
            for n in get_args(HistogramName)
        }

    def expose(self, *names: MetricName, **labels: str) -> None:
        """Shows them as 0 from now on: Prometheus sees a count rise only where it has seen it before."""
        for name in names:
            family = self._counters.get(name) or self._gauges.get(name) or self._histograms[name]
            family.labels(role=self._role, **labels)

    def add(self, name: CounterName, amount: float = 1, **labels: str) -> None:
        """Counts up. `labels`: exactly those of the definition."""
        self._counters[name].labels(role=self._role, **labels).inc(amount)

    def set(self, name: GaugeName, value: float, **labels: str) -> None:
        self._gauges[name].labels(role=self._role, **labels).set(value)

    def observe(self, name: HistogramName, value: float, **labels: str) -> None:
        self._histograms[name].labels(role=self._role, **labels).observe(value)

    def value(self, name: MetricName, **labels: str) -> float:
        """The present value; of a histogram, the number of observations. 0 before the first one."""
        full = {"role": self._role, **labels}
        suffix = {**dict.fromkeys(self._counters, "_total"), **dict.fromkeys(self._histograms, "_count")}
        return self.registry.get_sample_value(PREFIX + name + suffix.get(name, ""), full) or 0.0


def _arguments(name: MetricName) -> tuple[str, str, tuple[str, ...]]:
    return PREFIX + name, DEFINITIONS[name].help, ("role", *DEFINITIONS[name].labels)
