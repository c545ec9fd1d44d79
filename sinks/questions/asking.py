"""Asks a named question: checks and binds its parameters, and says what exactly was run."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import KeyStore, subject
from interlock.errors import InterlockError, UsageError
from interlock.schemas import sealed_text
from interlock.sinks.opening import opened
from interlock.sinks.questions import decisions, operations, quality, queues, slices, stories, team
from interlock.sinks.questions.model import MAX_TEXT, NO_KEY, TIMELINE, Parameter, Question, Value
from interlock.sinks.timeline_words import with_words

_GROUPS = (queues, team, quality, slices, decisions, stories, operations)

QUESTIONS: Mapping[str, Question] = {question.name: question for group in _GROUPS for question in group.QUESTIONS}

_PLACEHOLDER = re.compile(r"\{([a-z_]+):(String|UInt32|Float64)\}")

# Half of a surrogate pair is no character, and NUL ends the text in parts of ClickHouse.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class UnknownQuestionError(InterlockError):
    """There is no question of that name."""


class BadParameterError(UsageError):
    """A parameter is missing, unknown, or no value of its kind."""


@dataclass(frozen=True)
class Answer:
    """`sql` is what ClickHouse ran, with a place such as {domain:String} for each of the `parameters`."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    sql: str
    parameters: Mapping[str, Value]

    @property
    def sql_with_values(self) -> str:
        """The same query with the values written into it, to be run anywhere."""
        return _PLACEHOLDER.sub(lambda place: literal(self.parameters[place[1]]), self.sql)

    def named_rows(self) -> list[dict[str, Any]]:
        """Every row by the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def find(name: str) -> Question:
    """Raises UnknownQuestionError."""
    question = QUESTIONS.get(name)
    if question is None:
        raise UnknownQuestionError(f"there is no question {name!r}; the questions are {', '.join(QUESTIONS)}")
    return question


def ask(client: Client, name: str, keys: KeyStore | None = None, /, **parameters: Value) -> Answer:
    """The answer to a question. `client`: of the read-only analyst. `keys`: open what is sealed; without them,
    and where a key was erased, it is empty.

    Raises UnknownQuestionError, BadParameterError, and ClickHouseError.
    """
    question = find(name)
    bound = bind(question, parameters)
    if bound.get("subject_key") == NO_KEY and bound["subject_id"]:
        bound["subject_key"] = _key_id(str(bound["subject_id"]), keys) or NO_KEY
    found = client.query(question.sql, parameters=bound)
    if question.seals:
        rows = list(found.named_results())
        if question.seals == TIMELINE:
            read = with_words(client, keys, str(bound["decision_id"]), rows)
        else:
            read = opened(keys, question.seals, rows).rows
        listed = [tuple(row[column] for column in question.columns) for row in read]
        return Answer(question.columns, listed, question.sql, bound)
    # The client knows no columns of an answer without rows.
    columns = tuple(found.column_names) or question.columns
    return Answer(columns, found.result_rows, question.sql, bound)


def _key_id(subject_id: str, keys: KeyStore | None) -> str | None:
    """Of the key of a subject, who may be named as its producer encrypted it."""
    encrypted = sealed_text.parts(subject_id)
    if encrypted is not None:
        return encrypted[0]
    return None if keys is None else keys.key_id_of(subject(subject_id))


def bind(question: Question, given: Mapping[str, Value]) -> dict[str, Value]:
    """A value for every parameter, the default where none is given. Raises BadParameterError."""
    known = {parameter.name: parameter for parameter in question.parameters}
    for name in given:
        if name not in known:
            takes = ", ".join(known) or "none"
            raise BadParameterError(f"question {question.name} has no parameter {name!r}; it takes {takes}")
    return {name: _value(question, parameter, given.get(name, parameter.default)) for name, parameter in known.items()}


def read(question: Question, texts: Mapping[str, str]) -> dict[str, Value]:
    """The values that texts stand for, as a form or an address has them. Raises BadParameterError."""
    kinds = {parameter.name: parameter.kind for parameter in question.parameters}
    values: dict[str, Value] = {}
    for name, text in texts.items():
        try:
            match kinds.get(name):
                case "UInt32":
                    values[name] = int(text)
                case "Float64":
                    values[name] = float(text)
                case _:
                    values[name] = text
        except ValueError as error:
            raise BadParameterError(f"{name} of question {question.name} is a number, not {text[:100]!r}") from error
    return values


def literal(value: Value) -> str:
    """The value as ClickHouse's SQL writes it."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        return f"'{escaped}'"
    return repr(value)


def _value(question: Question, parameter: Parameter, value: Value | None) -> Value:
    where = f"{parameter.name} of question {question.name}"
    if value is None:
        raise BadParameterError(f"{where} is missing: {parameter.meaning}")
    if parameter.kind == "String":
        if not isinstance(value, str) or len(value) > MAX_TEXT or _NO_TEXT.search(value):
            raise BadParameterError(f"{where} must be a text of at most {MAX_TEXT} characters, without NUL")
        return value
    whole = parameter.kind == "UInt32"
    if isinstance(value, bool | str) or (whole and not isinstance(value, int)) or not math.isfinite(value):
        raise BadParameterError(f"{where} must be a {'whole ' if whole else ''}number, not {value!r}")
    if not 0 <= value <= parameter.maximum:
        raise BadParameterError(f"{where} must be from 0 to {parameter.maximum:g}, not {value}")
    return value if whole else float(value)
