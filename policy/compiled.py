"""A policy compiled for whole batches.

Thousands of rows fall into few kinds: same lane, same level of confidence, same matching rules. Every row becomes one
integer, the key of its kind; the treatment of a kind is worked out once and cached.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.policy.bit_keys import distinct, packed
from interlock.policy.conditions.ast import unreadable_column
from interlock.policy.conditions.polars import to_polars
from interlock.policy.kinds import CHALLENGER, KNOWN, LEVEL_BITS, STANDING_BITS, UNKNOWN, Kinds, selected, split
from interlock.policy.model import Policy
from interlock.policy.routing import IMPLAUSIBLE, ExtraRoute, Treatment
from interlock.policy.version import version
from interlock.policy.vocabulary import ROUTING_COLUMNS, ColumnType, Route

__all__ = ["CompiledPolicy", "Evaluation", "ForcedRoute", "Treatment", "compile_policy"]

Ints = NDArray[np.int64]

# Kinds of rows in the cache, some 300 bytes each. A policy meets hundreds; the bound is for hundreds of rules that
# match at random, which would otherwise fill the memory of the router over months.
_CACHE_SIZE = 50_000

# Up to this many known values, to compare with each of them is faster than to hash the column (30 µs against 160 µs for
# 10,000 rows).
_MAX_COMPARED = 4


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`index`: for every row an index into `treatments`, which are distinct and in order of first appearance."""

    index: NDArray[np.int32]
    treatments: list[Treatment]


@dataclass(frozen=True)
class ForcedRoute:
    """Rows (`mask`; NULL counts as true) that something outside the policy sends at least to `route`."""

    reason: str
    route: Route
    mask: pl.Series


def compile_policy(policy: Policy, published_as: str = "") -> "CompiledPolicy":
    """The policy ready to evaluate batches; raises ConditionError if a rule is not understood.

    `published_as`: the version under which it was published, which a release with more fields would hash otherwise;
    without it the one of today.
    """
    return CompiledPolicy(policy, published_as or version(policy))


class CompiledPolicy:
    """Evaluates batches. The same row gets the same treatment in every batch, whatever the other rows are."""

    def __init__(self, policy: Policy, named: str) -> None:
        self.name = policy.name
        self.version = named
        self.domains = frozenset(policy.domains)
        self.attributes: dict[str, ColumnType] = policy.attribute_types()
        self.use_calibration = policy.calibration.use
        self.policy = policy
        self._kinds = Kinds(policy)
        columns = {**ROUTING_COLUMNS, **self.attributes}
        self._floats = [name for name, kind in columns.items() if kind is ColumnType.FLOAT]
        self._conditions = [
            to_polars(condition).fill_null(in_doubt).alias(f"condition_{index}")
            for index, (condition, in_doubt) in enumerate(self._kinds.conditions)
        ]
        used = {name for condition in self._conditions for name in condition.meta.root_names()}
        self._asked = [name for name in columns if unreadable_column(name) in used]
        # The attributes of which rules must know whether a text was given that cannot be read.
        self.asked_attributes = frozenset(self._asked) & self.attributes.keys()
        self._domain_index = _numbered(self._kinds.domains)
        self._outcome_index = _numbered(self._kinds.outcomes)
        self._model_index = _numbered(self._kinds.models)
        thresholds = np.array([policy.thresholds(key.lane) for key in self._kinds.lanes])
        self._thresholds = [np.ascontiguousarray(column) for column in thresholds.T]
        self._standings = self._lay_out_models()
        self._challengers = [
            (self._domain_index[name] * (len(self._model_index) + 1) + self._model_index[model_id], model_version)
            for name, model_id, model_version in self._kinds.challengers
        ]
        self._treatments: dict[tuple[int, tuple[ExtraRoute, ...]], Treatment] = {}
        self._interned: dict[Treatment, Treatment] = {}

    def evaluate(self, frame: pl.DataFrame, forced: Sequence[ForcedRoute] = ()) -> Evaluation:
        """The treatment of every row.

        `frame` has the routing columns (`confidence`: what lanes compare, `raw_confidence`: the model's own) and one
        typed, nullable column for each declared attribute, and may have those of `Column.unreadable`. Numbers that are
        not finite count as unreadable, and a confidence that is no probability sends the row to a person. The final
        route is the most human of lane, matching rules, workflow and `forced`.
        """
        if not len(frame):
            return Evaluation(np.zeros(0, dtype=np.int32), [])
        forced = [route for route in forced if route.mask.null_count() or route.mask.any()]
        index, keys = self.kinds_of(frame, forced)
        if len(self._treatments) > _CACHE_SIZE:
            self._treatments.clear()
            self._interned.clear()
        # Equal treatments are one object: its id finds it without a comparison of fields.
        positions: dict[int, int] = {}
        treatments: list[Treatment] = []
        position_of_key = np.empty(len(keys), dtype=np.int32)
        for number, key in enumerate(keys):
            treatment = self._treatment(key, forced)
            position_of_key[number] = positions.setdefault(id(treatment), len(treatments))
            if position_of_key[number] == len(treatments):
                treatments.append(treatment)
        return Evaluation(position_of_key.take(index), treatments)

    def kinds_of(self, frame: pl.DataFrame, forced: Sequence[ForcedRoute] = ()) -> tuple[NDArray[np.int32], list[int]]:
        """For every row of a frame, which is not empty and otherwise as in `evaluate`, the index of its kind, and the
        keys of these kinds, with a bit above those of `Kinds` for each forced route."""
        frame = _finite(_with_flags(frame, self._asked), self._floats)
        domain = _indexes(frame["domain"], self._domain_index)
        lane = domain * (len(self._outcome_index) + 1) + _indexes(frame["prediction"], self._outcome_index)
        model = domain * (len(self._model_index) + 1) + _indexes(frame["model_id"], self._model_index)
        standing = self._standings.take(model)
        for challenger, model_version in self._challengers:
            same_version = (frame["model_version"] == model_version).fill_null(False).to_numpy()
            standing[(model == challenger) & same_version] = CHALLENGER
        # A real column first: a condition without columns is then repeated for every row.
        met = frame.select("domain", *self._conditions).get_columns()[1:]
        return distinct(
            [
                (lane, self._kinds.lane_bits),
                (self._level(frame, lane), LEVEL_BITS),
                (standing, STANDING_BITS),
                *packed([series.to_numpy() for series in met]),
                *packed([_mask(route.mask) for route in forced]),
            ]
        )

    def _treatment(self, key: int, forced: Sequence[ForcedRoute]) -> Treatment:
        own_key, forced_bits = split(key, self._kinds.bits)
        extra = tuple((route.reason, route.route) for route in selected(forced, forced_bits))
        cached = self._treatments.get((own_key, extra))
        if cached is None:
            treatment = self._kinds.treatment(own_key, extra)
            cached = self._treatments[own_key, extra] = self._interned.setdefault(treatment, treatment)
        return cached

    def _level(self, frame: pl.DataFrame, lane: Ints) -> NDArray[np.uint8]:
        """The route by confidence alone, or IMPLAUSIBLE where it is no probability."""
        confidence: NDArray[np.float64] = frame["confidence"].to_numpy()
        auto, async_, sync = self._thresholds
        level = (confidence < auto.take(lane)).view(np.uint8)
        level += (confidence < async_.take(lane)).view(np.uint8)
        level += (confidence < sync.take(lane)).view(np.uint8)
        own: NDArray[np.float64] = frame["raw_confidence"].to_numpy()
        for index, model_id, model_version, threshold in self._kinds.raw_thresholds:
            sure = own >= threshold
            # Only where both confidences disagree does it matter which model it is: texts are slow to compare.
            rows = np.flatnonzero((lane == index) & (sure != (level == Route.AUTO)))
            models, versions = frame["model_id"].gather(rows), frame["model_version"].gather(rows)
            rows = rows[((models == model_id) & (versions == model_version)).fill_null(False).to_numpy()]
            level[rows] = np.where(sure[rows], Route.AUTO, Route.ASYNC)
        # NaN, which stands for NULL here, is not within any bounds.
        level[~((confidence >= 0.0) & (confidence <= 1.0))] = IMPLAUSIBLE
        return level

    def _lay_out_models(self) -> NDArray[np.uint8]:
        """The standing of a model, whatever its version, by domain and then model, as `Kinds.lanes`."""
        table = np.full((len(self._domain_index) + 1, len(self._model_index) + 1), UNKNOWN, dtype=np.uint8)
        for name, row in self._domain_index.items():
            models = self.policy.domains[name].models
            table[row, :] = KNOWN if "*" in models else UNKNOWN
            table[row, [self._model_index[model] for model in models]] = KNOWN
        return table.ravel()


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(names)}


def _with_flags(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The frame with the columns of `Column.unreadable` for `names`, of those that it lacks."""
    flags = []
    for name in names:
        flag = unreadable_column(name)
        column = frame[name]
        if flag in frame.columns:
            continue
        if column.dtype.is_float():
            flags.append((column.is_not_null() & ~column.is_finite()).fill_null(False).alias(flag))
        else:
            flags.append(pl.Series(flag, np.zeros(len(frame), dtype=bool)))
    return frame.hstack(flags) if flags else frame


def _finite(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The frame with NULL for every NaN and infinity in the named columns."""
    count = len(frame)
    with_infinities = [
        name
        for name in names
        if np.count_nonzero(np.isfinite(frame[name].to_numpy())) + frame[name].null_count() != count
    ]
    if not with_infinities:
        return frame
    return frame.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in with_infinities
    )


def _indexes(column: pl.Series, index_of: dict[str, int]) -> Ints:
    """The index of every value; for NULL and values without one the number of values that have one."""
    unknown = len(index_of)
    if unknown <= _MAX_COMPARED and not column.null_count():
        indexes = np.full(len(column), unknown, dtype=np.int64)
        for value, index in index_of.items():
            indexes -= (column == value).to_numpy() * np.int64(unknown - index)
        return indexes
    encoded = column.to_arrow().dictionary_encode(null_encoding="encode")
    index_of_code = np.array([index_of.get(value, unknown) for value in encoded.dictionary.to_pylist()], dtype=np.int64)
    codes: NDArray[np.int32] = encoded.indices.to_numpy()
    return index_of_code.take(codes)


def _mask(mask: pl.Series) -> NDArray[np.bool_]:
    return (mask.fill_null(True) if mask.null_count() else mask).to_numpy()
