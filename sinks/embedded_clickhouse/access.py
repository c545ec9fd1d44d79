"""What the read-only analyst may run.

Three walls, from the engine outwards:

1. the engine's own role ``analyst`` holds SELECT and SHOW and nothing else: table functions that reach
   outside (file, url, s3, remote, executable, python …) need grants it does not have;
2. ``readonly=1`` on the handle: no settings can be changed, so the first wall's limits stay;
3. this module, for what the engine's embedded build lets through: SET (SET ROLE would undo the first wall),
   KILL QUERY, and the scalar function ``file()``, which reads any file of the machine, also as a bare name
   (``arrayMap(file, …)``, ``APPLY file``).

The check reads the engine's own formatting of the query, made by the parser that will run it: escapes in
quoted names are resolved there, comments are gone, and no second parser can disagree with the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from interlock.sinks.embedded_clickhouse.errors import ACCESS_DENIED, READONLY, refusal
from interlock.sinks.embedded_clickhouse.sql import one_statement

_READING = frozenset({"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN"})

# What reaches outside the database and is guarded by no grant, or (python, which looks into this process) only
# after it has looked.
_FORBIDDEN = frozenset(
    {
        "file",
        "python",
        "catboostevaluate",
        "aiclassify",
        "aiembed",
        "aiextract",
        "aifilter",
        "aigenerate",
        "airedact",
        "aisimilarity",
        "aitranslate",
    }
)


def check_read_only(sql: str, params: Mapping[str, str], canonical: Callable[[str], str]) -> None:
    """Raise unless ``sql`` only reads the database. ``canonical`` is the engine's formatter."""
    text = canonical(sql)
    found = one_statement(text)
    opening = next((token.value for token in found if token.value != "("), "")
    if opening not in _READING:
        raise refusal(READONLY, f"Cannot execute {opening or 'an empty'} query in readonly mode")
    for previous, token in zip([None, *found], found, strict=False):
        name = token.value.strip("`").lower()
        qualified = previous is not None and previous.value == "."
        if token.kind in {"word", "quoted"} and name in _FORBIDDEN and not qualified:
            raise refusal(
                ACCESS_DENIED,
                f"Not enough privileges: a read-only user cannot use {name}() "
                f"(a column of that name must be written table.{name})",
            )
    if ":Identifier}" in text.replace(" ", ""):
        for key, value in params.items():
            if _FORBIDDEN & set(value.lower().split(".")):
                raise refusal(ACCESS_DENIED, f"Not enough privileges: parameter {key} names {value!r}")
