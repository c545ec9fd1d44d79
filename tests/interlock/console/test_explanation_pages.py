"""Explanations over HTTP and in the console, with the real desk on Kafka in memory. ClickHouse is away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.explanations.page import content_security_policy
from tests.interlock.api.api_world import until
from tests.interlock.console.pages_world import Console
from tests.interlock.review.review_world import decision


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    made.desk.publish_reviewers("ann")
    made.desk.publish_reviewers("lee", role="lead")
    made.token("reviewer", person="ann")
    until(lambda: len(made.backend.board.reviewers) == 2)
    yield made
    made.close()


def _decide(console: Console, task_id: str) -> None:
    headers = {"Authorization": f"Bearer {console.token('reviewer')}"}
    for path in ("/v1/me/on-duty", f"/v1/tasks/{task_id}/claim"):
        answer = console.client.post(path, headers=headers, json={})
        assert answer.status_code == 200, answer.text
    lease = {name: answer.json()[name] for name in ("epoch", "payload_hash")}
    said = {"verdict": "choose", "outcome": "approve", "reason_code": "other", "reason_text": "ann has seen proof"}
    answer = console.client.post(f"/v1/tasks/{task_id}/submit", headers=headers, json={**lease, **said})
    assert answer.status_code == 200, answer.text


def _problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_decision_is_explained_as_json_and_as_a_file(console: Console) -> None:
    console.arrive(decision("d-1"))
    _decide(console, "d-1")
    answer = console.get("/v1/decisions/d-1/explanation", "analyst")
    assert answer.status_code == 200, answer.text
    assert answer.json()["words"][-1]["outcome"] == "approve"
    assert "ClickHouse does not answer" in answer.json()["missing"][0]
    file = console.get("/v1/decisions/d-1/explanation", "analyst", format="html")
    assert file.headers["content-disposition"] == 'attachment; filename="explanation.html"'
    assert file.headers["etag"] == answer.headers["etag"]
    assert answer.headers["etag"].strip('"') in file.text
    assert console.get("/v1/decisions/d-1/explanation", "analyst", format="html").content == file.content


def test_the_person_concerned_is_told_no_name_of_a_reviewer(console: Console) -> None:
    console.arrive(decision("d-1"))
    _decide(console, "d-1")
    told = console.get("/v1/decisions/d-1/explanation?for=subject", "analyst")
    assert "a reviewer has seen proof" in told.text
    assert "ann" not in told.text


def test_the_page_has_links_that_the_file_has_not(console: Console) -> None:
    console.arrive(decision("d-1"))
    _decide(console, "d-1")
    page = console.get("/decisions/d-1/explanation", "analyst")
    assert page.headers["content-security-policy"] == content_security_policy()
    assert 'href="/v1/decisions/d-1/explanation?format=html&amp;for=auditor"' in page.text
    assert "href" not in console.get("/v1/decisions/d-1/explanation", "analyst", format="html").text
    assert 'href="/decisions/d-1/explanation"' in console.get("/decisions/d-1", "analyst").text


def test_who_may_judge_an_undecided_decision_gets_no_explanation(console: Console) -> None:
    console.arrive(decision("d-1"))
    for path in ("/v1/decisions/d-1/explanation", "/v1/decisions/d-1/explanation?format=html&for=subject"):
        assert _problem(console.get(path, "reviewer")) == (403, "not-decided-yet")
    assert console.get("/decisions/d-1/explanation", "reviewer").status_code == 403
    assert "Explain it" not in console.get("/decisions/d-1", "reviewer").text
    assert console.get("/v1/decisions/d-1/explanation", "analyst").status_code == 200


def test_who_may_judge_a_decision_blind_gets_no_explanation(console: Console) -> None:
    console.arrive(decision("d-blind"), "auto", "reviews.async", audit=True, propensity=0.05)
    assert _problem(console.get("/v1/decisions/d-blind/explanation", "reviewer")) == (403, "blind")
    assert console.get("/v1/decisions/d-blind/explanation", "analyst").status_code == 200


def test_a_decision_that_nobody_knows_is_said_to_be_unknown(console: Console) -> None:
    assert console.get("/v1/decisions/nobody/explanation", "analyst").status_code == 404


def test_as_of_a_moment_before_it_a_decision_is_unknown(console: Console) -> None:
    console.arrive(decision("d-1"))
    path = "/v1/decisions/d-1/explanation"
    assert console.get(path, "analyst", as_of="2001-01-01T00:00:00").status_code == 404
    assert console.get(path, "analyst", as_of="never").status_code == 422
