"""What the desk did, as the pages of the console tell it, with the real desk on Kafka in memory. ClickHouse is away."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.policies.publishing import publish_policy
from interlock.streams.clock import SystemClock
from tests.interlock.api.api_world import until
from tests.interlock.console.pages_world import Console
from tests.interlock.review.review_world import POLICY, decision

_DAY = 86_400_000_000

ROLES = {"ann": ("reviewer",), "lee": ("reviewer", "lead")}


class Desk:
    """Ann, a reviewer, and Lee, a lead, at their pages and the API behind these."""

    def __init__(self, console: Console) -> None:
        self.console = console
        for person, roles in ROLES.items():
            console.desk.publish_reviewers(person, role=roles[-1])
            console.token(*roles, person=person)
        until(lambda: len(console.backend.board.reviewers) == len(ROLES))

    def ask(self, person: str, path: str, body: Any = None, status: int = 200) -> Any:
        """What a button sends; the JSON of the answer."""
        headers = {"Authorization": f"Bearer {self.console.token(*ROLES[person])}"}
        response = self.console.client.request("GET" if body is None else "POST", path, json=body, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    def page(self, person: str, path: str, *, part: bool = False) -> str:
        """The words of a page's content, without markup."""
        shown = self.console.get(path, *ROLES[person], fragment=part)
        assert shown.status_code == 200, shown.text
        content = shown.text if part else shown.text.partition("<main")[2]
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", content)).split())

    def html(self, person: str, path: str) -> str:
        return str(self.console.get(path, *ROLES[person]).text)

    def arrive(self, task_id: str, **changes: Any) -> None:
        self.console.arrive(decision(task_id), **changes)

    def decide(self, person: str, task_id: str, outcome: str) -> None:
        claimed = self.claim(person, task_id)
        lease = {"epoch": claimed["epoch"], "payload_hash": claimed["payload_hash"]}
        said = {"verdict": "choose", "outcome": outcome, "reason_code": "other", "reason_text": "as the test has it"}
        self.ask(person, f"/v1/tasks/{task_id}/submit", {**lease, **said})

    def claim(self, person: str, task_id: str) -> Any:
        self.ask(person, "/v1/me/on-duty", {})
        return self.ask(person, f"/v1/tasks/{task_id}/claim", {})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    console = Console(tmp_path)
    yield Desk(console)
    console.close()


def test_what_somebody_escalated_is_with_the_leads_only_until_a_lead_hands_it_back(desk: Desk) -> None:
    desk.arrive("d-1")
    assert "leads only" not in desk.page("ann", "/tasks/d-1")
    desk.claim("ann", "d-1")
    desk.ask("ann", "/v1/tasks/d-1/escalate", {"reason_text": "is the pay slip forged?"})
    assert "leads only" in desk.page("ann", "/tasks")
    assert "leads only" in desk.page("ann", "/tasks/d-1")
    assert 'data-command-form="de-escalate"' not in desk.html("ann", "/tasks/d-1")
    assert 'data-command-form="de-escalate"' in desk.html("lee", "/tasks/d-1")
    desk.ask("lee", "/v1/tasks/d-1/de-escalate", {"reason_text": "it is genuine"})
    shown = desk.page("lee", "/tasks/d-1")
    assert "leads only" not in shown
    assert "it is genuine" in shown
    assert 'data-command-form="de-escalate"' not in desk.html("lee", "/tasks/d-1")


def test_what_is_late_is_with_the_team_as_well_as_the_leads(desk: Desk) -> None:
    desk.arrive("d-1", routed_at=SystemClock().now() - 30 * _DAY)
    desk.ask("ann", "/v1/me/on-duty", {})
    until(lambda: "team and leads" in desk.page("ann", "/tasks"))
    assert "team and leads" in desk.page("ann", "/tasks/d-1")
    assert "leads only" not in desk.page("ann", "/tasks")
    (listed,) = desk.ask("ann", "/v1/tasks")["tasks"]
    assert listed["with_team"]
    assert listed["escalation"] == 1
    assert desk.claim("ann", "d-1")["accepted"]


def test_who_missed_a_pushed_task_is_shown_with_the_reason_and_what_ends_it(desk: Desk, tmp_path: Path) -> None:
    pushing = tmp_path / "policy.yaml"
    pushing.write_text(f"{POLICY}queues: {{underwriting: {{assign: push, start_within: 1s}}}}\n")
    publish_policy(desk.console.desk.broker, pushing, "test", "")
    until(lambda: "1 s in queue underwriting" in desk.ask("ann", "/v1/me/on-duty", {})["message"])
    desk.arrive("d-1")
    until(lambda: desk.ask("lee", "/v1/reviewers/ann")["paused_since"] is not None)
    row = next(row for row in desk.ask("lee", "/v1/reviewers")["reviewers"] if row["id"] == "ann")
    assert row["on_duty"]
    assert "d-1 was to be started" in row["pause_reason"]
    for path in ("/team", "/reviewers", "/reviewers/ann"):
        shown = desk.page("lee", path)
        assert "pushes paused since" in shown, path
        assert "d-1 was to be started" in shown, path
        assert "“Go on duty”" in shown, path
    assert "Nothing is pushed to you since" in desk.page("ann", "/work")
    assert "POST /v1/me/on-duty" in desk.html("ann", "/work")
    # Otherwise it would be pushed again.
    desk.claim("lee", "d-1")
    desk.ask("ann", "/v1/me/on-duty", {})
    assert "Nothing is pushed to you" not in desk.page("ann", "/work")
    assert "pushes paused" not in desk.page("lee", "/team")


def acted_alone(desk: Desk, *task_ids: str) -> None:
    """Decisions that took effect without a person, under a blind audit."""
    for number, task_id in enumerate(task_ids):
        until = SystemClock().now() + _DAY + number
        desk.arrive(task_id, route="auto", topic="reviews.async", audit=True, override_until=until)


def test_what_a_halted_model_did_by_itself_is_counted_listed_and_sent_to_people(desk: Desk) -> None:
    acted_alone(desk, "d-1", "d-2", "d-3")
    desk.arrive("waits")
    desk.ask("lee", "/v1/controls/halt", {"scope": "model:m@7", "reason": "it drifts"})
    until(lambda: "3 can be rolled back" in desk.page("lee", "/controls"))
    shown = desk.page("lee", "/controls/recall?scope=model:m%407")
    assert "3 decisions that can be rolled back" in shown
    assert "Send all 3 to people" in shown
    first = desk.ask("lee", "/v1/controls/recallable?scope=model:m@7&limit=2")
    rest = desk.ask("lee", f"/v1/controls/recallable?scope=model:m@7&limit=2&cursor={first['next']}")
    assert (first["count"], rest["next"]) == (3, None)
    listed = [one["task_id"] for page in (first, rest) for one in page["decisions"]]
    assert listed == ["d-1", "d-2", "d-3"]
    body = {"ids": listed, "reason": "halted: it drifts"}
    assert desk.ask("lee", "/v1/tasks/bulk/recall", body)["accepted"] == 3
    assert desk.ask("lee", "/v1/tasks/bulk/recall", body)["accepted"] == 3
    assert "Send" not in desk.page("lee", "/controls/recall?scope=model:m%407", part=True)
    assert "nothing to roll back" in desk.page("lee", "/controls")
    assert "halted: it drifts" in desk.page("ann", "/tasks/d-1")


def test_who_is_no_lead_learns_from_no_list_what_is_an_audit(desk: Desk) -> None:
    acted_alone(desk, "d-1")
    desk.ask("lee", "/v1/controls/halt", {"scope": "all", "reason": "it drifts"})
    desk.ask("ann", "/v1/controls/recallable?scope=all", status=403)
    assert desk.console.get("/controls/recall?scope=all", *ROLES["ann"]).status_code == 403
    owner = desk.console.get("/controls", "policy_owner")
    assert "What is halted" in owner.text
    assert "rolled back" not in owner.text
    refused = desk.ask("ann", "/v1/tasks/bulk/recall", {"ids": ["d-1"], "reason": "why not"})
    assert [one["code"] for one in refused["results"]] == ["not-lead"]


def test_what_is_no_scope_of_a_halt_is_refused(desk: Desk) -> None:
    refused = desk.ask("lee", "/v1/controls/recallable?scope=m", status=422)
    assert refused["code"] == "unknown-scope"
    assert desk.console.get("/controls/recall?scope=m", *ROLES["lee"]).status_code == 422


def decide(desk: Desk, person: str, task_id: str, verdict: str = "approve", outcome: str = "") -> Any:
    """Claims and decides."""
    lease = desk.claim(person, task_id)
    return desk.ask(
        person, f"/v1/tasks/{task_id}/submit", _verdict(lease, verdict, outcome) | {"epoch": lease["epoch"]}
    )


def _verdict(lease: Any, verdict: str, outcome: str) -> dict[str, Any]:
    words = {"reason_code": "income", "reason_text": "the pay slip came"}
    return {"payload_hash": lease["payload_hash"], "verdict": verdict, "outcome": outcome, **words}


def test_an_override_that_needs_a_second_lead_says_so_on_the_page_and_is_not_handed_back(desk: Desk) -> None:
    desk.arrive("d-1", reasons=["very-large"])
    decide(desk, "ann", "d-1")
    assert "2 people must agree; 1 has judged it" in desk.page("lee", "/tasks/d-1")
    decide(desk, "lee", "d-1")
    assert "Decided: reject" in desk.page("lee", "/tasks/d-1")
    lease = desk.ask("lee", "/v1/tasks/d-1")["task"]
    desk.ask("lee", "/v1/tasks/d-1/override", _verdict(lease, "choose", "approve"))
    shown = desk.page("ann", "/tasks/d-1")
    assert "lee proposes approve instead of reject, which two people must decide" in shown
    assert "people must agree" not in shown
    # Lee is the only lead, and has proposed it.
    assert "nobody may decide it" in shown
    assert "leads only" in shown
    assert 'data-command-form="de-escalate"' not in desk.html("lee", "/tasks/d-1")


def test_an_appeal_is_offered_as_long_as_one_is_possible_and_says_who_is_kept_from_it(desk: Desk) -> None:
    desk.arrive("d-1")
    decide(desk, "ann", "d-1")
    offered = desk.page("ann", "/tasks/d-1")
    assert "File an appeal" in offered
    assert "Appeal 1 of 1 that are possible, until" in offered
    desk.ask("ann", "/v1/tasks/d-1/appeal", {"statement": "my income rose", "on_behalf_of": "Erika"})
    shown = desk.page("lee", "/tasks/d-1")
    assert "This is appeal 1 of 1 that are possible, filed in the name of Erika" in shown
    assert "not deciding it: ann, Erika" in shown
    assert "my income rose" in shown
    decide(desk, "lee", "d-1")
    ended = desk.page("lee", "/tasks/d-1")
    assert "No appeal is possible any more: 1 of 1 filed" in ended
    assert 'data-command-form="appeal"' not in desk.html("lee", "/tasks/d-1")


@pytest.mark.parametrize("look", ["shown", "blind"])
@pytest.mark.parametrize("outcome", ["approve", "reject"])
def test_the_page_of_a_planted_case_is_like_that_of_any_other_before_and_after_the_verdict(
    desk: Desk, look: str, outcome: str
) -> None:
    """With the same words, buttons and links, on the page and in what the API says of the task."""
    blind: dict[str, Any] = {"route": "auto", "topic": "reviews.async", "audit": True}
    for task_id in ("loan-2", "loan-7"):
        desk.arrive(task_id, **(blind if look == "blind" else {}))
    desk.decide("lee", "loan-2", "approve")
    planted = desk.ask("lee", "/v1/tasks/loan-2/gold", {"outcome": "reject"})["task_id"]

    def shown(task_id: str) -> list[Any]:
        task = desk.ask("ann", f"/v1/tasks/{task_id}?similar=false")
        facts = {name: task["task"][name] for name in ("kind", "state", "effect", "verdicts", "standing", "opinions")}
        told = [desk.html("ann", f"/tasks/{task_id}"), desk.html("ann", f"/tasks/{task_id}/status"), str(facts)]
        assert "loan-2" not in "".join(told)
        return [_without_instants(each.replace(task_id, "ID")) for each in told]

    assert shown(planted) == shown("loan-7")
    for task_id in (planted, "loan-7"):
        desk.decide("ann", task_id, outcome)
    assert shown(planted) == shown("loan-7")
    assert ("by ann" in desk.page("ann", f"/tasks/{planted}")) == (look == "shown" or outcome == "approve")


def _without_instants(text: str) -> str:
    """Without hashes, times and countdowns."""
    return re.sub(r"\d\d+", "N", re.sub(r"[0-9a-f]{32}", "HASH", text))
