"""Lists that change while they are read, and answers that are stale by the time they are acted upon."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from interlock.schemas import catalogue, wire
from tests.interlock.api.api_world import World, refusal, until
from tests.interlock.review.review_world import DeskThread, decision, routed, task_record

REASON = {"reason_code": "other", "reason_text": "as the test has it"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """With the real desk on it, and two people."""
    world = World(tmp_path, api={"requests_per_second": 1e6, "burst": 1_000_000})
    people = [person({"id": name, "capacity": 1000}).to_record() for name in ("ann", "ben")]
    publish_reviewers(world.broker, people)
    desk = DeskThread(world.broker)
    desk.start()
    for name in ("ann", "ben"):
        assert world.post("/v1/me/on-duty", None, name).status_code == 200
    yield world
    desk.stop()
    world.close()


def arrive(world: World, *names: str, **changes: Any) -> None:
    """Returns when the server shows their tasks."""
    producer = world.broker.producer(None)
    for name in names:
        value = wire.encode("RoutedDecision", routed(decision(name, **changes)))
        producer.produce(catalogue.REVIEWS_ASYNC.name, value, name.encode())
    producer.flush()
    until(lambda: all(world.get(f"/v1/tasks/{name}", "ann").status_code == 200 for name in names))


def claimed(world: World, name: str, who: str = "ann") -> tuple[dict[str, Any], str]:
    """The reply to the claim of a task, and the ETag of what is shown then."""
    reply = world.post(f"/v1/tasks/{name}/claim", {}, who).json()
    return reply, world.get(f"/v1/tasks/{name}", who).headers["etag"]


def submit(world: World, name: str, reply: dict[str, Any], if_match: str | None, who: str = "ann") -> Any:
    verdict = {"epoch": reply["epoch"], "payload_hash": reply["payload_hash"], "verdict": "approve", **REASON}
    return world.post(f"/v1/tasks/{name}/submit", verdict, who, if_match)


def test_whoever_got_a_reply_sees_what_it_tells_of_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the server hears of it later, by another topic."""
    arrive(world, "d-1", "d-2")
    monkeypatch.setattr("interlock.api.live_board._POLL_SECONDS", 0.5)

    def shown(name: str) -> dict[str, Any]:
        task: dict[str, Any] = world.get(f"/v1/tasks/{name}", "ann").json()["task"]
        return task

    for name in ("d-1", "d-2"):
        reply, _ = claimed(world, name)
        assert (shown(name)["lease_holder"], shown(name)["lease_epoch"]) == ("ann", reply["epoch"])
    world.post("/v1/tasks/d-1/release", {"epoch": 1}, "ann")
    assert shown("d-1")["state"] == "waiting"
    assert world.post("/v1/tasks/bulk/release", {"ids": ["d-2"], "reason": "lunch"}, "ann").json()["accepted"] == 1
    assert shown("d-2")["state"] == "waiting"
    reply, etag = claimed(world, "d-1")
    submit(world, "d-1", reply, etag)
    assert shown("d-1")["state"] == "done"


def test_a_verdict_on_what_is_shown_counts(world: World) -> None:
    arrive(world, "d-1")
    reply, etag = claimed(world, "d-1")
    assert submit(world, "d-1", reply, etag).status_code == 200


def test_a_verdict_on_what_has_changed_since_is_refused_and_changes_nothing(world: World) -> None:
    arrive(world, "d-1")
    reply, etag = claimed(world, "d-1")
    assert world.post("/v1/tasks/d-1/release", {"epoch": reply["epoch"]}, "ann").status_code == 200
    reply, present = claimed(world, "d-1")
    assert present != etag
    before = world.contents()
    assert refusal(submit(world, "d-1", reply, etag)) == (412, "stale-view")
    assert world.contents() == before
    assert submit(world, "d-1", reply, present).status_code == 200


@pytest.mark.parametrize("form", ["*", '"other", {}', "{},"])
def test_any_of_several_tags_may_match(world: World, form: str) -> None:
    arrive(world, "d-1")
    reply, etag = claimed(world, "d-1")
    assert submit(world, "d-1", reply, form.format(etag)).status_code == 200


@pytest.mark.parametrize("form", ["W/{}", "", '"', "{}x"])
def test_what_is_no_strong_match_is_refused(world: World, form: str) -> None:
    arrive(world, "d-1")
    reply, etag = claimed(world, "d-1")
    assert refusal(submit(world, "d-1", reply, form.format(etag))) == (412, "stale-view")


def test_a_command_under_one_key_is_carried_out_once(world: World) -> None:
    arrive(world, "d-1")
    reply, _ = claimed(world, "d-1")
    verdict = {"epoch": reply["epoch"], "payload_hash": reply["payload_hash"], "verdict": "approve", **REASON}
    headers = {**world.as_person("ann"), "Idempotency-Key": "k-1"}
    answers = [world.client.post("/v1/tasks/d-1/submit", json=verdict, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.text for answer in answers}) == 1
    assert len(world.records(catalogue.RESOLUTIONS)) == 1
    again = {**headers, "Idempotency-Key": "k-2"}
    assert refusal(world.client.post("/v1/tasks/d-1/submit", json=verdict, headers=again)) == (409, "already-decided")
    other = {**world.as_person("ben"), "Idempotency-Key": "k-1"}
    assert refusal(world.client.post("/v1/tasks/d-1/claim", json={}, headers=other))[0] == 409
    assert len(world.records(catalogue.RESOLUTIONS)) == 1


def test_the_same_command_at_the_same_time_gets_one_answer(world: World) -> None:
    arrive(world, "d-1")
    headers = {**world.as_person("ann"), "Idempotency-Key": "k-1"}
    answers: list[Any] = []

    def ask() -> None:
        answers.append(world.client.post("/v1/tasks/d-1/claim", headers=headers))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


def listed(world: World, limit: int, between: Any) -> list[str]:
    """All pages; `between` is called between two of them."""
    found, cursor = [], ""
    while True:
        page = world.get("/v1/tasks", "ann", limit=limit, cursor=cursor).json()
        found += [task["task_id"] for task in page["tasks"]]
        if page["next"] is None:
            return found
        cursor = page["next"]
        between()


def test_a_task_that_was_there_all_the_time_is_listed_once_whatever_comes_and_goes(world: World) -> None:
    coin = random.Random(7)
    staying = [f"stay-{number}" for number in range(60)]
    going = [f"go-{number}" for number in range(60)]

    def put(name: str, **changes: Any) -> None:
        # With few moments, so that many deadlines are the same.
        record = task_record(routed(decision(name)), **changes)
        deadline = record["deadline"].replace(microsecond=0, second=coin.randrange(4))
        world.put(catalogue.TASKS, name, {**record, "deadline": deadline})

    for name in coin.sample([*staying, *going], 120):
        put(name)
    until(lambda: world.backend.board.count() == 120)
    come: list[str] = []

    def change() -> None:
        for _ in range(4):
            if going:
                gone = going.pop(coin.randrange(len(going)))
                world.put(catalogue.TASKS, gone, {**task_record(routed(decision(gone))), "state": "done"})
            come.append(f"come-{len(come)}")
            put(come[-1])
        until(lambda: world.backend.board.count() == 60 + len(going) + len(come))

    found = listed(world, 7, change)
    assert [name for name in staying if found.count(name) != 1] == []
    assert len(found) == len(set(found))
    assert come


def test_the_last_page_of_a_list_that_was_emptied_meanwhile_is_empty(world: World) -> None:
    for number in range(3):
        world.put(catalogue.TASKS, f"t-{number}", task_record(routed(decision(f"t-{number}"))))
    until(lambda: world.backend.board.count() == 3)
    cursor = world.get("/v1/tasks", "ann", limit=2).json()["next"]
    for number in range(3):
        gone = {**task_record(routed(decision(f"t-{number}"))), "state": "done"}
        world.put(catalogue.TASKS, f"t-{number}", gone)
    until(lambda: world.backend.board.count() == 0)
    assert world.get("/v1/tasks", "ann", cursor=cursor).json() == {"tasks": [], "next": None}
