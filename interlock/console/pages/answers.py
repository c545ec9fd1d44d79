"""What stands behind a number: the rows, of whom they speak, and the SQL that gave them."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from interlock.api.access.principal import Principal
from interlock.api.backend import Backend, backend_of
from interlock.api.problems import Problem
from interlock.api.routes.questions import ask_for
from interlock.console.asking import FAILURES, reason_of, rows_behind
from interlock.console.cells import cell, is_number
from interlock.console.pages.showing import Numbers, show
from interlock.console.rendering import zone_name_of
from interlock.sinks import questions
from interlock.sinks.questions import (
    Answer,
    BadParameterError,
    Question,
    UnknownQuestionError,
    decisions,
    operations,
    quality,
    queues,
    slices,
    stories,
    team,
)
from interlock.sinks.questions.asking import bind

router = APIRouter()

_GROUPS = (
    ("Queues and service levels", queues.QUESTIONS),
    ("Decisions", (*decisions.QUESTIONS, *stories.QUESTIONS)),
    ("Models", (*quality.QUESTIONS, *slices.QUESTIONS)),
    ("People", team.QUESTIONS),
    ("Operation", operations.QUESTIONS),
)


@router.get("/answers")
def answers(request: Request, person: Numbers) -> Response:  # noqa: ARG001 - who may
    """Every question that can be asked."""
    return show(request, "answers.html", groups=_GROUPS)


@router.get("/answers/{name}")
def answer(request: Request, person: Numbers, name: Annotated[str, Path(max_length=100)]) -> Response:
    """Parameters stand in the address under their names; an empty one stands for its default."""
    try:
        question = questions.find(name)
    except UnknownQuestionError as error:
        raise Problem(404, "unknown-question", str(error)) from error
    texts = {key: text for key, text in request.query_params.items() if text != ""}
    missing = [one for one in question.parameters if one.default is None and one.name not in texts]
    found, problem, status = None, "", 200
    if not missing:
        found, problem, status = _found(backend_of(request), person, question, texts)
    return show(
        request,
        "answer.html",
        status=status,
        question=question,
        missing=missing,
        problem=problem,
        given={one.name: texts.get(one.name, one.default) for one in question.parameters},
        found=found,
        table=None if problem or found is None else _table(question, found, person, zone_name_of(request)),
        json_address=f"/v1/questions/{name}" + (f"?{urlencode(texts, errors='replace')}" if texts else ""),
    )


def _found(
    backend: Backend, person: Principal, question: Question, texts: dict[str, str]
) -> tuple[Answer | None, str, int]:
    """The answer, or why there is none, with the status of the page. Raises Problem where the person may not ask."""
    try:
        return ask_for(backend, person, question.name, texts), "", 200
    except Problem as problem:
        if problem.status != 422:
            raise
        return None, problem.detail, 422
    except FAILURES as error:
        # The query can be read, and run elsewhere, while ClickHouse is away.
        return _without_rows(question, texts), f"ClickHouse does not answer: {reason_of(error)}", 200


def _without_rows(question: Question, texts: Mapping[str, str]) -> Answer | None:
    try:
        return Answer(question.columns, (), question.sql, bind(question, questions.read(question, texts)))
    except BadParameterError:
        return None


def _table(question: Question, found: Answer, person: Principal, zone: str) -> dict[str, Any]:
    """Columns and rows of the macro `table`; the first column links to the rows behind a row, where there are any."""
    rows = found.named_rows()
    numbers = {name for row in rows for name, value in row.items() if is_number(value)}
    columns = [{"key": name, "label": name.replace("_", " "), "number": name in numbers} for name in found.columns]
    shown: list[dict[str, Any]] = [
        {name: cell(name, value, scopes=person.scopes, zone=zone) for name, value in row.items()} for row in rows
    ]
    limit = found.parameters.get("limit")
    return {
        "columns": columns,
        "rows": shown,
        "behind": [rows_behind(question.name, found.parameters, row) for row in rows] if question.rows_of else [],
        "cut": limit is not None and len(rows) == limit,
    }
