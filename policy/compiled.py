"""A policy compiled for whole batches.

Thousands of rows fall into few groups that are treated alike: same lane, same level of confidence, same matching
rules. Everything is computed as columns of small integers; a group is worked out once and remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from policy.expression import parse_condition
from policy.load import NO_LANE, filled
from policy.model import Domain, Lane, Policy
from policy.polars_eval import to_polars
from policy.version import version
from policy.words import ROUTING_COLUMNS, ColumnType, Priority, Route, Workflow

Ints = NDArray[np.int64]

# Rules that match are kept as bits of integers; one bit is left for the sign.
_BITS = 62

_PRIORITY_OF_ROUTE = {
    Route.AUTO: Priority.LOW,  # only audits and post-approval reviews of them ever become tasks
    Route.ASYNC: Priority.MEDIUM,
    Route.SYNC: Priority.CRITICAL,
    Route.MANUAL: Priority.HIGH,
}

_FLOOR = {
    Workflow.ESCALATION: Route.AUTO,
    Workflow.PRE_APPROVAL: Route.ASYNC,
    Workflow.POST_APPROVAL: Route.AUTO,
    Workflow.HYBRID: Route.ASYNC,
}


@dataclass(frozen=True, slots=True)
class Group:
    """What rows with the same treatment share. `override_seconds`: set where a post_approval row takes effect now."""

    route: Route
    reasons: tuple[str, ...]
    workflow: Workflow
    priority: Priority
    queue: str
    notices: tuple[str, ...]
    audit_rate: float
    override_seconds: int | None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`group`: for every row an index into `groups`, which are in order of first appearance."""

    group: NDArray[np.int32]
    groups: list[Group]


@dataclass(frozen=True)
class Forced:
    """Rows that something outside the policy sends at least to `route`."""

    reason: str
    route: Route
    mask: pl.Series


@dataclass(frozen=True, slots=True)
class _LaneInfo:
    """The lane of one (domain, outcome); `explicit`: only such an outcome may ever be auto."""

    name: str
    domain: Domain
    lane: Lane
    explicit: bool


def compile_policy(policy: Policy) -> "CompiledPolicy":
    """The policy ready to judge batches; raises ConditionError if a rule is not understood."""
    return CompiledPolicy(policy)


class CompiledPolicy:
    """Judges batches. The same row gets the same group in every batch."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self.version = version(policy)
        self.domains = frozenset(policy.domains)
        self.attributes: dict[str, ColumnType] = policy.attribute_types()
        self.use_calibration = policy.calibration.use
        self._policy = policy
        self._rules = policy.every_rule()
        self._groups: dict[tuple[int, ...], Group] = {}
        columns = {**ROUTING_COLUMNS, **self.attributes}
        self._names = sorted(policy.domains)
        self._models = sorted({model for domain in policy.domains.values() for model in domain.models} - {"*"})
        self._outcomes = sorted({outcome for domain in policy.domains.values() for outcome in domain.outcomes})
        self._lanes: list[_LaneInfo] = []
        self._lane_of = self._lay_out_lanes()
        self._knows_model = self._lay_out_models()
        self._thresholds = np.array([filled(policy, info.lane) for info in self._lanes]).reshape(-1, 3)
        self._masks = [
            self._bits([parse_condition(rule.when, columns) for rule in self._rules[start : start + _BITS]], place)
            for place, start in enumerate(range(0, len(self._rules), _BITS))
        ]
        self._priority = self._first([parse_condition(one.when, columns) for one in policy.priority])
        self._codes = [
            _place("domain", self._names),
            _place("prediction", self._outcomes),
            _place("model_id", self._models),
        ]

    def evaluate(self, frame: pl.DataFrame, forced: Sequence[Forced] = ()) -> Verdicts:
        """The group of every row.

        `frame` has the routing columns (`confidence`: what lanes compare, `raw_confidence`: the model's own) and one
        typed, nullable column for each declared attribute. Amounts and confidences that are no finite numbers count
        as missing. The final route is the most human of lane, matching rules, workflow and `forced`.
        """
        found = frame.with_columns(_FINITE).select(*self._codes, *self._masks, self._priority)
        domain = found["domain_place"].to_numpy()
        lane = self._lane_of[domain, found["prediction_place"].to_numpy()]
        model = self._knows_model[domain, found["model_id_place"].to_numpy()]
        confidence = frame["confidence"].fill_null(float("nan")).to_numpy()
        level = _level(confidence, self._thresholds[lane]) if self._lanes else np.full(len(frame), 4)
        columns = [
            domain,
            lane,
            level,
            model,
            found["priority"].to_numpy(),
            _forced_bits(forced, len(frame)),
            *(found[f"rules_{place}"].to_numpy() for place in range(len(self._masks))),
        ]
        index, first = _distinct(columns)
        groups = [self._group(tuple(int(column[row]) for column in columns), forced) for row in first.tolist()]
        return Verdicts(index.astype(np.int32), groups)

    def _group(self, code: tuple[int, ...], forced: Sequence[Forced]) -> Group:
        demands = tuple(one for place, one in enumerate(forced) if code[5] >> place & 1)
        if not demands and code in self._groups:
            return self._groups[code]
        group = self._work_out(code, demands)
        if not demands:
            self._groups[code] = group
        return group

    def _work_out(self, code: tuple[int, ...], demands: tuple[Forced, ...]) -> Group:
        place, lane_place, level, knows_model, priority_place, _, *masks = code
        domain = self._policy.domains[self._names[place]] if place >= 0 else None
        info = self._lanes[lane_place] if lane_place >= 0 else None
        reasons, route = [], Route.AUTO
        if domain is None:
            reasons, route = ["unknown-domain"], Route.MANUAL
        elif info is None:
            reasons, route = ["unknown-prediction"], Route.MANUAL
        elif level == _NO_NUMBER:
            reasons, route = ["implausible-confidence"], Route.MANUAL
        else:
            route = Route(level) if info.explicit else max(Route(level), Route.ASYNC)
            reasons = [f"lane:{info.name}:{route.label}"]
        if domain is not None and not knows_model:
            reasons.append("unknown-model")
            route = Route.MANUAL
        rules = [rule for place, rule in enumerate(self._rules) if masks[place // _BITS] >> place % _BITS & 1]
        workflow = domain.workflow if domain is not None else Workflow.ESCALATION
        asked = max([Route[rule.route.upper()] for rule in rules] + [one.route for one in demands], default=Route.AUTO)
        window = None
        if (
            workflow is Workflow.POST_APPROVAL
            and domain is not None
            and info is not None
            and info.explicit
            and route <= Route.ASYNC
            and asked is Route.AUTO
        ):
            window = domain.override_window
            route = Route.AUTO
        elif max(route, asked) < _FLOOR[workflow]:
            reasons.append(f"workflow:{workflow}")
        final = max(route, asked, _FLOOR[workflow])
        reasons += [rule.id for rule in rules]
        reasons += [one.reason for one in demands if one.reason not in reasons]
        return Group(
            route=final,
            reasons=tuple(reasons),
            workflow=workflow,
            priority=(
                self._policy.priority[priority_place].set
                if priority_place < len(self._policy.priority)
                else _PRIORITY_OF_ROUTE[final]
            ),
            queue=domain.queue if domain is not None else "unassigned",
            notices=(info.lane.notice,) if info is not None and info.lane.notice else (),
            audit_rate=self._policy.audit.rate if final is Route.AUTO and window is None else 0.0,
            override_seconds=window,
        )

    def _lay_out_lanes(self) -> NDArray[np.int64]:
        """Index into `_lanes` by (domain, outcome); -1 for unknown, which is the last row and column of the table."""
        table = np.full((len(self._names) + 1, len(self._outcomes) + 1), -1, dtype=np.int64)
        for row, name in enumerate(self._names):
            domain = self._policy.domains[name]
            for outcome in domain.outcomes:
                table[row, self._outcomes.index(outcome)] = len(self._lanes)
                lane = domain.lanes.get(outcome)
                info = _LaneInfo(f"{name}/{outcome}", domain, lane or NO_LANE, explicit=lane is not None)
                self._lanes.append(info)
        return table

    def _lay_out_models(self) -> NDArray[np.int64]:
        table = np.zeros((len(self._names) + 1, len(self._models) + 1), dtype=np.int64)
        for row, name in enumerate(self._names):
            models = self._policy.domains[name].models
            table[row, :] = "*" in models
            for model in set(models) - {"*"}:
                table[row, self._models.index(model)] = 1
        return table

    @staticmethod
    def _bits(conditions: list, place: int) -> pl.Expr:  # type: ignore[type-arg]
        """One integer a row; its bit k says that condition k holds or is unknown."""
        bits = [to_polars(one).fill_null(True).cast(pl.Int64) * (1 << bit) for bit, one in enumerate(conditions)]
        return pl.sum_horizontal(bits).cast(pl.Int64).alias(f"rules_{place}")

    @staticmethod
    def _first(conditions: list) -> pl.Expr:  # type: ignore[type-arg]
        """The place of the first condition that holds or is unknown; their number where none does."""
        chain = pl.lit(len(conditions), dtype=pl.Int64)
        for place, one in reversed(list(enumerate(conditions))):
            chain = pl.when(to_polars(one).fill_null(True)).then(pl.lit(place, dtype=pl.Int64)).otherwise(chain)
        # A literal alone would be one row; tied to a column it is one for every row.
        return pl.when(pl.col("domain").is_not_null()).then(chain).otherwise(chain).alias("priority")


_NO_NUMBER = 4

_FINITE = [
    pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name)
    for name in ("confidence", "raw_confidence", "amount")
]


def _level(confidence: NDArray[np.float64], thresholds: NDArray[np.float64]) -> Ints:
    """The route by confidence alone, or _NO_NUMBER where it is none."""
    below: Ints = (confidence[:, None] < thresholds).sum(axis=1)
    below[np.isnan(confidence)] = _NO_NUMBER
    return below


def _place(column: str, known: list[str]) -> pl.Expr:
    """The place of each value in `known`, -1 (the last entry of every table) where it is not there."""
    places = {value: place for place, value in enumerate(known)}
    alias = f"{column}_place"
    if not places:
        return pl.col(column).is_null().cast(pl.Int64).mul(0).sub(1).alias(alias)
    return pl.col(column).replace_strict(places, default=-1, return_dtype=pl.Int64).alias(alias)


def _forced_bits(forced: Sequence[Forced], count: int) -> Ints:
    bits = np.zeros(count, dtype=np.int64)
    for place, one in enumerate(forced):
        bits |= one.mask.fill_null(True).to_numpy().astype(np.int64) << place
    return bits


# Larger products might overflow 63 bits.
_FULL = 2**62


def _numbered(values: Ints) -> tuple[Ints, int]:
    """The values numbered in order of first appearance, and how many different ones there are."""
    encoded = pa.array(values).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def _distinct(columns: list[Ints]) -> tuple[Ints, Ints]:
    """For every row the number of its combination of values, and the first row of each combination.

    Combinations are few: columns are packed into one number as long as it fits, and hashed then.
    """
    index = np.zeros(len(columns[0]), dtype=np.int64)
    size = 1
    for values in columns:
        low = int(values.min(initial=0))
        column, different = values - low, int(values.max(initial=0)) - low + 1
        if size * different >= _FULL:
            index, size = _numbered(index)
        if size * different >= _FULL:
            column, different = _numbered(column)
        index = index * different + column
        size *= different
    index, _ = _numbered(index)
    # Assigning backwards leaves the first row of each combination.
    first = np.zeros(int(index.max(initial=-1)) + 1, dtype=np.int64)
    first[index[::-1]] = np.arange(len(index))[::-1]
    return index, first
