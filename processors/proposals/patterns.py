"""Conditions on attributes that examples fulfil, and patterns of them as conditions of a policy."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interlock.learning.arrays import Floats
from interlock.learning.rule_evidence import MIN_SUPPORT, Literal, intervals
from interlock.learning.slices import Condition
from interlock.policy.attributes import BOOLS, FLOAT_FORM, INT_FORM
from interlock.policy.vocabulary import NUMBERS, ColumnType
from interlock.processors.proposals.examples import Example

# Stands for a missing value. No pattern with it is ever proposed, whatever a producer writes.
MISSING = "\0missing"

# A longer text would make a condition that people cannot read.
_MAX_TEXT = 100

# Quantiles between which intervals of a number are tried: 35 intervals, or 9 where there are many numbers, so that
# finding takes a second at most.
_FINE, _COARSE = 8, 4
_FEW_NUMBERS = 5


@dataclass(frozen=True, slots=True)
class Pattern:
    """A conjunction over declared attributes: equal to a text, low ≤ number < high, or a truth value."""

    texts: tuple[tuple[str, str], ...] = ()
    ranges: tuple[tuple[str, ColumnType, float, float], ...] = ()
    flags: tuple[tuple[str, bool], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that it refers to."""
        texts, ranges, flags = ([part[0] for part in parts] for parts in (self.texts, self.ranges, self.flags))
        return (*texts, *ranges, *flags)

    def holds(self, example: Example) -> bool:
        """Decides as the condition would: a missing value, or text that is no number, does not fulfil it."""
        attributes = example.attributes
        if any(attributes.get(name) != value for name, value in self.texts):
            return False
        if any(BOOLS.get(attributes.get(name, "")) is not value for name, value in self.flags):
            return False
        return all(low <= number(attributes.get(name), kind) < high for name, kind, low, high in self.ranges)


def literals(examples: Sequence[Example], types: Mapping[str, ColumnType], weight: Floats) -> list[Literal]:
    """Every condition on one declared attribute that a policy can express and enough examples fulfil: equal to a text,
    a truth value, or an interval between quantiles weighted by `weight`."""
    numeric = sum(kind in NUMBERS for kind in types.values())
    bins = _FINE if numeric <= _FEW_NUMBERS else _COARSE
    found = []
    for name, kind in sorted(types.items()):
        texts = [example.attributes.get(name) for example in examples]
        if kind in NUMBERS:
            values = np.array([number(text, kind) for text in texts], dtype=np.float64)
            found += [
                Literal((name, f"[{low:.15g}, {high:.15g})"), rows)
                for low, high, rows in intervals(values, weight, bins)
            ]
            continue
        if kind is ColumnType.BOOL:
            texts = [None if (flag := BOOLS.get(text or "")) is None else str(flag).lower() for text in texts]
        column = np.array([MISSING if text is None else text for text in texts])
        values_there, support = np.unique(column, return_counts=True)
        found += [
            Literal((name, str(value)), column == value)
            for value, count in zip(values_there.tolist(), support.tolist(), strict=True)
            if count >= MIN_SUPPORT and pattern([(name, str(value))], types) is not None
        ]
    return found


def pattern(conditions: Sequence[Condition], types: Mapping[str, ColumnType]) -> Pattern | None:
    """The pattern of such conditions; None if no policy can express it."""
    texts, ranges, flags = [], [], []
    for name, value in conditions:
        kind = types[name]
        if kind in NUMBERS:
            low, _, high = value.removeprefix("[").removesuffix(")").partition(", ")
            ranges.append((name, kind, float(low), float(high)))
        elif value == MISSING or len(value) > _MAX_TEXT or not value.isprintable():
            return None
        elif kind is ColumnType.BOOL:
            flags.append((name, BOOLS[value]))
        else:
            texts.append((name, value))
    return Pattern(tuple(texts), tuple(ranges), tuple(flags))


def condition(pattern: Pattern) -> str:
    """The pattern as the text of a policy's `when`."""
    parts = [f"{name} = {quoted(value)}" for name, value in pattern.texts]
    parts += [name if flag else f"NOT {name}" for name, flag in pattern.flags]
    for name, _, low, high in pattern.ranges:
        if math.isfinite(low):
            parts.append(f"{name} >= {_number(low)}")
        if math.isfinite(high):
            parts.append(f"{name} < {_number(high)}")
    return " AND ".join(parts)


def quoted(text: str) -> str:
    """A text constant of a condition."""
    return "'" + text.replace("'", "''") + "'"


def number(text: str | None, kind: ColumnType) -> float:
    """The number that a policy reads in an attribute's text; NaN where it reads none."""
    form = INT_FORM if kind is ColumnType.INT else FLOAT_FORM
    return float(text) if text is not None and re.fullmatch(form, text) else math.nan


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
