"""The roster over HTTP."""

from typing import Any

import pytest

from interlock.schemas import catalogue
from interlock.schemas.headers import headers_of
from interlock.streams.ranges import read_topic
from tests.interlock.api.api_world import World, refusal
from tests.interlock.review.review_world import decision, routed, task_record

PATH = "/v1/reviewers/ann"
SECRET = "mailto://ann:secret@example.com"


def body(**changes: Any) -> dict[str, Any]:
    return {"id": "ann", "name": "Ann Lee", "queues": ["underwriting"], **changes}


def wait_for(api: World, name: str, capacity: int = 5) -> None:
    """Until the board knows the person with that capacity."""
    with api.backend.board._changed:
        assert api.backend.board._changed.wait_for(
            lambda: api.backend.board.reviewers.get(name, {}).get("capacity") == capacity, timeout=30
        )


@pytest.fixture
def known(api: World) -> World:
    """With ann, who has a contact."""
    assert api.put_to(PATH, body(contact=SECRET)).status_code == 200
    wait_for(api, "ann")
    return api


def stored(api: World) -> dict[str, Any]:
    return api.records(catalogue.REVIEWERS)[-1]


def test_a_person_is_entered_with_all_fields_and_the_author_stands_in_the_record(api: World) -> None:
    fields = body(
        role="lead",
        qualifications=[{"name": "clinician", "expires": "2027-01-31"}],
        time_zone="Europe/Berlin",
        hours={"mon": ["09:00-12:00"]},
        time_off=[{"start": "2026-12-24", "end": "2026-12-31"}],
    )
    assert api.put_to(PATH, fields, "ben").json()["role"] == "lead"
    assert stored(api)["hours"] == [{"day": 0, "start": 540, "end": 720}]
    ((message,),) = read_topic(api.broker, catalogue.REVIEWERS.name)
    assert ("interlock.by", b"ben") in headers_of(message)


def test_a_contact_is_never_shown_and_stays_unless_it_is_given(known: World) -> None:
    shown = known.get(PATH)
    assert shown.json()["contact"] == "mailto://…"
    assert "secret" not in shown.text + known.get("/v1/reviewers").text
    changed = known.put_to(PATH, body(capacity=3), if_match=shown.headers["etag"])
    assert "secret" not in changed.text
    assert (stored(known)["capacity"], stored(known)["contact"]) == (3, SECRET)
    known.put_to(PATH, body(contact=""), if_match=changed.headers["etag"])
    assert stored(known)["contact"] == ""


def test_the_list_says_who_is_on_duty_and_what_each_has_at_hand(known: World) -> None:
    known.put(catalogue.PRESENCE, "ann", {"reviewer": "ann", "on_duty": True, "since": 0})
    for name, fields in (
        ("t-1", {"state": "leased", "lease_holder": "ann"}),
        ("t-2", {"state": "assigned", "assigned_to": "ann"}),
    ):
        known.put(catalogue.TASKS, name, task_record(routed(decision(name)), **fields))
    board = known.backend.board
    with board._changed:
        assert board._changed.wait_for(lambda: board.count() == 2 and bool(board.on_duty), timeout=30)
    (row,) = known.get("/v1/reviewers").json()["reviewers"]
    assert (row["on_duty"], row["leased"], row["assigned"]) == (True, 1, 1)


@pytest.mark.parametrize(
    ("tag", "expected"), [(None, (428, "if-match-required")), ('"0000000000000000"', (412, "stale"))]
)
def test_nobody_is_replaced_or_removed_unseen(known: World, tag: str | None, expected: tuple[int, str]) -> None:
    assert refusal(known.put_to(PATH, body(capacity=1), if_match=tag)) == expected
    assert refusal(known.delete(PATH, if_match=tag)) == expected
    assert len(known.values(catalogue.REVIEWERS)) == 1


def test_who_was_never_entered_cannot_be_replaced_or_removed(api: World) -> None:
    assert refusal(api.put_to(PATH, body(), if_match='"0000000000000000"')) == (412, "stale")
    assert refusal(api.delete(PATH, if_match="*")) == (404, "unknown-reviewer")
    assert refusal(api.get(PATH)) == (404, "unknown-reviewer")


def test_a_person_is_removed(known: World) -> None:
    assert known.delete(PATH, if_match=known.get(PATH).headers["etag"]).status_code == 204
    assert known.values(catalogue.REVIEWERS)[-1] == ("ann", None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "ben"}, "wrong-name"),
        ({"capacity": 0}, "invalid"),
        ({"time_zone": "Mars/Base"}, "invalid"),
        ({"manager": "ann"}, "invalid"),
        ({"manager": "nobody"}, "invalid"),
        ({"contact": "not an address"}, "invalid"),
        ({"boss": "zoe"}, "invalid"),
        ({"name": "x" * 1_001}, "invalid"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_changes(api: World, changes: dict[str, Any], code: str) -> None:
    assert refusal(api.put_to(PATH, body(**changes))) == (422, code)
    assert api.values(catalogue.REVIEWERS) == []


def test_who_may_only_look_changes_nobody(known: World) -> None:
    known.scopes["eve"] = frozenset({"reviewers:read"})
    assert refusal(known.put_to(PATH, body(), "eve", "*")) == (403, "missing-scope")
    assert refusal(known.delete(PATH, "eve", "*")) == (403, "missing-scope")
    assert known.get(PATH, "eve").status_code == 200
