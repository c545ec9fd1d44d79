"""Who submits a decision over HTTP is its caller: only this one ends the waiting, and may say for how long it waits."""

import threading
from typing import Any

import pytest

from interlock.schemas import catalogue
from interlock.schemas.headers import CALLER_HEADER, CALLER_SECONDS_HEADER, headers_of
from interlock.streams.ranges import read_topic
from tests.interlock.api.api_world import World, refusal, until

LOAN = {
    "decision_id": "loan-1",
    "domain": "loans",
    "model_id": "m",
    "model_version": "1",
    "prediction": "approve",
    "confidence": 0.7,
    "created_at": "2026-01-31T12:00:00Z",
}


def told(api: World) -> dict[str, bytes | None]:
    """The headers of the decision that was submitted."""
    (message,) = [message for messages in read_topic(api.broker, catalogue.DECISIONS.name) for message in messages]
    return dict(headers_of(message))


def test_a_decision_names_the_person_who_submitted_it_as_its_caller(api: World) -> None:
    assert api.post("/v1/decisions", LOAN, "shop").status_code == 202
    # The desk takes `POST /v1/decisions/loan-1/expire` from nobody else.
    assert told(api) == {CALLER_HEADER: b"shop"}


def test_a_decision_says_when_its_caller_gives_up_over_any_number_of_requests(api: World) -> None:
    assert api.post("/v1/decisions?give_up_after=90", LOAN, "shop").status_code == 202
    assert told(api) == {CALLER_HEADER: b"shop", CALLER_SECONDS_HEADER: b"90.000"}


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "1e9", "soon"])
def test_a_time_that_nobody_can_wait_is_refused(api: World, seconds: str) -> None:
    assert refusal(api.post(f"/v1/decisions?give_up_after={seconds}", LOAN))[0] == 422
    assert api.contents()[catalogue.DECISIONS.name] == 0


def resolved(api: World, version: int, *, final: bool) -> None:
    """A person has rejected loan-1; `final`: the window has closed since."""
    record: dict[str, Any] = {
        "decision_id": "loan-1",
        "version": version,
        "outcome": "reject",
        "prediction": "approve",
        "verdict": "reject",
        "source": "review",
        "decided_by": ["ada"],
        "decided_at": 1_767_225_600_000_000,
        "final": final,
        "override_until": None,
        "reason_code": "income",
        "reason_text": "too low",
        "modifications": "",
        "notices": [],
        "domain": "loans",
        "model_id": "m",
        "model_version": "1",
        "policy_version": "p",
    }
    api.put(catalogue.RESOLUTIONS, "loan-1", record)


def test_who_waits_for_the_final_word_gets_it_when_the_window_has_closed_and_is_told_to_ask_again_before(
    api: World,
) -> None:
    path = "/v1/decisions/loan-1/resolution"
    resolved(api, 1, final=False)
    until(lambda: api.get(path).status_code == 200)
    assert api.get(path, wait=5).json()["final"] is False
    for wait in (0, 0.3):
        pending = api.get(path, final="true", wait=wait)
        assert (pending.status_code, pending.json()["status"]) == (202, "pending")
        assert int(pending.headers["retry-after"]) > 0
    closes = threading.Timer(0.3, lambda: resolved(api, 2, final=True))
    closes.start()
    answer = api.get(path, final="true", wait=30)
    closes.join()
    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["final"]) == (2, True)
    assert api.get(path, final="true").json()["version"] == 2
