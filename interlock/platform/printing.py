"""Text from elsewhere, as it may be shown to a person: nothing in it acts on the terminal, and nothing is hidden.

A producer writes what reviewers read. Control characters could clear the screen or hide what follows; marks of writing
direction change the order in which characters appear, and so what an amount or a name says.
"""

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from interlock.schemas import json_text

# C0 but for line feed and tab, DEL, C1; separators of lines, which some terminals obey; marks of direction (Unicode's
# Bidi_Control).
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_T = TypeVar("_T")


def visible(text: str) -> str:
    """The text with escapes (\\x1b, \\u202e) in place of control characters and marks of direction.

    Line feeds and tabs stay; half of a surrogate pair becomes U+FFFD.
    """
    if text.isprintable():
        return text
    return _HIDDEN.sub(_escape, json_text.printable(text))


def visible_line(text: str) -> str:
    """The same with escapes for line feeds too: nothing that is put in can begin a line of its own."""
    return visible(text) if text.isprintable() else visible(text).replace("\n", "\\n")


def visible_json(value: Any, default: Callable[[Any], Any] = str) -> str:
    """One line of JSON for every reader, in which JSON's own escapes (\\u001b) stand for what `visible` replaces."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text.dumps(value, default))


def all_visible(value: _T) -> _T:
    """The value with `visible` applied to every text in it, in mappings, lists, tuples and dataclasses too."""
    shown: Any = value
    if isinstance(value, str):
        shown = visible(value)
    elif isinstance(value, dict):
        shown = {all_visible(key): all_visible(item) for key, item in value.items()}
    elif isinstance(value, list):
        shown = [all_visible(item) for item in value]
    elif isinstance(value, tuple):
        shown = tuple(all_visible(item) for item in value)
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: all_visible(getattr(value, field.name)) for field in fields(value)}
        shown = replace(shown, **changed)
    return cast(_T, shown)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
