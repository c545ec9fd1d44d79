"""Questions over HTTP: answers with their SQL, and what nobody may ask."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from interlock.api import problems
from interlock.api.backend import Backend
from interlock.api.routes import questions
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.schemas import catalogue
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate
from interlock.sinks.questions import QUESTIONS
from tests.interlock.api.access import access_world
from tests.interlock.api.access.access_world import bearer, code
from tests.interlock.api.api_world import until
from tests.interlock.review import review_world
from tests.interlock.review.review_world import decision
from tests.sinks.review_records import outcome
from tests.sinks.sink_world import World

pytestmark = pytest.mark.warehouse

ODD = "<script>'; DROP TABLE outcomes; --"


class Server:
    """The routes of questions in front of a ClickHouse, and a token of each role."""

    def __init__(self, clickhouse: EmbeddedClickHouse, data_dir: Path) -> None:
        self.access = access_world.World()
        self.tokens = {role: self.access.token(roles=(role,)) for role in ("reviewer", "lead", "analyst")}
        self.tokens["producer"] = self.access.token("decisions:write")
        self.desk = review_world.World()
        accounts = {account.name: account.password for account in clickhouse.settings.accounts}
        settings = Settings(data_dir=data_dir)
        settings.clickhouse.url = f"http://{clickhouse.host}:{clickhouse.port}"
        settings.clickhouse.analyst_password = type(settings.clickhouse.password)(accounts["analyst"])
        self.backend = Backend(Platform(settings), broker=self.desk.broker)
        app = FastAPI()
        app.state.access = self.access.api().access
        app.state.backend = self.backend
        app.include_router(questions.router)
        problems.install(app)
        self.access.pass_time()
        self.client = TestClient(app, access_world.HERE, client=("127.0.0.1", 50_000))

    def get(self, path: str, role: str = "analyst", **parameters: Any) -> Any:
        headers = bearer(self.tokens[role])
        return self.client.get(f"/v1/questions{path}", params=parameters, headers=headers)

    def close(self) -> None:
        self.backend.close()
        self.desk.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))) as clickhouse:
        with clickhouse.client() as client:
            migrate(client)
            world = World("world", client, partitions=1)
            for number, (domain, final) in enumerate((("loans", "approve"), ("loans", "reject"), (ODD, "approve"))):
                record = outcome(f"d-{number}", domain=domain, outcome=final, confidence=float("nan"))
                world.tell(catalogue.OUTCOMES.name, "key", record)
            writer = world.writer()
            world.settle(writer)
            writer.close()
        made = Server(clickhouse, tmp_path_factory.mktemp("data"))
        yield made
        made.close()


def test_the_list_names_every_question_with_its_population_and_parameters(server: Server) -> None:
    listed = {question["name"]: question for question in server.get("").json()}
    assert listed.keys() == QUESTIONS.keys()
    assert all(question["title"] and question["population"] for question in listed.values())
    assert [parameter["name"] for parameter in listed["verdicts"]["parameters"]] == ["reviewer", "days", "limit"]
    assert listed["accuracy"]["rows_of"] == "reviewed_decisions"


def test_an_answer_has_columns_rows_and_the_sql_that_gives_them(server: Server) -> None:
    found = server.get("/reviewed_decisions", domain="loans", limit=1).json()
    assert found["columns"] == list(QUESTIONS["reviewed_decisions"].columns)
    (row,) = found["rows"]
    told = dict(zip(found["columns"], row, strict=True))
    assert told["at"] == "2026-01-01T00:01:00Z"
    assert told["confidence"] is None  # JSON has no NaN
    assert "{domain:String}" in found["sql"]
    assert "'loans'" in found["sql_with_values"]
    assert found["parameters"]["limit"] == 1


def test_what_is_given_is_bound_and_never_read_as_sql(server: Server) -> None:
    found = server.get("/reviewed_decisions", domain=ODD)
    assert found.headers["content-type"] == "application/json"
    assert [row[1] for row in found.json()["rows"]] == ["d-2"]
    assert len(server.get("/reviewed_decisions").json()["rows"]) == 3


@pytest.mark.parametrize(
    ("path", "parameters", "refused"),
    [
        ("/everything", {}, (404, "unknown-question")),
        ("/queues", {"queue": "x"}, (422, "invalid")),
        ("/verdicts", {}, (422, "invalid")),
        ("/alerts", {"days": "many"}, (422, "invalid")),
        ("/alerts", {"limit": "1001"}, (422, "invalid")),
        ("/alerts", {"limit": "9" * 5000}, (422, "invalid")),
        ("/alerts", {"kind": ["a", "b"]}, (422, "invalid")),
        ("/alerts", {"kind": "a\0b"}, (422, "invalid")),
        ("/confidence_band", {"domain": "", "model_id": "", "prediction": "", "low": "nan"}, (422, "invalid")),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_right_status(
    server: Server, path: str, parameters: dict[str, Any], refused: tuple[int, str]
) -> None:
    assert code(server.get(path, **parameters)) == refused


@pytest.mark.parametrize("path", ["", "/metrics"])
def test_who_may_not_read_numbers_gets_none(server: Server, path: str) -> None:
    assert code(server.get(path, "producer")) == (403, "missing-scope")
    assert server.client.get(f"/v1/questions{path}").status_code == 401


def test_reviewers_ask_about_their_own_work_and_leads_about_everybodys(server: Server) -> None:
    for name, parameters in (("team", {}), ("verdicts", {"reviewer": "bob"}), ("my_pace", {"reviewer": "bob"})):
        assert code(server.get(f"/{name}", "reviewer", **parameters)) == (403, "not-lead")
        assert server.get(f"/{name}", "lead", **parameters).status_code == 200
        assert server.get(f"/{name}", "analyst", **parameters).status_code == 200
    assert server.get("/verdicts", "reviewer", reviewer="ann").status_code == 200


def test_the_story_of_a_decision_under_a_blind_review_is_kept_from_who_may_judge_it(server: Server) -> None:
    server.desk.arrive(decision("d-blind"), "auto", "reviews.async", audit=True, propensity=0.05)
    until(lambda: server.backend.board.is_blind("d-blind"))
    assert server.get("/decision_timeline", "analyst", decision_id="d-blind").status_code == 200
    refused = server.get("/decision_timeline", "reviewer", decision_id="d-blind")
    assert code(refused) == (403, "blind")
    assert server.get("/decision_timeline", "reviewer", decision_id="d-other").status_code == 200
