"""Those who are responsible, in a real browser on a running instance: stopping a model, publishing a policy, and pages
that everybody can read."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.interlock.console.office import PATIENCE_SECONDS, POLICY, Office
from tests.interlock.console.test_styleguide import violations

pytestmark = pytest.mark.kafka

# Every page of the navigation, and those behind them.
PAGES = (
    "/work",
    "/queues",
    "/tasks",
    "/tasks/{open}",
    "/tasks/{done}",
    "/decisions",
    "/decisions/{done}",
    "/team",
    "/quality",
    "/policies",
    "/policies/{policy}",
    "/policies/{policy}/edit",
    "/new-policy",
    "/proposals",
    "/controls",
    "/controls/recall?scope=all",
    "/dead-letters",
    "/reviewers",
    "/reviewers/{person}",
    "/new-reviewer",
    "/alerts",
    "/system",
    "/answers",
    "/answers/metrics",
    "/nowhere",
)

EVERY_ROLE = ("policy_owner", "analyst", "auditor", "admin")


def test_a_halt_is_seen_everywhere_at_once_and_holds_for_the_next_decisions(office: Office) -> None:
    automatic = office.decide("auto", amount=10, confidence=0.99)
    assert office.resolution(automatic)["source"] == "auto"
    watching, deciding = office.page("ann", "/work"), office.page("lee", "/controls")
    deciding.get_by_label("A domain").check()
    deciding.locator("#halt-domain").fill(f"{office.name}-auto")
    deciding.get_by_role("button", name="Halt…").click()
    deciding.locator("#confirm textarea").fill("the model has drifted")
    started = time.monotonic()
    deciding.locator("#confirm [type=submit]").click()
    expect(watching.get_by_label("Halted")).to_contain_text("the model has drifted")
    assert time.monotonic() - started < 10
    stopped = office.task(kind="auto", amount=10, confidence=0.99)
    assert office.ask("ann", "GET", f"/v1/tasks/{stopped}").json()["task"]["state"] in ("waiting", "assigned")
    entry = deciding.locator("main tr, main li, main article, main section").filter(has_text=f"{office.name}-auto")
    entry.get_by_role("button", name=re.compile("Resume")).first.click()
    deciding.locator("#confirm textarea").fill("a new version is in place")
    deciding.locator("#confirm [type=submit]").click()
    expect(watching.get_by_label("Halted").filter(has_text=office.name)).to_have_count(0)
    again = office.decide("auto", amount=10, confidence=0.99)
    assert office.resolution(again)["source"] == "auto"


def test_what_a_halted_domain_did_by_itself_is_sent_to_people_with_one_button(office: Office) -> None:
    office.publish(audit=1)
    done = [office.task(kind="auto", amount=10, confidence=0.99) for _ in range(3)]
    page = office.page("lee", "/controls")
    page.get_by_label("A domain").check()
    page.locator("#halt-domain").fill(f"{office.name}-auto")
    page.get_by_role("button", name="Halt…").click()
    page.locator("#confirm textarea").fill("the model has drifted")
    page.locator("#confirm [type=submit]").click()
    page.get_by_role("link", name=re.compile(rf"can be rolled back in domain:{office.name}-auto")).click()
    office.ready(page)
    for task_id in done:
        expect(page.locator("main")).to_contain_text(task_id)
    page.get_by_role("button", name=re.compile("Send all")).click()
    page.locator("#confirm textarea").fill("look at all of it")
    page.locator("#confirm [type=submit]").click()
    expect(page.locator("#toasts")).to_contain_text("wait for people.")
    expect(page.locator("#recall")).to_contain_text("Nothing of it took effect")
    for task_id in done:
        shown = office.ask("ann", "GET", f"/v1/tasks/{task_id}").json()["task"]
        assert (shown["kind"], shown["escalation_note"]) == ("recall", "look at all of it")
    resumed = office.ask(
        "lee", "POST", "/v1/controls/resume", {"scope": f"domain:{office.name}-auto", "reason": "done"}
    )
    assert resumed.status_code == 200


def test_a_policy_is_checked_while_one_types_and_published_by_two_people(office: Office) -> None:
    text = POLICY.format(name=office.name, audit=0)
    first = office.page("ann", f"/policies/{office.name}/edit", "policy_owner")
    source = first.locator("#policy-source")
    source.fill(text.replace("pre_approval", "pre_aproval", 1))
    expect(first.locator("[data-messages]")).to_contain_text("Line 4")
    expect(first.locator("[data-publish]")).to_be_disabled()
    source.fill(text.replace("amount > 1000", "amount > 2000"))
    expect(first.locator("[data-meaning]")).to_contain_text("2000")
    first.locator("[data-publish]").click()
    first.locator("dialog#publish [name=note]").fill("fewer small cases")
    first.locator("dialog#publish [value=publish]").click()
    first.wait_for_url(re.compile(r"/(policies|proposals)/(?!.*edit)"))
    second = office.page("bob", "/proposals", "policy_owner")
    second.get_by_role("link", name=office.name).first.click()
    expect(second.locator("main")).to_contain_text("fewer small cases")
    second.get_by_role("button", name=re.compile("Accept")).first.click()
    second.locator("dialog[open] textarea").fill("agreed")
    second.locator("dialog[open] [type=submit]").click()

    def in_force() -> bool:
        answer = office.ask("lee", "GET", f"/v1/policies/{office.name}")
        return "amount > 2000" in answer.json()["source"]

    office.until(in_force)


def test_an_owner_tries_a_text_on_the_past_before_anybody_is_affected(office: Office) -> None:
    done = [office.decide("auto", amount=10, confidence=0.9) for _ in range(3)]
    for decision_id in done:
        office.resolution(decision_id)
    page = office.page("ann", f"/policies/{office.name}/edit", "policy_owner")
    source = page.locator("#policy-source")
    source.fill(source.input_value().replace("auto: 0.5", "auto: 0.95"))
    answer = page.locator("#replay")

    def replayed() -> bool:
        """ClickHouse follows Kafka by some seconds."""
        with page.expect_response("**/policies/replay"):
            page.get_by_role("button", name="Replay").click()
        return "3 of 3 decisions" in answer.inner_text()

    office.until(replayed)
    expect(answer.get_by_role("table", name=re.compile("Decisions by the route"))).to_contain_text("async")


def test_an_auditor_proves_a_decision_and_takes_the_proof_away(office: Office) -> None:
    done = office.task()
    office.settle("bob", done)
    page = office.page("lee", f"/decisions/{done}", "auditor")

    def proved() -> bool:
        """The sink signs every two seconds."""
        with page.expect_response("**/proof"):
            page.get_by_role("button", name="Prove it now").click()
        return page.get_by_text("all are what was stored and signed").is_visible()

    office.until(proved)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download proof").click()
    assert office.instance.json("audit", "verify", "--export", str(download.value.path()))["ok"]


def _addresses(office: Office) -> list[str]:
    open_task, done = office.task(), office.task()
    office.settle("bob", done)
    office.until(lambda: office.ask("lee", "GET", f"/v1/decisions/{done}").json()["timeline"])
    names = {"open": open_task, "done": done, "policy": office.name, "person": office.people["ann"]}
    return [address.format(**names) for address in PAGES]


def test_every_page_is_accessible_in_both_themes_and_fits_a_tablet(office: Office) -> None:
    addresses = _addresses(office)
    page = office.page("lee", "/work", *EVERY_ROLE)
    found: dict[str, object] = {}
    for address in addresses:
        office.open(page, address)
        page.evaluate("document.documentElement.dataset.theme = 'light'")
        if wrong := violations(page):
            found[address] = wrong
        # Another theme has other colours, and nothing else.
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        if wrong := violations(page, only="color-contrast"):
            found[f"{address} dark"] = wrong
        if width := _overflow(page):
            found[f"{address} at 768 px"] = f"{width} px too wide"
    page.goto(f"{office.instance.url}{addresses[PAGES.index('/decisions/{done}')]}/explanation")
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        if wrong := violations(page, only="" if theme == "light" else "color-contrast"):
            found[f"explanation {theme}"] = wrong
    if width := _overflow(page):
        found["explanation at 768 px"] = f"{width} px too wide"
    assert found == {}


def test_the_fairness_of_a_domain_is_accessible_and_fits_a_tablet(office: Office) -> None:
    office.resolution(office.decide("auto", amount=10, confidence=0.99))
    page = office.page("lee", f"/quality?domain={office.name}-auto", *EVERY_ROLE)
    section = page.locator("section[aria-labelledby=fairness]")
    # The page first reads every other number.
    expect(section.get_by_text("The policy names no groups")).to_be_visible(timeout=PATIENCE_SECONDS * 1000)
    expect(section.get_by_role("table")).to_be_visible()
    assert not violations(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert not violations(page, only="color-contrast")
    assert not _overflow(page)


def _overflow(page: Page) -> int:
    """By how many pixels the page is wider than a tablet."""
    page.set_viewport_size({"width": 768, "height": 1024})
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.set_viewport_size({"width": 1360, "height": 900})
    return width


def test_pages_go_on_without_what_they_cannot_show(office: Office) -> None:
    page = office.page("lee", "/work", *EVERY_ROLE)
    answer = page.goto(f"{office.instance.url}/tasks/nobody")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("main")).to_contain_text("there is no task 'nobody'")
