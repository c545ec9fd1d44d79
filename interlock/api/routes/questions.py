"""The numbers of the console, each with the SQL that gives it and the rows behind it."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response, Security

from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import Backend, backend_of
from interlock.api.blindness import TOLD_AFTER_VERDICT, check_not_blind, tells_after_verdict
from interlock.api.problems import Problem, not_found
from interlock.sinks import questions
from interlock.sinks.questions import Answer, BadParameterError, Question, UnknownQuestionError, Value

router = APIRouter(prefix="/v1", tags=["questions"])

Reader = Annotated[Principal, Security(authenticated, scopes=["metrics:read"])]

# They compare people: for who balances and coaches, not for the colleagues of those compared.
_ABOUT_THE_TEAM = frozenset({"team", "reviewer_agreement"})


@router.get("/questions", summary="Every question that can be asked, with its population and parameters")
def list_questions(person: Reader) -> Response:  # noqa: ARG001 - who may
    return answer([describe(question) for question in questions.QUESTIONS.values()])


@router.get("/questions/{name}", summary="The answer to a question, with the SQL that gives it")
def question(request: Request, person: Reader, name: Annotated[str, Path(max_length=100)]) -> Response:
    """Parameters stand in the query string under their names, each once; `GET /v1/questions` lists them.

    `rows_of` names the question that lists the rows behind: it is asked with the values of this one's parameters, and
    of the columns of the same names. Who reviews may ask about nobody else's work, and not for the story of a decision
    that is under a blind review or that nobody has decided.
    """
    given: dict[str, str] = {}
    for key, text in request.query_params.multi_items():
        if key in given:
            raise Problem(422, "invalid", f"{key} is given twice")
        given[key] = text
    return answer(answer_facts(name, ask_for(backend_of(request), person, name, given)))


def ask_for(backend: Backend, person: Principal, name: str, texts: dict[str, str]) -> Answer:
    """The answer that this person may have. Raises Problem, and what ClickHouse raises."""
    try:
        asked = questions.find(name)
        values = questions.read(asked, texts)
        _check_may_ask(backend, person, asked, values)
        with backend.clickhouse() as client:
            return questions.ask(client, name, backend.platform.keys_to_read, **values)
    except UnknownQuestionError as error:
        raise not_found("question", name) from error
    except BadParameterError as error:
        raise Problem(422, "invalid", str(error)) from error


def describe(question: Question) -> dict[str, Any]:
    """What can be asked, for JSON."""
    return {
        "name": question.name,
        "title": question.title,
        "population": question.population,
        "columns": question.columns,
        "parameters": [asdict(parameter) for parameter in question.parameters],
        "rows_of": question.rows_of,
    }


def answer_facts(name: str, found: Answer) -> dict[str, Any]:
    """For JSON. `sql` is what ran, `sql_with_values` the same with the parameters written into it."""
    asked = questions.find(name)
    return {
        "name": asked.name,
        "title": asked.title,
        "population": asked.population,
        "sql": found.sql,
        "sql_with_values": found.sql_with_values,
        "parameters": found.parameters,
        "columns": found.columns,
        "rows": found.rows,
        "rows_of": asked.rows_of,
    }


def _check_may_ask(backend: Backend, person: Principal, asked: Question, values: dict[str, Value]) -> None:
    if "decision_id" in values:
        decision_id = str(values["decision_id"])
        check_not_blind(backend.board, person, decision_id)
        if tells_after_verdict(backend.board, person, decision_id):
            raise Problem(403, "undecided", f"nobody has decided {decision_id}: {TOLD_AFTER_VERDICT}")
    only_reviews = "tasks:write" in person.scopes and "reviewers:read" not in person.scopes
    of_others = asked.name in _ABOUT_THE_TEAM or values.get("reviewer", person.person) != person.person
    if only_reviews and of_others:
        raise Problem(403, "not-lead", f"{person.person} may ask about no work but their own: ask a lead")
