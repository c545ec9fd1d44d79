"""Alerts and webhooks over HTTP: what was told, and whether it arrives."""

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from interlock.processors.events import alert
from interlock.schemas import catalogue
from tests.interlock.api.api_world import World, refusal
from tests.interlock.api.test_dead_letters import bury

SECRET = "c2VjcmV0LW9mLXRoZS10ZXN0cw=="


class Receiver(HTTPServer):
    """Keeps what it is sent, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 204
        self.taken: list[tuple[bytes, dict[str, str]]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((body, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def tell(api: World, cause: str, *people: str) -> None:
    event = alert("sla_breach", cause, "warning", people, "late", 1)
    assert event.record is not None
    api.put(catalogue.ALERTS, event.key, event.record)


def test_alerts_come_newest_first_in_pages_and_those_that_name_the_caller(api: World) -> None:
    tell(api, "1", "ana")
    tell(api, "2", "ben")
    tell(api, "3")
    first = api.get("/v1/alerts", limit=2).json()
    assert [row["alert_id"] for row in first["alerts"]] == ["sla_breach/3", "sla_breach/2"]
    rest = api.get("/v1/alerts", limit=2, cursor=first["next"]).json()
    assert ([row["alert_id"] for row in rest["alerts"]], rest["next"]) == (["sla_breach/1"], None)
    assert [row["to"] for row in api.get("/v1/alerts", mine=True).json()["alerts"]] == [["ana"]]


def test_a_test_alert_goes_to_the_operators_or_to_the_contact_of_the_caller(api: World) -> None:
    assert refusal(api.post("/v1/alerts/test", {"to": "me"})) == (409, "no-contact")
    assert api.records(catalogue.ALERTS) == []
    assert api.post("/v1/alerts/test", {"to": "operators"}).status_code == 202
    (sent,) = api.records(catalogue.ALERTS)
    assert (sent["kind"], sent["to"], sent["message"].startswith("ana tests")) == ("test", [], True)
    api.put_to("/v1/reviewers/ana", {"id": "ana", "contact": "mailto://ana@example.com"})
    board = api.backend.board
    with board._changed:
        assert board._changed.wait_for(lambda: "ana" in board.reviewers, timeout=30)
    assert api.post("/v1/alerts/test", {"to": "me"}).json()["to"] == ["ana"]
    assert refusal(api.post("/v1/alerts/test", {"to": "all"})) == (422, "invalid")


def test_webhooks_tell_how_far_they_are_and_what_was_given_up(api: World) -> None:
    bury(api, "d-1")
    bury(api, "d-2", b"two", "http-400", step="interlock-webhooks", topic=catalogue.ACTIONS.name)
    producer = api.broker.producer(None)
    producer.produce(catalogue.ACTIONS.name, b"x", b"d-3", 0)
    producer.flush(5)
    facts = api.get("/v1/webhooks").json()
    assert facts["receiver"] is None
    assert [(row["key"], row["reason"]) for row in facts["failures"]] == [("d-2", "http-400")]
    assert {(row["topic"], row["partition"]): row["lag"] for row in facts["partitions"]}[catalogue.ACTIONS.name, 0] == 1


def test_a_test_webhook_needs_a_receiver(api: World) -> None:
    assert refusal(api.post("/v1/webhooks/test", None)) == (409, "no-webhook")


def test_a_test_webhook_is_signed_and_tells_what_the_receiver_answers(tmp_path: Path, receiver: Receiver) -> None:
    address = f"http://user:pass@127.0.0.1:{receiver.server_port}/hook?key=1"
    with closing(World(tmp_path, webhooks={"url": address, "secret": SECRET})) as world:
        answered = world.post("/v1/webhooks/test", None).json()
        assert answered["receiver"] == f"http://127.0.0.1:{receiver.server_port}"
        ((body, headers),) = receiver.taken
        assert Webhook(SECRET).verify(body.decode(), headers)["type"] == "decision.test"
        receiver.status = 403
        refused = world.post("/v1/webhooks/test", None)
        assert refusal(refused) == (502, "not-delivered")
        assert "403" in refused.json()["detail"]
        assert "pass" not in refused.text


def test_who_may_only_look_sends_nothing(api: World) -> None:
    api.scopes["eve"] = frozenset({"alerts:read"})
    for path in ("/v1/alerts/test", "/v1/webhooks/test"):
        assert refusal(api.post(path, {"to": "operators"}, "eve")) == (403, "missing-scope")
    assert api.records(catalogue.ALERTS) == []
