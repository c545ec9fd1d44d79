"""The numbers of the console, each with the SQL that gives it and the rows behind it."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response, Security

from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import Backend, backend_of
from interlock.api.blindness import TOLD_AFTER_VERDICT, check_not_blind, tells_after_verdict
from interlock.api.problems import Problem, not_found
from interlock.operations.reliance import reliance_report
from interlock.schemas.models import MAX_ID_BYTES
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


@router.get("/reliance", summary="How people rely on the AI's answer, from the reliance experiment")
def reliance(
    request: Request,
    person: Reader,
    days: Annotated[int, Query(ge=1, le=3660, description="So many days back from now.")] = 90,
    reviewer: Annotated[str, Query(max_length=MAX_ID_BYTES, description="Only of this person.")] = "",
) -> Response:
    """For leads: `reliance` for each person and domain that took part, `overrides` for each that saw answers. It tells
    how many planted answers somebody has met, which whoever reviews must not know."""
    if _only_reviews(person):
        raise Problem(403, "not-lead", f"{person.person} may not read who has met which planted answers: ask a lead")
    with backend_of(request).clickhouse() as client:
        return answer(reliance_report(client, days, reviewer))


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
    of_others = asked.name in _ABOUT_THE_TEAM or values.get("reviewer", person.person) != person.person
    if _only_reviews(person) and of_others:
        raise Problem(403, "not-lead", f"{person.person} may ask about no work but their own: ask a lead")


def _only_reviews(person: Principal) -> bool:
    """Whether the person reviews, and leads nobody."""
    return "tasks:write" in person.scopes and "reviewers:read" not in person.scopes
