"""Nothing that the API tells a reviewer leads from a planted case to what it is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from tests.interlock.api.api_world import World, refusal, until
from tests.interlock.review.review_world import DeskThread, decision, routed

REASON = {"reason_code": "other", "reason_text": "as the test has it"}
HOUR = 3_600_000_000

LOOKS = ("shown", "blind")


class Office:
    """Ann and Ben, who judge, and Lee, who leads, at the API of a running desk."""

    def __init__(self, world: World) -> None:
        self.world = world

    def arrive(self, name: str, look: str) -> str:
        """A decision whose review is blind or not; returns when the server shows its task."""
        blind: dict[str, Any] = {"route": "auto", "audit": True, "override_until": SystemClock().now() + 100 * HOUR}
        record = routed(decision(name), **(blind if look == "blind" else {}))
        producer = self.world.broker.producer(None)
        producer.produce(catalogue.REVIEWS_ASYNC.name, wire.encode("RoutedDecision", record), name.encode())
        producer.flush()
        until(lambda: self.world.backend.board.task(name) is not None)
        return name

    def decide(self, who: str, name: str) -> None:
        claimed = self.world.post(f"/v1/tasks/{name}/claim", {}, who).json()
        verdict = {"epoch": claimed["epoch"], "payload_hash": claimed["payload_hash"]}
        said = {**verdict, "verdict": "choose", "outcome": "approve", **REASON}
        assert self.world.post(f"/v1/tasks/{name}/submit", said, who).json()["accepted"]

    def plant(self, name: str, look: str) -> str:
        """A gold item that copies a case of that name, which Ann has decided."""
        self.decide("ann", self.arrive(name, look))
        planted = self.world.post(f"/v1/tasks/{name}/gold", {"outcome": "reject"}, "lee").json()["task_id"]
        assert planted != name
        return str(planted)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    world = World(tmp_path, api={"requests_per_second": 1e6, "burst": 1_000_000})
    roles = {"ann": "reviewer", "ben": "reviewer", "lee": "lead"}
    publish_reviewers(world.broker, [person({"id": name, "role": role}).to_record() for name, role in roles.items()])
    desk = DeskThread(world.broker)
    desk.start()
    for name in roles:
        assert world.post("/v1/me/on-duty", None, name).status_code == 200
    yield Office(world)
    desk.stop()
    world.close()


@pytest.mark.parametrize("look", LOOKS)
def test_the_list_names_no_other_decision_than_the_task_itself(office: Office, look: str) -> None:
    planted = office.plant("loan-2", look)
    office.arrive("loan-7", look)
    rows = office.world.get("/v1/tasks", "ben").json()["tasks"]
    assert {(row["task_id"], row["decision_id"]) for row in rows} == {(planted, planted), ("loan-7", "loan-7")}
    shown = office.world.get(f"/v1/tasks/{planted}", "ben", similar=False)
    assert "loan-2" not in shown.text
    assert shown.json()["task"]["decision_id"] == planted


@pytest.mark.parametrize("look", LOOKS)
def test_what_arrives_is_told_alike_in_the_feed_whoever_planted_it(office: Office, look: str) -> None:
    start = office.world.backend.board.feed.place
    planted = office.plant("loan-2", look)
    changes = office.world.backend.board.feed.since(start)
    assert changes is not None
    arrived = {each.facts["id"]: each.facts for each in changes if each.facts.get("event") == "arrived"}
    assert {name: facts["by"] for name, facts in arrived.items()} == {"loan-2": "desk", planted: "desk"}
    assert arrived["loan-2"].keys() == arrived[planted].keys()


def answers(office: Office, decision_id: str) -> dict[str, Any]:
    """What the API says of a decision to Ben, who may judge it; without its id, and times."""
    found = {}
    paths = [f"decisions/{decision_id}", f"decisions/{decision_id}/resolution"]
    paths += [f"questions/decision_{name}?decision_id={decision_id}" for name in ("timeline", "routing")]
    for path in paths:
        response = office.world.get(f"/v1/{path}", "ben")
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", str(response.json()))
        found[path.replace(decision_id, "ID")] = (response.status_code, text.replace(decision_id, "ID"))
    return found


def test_the_story_of_a_case_that_is_planted_blind_is_kept_like_that_of_any_blind_review(office: Office) -> None:
    planted, other = office.plant("loan-2", "blind"), office.arrive("loan-7", "blind")
    assert refusal(office.world.get(f"/v1/decisions/{planted}", "ben")) == (403, "blind")
    assert answers(office, planted) == answers(office, other)
    # Nobody finds the answer at the case either, until the gold item is judged.
    assert refusal(office.world.get("/v1/decisions/loan-2", "ben")) == (403, "blind")
    office.decide("ben", planted)
    assert office.world.get("/v1/decisions/loan-2", "ben").status_code == 200
    assert office.world.get(f"/v1/decisions/{planted}", "ben").status_code == 200


def test_the_story_of_a_planted_case_is_told_later_like_that_of_any_undecided_case(office: Office) -> None:
    planted, other = office.plant("loan-2", "shown"), office.arrive("loan-7", "shown")
    assert answers(office, planted) == answers(office, other)
    story = office.world.get("/v1/decisions/loan-7", "ben").json()
    assert story["task"]["state"] == "waiting"
    assert "after the verdict" in story["unavailable"]["timeline"]
    office.decide("ben", "loan-7")
    # ClickHouse is away.
    assert "after the verdict" not in office.world.get("/v1/decisions/loan-7", "ben").json()["unavailable"]["timeline"]
