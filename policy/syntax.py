"""Problems of form: what pydantic finds wrong with a field, in the words of the person who wrote it."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from interlock.policy.errors import Diagnostic
from interlock.policy.model import Policy, time_zones
from interlock.policy.source_map import Document, Path

# Message and suggestion by the type of pydantic's error.
_WORDS = {
    "missing": ("is required", ""),
    "invalid_key": ("is no text", "write it in quotes"),
    "string_type": ("is no text", "write it in quotes"),
    "string_pattern_mismatch": ("is no valid name", "letters, digits and _ . : @ / -, no space, no sign in front"),
    "tuple_type": ("must be a list", "write [a, b] or one line with a dash for each item"),
    "dict_type": ("must be a mapping of fields", ""),
    "model_type": ("must be a mapping of fields", ""),
    "too_short": ("must not be empty", ""),
    "float_type": ("must be a number", ""),
    "int_type": ("must be a whole number", ""),
    "bool_type": ("must be true or false", ""),
}


def problems_of_form(document: Document, error: ValidationError) -> Iterator[Diagnostic]:
    """Every field that has not the form it must have."""
    found = error.errors()
    for one in found:
        here = one["loc"]
        # A list whose items are all wrong is not empty as well.
        inside = any(len(other["loc"]) > len(here) and other["loc"][: len(here)] == here for other in found)
        if not (one["type"] == "too_short" and inside):
            yield _problem(document, tuple(part for part in here if part != "[key]"), one)


def near(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A suggestion: the known word that resembles `word`, else `otherwise`, by default all of them."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]}?" if close else otherwise or f"known: {', '.join(names)}"


def shown(value: Any) -> str:
    """A value as a problem names it, short enough for one line."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    text = repr(value) if isinstance(value, str | int | float | None) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _problem(document: Document, place: Path, error: Any) -> Diagnostic:
    kind = error["type"]
    if kind == "extra_forbidden":
        return document.problem(place, "unknown field", near(str(place[-1]), _fields_at(place[:-1])))
    if kind in ("enum", "literal_error"):
        return document.problem(place, f"{shown(error['input'])} is not allowed", f"write {error['ctx']['expected']}")
    if kind == "time_zone":
        suggestion = near(str(error["input"]), sorted(time_zones()), "an IANA name such as Europe/Berlin")
        return document.problem(place, f"unknown time zone {shown(error['input'])}", suggestion)
    if kind in _WORDS:
        message, suggestion = _WORDS[kind]
        if message.startswith("is no "):
            message = f"{shown(error['input'])} {message}"
        return document.problem(place, message, suggestion)
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return document.problem(place, message[0].lower() + message[1:])


def _fields_at(place: Path) -> list[str]:
    """The fields of the model that stands at a place of the policy."""
    model: Any = Policy
    for part in place:
        annotation = model.model_fields[part].annotation if _is_model(model) and part in model.model_fields else model
        model = _inner_model(annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner_model(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
