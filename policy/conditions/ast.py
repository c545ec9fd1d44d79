"""The syntax tree of a condition: few kinds of nodes, with settled types, that every engine evaluates alike."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from interlock.policy.vocabulary import ColumnType


@dataclass(frozen=True, slots=True)
class Column:
    """A column of type `kind`; `as_float`: an int column compared with floats."""

    name: str
    kind: ColumnType
    as_float: bool = False


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: str | int | float | bool


class FunctionName(StrEnum):
    """The functions of conditions. Every engine matches all of them; mypy names those that miss a new one."""

    ABS = "abs"
    LENGTH = "length"
    COALESCE = "coalesce"


@dataclass(frozen=True, slots=True)
class Function:
    """`abs` of a number (as a float), `length` of a string in characters, `coalesce` of a column and a literal."""

    name: FunctionName
    of: "Term"
    default: Literal | None = None


Term = Column | Literal | Function


@dataclass(frozen=True, slots=True)
class Compare:
    """`operator` is one of = <> < <= > >=."""

    operator: str
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class In:
    """Membership in a list of literals."""

    term: Term
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """True where the term has no value; never unknown itself."""

    term: Term


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean column or constant by itself."""

    term: Term


@dataclass(frozen=True, slots=True)
class Not:
    """Negation; unknown stays unknown."""

    of: "Condition"


@dataclass(frozen=True, slots=True)
class All:
    """Conjunction with three truth values."""

    of: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Disjunction with three truth values."""

    of: tuple["Condition", ...]


Condition = Compare | In | IsNull | Truth | Not | All | AnyOf


def kind_of(term: Term) -> ColumnType:
    """The type of a term's values."""
    match term:
        case Column(_, kind, as_float):
            return ColumnType.FLOAT if as_float else kind
        case Literal(bool()):  # before int: Python counts True and False among the integers
            return ColumnType.BOOL
        case Literal(int()):
            return ColumnType.INT
        case Literal(float()):
            return ColumnType.FLOAT
        case Literal():
            return ColumnType.STRING
        case Function():
            return _kind_of_function(term)
        case _:
            assert_never(term)


def _kind_of_function(function: Function) -> ColumnType:
    match function.name:
        case FunctionName.ABS:
            return ColumnType.FLOAT
        case FunctionName.LENGTH:
            return ColumnType.INT
        case FunctionName.COALESCE:
            return kind_of(function.of)
        case _:
            assert_never(function.name)
