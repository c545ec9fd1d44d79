"""Rows of a file as decisions, or as errors that name line and field."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlock.errors import UsageError
from interlock.policy.syntax import shown
from interlock.produce import values
from interlock.produce.columns import check_columns, unknown_field
from interlock.produce.formats import open_rows
from interlock.produce.mapping import ColumnMapping
from interlock.produce.opening import content_hash, last_written
from interlock.produce.repeated_ids import RepeatedIds
from interlock.produce.rows import Problem, Row, Rows
from interlock.produce.values import CellError
from interlock.schemas import json_text
from interlock.schemas.models import Decision

_TEXTS = frozenset(
    ("decision_id", "domain", "model_id", "model_version", "prediction", "impact", "jurisdiction", "subject_id")
)


# What pydantic says of it does not tell what to write.
_IN_OTHER_WORDS = {
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "extra_forbidden": "is no field of it",
}

# Where something is in a text: what lines with the same problem do not share.
_PLACE_IN_TEXT = re.compile(r"(?: \(U\+[0-9A-F]{4}\))? at character \d+")

# What the model itself makes text of.
_SCALARS = frozenset((str, int, float, bool))


@dataclass(frozen=True)
class LineError:
    """A line that is no decision: where, and everything that is wrong. `raw`: the line, for a `RowWriter`."""

    file: str
    line: int
    problems: tuple[Problem, ...]
    raw: Any = None

    def __str__(self) -> str:
        return "\n".join(f"{self.file}:{self.line}: {problem}" for problem in self.problems)


def read(path: Path, mapping: ColumnMapping, now: Callable[[], datetime]) -> Iterator[Decision | LineError]:
    """Every line or row of a file, in order; raises InterlockError if it cannot be read, or its columns do not fit."""
    with open_rows(path, mapping.layout) as rows:
        yield from decisions(rows, path, mapping, now)


def decisions(
    rows: Rows, path: Path, mapping: ColumnMapping, now: Callable[[], datetime]
) -> Iterator[Decision | LineError]:
    """The rows of an open file. Raises InterlockError at once if its columns do not fit."""
    if rows.columns is not None:
        check_columns(rows.columns, mapping, rows.name)
    return _decisions(rows, _Conversion(path, mapping, now, whole_table=rows.columns is not None))


def _decisions(rows: Rows, conversion: "_Conversion") -> Iterator[Decision | LineError]:
    with RepeatedIds() as ids:
        for row in rows:
            found = conversion.decision(row)
            if isinstance(found, Decision):
                first = ids.first_line(found.decision_id, row.line)
                if first is None:
                    yield found
                    continue
                found = (Problem("decision_id", "stands in an earlier line too", f": line {first:,}"),)
            yield LineError(rows.name, row.line, found, row.raw)


class _Conversion:
    """Rows to decisions, as a mapping says. `whole_table`: the columns have been checked, none is unknown."""

    def __init__(self, path: Path, mapping: ColumnMapping, now: Callable[[], datetime], *, whole_table: bool) -> None:
        self._mapping = mapping
        self._now = now
        self._written = last_written(path, now())
        self._own = frozenset(mapping.own_fields())
        self._own_texts = self._own & _TEXTS
        self._mapped = tuple(mapping.fields.items())
        self._decimal = mapping.layout.decimal
        self._zone = mapping.layout.zone
        self._check_unknown = not whole_table and not mapping.ignore_unknown
        self._known = {*Decision.model_fields, *mapping.named_columns(), *mapping.ignore}
        self._ids = None if mapping.id_prefix is None else f"{mapping.id_prefix}{content_hash(path)}-"
        self._converters: dict[str, Callable[[Any], Any]] = {
            **dict.fromkeys(_TEXTS, values.text),
            **dict.fromkeys(("confidence", "amount"), self._number),
            **dict.fromkeys(("alternatives", "explanation", "vector"), values.structure),
            "created_at": self._created_at,
            "input": values.plain,
            "attributes": self._attribute_map,
            "history": self._history,
        }
        self._constants = self._converted_constants()

    def decision(self, row: Row) -> "Decision | tuple[Problem, ...]":
        """The decision in a row, or everything that is wrong with it."""
        if isinstance(row.content, Problem):
            return (row.content,)
        content, problems = self._content(row.content, row.line)
        try:
            decision = Decision.model_validate(content)
        except ValidationError as error:
            # A field of which something is said already is not missing as well.
            told = {problem.field for problem in problems}
            found = map(self._problem, error.errors(include_url=False, include_context=False))
            return (*problems, *(problem for problem in found if problem.field not in told))
        return tuple(problems) if problems else decision

    def _content(self, row: dict[str, Any], line: int) -> tuple[dict[str, Any], list[Problem]]:
        problems: list[Problem] = []
        content = dict(self._constants)
        for name, value in row.items():
            if type(value) is str and name in self._own_texts:  # as most are
                content[name] = value
            elif value is not None and name in self._own:
                self._convert(name, value, content, problems)
        for name, column in self._mapped:
            if (value := row.get(column)) is not None:
                self._convert(name, value, content, problems)
        if self._check_unknown and not row.keys() <= self._known:
            problems += [Problem(name, unknown_field(name)) for name in row if name not in self._known]
        if self._ids is not None:
            if "decision_id" in content:
                problems.append(Problem("decision_id", "stands in the line, and --id-prefix makes others"))
            content["decision_id"] = f"{self._ids}{line}"
        if "created_at" not in content:
            content["created_at"] = self._written or self._now()
        if self._mapping.attributes:
            content["attributes"] = self._attributes(row, content.get("attributes"), problems)
        if self._mapping.input:
            content["input"] = self._input(row, content.get("input"), problems)
        return content, problems

    def _convert(self, name: str, value: Any, content: dict[str, Any], problems: list[Problem]) -> None:
        convert = self._converters.get(name)
        try:
            content[name] = value if convert is None else convert(value)
        except CellError as error:
            problems.append(Problem(self._label(name), error.kind, _found(error.value)))

    def _converted_constants(self) -> dict[str, Any]:
        """Raises UsageError."""
        content = {}
        for name, value in self._mapping.constants.items():
            convert = self._converters.get(name)
            try:
                content[name] = value if convert is None else convert(value)
            except CellError as error:
                raise UsageError(f"--set {name}: {error.kind}{_found(error.value)}") from error
        return content

    def _created_at(self, value: Any) -> datetime:
        return values.plausible(value, self._time(value))

    def _time(self, value: Any) -> datetime:
        return values.time(value, self._zone, self._now())

    def _number(self, value: Any) -> Any:
        return values.number(value, self._decimal)

    def _attribute_map(self, value: Any) -> Any:
        value = values.structure(value)
        if not isinstance(value, dict) or (self._decimal == "." and _SCALARS.issuperset(map(type, value.values()))):
            return value
        return {key: values.attribute(item, self._decimal) for key, item in value.items() if item is not None}

    def _history(self, value: Any) -> Any:
        value = values.structure(value)
        if not isinstance(value, dict) or not isinstance(value.get("previous_decisions"), list):
            return value
        return {**value, "previous_decisions": [self._previous(item) for item in value["previous_decisions"]]}

    def _previous(self, value: Any) -> Any:
        if not isinstance(value, dict) or "decided_at" not in value:
            return value
        return {**value, "decided_at": self._time(value["decided_at"])}

    def _attributes(self, row: dict[str, Any], own: Any, problems: list[Problem]) -> Any:
        found: dict[str, Any] = {}
        for name, column in self._mapping.attributes.items():
            if (value := row.get(column)) is not None:
                try:
                    found[name] = values.attribute(value, self._decimal)
                except CellError as error:
                    problems.append(Problem(f"attributes.{name}", error.kind, _found(error.value)))
        return {**own, **found} if isinstance(own, dict) else found

    def _input(self, row: dict[str, Any], own: Any, problems: list[Problem]) -> Any:
        found = {}
        for column in self._mapping.input:
            try:
                found[column] = values.plain(row.get(column))
            except CellError as error:
                problems.append(Problem(f"input.{column}", error.kind, _found(error.value)))
        if not own:
            return found
        try:
            whole = values.structure(own)
        except CellError as error:
            problems.append(Problem("input", error.kind))
            return found
        return {**whole, **found} if isinstance(whole, dict) else own

    def _label(self, name: str) -> str:
        column = self._mapping.fields.get(name)
        return name if column is None or column == name else f"{name} (column {column!r})"

    def _problem(self, error: Any) -> Problem:
        """One of pydantic's, in the words of a file."""
        name, *parts = error["loc"]
        place = ".".join([self._label(str(name)), *map(str, parts)])
        if error["type"] == "missing":
            return Problem(place, "is missing")
        kind = _IN_OTHER_WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
        where = _PLACE_IN_TEXT.search(kind)
        if where is None:
            return Problem(place, kind, _found(error["input"]))
        return Problem(place, _PLACE_IN_TEXT.sub("", kind, count=1), f" ({re.sub('[()]', '', where[0]).strip()})")


def _found(value: Any) -> str:
    """What stands there, where that is short enough to be of use."""
    if isinstance(value, dict | list | tuple | json_text.JsonError):
        return ""
    return f" (found {shown(value)})"
