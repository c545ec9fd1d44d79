"""JSON inside records: one judgement of what is taken at the edge, and what is printed.

Whatever is taken can be read by every reader in any language: no NaN and no Infinity, which are no JSON; no half of a
surrogate pair, which is no character; no nesting and no numbers beyond what parsers take.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from interlock.errors import InterlockError

# Far more than a form or a feature table has, and far less than what overflows the stack of a parser: Python's gives up
# at some 900 levels, pydantic's writer at 255.
MAX_DEPTH = 64

# Python's parser takes no longer whole numbers, because reading them takes quadratic time.
MAX_DIGITS = 4_300

_SURROGATE = re.compile("[\ud800-\udfff]")

# Strings, which are passed over, and what Python reads although it is no JSON.
_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|-?Infinity', re.DOTALL)


class JsonError(InterlockError, ValueError):
    """Text that is no JSON, or JSON that is not taken; says what and where."""


class JsonSyntaxError(JsonError):
    """Text that is no JSON at all."""


def parse(text: str | bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON text that every reader takes; raises JsonError."""
    value = parse_unlimited(text)
    check(value, max_depth)
    return value


def parse_unlimited(text: str | bytes) -> Any:
    """The value of a JSON text whose parts are checked later; raises JsonError."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise JsonSyntaxError(f"not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise JsonSyntaxError(f"not JSON: not UTF-8 ({error.reason} at byte {error.start + 1})") from error
    except _ConstantError as error:
        found = _CONSTANT.finditer(text.decode(errors="replace") if isinstance(text, bytes) else text)
        place = next((match.start() + 1 for match in found if not match[0].startswith('"')), 1)
        raise JsonError(f"not JSON: {error} at character {place}; write null") from error
    except RecursionError as error:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise JsonError(f"has a number of more than {MAX_DIGITS:,} digits") from error


def canonical(text: str) -> str:
    """The one text of all those that say the same JSON value: without regard to space, to the order of an object's
    fields, and to how a number is written (1, 1.0 and 10e-1 are one number; true is none). Text that `parse` refuses
    stays as it is."""
    try:
        return json.dumps(_canonical(parse(text)), sort_keys=True, separators=(",", ":"))
    except JsonError:
        return text


def repeated_field(text: str) -> str | None:
    """The first field that an object of a JSON text has twice, of which readers take one or the other; None if none
    has. Raises JsonError."""
    repeated: list[str] = []

    def note(fields: list[tuple[str, Any]]) -> None:
        counts = Counter(name for name, _ in fields)
        repeated.extend(name for name, count in counts.items() if count > 1)

    parse(text)
    json.loads(text, object_pairs_hook=note)
    return repeated[0] if repeated else None


def check(value: Any, max_depth: int = MAX_DEPTH) -> None:
    """Raises JsonError for a parsed value that is nested too deep, or has numbers or text that no JSON can say."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict | list):
            if depth == max_depth:
                raise JsonError(f"nested deeper than {max_depth} levels")
            if isinstance(item, dict):
                waiting += [(key, depth + 1) for key in item]
            waiting += [(part, depth + 1) for part in (item.values() if isinstance(item, dict) else item)]
        elif isinstance(item, str):
            check_text(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise JsonError("has a number beyond what a double can hold")


def check_text(text: str) -> str:
    """The text; raises JsonError for half of a surrogate pair, which is left of a text that was cut in an emoji."""
    if not text.isascii() and (found := _SURROGATE.search(text)):
        raise JsonError(
            f"has half of a surrogate pair (U+{ord(found[0]):04X}) at character {found.start() + 1}: was the text cut "
            "in the middle of an emoji? Such text has no UTF-8"
        )
    return text


def as_json(value: Any) -> str:
    """A value of Python as JSON text that `parse` takes; raises JsonError for what cannot be said so.

    NaN and infinities, with which tables write a missing value, become null. Dates and times become ISO text, exact
    decimals their text.
    """
    plain = _plain(value, 0)
    try:
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise JsonError(f"has a number of more than {MAX_DIGITS:,} digits") from error


def dumps(value: Any, default: Callable[[Any], Any] = str) -> str:
    """JSON for output, from whatever is there: null for NaN and infinities, U+FFFD for half of a surrogate pair."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=default)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, default=default)
    return printable(text)


def printable(text: str) -> str:
    """The text as UTF-8 can hold it: U+FFFD for half of a surrogate pair."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


class _ConstantError(Exception):
    pass


def _refuse(constant: str) -> Any:
    raise _ConstantError(constant)


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return check_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, date | time):  # datetimes are dates
        return value.isoformat()
    if not isinstance(value, Mapping | list | tuple):
        raise JsonError(f"has a value of type {type(value).__name__}, which has no JSON form: {str(value)[:50]!r}")
    if depth == MAX_DEPTH:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
    if not isinstance(value, Mapping):
        return [_plain(item, depth + 1) for item in value]
    return {_key(key): _plain(item, depth + 1) for key, item in value.items()}


def _key(key: Any) -> str:
    if isinstance(key, str):
        return check_text(key)
    if isinstance(key, int):
        return str(key)
    raise JsonError(f"has the key {key!r}, which is no text")


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        # Every double beyond 2**53 is a whole number; as one of Python it has all its digits.
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
