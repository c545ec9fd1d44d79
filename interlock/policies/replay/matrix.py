"""What a replay found: decisions by old and new route, with the rules that are responsible and examples."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from interlock.policies.replay.breaches import Arrivals

# Where a decision of a challenger went: nothing came of it.
SHADOW = "shadow"

# Later than every hour.
_NEVER = datetime.max.replace(tzinfo=UTC)

# Enough to see what a changed cell is about; every id is in ClickHouse.
EXAMPLES_OF_A_CELL = 5


@dataclass(frozen=True)
class Fate:
    """Where a decision went, or would go: auto, async, sync, manual or shadow, for these reasons."""

    route: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """How many decisions went `old` and would go `new`."""

    old: str
    new: str
    decisions: int


@dataclass(frozen=True)
class RuleEffect:
    """In how many of the decisions whose route changes a reason is new, and in how many it is gone."""

    reason: str
    added: int
    removed: int


@dataclass(frozen=True)
class Example:
    """A decision whose route changes."""

    decision_id: str
    old: Fate
    new: Fate


@dataclass(frozen=True)
class QueueHour:
    """Tasks that came to a queue in one hour, and how many would have come; expected audits are a fraction."""

    queue: str
    hour: datetime
    old: float
    new: float


@dataclass
class Tally:
    """Adds up groups of decisions; its size follows from routes, rules, queues and hours, not from decisions."""

    decisions: int = 0
    rerouted: int = 0
    other_reasons: int = 0
    ambiguous: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    _matrix: Counter[tuple[str, str]] = field(default_factory=Counter)
    _added: Counter[str] = field(default_factory=Counter)
    _removed: Counter[str] = field(default_factory=Counter)
    _examples: dict[tuple[str, str], dict[tuple[Fate, Fate], str]] = field(default_factory=lambda: defaultdict(dict))
    _old_reviews: dict[tuple[str, datetime], float] = field(default_factory=lambda: defaultdict(float))
    _new_reviews: dict[tuple[str, datetime], float] = field(default_factory=lambda: defaultdict(float))

    _arrivals: dict[tuple[str, str, datetime], list[float]] = field(
        default_factory=lambda: defaultdict(lambda: [0.0, 0.0])
    )
    first_hour: datetime = _NEVER

    def add(self, old: Fate, new: Fate, count: int, example: str) -> None:
        """`count` decisions that went `old` and would go `new`, such as `example`."""
        self.decisions += count
        self._matrix[old.route, new.route] += count
        if old.route == new.route:
            self.other_reasons += count * (old.reasons != new.reasons)
            return
        self.rerouted += count
        for reason in set(new.reasons) - set(old.reasons):
            self._added[reason] += count
        for reason in set(old.reasons) - set(new.reasons):
            self._removed[reason] += count
        found = self._examples[old.route, new.route]
        if (old, new) in found or len(found) < EXAMPLES_OF_A_CELL:
            found[old, new] = min(example, found.get((old, new), example))

    def add_arrivals(self, queue: str, priority: str, hour: datetime, certain: int, chance: float) -> None:
        """Tasks that would have come in an hour: so many, and so many more on average by chance."""
        cell = self._arrivals[queue, priority, hour]
        cell[0] += certain
        cell[1] += chance

    @property
    def arrivals(self) -> list[Arrivals]:
        """By queue, priority and hour."""
        return [
            Arrivals(queue, priority, int(hour.timestamp()) * 1_000_000, int(certain), chance)
            for (queue, priority, hour), (certain, chance) in sorted(self._arrivals.items())
        ]

    def add_reviews(self, hour: datetime, old_queue: str, old: float, new_queue: str, new: float) -> None:
        """So many tasks that came in an hour in which there were decisions, and so many that would have come."""
        self.first_hour = min(self.first_hour, hour)
        if old:
            self._old_reviews[old_queue, hour] += old
        if new:
            self._new_reviews[new_queue, hour] += new

    @property
    def matrix(self) -> tuple[Cell, ...]:
        return tuple(Cell(old, new, count) for (old, new), count in sorted(self._matrix.items()))

    @property
    def rules(self) -> tuple[RuleEffect, ...]:
        """Those with the most decisions first."""
        reasons = self._added.keys() | self._removed.keys()
        effects = [RuleEffect(reason, self._added[reason], self._removed[reason]) for reason in reasons]
        return tuple(sorted(effects, key=lambda effect: (-effect.added - effect.removed, effect.reason)))

    @property
    def examples(self) -> tuple[Example, ...]:
        return tuple(
            Example(decision_id, old, new)
            for _, found in sorted(self._examples.items())
            for (old, new), decision_id in sorted(found.items(), key=lambda item: item[1])
        )

    @property
    def reviews(self) -> tuple[QueueHour, ...]:
        """By queue, then hour; hours without any task are left out."""
        keys = sorted(self._old_reviews.keys() | self._new_reviews.keys())
        return tuple(QueueHour(*key, self._old_reviews.get(key, 0.0), self._new_reviews.get(key, 0.0)) for key in keys)
