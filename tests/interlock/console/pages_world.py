"""The console with its real desk on Kafka in memory, in front of a ClickHouse that is filled by hand, or away."""

import time
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient
from pydantic import SecretStr

from interlock.api.access.access import Access
from interlock.api.access.table import AccessTable
from interlock.api.access.tokens import new_token
from interlock.api.app import create_app
from interlock.api.backend import Backend
from interlock.console.server import install
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.schemas import catalogue, wire
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from tests.interlock.api.api_world import until
from tests.interlock.review import review_world
from tests.sinks import learning_records, review_records
from tests.sinks.review_records import DAY, MINUTE, outcome, task
from tests.sinks.sink_world import ASYNC, AUTO, World, decision, routed

KEY = bytes(range(32))

# Signs the audit trail; the server trusts it.
TRAIL_KEY = bytes(range(1, 33))

# In every field that a producer or a person may fill: markup, quotes, and a mark that turns the order of characters.
ODD = "<script>alert(1)</script>\"'&\u202e<img src=x onerror=alert(1)>"


class Console:
    """The role `console`, asked with a token of each role."""

    def __init__(self, directory: Path, clickhouse: EmbeddedClickHouse | None = None) -> None:
        """`clickhouse`: what the server asks; without one it is away."""
        self.desk = review_world.World()
        settings = Settings(data_dir=directory)
        settings.trail.signing_key = SecretStr(TRAIL_KEY.hex())
        if clickhouse is not None:
            accounts = {account.name: account.password for account in clickhouse.settings.accounts}
            settings.clickhouse.url = f"http://{clickhouse.host}:{clickhouse.port}"
            settings.clickhouse.user = clickhouse.settings.writer_user
            settings.clickhouse.password = type(settings.clickhouse.password)(accounts[settings.clickhouse.user])
            settings.clickhouse.analyst_password = type(settings.clickhouse.password)(accounts["analyst"])
        self.backend = Backend(Platform(settings), broker=self.desk.broker)
        self._table = AccessTable(self.desk.broker)
        self._access = Access(settings.api, KEY, self._table, lambda: self.backend.board.reviewers)
        self._tokens: dict[tuple[str, ...], str] = {}
        self.app = create_app(self.backend, self._access, install)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def arrive(self, content: dict[str, Any], route: str = "async", topic: str = "", **changes: Any) -> None:
        """Puts a decision into its review topic; returns when the console shows its task."""
        self.desk.arrive(content, route, topic, **changes)
        until(lambda: self.backend.board.task(content["decision_id"]) is not None)

    def token(self, *roles: str, person: str = "ann") -> str:
        """A token of a person with these roles."""
        if roles not in self._tokens:
            token = new_token(name="of a test", person=person, roles=roles, created_by="test", now=time.time())
            self._table.write(token.record)
            self._tokens[roles] = token.text
        return self._tokens[roles]

    def get(self, path: str, *roles: str, fragment: bool = False, **parameters: Any) -> Any:
        """A page, or the part of one that changes by itself."""
        headers = {"Authorization": f"Bearer {self.token(*(roles or ('reviewer', 'lead', 'analyst')))}"}
        if fragment:
            headers["HX-Request"] = "true"
        return self.client.get(path, params=parameters or None, headers=headers)

    def post(self, path: str, *roles: str, **fields: Any) -> Any:
        """A part of a page that answers a form."""
        headers = {"Authorization": f"Bearer {self.token(*roles)}", "HX-Request": "true"}
        return self.client.post(path, data=fields, headers=headers)

    def close(self) -> None:
        self.client.close()
        self.backend.close()
        self._access.close()
        self._table.close()
        self.desk.close()


def fill(client: Client) -> None:
    """Decisions of the last two hours, forty of them judged by ann and mia, and one whose every text is odd."""
    world = World("world", client, partitions=1, broker=MemoryBroker(SystemClock()))
    now = SystemClock().now()
    for number in range(60):
        _decide(world, f"d-{number}", number, now)
    _decide_oddly(world, now)
    _agree_always(world, now)
    _object(world, now)
    _judge_twice(world, now)
    for topic, record in (
        (catalogue.REVIEWERS, review_records.reviewer("ann", time_off=[])),
        (catalogue.REVIEWERS, {**review_records.reviewer("odd"), "id": ODD, "name": ODD}),
        (catalogue.PRESENCE, review_records.presence("ann")),
        (catalogue.CALIBRATION_REPORTS, learning_records.report()),
        (catalogue.CALIBRATION_REPORTS, learning_records.report(ODD)),
        (catalogue.DRIFT_SIGNALS, learning_records.signal("s-1", domain="loans", at=now)),
        (catalogue.DRIFT_SIGNALS, learning_records.signal("s-2", domain=ODD, model_id=ODD, message=ODD, at=now)),
        (catalogue.ALERTS, review_records.alert("a-1", message=ODD, queue=ODD, at=now)),
    ):
        world.tell(topic.name, str(record.get("id", "key")), record)
    writer = world.writer(max_rows=5000, max_consumed=5000)
    world.settle(writer)
    writer.close()


def _decide(world: World, decision_id: str, number: int, now: int) -> None:
    """The first forty were judged, every fifth of them differently; the rest took effect at once."""
    at = now - number * 2 * MINUTE
    judged = number < 40
    prediction = "approve" if number % 3 else "reject"
    final = {"approve": "reject", "reject": "approve"}[prediction] if number % 5 == 0 else prediction
    confidence = 0.5 + number % 10 / 20
    content = decision(
        decision_id,
        "loans",
        prediction=prediction,
        confidence=confidence,
        created_at=at - 40_000,
        subject_id=f"s-{number % 4}",
        attributes={"age": "70" if number % 4 == 0 else "40"},
    )
    envelope = routed(content, "async" if judged else "auto", routed_at=at, calibrated_confidence=confidence)
    world.send(ASYNC if judged else AUTO, decision_id.encode(), wire.encode("RoutedDecision", envelope))
    if not judged:
        return
    who = "ann" if number % 2 else "mia"
    said: dict[str, Any] = {
        "domain": "loans",
        "reviewer": who,
        "prediction": prediction,
        "outcome": final,
        "confidence": confidence,
        "at": at + MINUTE,
        "arrived_at": at,
        "claimed_at": at + MINUTE // 2,
        "reason_code": ("income", "history", "fits")[number % 3],
    }
    for event, state, moment in (("arrived", "waiting", at), ("resolved", "done", at + MINUTE)):
        record = task(decision_id, event, state=state, at=moment, due_from=at, arrived_at=at, deadline=at + DAY)
        told = {"domain": "loans", "actor": who, "decided_by": who if state == "done" else "", "outcome": final}
        world.tell(catalogue.TASKS.name, decision_id, {**record, **told})
    world.tell(catalogue.OUTCOMES.name, decision_id, outcome(decision_id, **said))
    resolution = review_records.resolution(decision_id, outcome=final, prediction=prediction, decided_by=[who])
    world.tell(catalogue.RESOLUTIONS.name, decision_id, {**resolution, "decided_at": at + MINUTE, "domain": "loans"})
    world.tell(catalogue.ACTIONS.name, decision_id, review_records.action(decision_id, outcome=final, at=at + MINUTE))


def _agree_always(world: World, now: int) -> None:
    """kim confirms answers of which the model itself expects every other one to be wrong."""
    for number in range(30):
        said: dict[str, Any] = {"domain": "cards", "reviewer": "kim", "confidence": 0.5, "at": now, "claimed_at": now}
        world.tell(catalogue.OUTCOMES.name, f"k-{number}", outcome(f"k-{number}", **said))


def _object(world: World, now: int) -> None:
    """Of ten post_approval decisions somebody objects to one; nobody says a word on the others in time."""
    for number in range(10):
        post: dict[str, Any] = {"domain": "posts", "workflow": "post_approval", "route": "auto"}
        if number:
            closed = task(f"p-{number}", "window_closed", kind="post_approval", state="done", at=now, **post)
            world.tell(catalogue.TASKS.name, f"p-{number}", closed)
        else:
            said = outcome("p-0", kind="override", outcome="reject", reviewer=ODD, at=now, claimed_at=None, **post)
            world.tell(catalogue.OUTCOMES.name, "p-0", said)


def _judge_twice(world: World, now: int) -> None:
    """Three errors that two people found, one that one of them found, and two right answers that both left."""
    answers = [("reject", "reject")] * 3 + [("reject", "approve", "reject")] + [("approve", "approve")] * 2
    for case, said in enumerate(answers):
        for number, (reviewer, final) in enumerate(zip(("eva", "finn", "lea"), said, strict=False), 1):
            told: dict[str, Any] = {"domain": "cards", "prediction": "approve", "outcome": final, "at": now}
            told |= {"reviewer": reviewer, "resolves": number == len(said)}
            world.tell(catalogue.OUTCOMES.name, f"c-{case}", outcome(f"c-{case}", number, **told))


def _decide_oddly(world: World, now: int) -> None:
    content = decision(
        ODD,
        ODD,
        model_id=ODD,
        model_version=ODD,
        prediction=ODD,
        jurisdiction=ODD,
        subject_id=ODD,
        created_at=now - 1,
    )
    envelope = routed(content, "async", routed_at=now, reasons=[ODD], queue=ODD, priority="low", workflow="escalation")
    world.send(ASYNC, ODD.encode(), wire.encode("RoutedDecision", envelope))
    about = {"domain": ODD, "model_id": ODD, "model_version": ODD, "prediction": ODD}
    texts: dict[str, Any] = {**about, "outcome": ODD, "reason_code": ODD, "reason_text": ODD}
    changed: dict[str, Any] = {"modifications": '{"first_name": "<script>alert(1)</script>", "term": 12}'}
    for event, state in (("arrived", "waiting"), ("resolved", "done")):
        record = task(ODD, event, state=state, at=now, due_from=now, deadline=now + DAY, queue=ODD, actor=ODD, **about)
        world.tell(catalogue.TASKS.name, ODD, record)
    said = outcome(ODD, **texts, **changed, reviewer=ODD, queue=ODD, at=now, claimed_at=now - 1)
    world.tell(catalogue.OUTCOMES.name, ODD, said)
    word = review_records.resolution(ODD, **texts, **changed, decided_by=[ODD], decided_at=now)
    world.tell(catalogue.RESOLUTIONS.name, ODD, word)
    acted = review_records.action(ODD, outcome=ODD, reason_code=ODD, notices=[ODD], domain=ODD, at=now)
    world.tell(catalogue.ACTIONS.name, ODD, acted)
