"""A policy compiled for whole batches.

Thousands of rows fall into few kinds: same lane, same level of confidence, same matching rules. Every row becomes one
integer that says its kind; what happens to a kind is worked out once and remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.policy.bit_keys import distinct, packed
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.conditions.polars import to_polars
from interlock.policy.model import Policy
from interlock.policy.routing import IMPLAUSIBLE, Demand, LaneKey, Treatment, treatment
from interlock.policy.version import version
from interlock.policy.vocabulary import ROUTING_COLUMNS, ColumnType, Route

__all__ = ["CompiledPolicy", "ForcedRoute", "Treatment", "Verdicts", "compile_policy"]

Ints = NDArray[np.int64]

# Kinds of rows that are remembered, some 300 bytes each. A policy meets hundreds; the bound is for hundreds of rules
# that match at random, which would otherwise fill the memory of the router over months.
_MAX_KINDS = 50_000

# What a policy says of the model of a row: it may not decide here, it may, it is on trial.
_UNKNOWN, _KNOWN, _ON_TRIAL = 0, 1, 2

# Up to this many known values comparing with each of them is quicker than hashing the column (30 µs against 160 µs
# for 10,000 rows).
_FEW = 4


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`group`: for every row an index into `groups`, which are distinct and in order of first appearance."""

    group: NDArray[np.int32]
    groups: list[Treatment]


@dataclass(frozen=True)
class ForcedRoute:
    """Rows (`mask`; NULL counts as true) that something outside the policy sends at least to `route`."""

    reason: str
    route: Route
    mask: pl.Series


def compile_policy(policy: Policy) -> "CompiledPolicy":
    """The policy ready to judge batches; raises ConditionError if a rule is not understood."""
    return CompiledPolicy(policy)


class CompiledPolicy:
    """Judges batches. The same row gets the same group in every batch, whatever stands beside it."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self.version = version(policy)
        self.domains = frozenset(policy.domains)
        self.attributes: dict[str, ColumnType] = policy.attribute_types()
        self.use_calibration = policy.calibration.use
        self._policy = policy
        self._rules = policy.every_rule()
        columns = {**ROUTING_COLUMNS, **self.attributes}
        self._floats = [name for name, kind in columns.items() if kind is ColumnType.FLOAT]
        texts = [*(rule.when for rule in self._rules), *(one.when for one in policy.priority)]
        # In doubt a person decides: a condition that cannot be evaluated counts as met.
        self._conditions = [
            to_polars(parse_condition(text, columns)).fill_null(True).alias(f"condition_{place}")
            for place, text in enumerate(texts)
        ]
        # ... and a person decides as well where a safe rule cannot be evaluated: it does not hold then.
        self._safe = policy.safe_rules
        self._conditions += [
            to_polars(parse_condition(one.when, columns)).fill_null(False).alias(f"safe_{place}")
            for place, one in enumerate(self._safe)
        ]
        self._domain_places = {name: place for place, name in enumerate(sorted(policy.domains))}
        outcomes = sorted({outcome for domain in policy.domains.values() for outcome in domain.outcomes})
        self._outcome_places = {name: place for place, name in enumerate(outcomes)}
        trials = [(name, *one.rpartition("@")) for name, domain in policy.domains.items() for one in domain.shadow]
        models = sorted(
            {*(model for domain in policy.domains.values() for model in domain.models), *(t[1] for t in trials)}
        )
        self._model_places = {name: place for place, name in enumerate(models)}
        self._cells = self._lay_out_cells()
        thresholds = np.array([policy.thresholds(cell.lane) for cell in self._cells])
        self._below = [np.ascontiguousarray(column) for column in thresholds.T]
        self._standing = self._lay_out_models()
        self._trials = [
            (self._domain_places[name] * (len(models) + 1) + self._model_places[model_id], model_version)
            for name, model_id, _, model_version in trials
        ]
        self._cell_bits = len(self._cells).bit_length()
        self._groups: dict[tuple[int, tuple[Demand, ...]], Treatment] = {}
        self._same: dict[Treatment, Treatment] = {}

    def evaluate(self, frame: pl.DataFrame, forced: Sequence[ForcedRoute] = ()) -> Verdicts:
        """The group of every row.

        `frame` has the routing columns (`confidence`: what lanes compare, `raw_confidence`: the model's own) and one
        typed, nullable column for each declared attribute. Numbers that are not finite count as missing, and a
        confidence that is no probability sends the row to a person. The final route is the most human of lane,
        matching rules, workflow and `forced`.
        """
        if not len(frame):
            return Verdicts(np.zeros(0, dtype=np.int32), [])
        if len(self._groups) > _MAX_KINDS:
            self._groups.clear()
            self._same.clear()
        frame = _finite(frame, self._floats)
        domain = _places(frame["domain"], self._domain_places)
        cell = domain * (len(self._outcome_places) + 1) + _places(frame["prediction"], self._outcome_places)
        model = domain * (len(self._model_places) + 1) + _places(frame["model_id"], self._model_places)
        standing = self._standing.take(model)
        for place, model_version in self._trials:
            standing[(model == place) & (frame["model_version"] == model_version).fill_null(False).to_numpy()] = (
                _ON_TRIAL
            )
        # A real column first: a condition without columns is then repeated for every row.
        met = frame.select("domain", *self._conditions).get_columns()[1:]
        demands = [one for one in forced if one.mask.null_count() or one.mask.any()]
        index, keys = distinct(
            [
                (cell, self._cell_bits),
                (self._level(frame["confidence"].to_numpy(), cell), 3),
                (standing, 2),
                *packed([series.to_numpy() for series in met]),
                *packed([_mask(one.mask) for one in demands]),
            ]
        )
        places: dict[int, int] = {}
        groups: list[Treatment] = []
        number = np.empty(len(keys), dtype=np.int32)
        for place, key in enumerate(keys):
            group = self._group(key, demands)
            number[place] = places.setdefault(id(group), len(groups))
            if number[place] == len(groups):
                groups.append(group)
        return Verdicts(number.take(index), groups)

    def _group(self, key: int, forced: Sequence[ForcedRoute]) -> Treatment:
        own_bits = self._cell_bits + 5 + len(self._conditions)
        own, demanded = key & (1 << own_bits) - 1, key >> own_bits
        demands = tuple((one.reason, one.route) for place, one in enumerate(forced) if demanded >> place & 1)
        found = self._groups.get((own, demands))
        if found is None:
            group = self._work_out(own, demands)
            # Equal groups are one object, so that a batch tells them apart without comparing their fields.
            found = self._groups[own, demands] = self._same.setdefault(group, group)
        return found

    def _work_out(self, key: int, demands: tuple[Demand, ...]) -> Treatment:
        cell = self._cells[key & (1 << self._cell_bits) - 1]
        key >>= self._cell_bits
        level, standing, met = key & 7, key >> 3 & 3, key >> 5
        rules = [rule for place, rule in enumerate(self._rules) if met >> place & 1]
        urgent = met >> len(self._rules)
        priority = next((one.set for place, one in enumerate(self._policy.priority) if urgent >> place & 1), None)
        sure = urgent >> len(self._policy.priority)
        return treatment(
            self._policy,
            cell,
            level=level,
            knows_model=standing != _UNKNOWN,
            shadow=standing == _ON_TRIAL,
            rules=rules,
            safe=[
                rule
                for place, rule in enumerate(self._safe)
                if sure >> place & 1
                and cell.domain is self._policy.domains[rule.domain]
                and cell.outcome == rule.prediction
            ],
            priority=priority,
            demands=demands,
        )

    def _level(self, confidence: NDArray[np.float64], cell: Ints) -> NDArray[np.uint8]:
        """The route by confidence alone, or IMPLAUSIBLE where it is no probability."""
        auto, later, sync = self._below
        level = (confidence < auto.take(cell)).view(np.uint8)
        level += (confidence < later.take(cell)).view(np.uint8)
        level += (confidence < sync.take(cell)).view(np.uint8)
        # NaN, which stands for NULL here, is not within any bounds.
        level[~((confidence >= 0.0) & (confidence <= 1.0))] = IMPLAUSIBLE
        return level

    def _lay_out_cells(self) -> list[LaneKey]:
        """The cells by domain and then outcome; the last place of either is for what the policy does not know."""
        cells = []
        for name in self._domain_places:
            domain = self._policy.domains[name]
            for outcome in self._outcome_places:
                if outcome in domain.outcomes:
                    cells.append(LaneKey(f"{name}/{outcome}", domain, outcome, domain.lanes.get(outcome)))
                else:
                    cells.append(LaneKey(name, domain))
            cells.append(LaneKey(name, domain))
        return cells + [LaneKey()] * (len(self._outcome_places) + 1)

    def _lay_out_models(self) -> NDArray[np.uint8]:
        """The standing of a model, whatever its version, by domain and then model, as in `_lay_out_cells`."""
        table = np.full((len(self._domain_places) + 1, len(self._model_places) + 1), _UNKNOWN, dtype=np.uint8)
        for name, row in self._domain_places.items():
            models = self._policy.domains[name].models
            table[row, :] = _KNOWN if "*" in models else _UNKNOWN
            table[row, [self._model_places[model] for model in models]] = _KNOWN
        return table.ravel()


def _finite(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The frame with NULL for every NaN and infinity in the named columns."""
    count = len(frame)
    wrong = [
        name
        for name in names
        if np.count_nonzero(np.isfinite(frame[name].to_numpy())) + frame[name].null_count() != count
    ]
    if not wrong:
        return frame
    return frame.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in wrong)


def _places(column: pl.Series, known: dict[str, int]) -> Ints:
    """The place of every value among the known ones; their number for any other value and for NULL."""
    if len(known) <= _FEW and not column.null_count():
        place = np.full(len(column), len(known), dtype=np.int64)
        for value, its in known.items():
            place -= (column == value).to_numpy() * np.int64(len(known) - its)
        return place
    encoded = column.to_arrow().dictionary_encode(null_encoding="encode")
    places: Ints = np.array([known.get(value, len(known)) for value in encoded.dictionary.to_pylist()], dtype=np.int64)
    found: Ints = places[encoded.indices.to_numpy()]
    return found


def _mask(mask: pl.Series) -> NDArray[np.bool_]:
    return (mask.fill_null(True) if mask.null_count() else mask).to_numpy()
