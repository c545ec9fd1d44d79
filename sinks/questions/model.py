"""A question to ClickHouse, as data: its SQL is fixed, what changes is bound as a parameter."""

from dataclasses import dataclass
from typing import Literal

from interlock.schemas.sealed_text import PREFIX

Kind = Literal["String", "UInt32", "Float64"]
Value = str | int | float

# A page of rows; who wants more narrows the question, or asks ClickHouse.
MAX_ROWS = 1000
# Ten years: tables keep three.
MAX_DAYS = 3660
# Ids and names are shorter (`MAX_ID_BYTES`); nothing longer can be found.
MAX_TEXT = 4096


@dataclass(frozen=True)
class Parameter:
    """What is filled in. `default`: None where it must be given; an empty text means all. `maximum`: of numbers."""

    name: str
    kind: Kind
    meaning: str
    default: Value | None = None
    maximum: float = 2**32 - 1


@dataclass(frozen=True)
class Question:
    """One number, or one table of them. `population`: of what it speaks. `columns`: what the answer has, in order.

    `rows_of`: name of the question that lists the rows behind. Its parameters have the names of this one's parameters
    and columns, so that every row of the answer links to its own. `seals`: the table of which a row of the answer is
    one, where columns of it are sealed; the SQL then asks for what opens them as well, behind `columns`.
    """

    name: str
    title: str
    population: str
    sql: str
    columns: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    rows_of: str | None = None
    seals: str = ""


def names(words: str) -> tuple[str, ...]:
    """The words of a text: columns, one after the other."""
    return tuple(words.split())


def text(name: str, meaning: str, default: str | None = "") -> Parameter:
    """A text; empty for all, unless it must be given (`default` None)."""
    return Parameter(name, "String", meaning, default)


def number(name: str, meaning: str, default: int, maximum: int) -> Parameter:
    """A whole number from 0 on."""
    return Parameter(name, "UInt32", meaning, default, maximum)


def share(name: str, meaning: str) -> Parameter:
    """A number from 0 to 1 that must be given."""
    return Parameter(name, "Float64", meaning, None, 1)


LIMIT = number("limit", "At most so many rows, the latest ones.", 100, MAX_ROWS)


def days(default: int) -> Parameter:
    """How far the question looks back."""
    return number("days", "So many days back from now.", default, MAX_DAYS)


def hours(default: int) -> Parameter:
    """How far the question looks back."""
    return number("hours", "So many hours back from now.", default, MAX_DAYS * 24)


def of_view(view: str, columns: str, *, where: str = "true", order: str) -> tuple[str, tuple[str, ...]]:
    """SQL that reads these columns of a view, and the columns."""
    listed = ", ".join(names(columns))
    return f"SELECT {listed}\nFROM {view}\nWHERE {where}\nORDER BY {order}\nLIMIT {MAX_ROWS}", names(columns)


# As what a question seals: words belong into the rows of this view from many tables.
TIMELINE = "decision_timeline"

# No row has it.
NO_KEY = "none"


def of_subject(table: str = "") -> str:
    """A condition: about the subject, where one is given; its rows name it, or the key under which they are sealed
    or its producer encrypted it."""
    prefix = f"{table}." if table else ""
    return (
        f"(({{subject_id:String}} = '' AND {{subject_key:String}} = '{NO_KEY}') "
        f"OR ({{subject_id:String}} != '' AND {prefix}subject_id = {{subject_id:String}}) "
        f"OR {prefix}subject_key = {{subject_key:String}} "
        f"OR startsWith({prefix}subject_id, concat('{PREFIX}', {{subject_key:String}}, ':')))"
    )


# Filled in from the subject's id, where there are keys.
SUBJECT_KEY = text("subject_key", "Only under this key of a subject; filled in where subject_id is given.", NO_KEY)


def matches(*columns: str, table: str = "") -> str:
    """A condition: columns equal the texts of the same names, where those are not empty."""
    prefix = f"{table}." if table else ""
    return " AND ".join(f"({{{name}:String}} = '' OR {prefix}{name} = {{{name}:String}})" for name in columns)


# Whoever judges a decision must not look up what others said of it, or what the AI did: it is listed once it is
# decided.
SETTLED = "decision_id NOT IN (SELECT decision_id FROM tasks_now WHERE is_open)"

# Gold items look like any other task while they are open: a list without them would tell which they are.
TASKS = "(kind != 'gold' OR closed_by = '')"


def wilson(hits: str, of: str) -> tuple[str, str]:
    """SQL of the ends of the 95 % Wilson interval of `hits` out of `of`; null without any."""
    z = 1.959963984540054
    rate = f"({hits}) / ({of})"
    centre = f"{rate} + {z * z / 2} / ({of})"
    spread = f"{z} * sqrt({rate} * (1 - {rate}) / ({of}) + {z * z / 4} / (({of}) * ({of})))"
    shrink = f"(1 + {z * z} / ({of}))"
    return (
        f"if(({of}) = 0, NULL, greatest(0, ({centre} - {spread}) / {shrink}))",
        f"if(({of}) = 0, NULL, least(1, ({centre} + {spread}) / {shrink}))",
    )
