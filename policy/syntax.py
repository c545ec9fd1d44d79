"""Syntax problems: what pydantic finds wrong with a field, in terms of the file and not of Python."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from interlock.policy.errors import Diagnostic
from interlock.policy.model import Policy
from interlock.policy.source_map import Document, FieldPath
from interlock.policy.working_hours import time_zones

# Message and suggestion by the type of pydantic's error.
_MESSAGES = {
    "missing": ("is required", ""),
    "invalid_key": ("is not text", "write it in quotes"),
    "string_type": ("is not text", "write it in quotes"),
    "string_pattern_mismatch": ("is not a valid name", "letters, digits and _ . : @ / -, no space, no sign in front"),
    "tuple_type": ("must be a list", "write [a, b] or one line with a dash for each item"),
    "dict_type": ("must be a mapping of fields", ""),
    "model_type": ("must be a mapping of fields", ""),
    "too_short": ("must not be empty", ""),
    "float_type": ("must be a number", ""),
    "int_type": ("must be a whole number", ""),
    "bool_type": ("must be true or false", ""),
}

# What pydantic adds to the path of a field: that its key is wrong, and which form of it was taken.
_NO_PARTS = ("[key]", "[names]", "[ranges]")

_PERCENTAGE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")


def syntax_problems(document: Document, validation: ValidationError) -> Iterator[Diagnostic]:
    """Every field that has not the form it must have."""
    errors = validation.errors()
    for error in errors:
        path = error["loc"]
        # A list whose items are all wrong counts as empty too, which would say nothing new.
        has_inner = any(len(other["loc"]) > len(path) and other["loc"][: len(path)] == path for other in errors)
        if not (error["type"] == "too_short" and has_inner):
            yield _problem(document, tuple(part for part in path if part not in _NO_PARTS), error)


def near(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A suggestion: the known name that resembles `name`, else `otherwise`, by default all known names."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else otherwise or f"known: {', '.join(names)}"


def shown(value: Any) -> str:
    """A value as a problem shows it, short enough for one line."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    text = repr(value) if isinstance(value, str | int | float | None) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _problem(document: Document, path: FieldPath, error: Any) -> Diagnostic:
    kind = error["type"]
    if kind == "extra_forbidden":
        return document.problem(path, "unknown field", near(str(path[-1]), _fields_at(path[:-1])))
    if kind in ("enum", "literal_error"):
        return document.problem(path, f"{shown(error['input'])} is not allowed", f"write {error['ctx']['expected']}")
    if kind == "time_zone":
        suggestion = near(str(error["input"]), sorted(time_zones()), "an IANA name such as Europe/Berlin")
        return document.problem(path, f"unknown time zone {shown(error['input'])}", suggestion)
    if kind in _MESSAGES:
        message, suggestion = _MESSAGES[kind]
        if message.startswith("is not "):
            message = f"{shown(error['input'])} {message}"
        return document.problem(path, message, suggestion or _share_hint(error))
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return document.problem(path, message[0].lower() + message[1:], _share_hint(error))


def _share_hint(error: Any) -> str:
    """The share from 0 to 1 that is meant where a percentage was written; else empty."""
    written = error["input"]
    if error["type"] == "less_than_equal" and error["ctx"]["le"] == 1:
        percent = float(written)
    elif error["type"] == "float_type" and isinstance(written, str) and (match := _PERCENTAGE.fullmatch(written)):
        percent = float(match[1])
    else:
        return ""
    # 1.5 is more likely a slip than one and a half per cent.
    return f"did you mean {percent / 100:g}?" if 2 <= percent <= 100 else ""


def _fields_at(path: FieldPath) -> list[str]:
    """The fields of the model at `path` of the policy."""
    model: Any = Policy
    for part in path:
        annotation = model.model_fields[part].annotation if _is_model(model) and part in model.model_fields else model
        model = _inner_model(annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner_model(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        model = _inner_model(argument)
        if model is not None:
            return model
    return None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
