"""What the read-only analyst may run.

Three walls, from the engine outwards:

1. the engine's own role ``analyst`` holds SELECT and SHOW and nothing else: table functions that reach
   outside (file, url, s3, remote, executable, python …) need grants it does not have;
2. ``readonly=1`` on the handle: no settings can be changed, so the first wall's limits stay;
3. this module, for what the engine's embedded build lets through: SET (SET ROLE would undo the first wall),
   KILL QUERY, the table function ``eval``, which runs a text that nobody has checked, and the scalar function
   ``file()``, which reads any file of the machine, also as a bare name (``arrayMap(file, …)``, ``APPLY file``).

What a statement, a table function or a function does must have been looked at: everything the engine has and the
lists here have not is refused, also what a later version brings.

The check reads the engine's own formatting of the query, made by the parser that will run it: escapes in
quoted names are resolved there, comments are gone, and no second parser can disagree with the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Self

from interlock.sinks.embedded_clickhouse.errors import ACCESS_DENIED, READONLY, refusal
from interlock.sinks.embedded_clickhouse.sql import one_statement

_READING = frozenset({"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN"})

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


@cache
def reviewed_functions() -> frozenset[str]:
    """Names of scalar functions that only compute, in small letters."""
    text = files(__package__).joinpath("reviewed_functions.txt").read_text()
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What the engine has and the analyst may not use, in small letters."""

    functions: frozenset[str]
    table_functions: frozenset[str]

    @classmethod
    def of(cls, functions: Iterable[str], table_functions: Iterable[str]) -> Self:
        """All that have not been reviewed, out of all that the engine has."""
        scalar = frozenset(name.lower() for name in functions)
        table = frozenset(name.lower() for name in table_functions)
        forbidden = scalar - reviewed_functions()
        # format() and others exist as both: where the scalar one is allowed, the engine's grants decide on the other.
        return cls(forbidden, table - _TABLE_FUNCTIONS - (scalar - forbidden))


def check_read_only(sql: str, params: Mapping[str, str], canonical: Callable[[str], str], forbidden: Forbidden) -> None:
    """Raise unless ``sql`` only reads the database. ``canonical`` is the engine's formatter."""
    text = canonical(sql)
    found = one_statement(text)
    opening = next((token.value for token in found if token.value != "("), "")
    if opening not in _READING:
        raise refusal(READONLY, f"Cannot execute {opening or 'an empty'} query in readonly mode")
    for previous, token, following in zip([None, *found], found, [*found[1:], None], strict=False):
        if token.kind not in {"word", "quoted"} or (previous is not None and previous.value == "."):
            continue
        name = token.value.strip("`").lower()
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
