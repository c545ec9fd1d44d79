"""Every named question: it gives what it says, changes nothing, and links to the rows behind its numbers."""

from collections.abc import Mapping
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from statsmodels.stats.proportion import proportion_confint

from interlock.schemas import catalogue
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse
from interlock.sinks.questions import QUESTIONS, Answer, BadParameterError, UnknownQuestionError, Value, ask, find, read
from interlock.sinks.questions.asking import bind
from tests.sinks import learning_records, review_records
from tests.sinks.review_records import HOUR, START, outcome, task
from tests.sinks.sink_world import World, decision

pytestmark = pytest.mark.warehouse

# The world's clock stands at the beginning of 2026; reach back to it.
LONG_AGO: Mapping[str, Value] = {"days": 3660, "hours": 3660 * 24, "limit": 1000}
ODD = "'; DROP TABLE outcomes; -- \\' \" {domain:String} \n ${x} %s"


@pytest.fixture
def analyst(own: Client, warehouse: EmbeddedClickHouse) -> Client:
    """Of the database that is emptied after every test."""
    return warehouse.client("analyst", database=str(own.database))


@pytest.fixture
def world(own: Client, run_id: str) -> World:
    """Something in every table that is asked: twelve decisions, eight of them judged, and two that are open."""
    world = World(run_id, own, partitions=1)
    world.pipeline(12)
    for decision_id, changes in ((f"{run_id}-open", {"blind": True}), (f"{run_id}-held", {"state": "leased"})):
        world.route(decision(decision_id, run_id), "sync")
        world.tell(catalogue.TASKS.name, decision_id, task(decision_id, domain=run_id, **changes))
    world.tell(catalogue.OUTCOMES.name, "gold", outcome("g-1", domain=run_id, kind="gold", resolves=False))
    for topic, record in (
        (catalogue.RESOLUTIONS, review_records.resolution(f"{run_id}-1", domain=run_id)),
        (catalogue.RESOLUTIONS, review_records.resolution(f"{run_id}-open", source="policy", domain=run_id)),
        (catalogue.ACTIONS, review_records.action(f"{run_id}-1", domain=run_id)),
        (catalogue.ACTIONS, review_records.action(f"{run_id}-open", domain=run_id)),
        (catalogue.ACTION_SEQUENCES, review_records.action_sequence(f"{run_id}-1")),
        (catalogue.ALERTS, review_records.alert("a-1")),
        (catalogue.REVIEWERS, review_records.reviewer("ann")),
        (catalogue.PRESENCE, review_records.presence("ann")),
        (catalogue.CALIBRATION_REPORTS, learning_records.report()),
        (catalogue.DRIFT_SIGNALS, learning_records.signal("s-1", domain=run_id)),
    ):
        world.tell(topic.name, "ann", record)
    arrive(world)
    return world


def arrive(world: World) -> None:
    """Everything is in ClickHouse."""
    writer = world.writer()
    world.settle(writer)
    writer.close()


def given(name: str, **values: Value) -> dict[str, Value]:
    """Something for every parameter that must be given, and as far back as there is."""
    question = find(name)
    needed: dict[str, Value] = {
        parameter.name: "x" if parameter.kind == "String" else 0.5
        for parameter in question.parameters
        if parameter.default is None
    }
    taken = {parameter.name for parameter in question.parameters}
    return needed | {key: value for key, value in {**LONG_AGO, **values}.items() if key in taken}


def asked(client: Client, name: str, **values: Value) -> Answer:
    return ask(client, name, **given(name, **values))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_about_nothing_is_answered_with_its_columns(analyst: Client, name: str) -> None:
    answer = asked(analyst, name)
    assert answer.columns == QUESTIONS[name].columns
    assert len(answer.rows) <= 1  # what counts everything counts nothing


def test_every_question_is_answered_with_the_columns_it_names(world: World, analyst: Client) -> None:
    known: dict[str, Value] = {
        "reviewer": "ann",
        "decision_id": f"{world.name}-1",
        "subject_id": "s-1",
        "domain": world.name,
        "model_id": "scorer",
        "prediction": "approve",
        "low": 0.8,
        "high": 0.9,
        "slice": "queue",
        "value": "underwriting",
    }
    for name, question in QUESTIONS.items():
        needed = {parameter.name for parameter in question.parameters if parameter.default is None}
        answer = asked(analyst, name, **{key: value for key, value in known.items() if key in needed})
        assert answer.columns == question.columns, name
        assert answer.rows or name in ("reviewer_agreement", "errors_found_by_two", "objections"), name
        # What is shown to be pasted gives the same: but for what depends on the moment.
        assert len(analyst.query(answer.sql_with_values).result_rows) == len(answer.rows), name


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_filled_in_is_bound_and_never_read_as_sql(analyst: Client, name: str) -> None:
    texts = {parameter.name: ODD for parameter in QUESTIONS[name].parameters if parameter.kind == "String"}
    answer = asked(analyst, name, **texts)
    assert ODD not in answer.sql
    assert len(answer.rows) <= 1
    assert len(analyst.query(answer.sql_with_values).result_rows) == len(answer.rows)


def test_an_odd_name_finds_what_bears_it(own: Client, analyst: Client) -> None:
    world = World("odd", own, partitions=1)
    world.tell(catalogue.OUTCOMES.name, "k", outcome("d-1", domain=ODD))
    arrive(world)
    answer = ask(analyst, "reviewed_decisions", domain=ODD)
    assert [row["domain"] for row in answer.named_rows()] == [ODD]
    assert analyst.query(answer.sql_with_values).result_rows == answer.rows


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_only_reads(name: str) -> None:
    words = QUESTIONS[name].sql.upper().split()
    assert words[0] in ("SELECT", "WITH")
    assert not {"INSERT", "ALTER", "DROP", "CREATE", "DELETE", "TRUNCATE", "SETTINGS", "INTO"} & set(words)
    assert "LIMIT" in words or name == "confidence_band"  # one row


@pytest.mark.parametrize("name", [name for name, question in QUESTIONS.items() if question.rows_of])
def test_every_row_of_an_answer_links_to_the_rows_behind_it(name: str) -> None:
    question = QUESTIONS[name]
    behind = find(question.rows_of or "")
    handed_on = {parameter.name for parameter in question.parameters} | set(question.columns)
    needed = {parameter.name for parameter in behind.parameters if parameter.default is None}
    assert needed <= handed_on | {"reviewer"}  # the team's page names the person
    assert handed_on & {parameter.name for parameter in behind.parameters} or name == "metrics"


def rows(client: Client, name: str, **values: Value) -> list[dict[str, Any]]:
    return asked(client, name, **values).named_rows()


def test_numbers_are_the_counts_of_the_rows_behind_them(world: World, analyst: Client) -> None:
    (accuracy,) = [row for row in rows(analyst, "accuracy") if row["domain"] == world.name]
    assert accuracy["reviewed_decisions"] == len(rows(analyst, "reviewed_decisions", domain=world.name)) == 8
    (group,) = rows(analyst, "groups", domain=world.name)
    assert group["decisions"] == len(rows(analyst, "routed", domain=world.name, jurisdiction="DE")) == 12
    assert group["reviewed_decisions"] == 8
    (queue,) = rows(analyst, "queues")
    assert (queue["waiting"], queue["leased"]) == (1, 1)
    assert len(rows(analyst, "open_tasks", queue="underwriting")) == 2
    (kept,) = rows(analyst, "sla", queue="underwriting")
    assert kept["tasks"] == len(rows(analyst, "sla_tasks", queue="underwriting", priority="high")) == 10
    flow = rows(analyst, "queue_flow", queue="underwriting")
    assert (sum(row["arrived"] for row in flow), sum(row["decided"] for row in flow)) == (10, 8)
    minutes = rows(analyst, "routes_by_minute")
    assert sum(row["total_decisions"] for row in minutes) == 12
    for row in minutes:
        assert row["total_decisions"] == len(rows(analyst, "routed", minute=row["minute"].isoformat()))
    (letters,) = rows(analyst, "dead_letters_by_reason")
    assert letters["letters"] == len(rows(analyst, "dead_letters", reason=letters["reason"])) == 2
    (undelivered,) = rows(analyst, "undelivered")
    assert undelivered["actions"] == len(rows(analyst, "undelivered_actions", group="webhooks", state="waiting")) == 1
    (pace,) = rows(analyst, "my_pace", reviewer="ann")
    assert (pace["decided"], pace["active_hours"], pace["median_handling_seconds"]) == (8, 1, 60)


@pytest.mark.usefixtures("world")
def test_the_team_has_load_pace_and_agreement_of_everybody(analyst: Client) -> None:
    (ann,) = rows(analyst, "team")
    assert (ann["reviewer"], ann["name"], ann["decided_recently"]) == ("ann", "Ann", 8)
    assert (ann["decided_per_active_hour"], ann["median_handling_seconds"], ann["gold_items"]) == (8, 60, 1)
    assert ann["agreement"] is None  # nobody judged again


def test_a_band_says_how_often_people_confirmed_what_it_held(own: Client, analyst: Client) -> None:
    world = World("bands", own, partitions=1)
    for number in range(10):
        final = "reject" if number < 3 else "approve"
        world.tell(catalogue.OUTCOMES.name, "k", outcome(f"d-{number}", domain="bands", outcome=final, confidence=0.85))
    for confidence in (0.8, 0.9, 1.0, float("nan")):
        world.tell(catalogue.OUTCOMES.name, "k", outcome(f"e-{confidence}", domain="bands", confidence=confidence))
    arrive(world)
    of_model: dict[str, Value] = {"domain": "bands", "model_id": "scorer", "prediction": "approve"}
    (band,) = rows(analyst, "confidence_band", **of_model, low=0.8, high=0.9)
    assert (band["reviewed_decisions"], band["confirmed"]) == (11, 8)
    assert (band["lower"], band["upper"]) == pytest.approx(proportion_confint(8, 11, method="wilson"))
    assert len(rows(analyst, "confidence_band_cases", **of_model, low=0.8, high=0.9)) == 11
    tenths = rows(analyst, "confidence_bands", **of_model)
    assert [(row["low"], row["reviewed_decisions"]) for row in tenths] == [(0.8, 11), (0.9, 2)]
    (nothing,) = rows(analyst, "confidence_band", **of_model, low=0.0, high=0.1)
    assert (nothing["reviewed_decisions"], nothing["share"], nothing["lower"]) == (0, None, None)


def test_every_slice_counts_the_decisions_that_are_listed_behind_it(world: World, analyst: Client) -> None:
    slices = rows(analyst, "slices", domain=world.name)
    assert {row["slice"] for row in slices} >= {"all", "model", "prediction", "confidence", "queue", "reason_code"}
    for row in slices:
        behind = rows(analyst, "slice_cases", domain=world.name, slice=row["slice"], value=row["value"])
        assert len(behind) == row["reviewed_decisions"]


def test_nothing_is_told_of_what_the_ai_said_while_somebody_judges_it(world: World, analyst: Client) -> None:
    open_ids = {f"{world.name}-open", f"{world.name}-held"}
    world.tell(catalogue.OUTCOMES.name, "k", outcome(f"{world.name}-held", domain=world.name, resolves=False))
    arrive(world)
    for row in rows(analyst, "routed", domain=world.name):
        assert (row["prediction"], row["confidence"]) == (("", None) if row["is_open"] else ("approve", 0.85))
        # A route and its reasons often tell what the AI said.
        assert bool(row["route"]) == bool(row["reasons"]) == (not row["is_open"])
    searched = {row["decision_id"]: row for row in rows(analyst, "decision_search", domain=world.name)}
    for decision_id, row in searched.items():
        assert row["is_open"] == (decision_id in open_ids)
        assert bool(row["route"]) == bool(row["prediction"]) == (not row["is_open"])
        assert not (row["is_open"] and (row["outcome"] or row["source"]))
    for wanted in ("approve", "reject"):
        found = {row["decision_id"] for row in rows(analyst, "decision_search", domain=world.name, outcome=wanted)}
        assert not found & open_ids
    assert {row["decision_id"] for row in rows(analyst, "routed", domain=world.name, route="sync")} & open_ids == set()
    about_subject = {row["decision_id"]: row for row in rows(analyst, "subject_decisions", subject_id="s-1")}
    assert {row["decision_id"] for row in about_subject.values() if row["is_open"]} == open_ids
    hidden = about_subject[f"{world.name}-open"]
    assert (hidden["prediction"], hidden["outcome"], hidden["source"]) == ("", "", "")
    told = about_subject[f"{world.name}-1"]
    assert (told["prediction"], told["outcome"], told["source"]) == ("approve", "approve", "review")
    for name in ("verdicts", "reviewed_decisions", "actions"):
        ids = {row["decision_id"] for row in rows(analyst, name, reviewer="ann")}
        assert ids
        assert not ids & open_ids, name


def test_lists_of_open_tasks_do_not_tell_which_are_gold(own: Client, analyst: Client) -> None:
    world = World("gold", own, partitions=1)
    for task_id, kind in (("d-1", "review"), ("gold:1:d-0", "gold")):
        record = task(task_id, domain="gold", kind=kind, due_from=START, deadline=START + HOUR)
        world.tell(catalogue.TASKS.name, task_id, record)
    arrive(world)
    for name in ("open_tasks", "sla_tasks", "queue_flow_tasks"):
        found = rows(analyst, name)
        assert {row["task_id"] for row in found} == {"d-1", "gold:1:d-0"}
        assert all("kind" not in row for row in found)


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("queues", {"queue": "x"}, "no parameter 'queue'"),
        ("verdicts", {}, "reviewer of question verdicts is missing"),
        ("verdicts", {"reviewer": "ann", "days": -1}, "from 0 to"),
        ("verdicts", {"reviewer": "ann", "days": 1.5}, "whole number"),
        ("verdicts", {"reviewer": "ann", "limit": 1001}, "from 0 to 1000"),
        ("verdicts", {"reviewer": "ann", "limit": True}, "whole number"),
        ("verdicts", {"reviewer": 7}, "must be a text"),
        ("verdicts", {"reviewer": "a\0b"}, "must be a text"),
        ("verdicts", {"reviewer": "\ud800"}, "must be a text"),
        ("verdicts", {"reviewer": "a" * 4097}, "at most 4096"),
        (
            "confidence_band",
            {"domain": "", "model_id": "", "prediction": "", "low": float("nan")},
            "number",
        ),
    ],
)
def test_a_parameter_that_is_none_is_refused_before_anything_is_asked(
    name: str, values: dict[str, Value], what: str
) -> None:
    with pytest.raises(BadParameterError, match=what):
        bind(find(name), values)


def test_texts_of_an_address_become_values() -> None:
    band = find("confidence_band")
    assert read(band, {"domain": "7", "low": "0.5"}) == {"domain": "7", "low": 0.5}
    assert read(find("verdicts"), {"limit": "20"}) == {"limit": 20}
    with pytest.raises(BadParameterError, match="a number, not 'many'"):
        read(find("verdicts"), {"limit": "many"})


def test_an_unknown_question_names_those_that_there_are() -> None:
    with pytest.raises(UnknownQuestionError, match="queue_flow"):
        find("everything")
