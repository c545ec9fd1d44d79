"""The tree of a condition: few kinds of nodes, with types settled, that every engine evaluates alike."""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Function:
    """`abs` of a number (as a float), `length` of a string in characters, `coalesce` of a column and a literal."""

    name: str
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
    if isinstance(term, Column):
        return ColumnType.FLOAT if term.as_float else term.kind
    if isinstance(term, Literal):
        if isinstance(term.value, bool):
            return ColumnType.BOOL
        if isinstance(term.value, int):
            return ColumnType.INT
        return ColumnType.FLOAT if isinstance(term.value, float) else ColumnType.STRING
    if term.name == "length":
        return ColumnType.INT
    return ColumnType.FLOAT if term.name == "abs" else kind_of(term.of)
