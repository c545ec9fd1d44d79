"""What the read-only analyst may run.

Three walls, from the engine outwards:

1. the engine's own role ``analyst`` holds SELECT and SHOW and nothing else: table functions that reach
   outside (file, url, s3, remote, executable, python …) need grants it does not have;
2. ``readonly=2`` on the handle and the constraints of a profile: nothing can be written, and limits can only be
   tightened, as on a server with deploy/clickhouse/analyst.xml;
3. this module, for what the engine's embedded build lets through: SET ROLE, which would undo the first wall,
   KILL QUERY, the table function ``eval``, which runs a text that nobody has checked, the scalar function ``file()``,
   which reads any file of the machine, also as a bare name (``arrayMap(file, …)``, ``APPLY file``), and settings that
   hold such texts.

What a statement, a table function, a function or a setting does must have been looked at: everything the engine has and
the lists here have not is refused, also what a later version brings.

The check reads the engine's own formatting of the query, made by the parser that will run it: escapes in
quoted names are resolved there, comments are gone, and no second parser can disagree with the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Self

from interlock.sinks.embedded_clickhouse.errors import ACCESS_DENIED, READONLY, UNKNOWN_TABLE, ClickHouseError, refusal
from interlock.sinks.embedded_clickhouse.sql import Token, one_statement, parse, tokens

_READING = frozenset({"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "SET", "USE"})

# They make rows out of their arguments, or read tables under the rights of the user (merge, view).
_TABLE_FUNCTIONS = frozenset(
    {
        "generate_series",
        "generaterandom",
        "generateseries",
        "merge",
        "null",
        "numbers",
        "numbers_mt",
        "primes",
        "sqlstandardvalues",
        "values",
        "view",
        "viewifpermitted",
        "zeros",
        "zeros_mt",
    }
)


# A setting that sets others; the engine does not list it among its settings.
_PROFILE = "profile"
# What may follow a SETTINGS clause at the same depth of brackets.
_AFTER_SETTINGS = frozenset({"UNION", "INTERSECT", "EXCEPT", "FORMAT"})


@cache
def reviewed_functions() -> frozenset[str]:
    """Names of scalar functions that only compute, in small letters."""
    return _names("reviewed_functions.txt")


@cache
def reviewed_settings() -> frozenset[str]:
    """Names of settings that the analyst may change."""
    return _names("reviewed_settings.txt")


def _names(file: str) -> frozenset[str]:
    text = files(__package__).joinpath(file).read_text()
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What the engine has and the analyst may not use, in small letters."""

    functions: frozenset[str]
    table_functions: frozenset[str]
    settings: frozenset[str] = frozenset()  # as they are written

    @classmethod
    def of(cls, functions: Iterable[str], table_functions: Iterable[str], settings: Iterable[str] = ()) -> Self:
        """All that have not been reviewed, out of all that the engine has."""
        scalar = frozenset(name.lower() for name in functions)
        table = frozenset(name.lower() for name in table_functions)
        forbidden = scalar - reviewed_functions()
        # format() and others exist as both: where the scalar one is allowed, the engine's grants decide on the other.
        tables = table - _TABLE_FUNCTIONS - (scalar - forbidden)
        return cls(forbidden, tables, frozenset({*settings, _PROFILE}) - reviewed_settings())


def check_settings(names: Iterable[str], forbidden: Forbidden) -> None:
    """Raise if one of these settings may not be changed. What the engine does not know is left to its own error."""
    for name in names:
        if name in forbidden.settings:
            raise refusal(READONLY, f"Cannot modify '{name}' setting in readonly mode")


def only_reads(sql: str) -> None:
    """Raise unless ``sql`` may be sent with GET; for handles that cannot be made read-only for a while."""
    statement = parse(sql)
    if statement is not None and not statement.is_select:
        opening = next(token.value for token in tokens(sql) if token.value != "(")
        if opening not in _READING - {"WITH"}:
            raise refusal(READONLY, f"Cannot execute {opening} query in readonly mode: method GET implies readonly")


def check_read_only(sql: str, params: Mapping[str, str], canonical: Callable[[str], str], forbidden: Forbidden) -> None:
    """Raise unless ``sql`` only reads the database. ``canonical`` is the engine's formatter."""
    text = canonical(sql)
    found = one_statement(text)
    opening = next((token.value for token in found if token.value != "("), "")
    sets = opening == "SET"
    if opening not in _READING or (sets and [token.value for token in found[2:3]] != ["="]):
        what = " ".join(token.value for token in found[: 2 if sets else 1]) if opening else "an empty"
        raise refusal(READONLY, f"Cannot execute {what} query in readonly mode")
    check_settings(_settings(text, found), forbidden)
    for previous, token, following in zip([None, *found], found, [*found[1:], None], strict=False):
        if token.kind not in {"word", "quoted"} or (previous is not None and previous.value == "."):
            continue
        name = token.value.strip('`"').lower()
        called = following is not None and following.value == "("
        if name in forbidden.functions or (called and name in forbidden.table_functions):
            raise refusal(
                ACCESS_DENIED,
                f"Not enough privileges: a read-only user cannot use {name}() "
                f"(a column of that name must be written table.{name})",
            )
    if ":Identifier}" in text.replace(" ", ""):
        for key, value in params.items():
            if (forbidden.functions | forbidden.table_functions) & set(value.lower().split(".")):
                raise refusal(ACCESS_DENIED, f"Not enough privileges: parameter {key} names {value!r}")


def unknown_table(names: Iterable[str], exists: Callable[[str], bool]) -> ClickHouseError:
    """The error that a server has for a query of these tables, of which at least one does not exist."""
    missing = next((name for name in names if not exists(name)), None)
    which = f"Unknown table expression identifier {missing}" if missing else "Unknown table"
    return refusal(UNKNOWN_TABLE, f"{which}: SHOW TABLES lists all")


def _settings(text: str, found: Sequence[Token]) -> Iterator[str]:
    """Names in all SETTINGS clauses, also of subqueries, and in SET. A column called ``settings`` is none."""
    for start, opening in enumerate(found):
        if opening.kind != "word" or opening.value not in {"SET", "SETTINGS"}:
            continue
        expected = True  # a name, at the beginning and behind each comma
        for name, following in pairwise(found[start + 1 :]):
            if name.depth < opening.depth or (name.kind == "word" and name.value in _AFTER_SETTINGS):
                break
            if name.depth > opening.depth:
                continue
            if expected and following.value != "=":
                break
            if expected:
                yield text[name.start : name.end].strip('`"')
            expected = name.value == ","
