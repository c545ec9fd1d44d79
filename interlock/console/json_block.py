"""A JSON value as markup that a person reads: definition lists within each other, and tables for rows of one form."""

from collections.abc import Collection, Mapping, Sequence, Set
from itertools import islice
from typing import Any

from markupsafe import Markup

from interlock.console.text import number
from interlock.platform.printing import visible

# More than a person reads at once; a page with more takes seconds to lay out.
_MOST_ITEMS = 200

# A longer text is folded: it would push everything else off the screen.
_LONGEST_TEXT = 600

# Python refuses to print whole numbers of more than 4,300 digits, and nobody reads so many.
_LONGEST_NUMBER = 1e21

# A table with more columns is wider than a screen.
_MOST_COLUMNS = 8


def json_block(value: Any, marked: Collection[str] = (), private: Collection[str] = ()) -> Markup:
    """Markup of the value. Names are paths with dots: `applicant.income`; a list has the path of its field.

    `marked`: fields that rules used. `private`: personal data, blurred until asked for.
    """
    return _any(value, "", frozenset(marked), frozenset(private))


def _any(value: Any, path: str, marked: Set[str], private: Set[str]) -> Markup:
    match value:
        case Mapping() if value:
            return _mapping(value, path, marked, private)
        case Sequence() if value and not isinstance(value, (str, bytes)):
            return _list(value, path, marked, private)
        case Mapping():
            return Markup('<span class="json-empty">no fields</span>')
        case _:
            return scalar(value)


def scalar(value: Any) -> Markup:
    """One value that has no parts."""
    match value:
        case None:
            return Markup('<span class="json-null">null</span>')
        case bool():
            return Markup('<span class="json-word">{}</span>').format("true" if value else "false")
        case int() | float():
            # As it was sent: a number may be an account's, in which separators of thousands have no place.
            text = str(value) if abs(value) < _LONGEST_NUMBER else str(number(value))
            return Markup('<span class="json-number">{}</span>').format(text)
        case str() if not value:
            return Markup('<span class="json-empty">empty text</span>')
        case str():
            return _text(visible(value))
        case Sequence() if not value:
            return Markup('<span class="json-empty">empty list</span>')
        case _:
            return _text(visible(str(value)))


def _text(text: str) -> Markup:
    if len(text) <= _LONGEST_TEXT:
        return Markup('<bdi class="json-text">{}</bdi>').format(text)
    start = text[: _LONGEST_TEXT // 3]
    return Markup(
        "<details><summary><bdi>{}…</bdi> ({} characters)</summary><bdi class='json-text'>{}</bdi></details>"
    ).format(start, f"{len(text):,}", text)


def _mapping(value: Mapping[Any, Any], path: str, marked: Set[str], private: Set[str]) -> Markup:
    rows = []
    for name, item in islice(value.items(), _MOST_ITEMS):
        inner = _inside(path, name)
        shown = _any(item, inner, marked, private)
        if inner in private:
            shown = Markup('<div data-private="" tabindex="0">{}</div>').format(shown)
        rows.append(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(_name(str(name), inner in marked), shown))
    return Markup('<dl class="json">{}</dl>{}').format(Markup("").join(rows), _rest(len(value)))


def _inside(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _name(name: str, used: bool) -> Markup:
    shown = Markup("<bdi>{}</bdi>").format(visible(name) or '""')
    if not used:
        return shown
    return Markup('<mark title="used by a rule">{}<span class="unseen"> (used by a rule)</span></mark>').format(shown)


def _list(value: Sequence[Any], path: str, marked: Set[str], private: Set[str]) -> Markup:
    columns = _columns(value)
    if columns and not private & {_inside(path, column) for column in columns}:
        return _table(value, columns, path, marked)
    items = Markup("").join(
        Markup("<li>{}</li>").format(_any(item, path, marked, private)) for item in value[:_MOST_ITEMS]
    )
    return Markup('<ol class="json">{}</ol>{}').format(items, _rest(len(value)))


def _columns(value: Sequence[Any]) -> list[str]:
    """The names of flat rows of one form; empty if the list is something else."""
    if len(value) < 2 or not all(isinstance(row, Mapping) for row in value):
        return []
    names = list(value[0])
    alike = all(list(row) == names for row in value)
    flat = all(not isinstance(item, (Mapping, list, tuple)) for row in value for item in row.values())
    return names if alike and flat and 0 < len(names) <= _MOST_COLUMNS else []


def _table(value: Sequence[Any], columns: list[str], path: str, marked: Set[str]) -> Markup:
    head = Markup("").join(
        Markup('<th scope="col">{}</th>').format(_name(str(column), _inside(path, column) in marked))
        for column in columns
    )
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(scalar(row[column])) for column in columns)
        )
        for row in value[:_MOST_ITEMS]
    )
    table = Markup('<table class="json"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>').format(head, body)
    return table + _rest(len(value))


def _rest(count: int) -> Markup:
    if count <= _MOST_ITEMS:
        return Markup("")
    return Markup('<p class="note">{} more are not shown here.</p>').format(f"{count - _MOST_ITEMS:,}")
