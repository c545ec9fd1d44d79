"""What must hold of some terms at once, and whether any row can keep it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from interlock.policy.conditions.ast import Column, Function, FunctionName, Literal, Term, column_of, kind_of
from interlock.policy.conditions.python import OPERATORS, value
from interlock.policy.vocabulary import ColumnType

# Up to here every whole number is exactly a float, so that a column may be compared with both.
_EXACT = 2**53

_WORDS = {"<": "below", "<=": "at most", ">": "above", ">=": "at least", "=": "", "<>": "other than"}


@dataclass(frozen=True, slots=True)
class Demand:
    """`kind`: = <> < <= > >= (with one constant or an `other` term), in or not in (constants), missing or given."""

    term: Term
    kind: str
    constants: tuple[Any, ...] = ()
    other: Term | None = None

    def keeps(self, cell: Any) -> bool:
        """Whether a value is as demanded; only of a demand with constants."""
        if self.kind in ("in", "not in"):
            return (cell in self.constants) is (self.kind == "in")
        return bool(OPERATORS[self.kind](cell, self.constants[0]))

    def __str__(self) -> str:
        if self.kind not in _WORDS:
            if self.kind == "in" and len(self.constants) == 1:
                return repr(self.constants[0])
            listed = ", ".join(map(repr, self.constants[:5])) + ("…" if len(self.constants) > 5 else "")
            return f"{'one' if self.kind == 'in' else 'none'} of {listed}"
        return f"{_WORDS[self.kind]} {self.constants[0]!r}".strip()


def impossible(demands: Iterable[Demand]) -> str | None:
    """Why no row keeps all demands, in words; None where one may."""
    own = [_comparable(demand) for demand in demands]
    return next(filter(None, (*map(_alone, own), *_without_value(own), *_of_values(own))), None)


def _comparable(demand: Demand) -> Demand:
    """The same demand of an int column that is compared with floats: all that is asked of it then stands together."""
    term = demand.term
    exact = all(abs(constant) < _EXACT for constant in demand.constants if isinstance(constant, int | float))
    if isinstance(term, Column) and term.as_float and exact and demand.other is None:
        return replace(demand, term=Column(term.name, term.kind))
    return demand


def _alone(demand: Demand) -> str | None:
    """What one demand says against itself: of a constant, or of a term and the same."""
    term = demand.term
    if demand.other is not None:
        return "nothing differs from itself" if demand.other == term and demand.kind in ("<", ">", "<>") else None
    if demand.kind == "missing":
        return "a constant or coalesce always has a value" if _has_value(term) else None
    if isinstance(term, Literal) and demand.constants and not demand.keeps(term.value):
        return f"{term.value!r} is not {demand}"
    return None


def _without_value(demands: Sequence[Demand]) -> Iterator[str | None]:
    """Of each column that must be missing, what else is demanded and cannot be then."""
    for missing in (column_of(demand.term) for demand in demands if demand.kind == "missing"):
        assert missing is not None
        row = {missing.name: None}
        for demand in demands:
            if demand.kind != "missing" and not _kept_without(demand, missing, row):
                yield f"{missing.name} cannot be missing and have a value"


def _kept_without(demand: Demand, missing: Column, row: Mapping[str, Any]) -> bool:
    sides = [side for side in (demand.term, demand.other) if side is not None and _is_of(side, missing)]
    cells = [value(side, row) for side in sides]
    if None in cells:
        return False
    return not (cells and demand.constants) or demand.keeps(cells[0])


def _is_of(term: Term, column: Column) -> bool:
    found = column_of(term)
    return found is not None and found.name == column.name


def _of_values(demands: Sequence[Demand]) -> Iterator[str | None]:
    """Of each term, the values that are demanded and exclude each other: one demand or a pair of them, if these do."""
    by_term: dict[Term, list[Demand]] = {}
    for demand in demands:
        if demand.constants and not isinstance(demand.term, Literal):
            by_term.setdefault(demand.term, []).append(demand)
    for term, own in by_term.items():
        if not _possible(term, own):
            few = [*((one,) for one in own), *combinations(own, 2)]
            culprits = next((some for some in few if not _possible(term, some)), own)
            yield f"no value is {' and '.join(dict.fromkeys(map(str, culprits)))}"


def _possible(term: Term, demands: Sequence[Demand]) -> bool:
    """Whether some value of the term keeps the demands."""
    listed = [demand.constants for demand in demands if demand.kind in ("=", "in")]
    if kind_of(term) is ColumnType.BOOL:
        listed.append((True, False))
    if listed:
        return any(
            (not _is_whole(term) or cell == int(cell)) and all(demand.keeps(cell) for demand in demands)
            for cell in listed[0]
            if _is_in_range(term, cell)
        )
    return _is_between(term, demands)


def _is_between(term: Term, demands: Sequence[Demand]) -> bool:
    """The same where no value is named: between the bounds there is one that is not excluded."""
    lows = [(demand.constants[0], demand.kind == ">") for demand in demands if demand.kind in (">", ">=")]
    highs = [(demand.constants[0], demand.kind == "<") for demand in demands if demand.kind in ("<", "<=")]
    lows += [(0, False)] if _is_never_negative(term) else [("", False)] if kind_of(term) is ColumnType.STRING else []
    if not lows or not highs:
        return True
    # Of two bounds with one constant the strict one is the closer, also from above.
    low, high = max(lows), min(highs, key=lambda bound: (bound[0], not bound[1]))
    if _is_whole(term):
        first = math.floor(low[0]) + 1 if low[1] else math.ceil(low[0])
        last = math.ceil(high[0]) - 1 if high[1] else math.floor(high[0])
        excluded = sum(len(demand.constants) for demand in demands if demand.kind in ("<>", "not in"))
        some = range(first, min(last, first + excluded) + 1)
        return any(all(demand.keeps(cell) for demand in demands) for cell in some)
    if low[0] == high[0]:
        return all(demand.keeps(low[0]) for demand in demands)
    return bool(low[0] < high[0])


def _is_in_range(term: Term, cell: Any) -> bool:
    return not (_is_never_negative(term) and cell < 0)


def _is_never_negative(term: Term) -> bool:
    return isinstance(term, Function) and term.name in (FunctionName.ABS, FunctionName.LENGTH)


def _is_whole(term: Term) -> bool:
    """Whether its values are whole numbers, be they floats."""
    if isinstance(term, Function) and term.name is FunctionName.LENGTH:
        return True
    if isinstance(term, Function) and term.default is not None and isinstance(term.default.value, float):
        return _is_whole(term.of) and term.default.value.is_integer()
    if isinstance(term, Function):
        return _is_whole(term.of)
    return isinstance(term, Column) and term.kind is ColumnType.INT


def _has_value(term: Term) -> bool:
    """Whether it has a value for every row."""
    if isinstance(term, Function):
        return term.name is FunctionName.COALESCE or _has_value(term.of)
    return isinstance(term, Literal)
