"""The pages of owners and operators."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.console.server import PAGES
from interlock.learning.estimates import Estimate, Target
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.record import opened
from interlock.processors.proposals.retraining import propose_from_request
from interlock.review.roster import person as reviewer
from interlock.schemas import catalogue
from interlock.schemas.error_headers import with_error_headers
from interlock.streams.ports import Headers
from interlock.streams.sending import Outgoing, send_and_wait
from tests.interlock.console.console_world import POLICY, World
from tests.interlock.policies.test_certification_progress import RECORD as LANE_PROGRESS
from tests.sinks import learning_records

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"\"'>{SCRIPT}\u202etxt"

PAGES_OF_OWNERS = (
    "/policies",
    "/new-policy",
    "/packs",
    "/proposals",
    "/controls",
    "/controls/history",
    "/dead-letters",
    "/reviewers",
    "/new-reviewer",
    "/alerts",
    "/alerts/webhooks",
    "/system",
    "/system/lag",
    "/system/tokens",
    "/banner",
)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[World]:
    """A console whose ClickHouse is away."""
    world = World(tmp_path)
    yield world
    world.close()


def wait_for(condition: Callable[[], object]) -> None:
    """Until the board has seen it."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def publish(console: World, source: str = POLICY, note: str = "as agreed") -> str:
    """Two people publish a policy; its version."""
    ana, ben = console.browser("ana", "policy_owner"), console.browser("ben", "policy_owner")
    listed = ana.send("GET", "/v1/policies").json()["policies"]
    tag = f'"{listed[0]["version"]}"' if listed else ""
    filed = ana.send("POST", "/v1/policies/lending/publish", {"source": source, "note": note}, tag)
    assert filed.status_code == 202, filed.text
    proposal = filed.json()["proposal"]["proposal_id"]
    assert ben.send("POST", f"/v1/proposals/{proposal}/accept", {"note": ""}).status_code == 200
    return str(ana.send("GET", "/v1/policies/lending").json()["version"])


def file_request(console: World, person: str, source: str, note: str = "why not") -> str:
    """A request to publish, which waits; its id."""
    browser = console.browser(person, "policy_owner")
    found = browser.send("GET", "/v1/policies/lending")
    tag = found.headers["etag"] if found.status_code == 200 else ""
    filed = browser.send("POST", "/v1/policies/lending/publish", {"source": source, "note": note}, tag)
    assert filed.status_code == 202, filed.text
    return str(filed.json()["proposal"]["proposal_id"])


def bury(console: World, value: bytes, message: str = "no such schema") -> None:
    """A dead letter of the router."""
    headers: Headers = [
        *with_error_headers(
            [("trace", HOSTILE.encode())],
            reason="unknown-schema",
            message=message,
            topic=catalogue.DECISIONS.name,
            partition=0,
            offset=7,
        )
    ]
    outgoing = Outgoing(catalogue.DEAD_LETTER.name, b"k", value, headers)
    send_and_wait(console.broker.producer(None), [outgoing], 5.0)


def threshold(console: World, **fields: Any) -> None:
    """A proposal of the learning side."""
    record = opened(
        "threshold",
        "threshold-1",
        title=HOSTILE,
        claim="With confidence 0.9 or more at most 2 % are wrong.",
        at=1_780_000_000_000_000,
        evidence={"alpha": 0.02, "delta": 0.05, "labels": 812, "note": HOSTILE},
        change={"domain": "loans", "prediction": "approve", "auto": 0.9},
        domain="loans",
        model_id="scorer",
        model_version="7",
        workload=Estimate("reviewed", Target.PROCESS, 0.31, 0.0, 0.27, 0.36, 2_000, 812),
        error=Estimate("reviewed", Target.PROCESS, 0.011, 0.0, 0.006, 0.018, 2_000, 812),
        policy="lending",
        policy_version="",
    )
    console.put(catalogue.PROPOSALS, record["proposal_id"], record | fields)


def scopeless_buttons(page: str) -> list[str]:
    """Whatever on a page would change something."""
    return re.findall(r'data-act="[^"]*"|data-bulk-action="[^"]*"|data-publish|id="halt-form"|id="reviewer"', page)


@pytest.mark.parametrize("path", PAGES_OF_OWNERS)
def test_every_page_opens_while_nothing_is_there_and_clickhouse_is_away(console: World, path: str) -> None:
    console.browser("ada", "admin").page(path)


@pytest.mark.parametrize("path", PAGES_OF_OWNERS)
def test_nobody_sees_a_page_without_its_scope(console: World, path: str) -> None:
    nobody = console.browser("eve")
    nobody.page(path, 200 if path == "/banner" else 403)


def test_pages_only_read() -> None:
    # A replay reads as well: the text of a policy is too long for an address.
    written = {
        (method, getattr(route, "path", ""))
        for router in PAGES
        for route in router.routes
        for method in getattr(route, "methods", ())
        if method != "GET"
    }
    assert written == {("POST", "/policies/replay")}


def test_a_page_says_that_clickhouse_is_away_and_shows_the_rest(console: World) -> None:
    publish(console)
    page = console.browser("ana", "policy_owner").page("/policies/lending")
    assert "Older versions cannot be shown" in page
    assert "underwriting" in page
    controls = console.browser("ana", "policy_owner").page("/controls")
    assert "The history cannot be shown" in controls
    assert "Nothing is halted" in controls


def test_a_policy_is_shown_with_its_text_by_line_and_who_published_it(console: World) -> None:
    version = publish(console, note=HOSTILE)
    page = console.browser("ana", "policy_owner").page("/policies/lending")
    assert version in page
    assert '<tr id="L1"><th scope="row">1</th>' in page
    assert "ben" in page
    assert SCRIPT not in page
    assert "\u202e" not in page


def test_packs_are_shown_with_their_duties_and_as_no_legal_advice(console: World) -> None:
    page = console.browser("ana", "policy_owner").page("/packs")
    assert "This is no legal advice." in page
    assert "An applicant who is declined gets a notice of adverse action" in page
    assert "used by no policy in force" in page


def test_a_policy_that_does_not_exist_is_not_found(console: World) -> None:
    # Without ClickHouse nobody knows which policies there were.
    page = console.browser("ana", "policy_owner").page("/policies/absent")
    assert "No version of this policy is in force" in page


def test_two_versions_are_compared_in_meaning_and_by_line(console: World) -> None:
    first = publish(console)
    ana = console.browser("ana", "policy_owner")
    request = file_request(console, "ana", POLICY.replace("0.95", "0.90"))
    page = ana.page(f"/proposals/{request}")
    assert "0.95 → 0.9" in page
    assert 'class="line-removed"' in page
    assert 'class="line-added"' in page
    same = ana.page(f"/policies/lending/compare?before={first}&after={first}")
    assert "The texts are equal" in same


def test_how_far_every_lane_is_stands_on_the_page_of_proposals_and_in_the_api(console: World) -> None:
    publish(console, POLICY + "risk: {per_year: 0.08}\n")
    record = LANE_PROGRESS | {"domain": "loans", "prediction": "approve"}
    console.put(catalogue.LANE_PROGRESS, "loans/approve/scorer@7", record)
    ana = console.browser("ana", "policy_owner")
    page = ana.page("/proposals")
    assert "41 of about 84 audits" in page
    assert "nothing counted yet" in page  # the lane of reject
    assert "63 of 100 audits answered, 80 needed" in page
    assert "2% of the 8% risk of a false certificate a year is used" in page
    lanes = ana.send("GET", "/v1/proposals/progress").json()["lanes"]
    assert [lane["lane"] for lane in lanes] == ["loans/approve", "loans/reject"]


def test_who_asked_for_a_policy_has_no_button_to_accept_it(console: World) -> None:
    request = file_request(console, "ana", POLICY)
    own = console.browser("ana", "policy_owner").page(f"/proposals/{request}")
    other = console.browser("ben", "policy_owner").page(f"/proposals/{request}")
    assert f"/v1/proposals/{request}/accept" not in own
    assert "another person must accept it" in own
    assert f"POST /v1/proposals/{request}/accept" in other
    assert f"POST /v1/proposals/{request}/refuse" in own


def test_a_lead_reads_proposals_and_signs_none(console: World) -> None:
    request = file_request(console, "ana", POLICY)
    lead = console.browser("lee", "lead")
    assert not scopeless_buttons(lead.page(f"/proposals/{request}"))
    assert "signing takes the right" in lead.page(f"/proposals/{request}")
    assert not scopeless_buttons(lead.page("/policies"))
    lead.page("/policies/lending/edit", 403)
    lead.page("/new-policy", 403)


def test_a_request_is_listed_with_its_policy_until_it_is_decided(console: World) -> None:
    request = file_request(console, "ana", POLICY, note=HOSTILE)
    ben = console.browser("ben", "policy_owner")
    for path in ("/policies", "/policies/lending"):
        page = ben.page(path)
        assert f"/v1/proposals/{request}/accept" in page
        assert SCRIPT not in page
    assert ben.send("POST", f"/v1/proposals/{request}/refuse", {"reason": "no"}).status_code == 200
    assert f"/v1/proposals/{request}/accept" not in ben.page("/policies", part=True)


def test_a_proposal_has_its_numbers_with_intervals_and_its_certificate(console: World) -> None:
    publish(console)
    threshold(console)
    page = console.browser("ben", "policy_owner").page("/proposals/threshold-1")
    assert "31.0 %" in page
    assert "95 %: 27.0 % to 36.0 %" in page
    assert "with a probability of at least 95.0%" in page
    assert "812" in page
    assert "0.95 → 0.9" in page
    assert SCRIPT not in page


def test_a_retraining_proposal_shows_its_slices_since_the_change_and_since_the_start(console: World) -> None:
    asked = learning_records.request("scorer", override_rate_upper=0.4)
    table = ProposalTable()
    asked |= {"slices_since_change": asked["slices"][1:], "slices": asked["slices"][:1]}
    for event in propose_from_request(asked, table):
        assert event.record is not None
        console.put(catalogue.PROPOSALS, event.key, event.record)
    page = console.browser("ben", "policy_owner").page(f"/proposals/{event.key}")
    since, start = page.index("since the change"), page.index("since the start")
    assert page.index("purpose = car AND prediction = approve") < since < start
    assert "Overridden, of all decisions" in page
    assert "they have answered 92 of 100 audits." in page
    assert "interlock export training-examples --model scorer@7" in page


def test_open_proposals_come_first_and_decided_ones_say_why(console: World) -> None:
    publish(console)
    threshold(console)
    ben = console.browser("ben", "policy_owner")
    page = ben.page("/proposals")
    assert page.index("threshold-1") < page.index("Decided, newest first")
    assert ben.send("POST", "/v1/proposals/threshold-1/refuse", {"reason": "too few audits"}).status_code == 200
    page = ben.page("/proposals?kind=threshold", part=True)
    assert "too few audits" in page
    assert page.index("Decided, newest first") < page.index("threshold-1")


def test_what_is_halted_stands_on_every_page_and_can_be_resumed(console: World) -> None:
    ana = console.browser("ana", "policy_owner")
    assert ana.send("POST", "/v1/controls/halt", {"scope": "model:scorer@7", "reason": HOSTILE}).status_code == 200
    wait_for(lambda: console.backend.board.halts)
    for path in ("/banner", "/controls", "/policies"):
        page = ana.page(path, part=path == "/banner")
        assert "model:scorer@7" in page
        assert SCRIPT not in page
    assert "POST /v1/controls/resume" in ana.page("/controls")
    assert 'data-live="/banner" data-live-on="control,reset"' in ana.page("/policies")


def test_who_may_only_look_at_controls_cannot_halt(console: World) -> None:
    token = console.browser("ada", "admin").send("POST", "/v1/tokens", {"name": "screen", "scopes": ["controls:read"]})
    assert token.status_code == 201
    page = console.with_token(token.json()["token"], "/controls")
    assert "What is halted" in page
    assert not scopeless_buttons(page)


def test_a_dead_letter_is_shown_as_what_it_is(console: World) -> None:
    for value in (b"\x00\x01\xff", b'{"subject": "' + b"x" * 5 + b'"}', SCRIPT.encode(), b""):
        bury(console, value, HOSTILE)
    ada = console.browser("ada", "admin")
    listed = ada.page("/dead-letters")
    pages = [ada.page(path) for path in re.findall(r'href="(/dead-letters/\d+/\d+)"', listed)]
    assert len(pages) == 4
    for wanted in ("00000000  00 01 ff", "xxxxx", "&lt;script&gt;alert(1)", "It has no value"):
        assert any(wanted in page for page in pages), wanted
    assert all(SCRIPT not in page for page in (listed, *pages))
    assert all("POST /v1/dead-letters/replay" in page for page in pages)


def test_dead_letters_are_filtered_by_reason_and_chosen_in_bulk(console: World) -> None:
    bury(console, b"\xff")
    ada = console.browser("ada", "admin")
    assert 'data-bulk-action="/v1/dead-letters/replay"' in ada.page("/dead-letters?reason=unknown-schema")
    assert 'data-bulk-field="letters"' in ada.page("/dead-letters")
    assert 'href="/dead-letters/' not in ada.page("/dead-letters?reason=other", part=True)
    assert "There is none." in ada.page("/dead-letters?reason=other")


def test_a_letter_that_does_not_exist_is_not_found(console: World) -> None:
    ada = console.browser("ada", "admin")
    ada.page("/dead-letters/0/99", 404)
    ada.page("/dead-letters/zero/one", 422)


def test_the_roster_shows_no_contact_and_fills_the_form(console: World) -> None:
    fields = {
        "id": "ann",
        "name": HOSTILE,
        "qualifications": [{"name": "ai-oversight", "expires": "2027-01-31"}],
        "hours": {"mon": ["09:00-12:00", "13:00-24:00"]},
        "time_off": [{"start": "2026-12-24", "end": "2026-12-31"}],
        "time_zone": "Europe/Berlin",
        "contact": "mailto://user:secret@example.org",
    }
    console.put(catalogue.REVIEWERS, "ann", reviewer(fields).to_record())
    wait_for(lambda: console.backend.board.reviewers)
    lead = console.browser("lee", "lead")
    listed, page = lead.page("/reviewers"), lead.page("/reviewers/ann")
    for text in (listed, page):
        assert SCRIPT not in text
        assert "secret" not in text
    for value in ("2027-01-31", "09:00-12:00, 13:00-24:00", "2026-12-24", "2026-12-31", "Europe/Berlin"):
        assert f'value="{value}"' in page, value
    assert 'data-act="DELETE /v1/reviewers/ann"' in page
    tag = lead.send("GET", "/v1/reviewers/ann").headers["etag"].replace('"', "&#34;")
    assert f'data-match="{tag}"' in page


def test_alerts_are_all_or_mine_with_a_link_to_the_case(console: World) -> None:
    alert: dict[str, Any] = {
        "alert_id": "sla_breach/1",
        "kind": "sla_breach",
        "severity": "critical",
        "to": ["ann"],
        "task_id": "a/b",
        "queue": "underwriting",
        "message": HOSTILE,
        "at": 1_780_000_000_000_000,
    }
    console.put(catalogue.ALERTS, alert["alert_id"], alert)
    ann, bob = console.browser("ann", "reviewer"), console.browser("bob", "reviewer")
    assert 'href="/tasks/a%2Fb"' in bob.page("/alerts")
    assert 'href="/tasks/a%2Fb"' in ann.page("/alerts?mine=true")
    assert "You were told nothing" in bob.page("/alerts?mine=true", part=True)
    assert SCRIPT not in ann.page("/alerts")
    assert not scopeless_buttons(ann.page("/alerts"))
    assert "POST /v1/alerts/test" in console.browser("ada", "admin").page("/alerts")


def test_tokens_are_listed_without_their_secret_and_only_for_who_may_make_them(console: World) -> None:
    ada = console.browser("ada", "admin")
    made = ada.send("POST", "/v1/tokens", {"name": SCRIPT, "scopes": ["decisions:read"]}).json()
    page = ada.page("/system")
    assert f'data-act="DELETE /v1/tokens/{made["id"]}"' in page
    assert made["token"] not in page
    assert SCRIPT not in page
    analyst = console.browser("amy", "analyst")
    assert "/v1/tokens" not in analyst.page("/system")
    analyst.page("/system/tokens", 403)


def test_the_system_page_tells_of_kafka_clickhouse_and_every_group(console: World) -> None:
    amy = console.browser("amy", "analyst")
    page = amy.page("/system")
    assert "Kafka" in page
    assert "away" in page
    lag = amy.page("/system/lag", part=True)
    assert "interlock-webhooks" in lag
    assert "never ran" in lag
