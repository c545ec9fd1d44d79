"""What owners and operators do in a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from interlock.review.roster import person as reviewer
from interlock.schemas import catalogue
from tests.interlock.console.closing import close
from tests.interlock.console.console_world import World
from tests.interlock.console.styleguide import serving
from tests.interlock.console.test_owner_pages import bury, publish, wait_for

PEOPLE = ("ana", "ben")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[World]:
    """With a policy in force, and two people who may log in as anything."""
    world = World(tmp_path, api={"demo_login": True})
    for name in PEOPLE:
        world.put(catalogue.REVIEWERS, name, reviewer({"id": name}).to_record())
    wait_for(lambda: len(world.backend.board.reviewers) == len(PEOPLE))
    publish(world)
    yield world
    world.close()


@pytest.fixture
def site(console: World) -> Iterator[str]:
    """Its address; the demo login takes localhost only."""
    with serving(console.app) as address:
        yield address.replace("127.0.0.1", "localhost")


@pytest.fixture
def pages(browser: Browser, site: str) -> Iterator[tuple[Page, Page]]:
    """Those of ana and ben, who are logged in."""
    contexts = [browser.new_context(viewport={"width": 1280, "height": 900}) for _ in PEOPLE]
    opened = []
    for context, name in zip(contexts, PEOPLE, strict=True):
        page = context.new_page()
        page.goto(f"{site}/login")
        page.get_by_role("button", name=name).click()
        page.locator("html[data-ready]").wait_for()
        opened.append(page)
    yield opened[0], opened[1]
    for context in contexts:
        close(context)


def visit(page: Page, address: str) -> None:
    """The page with its modules started and its events coming."""
    page.goto(address)
    page.locator("html[data-ready]").wait_for()
    page.locator("[data-live-state=live]").wait_for()


def confirm(page: Page, reason: str = "") -> None:
    """Answers the question."""
    if reason:
        page.locator("#confirm textarea").fill(reason)
    page.locator("#confirm button[type=submit]").click()


def test_a_policy_is_checked_as_one_types_and_published_by_two_people(pages: tuple[Page, Page], site: str) -> None:
    ana, ben = pages
    visit(ana, f"{site}/policies/lending/edit")
    area = ana.locator("#policy-source")
    text = area.input_value()
    area.fill(text.replace("queue:", "quue:"))
    expect(ana.locator(".messages li")).to_contain_text("unknown field")
    expect(ana.locator(".gutter .wrong")).to_have_text("9")
    ana.locator(".messages button").click()
    chosen = "(area) => area.value.slice(area.selectionStart, area.selectionEnd)"
    assert area.evaluate(chosen) == "    quue: underwriting"
    expect(ana.locator("[data-publish]")).to_be_disabled()
    area.fill(text.replace("0.95", "0.93"))
    expect(ana.locator("[data-meaning]")).to_contain_text("0.95 → 0.93")
    area.press("Control+Enter")
    expect(ana.locator("#publish [data-publish-meaning]")).to_contain_text("0.95 → 0.93")
    ana.locator("#field-note").fill("people agreed with all of them")
    ana.get_by_role("button", name="File it").click()
    ana.wait_for_url("**/proposals/**")
    expect(ana.locator("main")).to_contain_text("another person must accept it")
    visit(ben, ana.url)
    ben.keyboard.press("a")
    confirm(ben)
    # Nobody has to load the page again.
    expect(ana.locator("main")).to_contain_text("Accepted by ben")
    visit(ana, f"{site}/policies/lending")
    expect(ana.locator("dl.definitions")).to_contain_text("people agreed with all of them")


def test_a_halt_of_everything_is_typed_and_stands_on_open_pages_within_a_second(
    pages: tuple[Page, Page], site: str
) -> None:
    ana, ben = pages
    visit(ben, f"{site}/policies")
    visit(ana, f"{site}/controls")
    ana.keyboard.press("a")
    ana.keyboard.press("h")
    confirm(ana, "drill")
    expect(ana.locator("#confirm")).to_be_visible()
    ana.locator("[data-confirm-word] input").fill("all")
    confirm(ana)
    expect(ana.locator("#toasts")).to_contain_text("Halted: all")
    expect(ben.locator(".banner-stop")).to_contain_text("Everything is halted", timeout=1_000)
    ana.get_by_role("button", name="Resume").click()
    confirm(ana, "it is over")
    expect(ben.locator(".banner-stop")).to_have_count(0)


def test_a_refused_entry_of_the_roster_says_why_and_keeps_what_was_written(pages: tuple[Page, Page], site: str) -> None:
    ana, _ = pages
    visit(ana, f"{site}/reviewers/ben")
    ana.locator("[name=hours-mon]").fill("9-17")
    ana.keyboard.press("Enter")
    expect(ana.locator("[data-refusal]")).to_contain_text("write hours such as 09:00-17:00")
    ana.locator("[name=hours-mon]").fill("09:00-12:00, 13:00-17:00")
    ana.get_by_role("button", name="Add a qualification").click()
    ana.keyboard.type("clinician")
    ana.locator("#field-contact").fill("json://localhost:9/secret")
    ana.get_by_role("button", name="Save").click()
    ana.wait_for_url("**/reviewers")
    visit(ana, f"{site}/reviewers/ben")
    expect(ana.locator("[name=hours-mon]")).to_have_value("09:00-12:00, 13:00-17:00")
    expect(ana.locator("[data-part=name]")).to_have_value("clinician")
    assert "secret" not in ana.content()


def test_chosen_dead_letters_are_sent_again_and_counted(console: World, pages: tuple[Page, Page], site: str) -> None:
    for _ in range(3):
        bury(console, b"\xff")
    ana, _ = pages
    visit(ana, f"{site}/dead-letters")
    ana.locator("[data-bulk-all]").check()
    ana.get_by_role("button", name="Send again").click()
    expect(ana.locator("#confirm h2")).to_have_text("Send again: 3 dead letters?")
    confirm(ana)
    expect(ana.locator("#toasts")).to_contain_text("Send again: 3 dead letters: done.")


def test_refused_rows_of_a_bulk_action_are_counted_with_the_first_reason(
    console: World, pages: tuple[Page, Page], site: str
) -> None:
    for _ in range(2):
        bury(console, b"\xff")
    ana, _ = pages
    visit(ana, f"{site}/dead-letters")
    answer = {"accepted": 1, "refused": 1, "results": [{"accepted": True}, {"accepted": False, "message": "not held"}]}
    ana.route("**/v1/dead-letters/replay", lambda route: route.fulfill(json=answer))
    ana.locator("[data-bulk-all]").check()
    ana.get_by_role("button", name="Send again").click()
    confirm(ana)
    expect(ana.locator("#toasts")).to_contain_text("Send again: 1 dead letter done, 1 refused. not held")


def test_a_token_is_shown_once_and_can_be_revoked(pages: tuple[Page, Page], site: str) -> None:
    ana, _ = pages
    visit(ana, f"{site}/system")
    ana.keyboard.press("n")
    ana.locator("#field-token_name").fill("loan service")
    ana.locator("[name=scope][value='decisions:read']").check()
    ana.get_by_role("button", name="Make it").click()
    shown = ana.locator("[data-token]")
    expect(shown).not_to_have_value("")
    ana.get_by_role("button", name="Done").click()
    expect(shown).to_have_value("")
    ana.get_by_role("button", name="Revoke loan service").click()
    confirm(ana)
    expect(ana.locator("[data-tokens] .badge-bad")).to_have_text("revoked")
