"""Questions to ClickHouse from pages: an answer, or why there is none, so that a page shows what it can."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.api.backend import Backend
from interlock.console.text import instant
from interlock.errors import InterlockError
from interlock.sinks.questions import QUESTIONS, Value, ask

# What a page goes on without: ClickHouse is away, refuses, or was asked for something that it cannot know.
FAILURES = (ClickHouseError, InterlockError, OSError)

# A question takes ClickHouse some tens of milliseconds: so many at a time keep a page of ten of them quick.
_AT_ONCE = 4


@dataclass(frozen=True)
class Asked:
    """`rows` by column name; `problem`: why ClickHouse gave none. `sql`, `rows_address`: pages behind the numbers."""

    name: str
    rows: list[dict[str, Any]]
    problem: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @property
    def row(self) -> dict[str, Any]:
        """The only row; empty where there is none."""
        return self.rows[0] if self.rows else {}

    @property
    def sql(self) -> str:
        """Where the query stands that gave these rows."""
        return f"{address(self.name, self.parameters)}#sql"

    @property
    def rows_address(self) -> str:
        """Where the rows behind all of these numbers are listed."""
        return self.rows_of({})

    def rows_of(self, row: Mapping[str, Any]) -> str:
        """Where the rows behind one of these rows are listed."""
        return rows_behind(self.name, self.parameters, row)


def asked(backend: Backend, name: str, **parameters: Value) -> Asked:
    """The answer to a question of `interlock/sinks/questions`."""
    try:
        with backend.clickhouse() as client:
            rows = ask(client, name, backend.platform.keys_to_read, **parameters).named_rows()
    except FAILURES as error:
        return Asked(name, [], reason_of(error), parameters)
    return Asked(name, rows, "", parameters)


def asked_together(backend: Backend, questions: Mapping[str, tuple[str, Mapping[str, Value]]]) -> dict[str, Asked]:
    """The answers to several questions, by the page's own keys; each is a name and its parameters."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = {
            key: pool.submit(asked, backend, name, **parameters) for key, (name, parameters) in questions.items()
        }
        return {key: answer.result() for key, answer in answers.items()}


def reason_of(error: Exception) -> str:
    """The first line of what an error says: what follows is a stack trace of ClickHouse."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def address(name: str, parameters: Mapping[str, Any]) -> str:
    """The page of an answer. What is empty stands for all, and is left out."""
    given = {key: _text(value) for key, value in parameters.items() if value is not None and value != ""}
    return f"/answers/{name}" + (f"?{urlencode(given, errors='replace')}" if given else "")


def rows_behind(name: str, parameters: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """The page with the rows behind one row of an answer; the answer itself where there is none, or more is needed."""
    question = QUESTIONS[name]
    if question.rows_of is None:
        return address(name, parameters)
    known = {**parameters, **row}
    wanted = QUESTIONS[question.rows_of].parameters
    if any(parameter.default is None and known.get(parameter.name) is None for parameter in wanted):
        return address(name, parameters)
    return address(question.rows_of, {parameter.name: known.get(parameter.name) for parameter in wanted})


def _text(value: Any) -> str:
    match value:
        case datetime():
            return f"{instant(value):%Y-%m-%dT%H:%M:%SZ}"
        case date():
            return value.isoformat()
        case bool():
            return str(int(value))
        case _:
            return str(value)
