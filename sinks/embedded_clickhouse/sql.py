"""The little that must be known about a statement to serve it over HTTP.

The engine parses SQL; this module only finds three places in the text: where the data of an INSERT begin,
where a result's FORMAT is named, and where the statement ends. Text is handled as latin-1, one character per
byte, so that positions are byte positions whatever the data behind an INSERT contain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from interlock.sinks.embedded_clickhouse.errors import INTO_OUTFILE_NOT_ALLOWED, SYNTAX_ERROR, refusal

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
      | (?P<word>\w+)
      | (?P<symbol>.)""",
    re.DOTALL | re.VERBOSE,
)
_SELECT_WORDS = frozenset({"SELECT", "WITH", "FROM"})
# INSERT INTO t SELECT, INSERT INTO t (WITH ...), INSERT INTO t FROM INFILE
_ROWS_COME_FROM = frozenset({"SELECT", "WITH", "INFILE"})
_NAME_FOLLOWS = frozenset({".", "INTO", "TABLE"})  # a table may be called "values" or "format"
_OWN_QUERY_ID = "Settings['log_comment']"
_PROCESSES = (
    f"(SELECT * REPLACE ({_OWN_QUERY_ID} AS query_id, {_OWN_QUERY_ID} AS initial_query_id) FROM system.processes)"
)
_TABLE_FOLLOWS = frozenset({"FROM", "JOIN", "TABLE", "DESCRIBE", "DESC"})
_NOT_A_CLAUSE_AFTER = frozenset({"SELECT", "AS", ",", "."})


@dataclass(frozen=True, slots=True)
class Token:
    """One significant token; ``value`` is upper-cased for words, ``depth`` counts open brackets around it."""

    kind: str
    value: str
    start: int
    end: int
    depth: int


@dataclass(frozen=True)
class InsertWithData:
    """An INSERT whose rows follow it: statement without FORMAT, format (None: not named), data position."""

    statement: bytes
    format: str | None
    data_offset: int


@dataclass(frozen=True)
class Statement:
    """One statement, cut where ``INTO OUTFILE`` belongs: ``head`` [FORMAT ``format``] ``tail``."""

    text: str
    is_select: bool
    head: str
    format: str | None = None
    tail: str = ""


def tokens(text: str) -> Iterator[Token]:
    """Significant tokens, comments and white space left out."""
    depth = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "tag":
            kind = "string"
        if kind == "skip":
            continue
        value = match[0]
        if kind == "symbol" and value in ")]}":
            depth -= 1
        yield Token(kind, value.upper() if kind == "word" else value, match.start(), match.end(), depth)
        if kind == "symbol" and value in "([{":
            depth += 1


@dataclass(frozen=True)
class Kill:
    """KILL QUERY WHERE query_id = '…', as drivers cancel. ``mode``: ASYNC unless SYNC or TEST is named."""

    query_id: str
    mode: str
    format: str | None


def kill_of_one_query(text: str) -> Kill | None:
    """The query that the statement stops; None for any other statement, and for a KILL by another condition."""
    found = one_statement(text)
    values = [token.value for token in found]
    if values[:5] != ["KILL", "QUERY", "WHERE", "QUERY_ID", "="] or found[5:6] == [] or found[5].kind != "string":
        return None
    rest = values[6:]
    mode = rest.pop(0) if rest and rest[0] in {"SYNC", "ASYNC", "TEST"} else "ASYNC"
    named = text[found[-1].start : found[-1].end] if len(rest) == 2 and rest[0] == "FORMAT" else None
    if (rest and named is None) or "\\" in values[5] or not values[5].startswith("'"):
        return None
    return Kill(values[5][1:-1].replace("''", "'"), mode, named)


def with_own_query_ids(text: str) -> str:
    """``text`` with the ids that clients give their queries, where it looks at ``system.processes`` or stops queries.

    The engine gives queries ids of its own, and has those of clients as their ``log_comment``.
    """
    found = list(tokens(text))
    values = [token.value for token in found]
    places: list[tuple[int, int, str]] = []
    if values[:2] == ["KILL", "QUERY"]:
        places = [(token.start, token.end, _OWN_QUERY_ID) for token in found if token.value == "QUERY_ID"]
    for index in range(1, len(found) - 2):
        if values[index - 1] in {"FROM", "JOIN"} and values[index : index + 3] == ["SYSTEM", ".", "PROCESSES"]:
            places.append((found[index].start, found[index + 2].end, _PROCESSES))
    for start, end, replacement in reversed(places):
        text = text[:start] + replacement + text[end:]
    return text


def table_names(text: str) -> Iterator[str]:
    """What stands where a statement names tables, as it is written; also names of its own (WITH x AS …)."""
    found = list(tokens(text))
    for index in range(1, len(found)):
        first = found[index]
        if (
            found[index - 1].value not in _TABLE_FOLLOWS
            or first.kind not in {"word", "quoted"}
            or first.value == "TABLE"
        ):
            continue
        following = [token.value for token in found[index + 1 : index + 3]]
        if following[:1] == ["("]:
            continue  # a table function
        last = found[index + 2] if following[:1] == ["."] and len(following) == 2 else first
        yield text[first.start : last.end]


def insert_with_data(head: bytes) -> InsertWithData | None:
    """How the INSERT at the start of ``head`` takes its rows; None for any other statement.

    ``head`` may be cut anywhere behind the statement. INSERT ... SELECT and FROM INFILE carry no data: None.
    """
    text = head.decode("latin-1")
    stream = tokens(text)
    first = next(stream, None)
    if first is None or first.value != "INSERT":
        return None
    previous = first
    for token in stream:
        keyword = token.value if token.kind == "word" and previous.value not in _NAME_FOLLOWS else ""
        if keyword in _ROWS_COME_FROM and (token.depth == 0 or previous.value == "("):
            return None
        if token.depth == 0 and keyword == "VALUES":
            return InsertWithData(head[: token.start], "Values", token.end)
        if token.depth == 0 and keyword == "FORMAT":
            name = next(stream, None)
            if name is None or name.kind != "word":
                raise refusal(SYNTAX_ERROR, "Syntax error: INSERT ... FORMAT names no format")
            named = text[name.start : name.end]
            return InsertWithData(head[: token.start], named, _data_after_format(text, name.end))
        previous = token
    return InsertWithData(head, None, len(head))


def insert_from(statement: str, file: str, input_format: str) -> str:
    """``statement`` (an INSERT without FORMAT) with its rows read from ``file``; SETTINGS stay behind that."""
    clauses = (
        token.start
        for before, token in pairwise(tokens(statement))
        if token.depth == 0 and token.value == "SETTINGS" and before.value not in _NAME_FOLLOWS
    )
    cut = next(clauses, len(statement))
    target, settings = statement[:cut], statement[cut:]
    return f"{target}\nFROM INFILE '{file}' COMPRESSION 'none' {settings}\nFORMAT {input_format}"


def _data_after_format(text: str, position: int) -> int:
    """Data begin behind the blanks and one line end, exactly as the server's parser has it."""
    while position < len(text) and text[position] in " \t\f":
        position += 1
    if text[position : position + 1] == "\r":
        position += 1
    if text[position : position + 1] == "\n":
        position += 1
    return position


def one_statement(text: str) -> list[Token]:
    """The tokens of the only statement in ``text``, without a closing semicolon.

    Raises for several statements and for INTO OUTFILE, which would write on the server's machine.
    """
    found = list(tokens(text))
    while found and found[-1].value == ";":
        found.pop()
    for token, following in pairwise(found):
        if token.value == ";" and token.kind == "symbol":
            raise refusal(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
        if (token.kind, token.value, following.value) == ("word", "INTO", "OUTFILE"):
            raise refusal(INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
    return found


def parse(text: str) -> Statement | None:
    """The only statement in ``text``; None when there is nothing but white space and comments."""
    found = one_statement(text)
    if not found:
        return None
    top = [token for token in found if token.depth == 0]
    opening = next((token.value for token in found if token.value != "("), "")
    # WITH ... INSERT INTO ... SELECT returns no rows.
    inserts = any(token.kind == "word" and token.value == "INSERT" for token in top)
    is_select = opening in _SELECT_WORDS and not inserts
    for index in range(len(top) - 2, 0, -1):
        before, keyword, name = top[index - 1], top[index], top[index + 1]
        if (keyword.kind, keyword.value, name.kind) != ("word", "FORMAT", "word"):
            continue
        closes = index + 2 == len(top) or top[index + 2].value == "SETTINGS"
        if closes and before.value not in _NOT_A_CLAUSE_AFTER:
            named = text[name.start : name.end]
            return Statement(text, is_select, text[: keyword.start], named, text[name.end : found[-1].end])
    return Statement(text, is_select, text[: found[-1].end])
