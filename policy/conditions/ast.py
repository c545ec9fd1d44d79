"""The syntax tree of a condition: few kinds of nodes, with settled types, that every engine evaluates alike."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from interlock.policy.vocabulary import ROUTING_COLUMNS, ColumnType


@dataclass(frozen=True, slots=True)
class Column:
    """A column of type `kind`; `as_float`: an int column compared with floats."""

    name: str
    kind: ColumnType
    as_float: bool = False

    @property
    def unreadable(self) -> str | None:
        """The boolean column that says where this one has no value although one was given, because that could not be
        read; None where every value can be read. An attribute that is a text cannot be read where it is encrypted."""
        if self.name in ROUTING_COLUMNS and self.kind in (ColumnType.STRING, ColumnType.BOOL):
            return None
        return unreadable_column(self.name)


# A routing text that a producer may have encrypted: then it is unknown to rules, also where they ask IS NULL.
MAY_BE_ENCRYPTED = "subject_id"


def unreadable_column(name: str) -> str:
    """See Column.unreadable. No attribute can have such a name."""
    return f"{name} unreadable"


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
    """`abs` of a number (as a float), `length` of a string in characters, `coalesce` of a column and a literal, which
    stands for a value that was not given, and not for one that cannot be read."""

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
    """True where no value was given; unknown where one was given that cannot be read."""

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


def column_of(term: Term) -> Column | None:
    """The column whose values a term is made of; None for a literal."""
    match term:
        case Column():
            return term
        case Function(_, of):
            return column_of(of)
        case Literal():
            return None
        case _:
            assert_never(term)


def columns_in(condition: Condition) -> frozenset[str]:
    """The names of the columns that a condition reads."""
    match condition:
        case Compare(_, left, right):
            terms: tuple[Term, ...] = (left, right)
        case In(term, _) | IsNull(term) | Truth(term):
            terms = (term,)
        case Not(of):
            return columns_in(of)
        case All(parts) | AnyOf(parts):
            return frozenset[str]().union(*map(columns_in, parts))
        case _:
            assert_never(condition)
    return frozenset(column.name for column in map(column_of, terms) if column is not None)


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
