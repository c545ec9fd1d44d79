"""What the modules of every page do, in a real browser."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.crash.test_kill_everything import wait_until
from tests.interlock.console.styleguide import SCRIPT, World


def _clicks(page: Page, selector: str) -> None:
    """Counts clicks on an element in `window.clicks`."""
    script = "s => { window.clicks = 0; document.querySelector(s).addEventListener('click', () => window.clicks++); }"
    page.evaluate(script, selector)


def test_a_key_presses_the_button_that_shows_it(guide: Page) -> None:
    _clicks(guide, "#approve")
    expect(guide.locator("#approve kbd")).to_have_text("a")
    assert guide.locator("#approve").get_attribute("aria-keyshortcuts") == "a"
    guide.keyboard.press("a")
    assert guide.evaluate("window.clicks") == 1


def test_a_key_rests_in_fields_with_modifiers_and_on_disabled_buttons(guide: Page) -> None:
    _clicks(guide, "#approve")
    guide.locator("#field-why").focus()
    guide.keyboard.press("a")
    guide.locator("#field-reason").focus()
    guide.keyboard.press("a")
    guide.locator("h1").click()
    for key in ("Control+a", "Alt+a", "Meta+a", "x"):
        guide.keyboard.press(key)
    assert guide.evaluate("window.clicks") == 0
    assert guide.locator("#field-why").input_value() == "a"


def test_a_key_works_on_a_checkbox_and_focuses_a_field(guide: Page) -> None:
    guide.keyboard.press("2")
    expect(guide.locator("input[name=verdict][value=reject]")).to_be_checked()
    before = guide.locator("#field-amount").input_value()
    guide.keyboard.press("m")
    expect(guide.locator("#field-amount")).to_be_focused()
    assert guide.locator("#field-amount").input_value() == before


def test_an_open_dialog_has_keys_of_its_own(guide: Page) -> None:
    _clicks(guide, "#approve")
    guide.keyboard.press("e")
    expect(guide.locator("#field-note")).to_be_focused()
    guide.locator("#sample-dialog-title").click()
    guide.keyboard.press("a")
    assert guide.evaluate("window.clicks") == 0
    guide.keyboard.press("y")
    expect(guide.locator("#sample-dialog")).to_be_hidden()


def test_keys_can_be_turned_off_for_good(guide: Page) -> None:
    guide.locator("[data-menu] summary").click()
    guide.locator("[data-keys-switch]").uncheck()
    guide.reload()
    guide.locator("html[data-ready]").wait_for()
    _clicks(guide, "#approve")
    for key in ("a", "?", "p"):
        guide.keyboard.press(key)
    assert guide.evaluate("window.clicks") == 0
    expect(guide.locator("#keys")).to_be_hidden()
    assert guide.locator("#approve kbd").count() == 0


def test_the_list_of_keys_names_those_of_the_page(guide: Page) -> None:
    guide.keyboard.press("?")
    rows = guide.locator("#keys tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows[:3]] == [["e", "Escalate"], ["a", "Approve"], ["r", "Reject"]]


def test_the_palette_finds_pages_actions_and_ids(guide: Page, address: str) -> None:
    _clicks(guide, "#approve")
    guide.keyboard.press("Control+k")
    guide.keyboard.type("aprv")
    guide.keyboard.press("Enter")
    assert guide.evaluate("window.clicks") == 1
    guide.keyboard.press("Control+k")
    guide.keyboard.type("dead")
    expect(guide.locator("#palette-list li").first).to_have_text("Page Dead letters")
    guide.keyboard.press("Control+a")
    guide.keyboard.type("loan/7?x")
    expect(guide.locator("#palette-list li")).to_have_text(["Open task loan/7?x", "Open decision loan/7?x"])
    guide.keyboard.press("ArrowDown")
    guide.keyboard.press("Enter")
    expect(guide.locator("#where")).to_have_text("decisions/loan/7?x")
    assert guide.url == f"{address}/decisions/loan%2F7%3Fx"


def test_what_is_typed_into_the_palette_is_text(guide: Page) -> None:
    guide.keyboard.press("Control+k")
    guide.locator(".palette-input").fill(SCRIPT.replace(" ", ""))
    expect(guide.locator("#palette-list li")).to_have_count(2)
    assert guide.evaluate("window.hacked") is None


def test_a_lease_counts_down_warns_and_ends(browser_page: Page, address: str) -> None:
    browser_page.clock.install(time=datetime.now(UTC))
    browser_page.goto(f"{address}/styleguide")
    lease = browser_page.locator("#lease time")
    expect(lease).to_have_text(re.compile(r"1 min 1\d s left"))
    expect(lease).to_have_attribute("data-level", "soon")
    browser_page.clock.run_for(20_000)
    expect(browser_page.locator("#alarms")).to_have_text("Your lease ends within a minute.")
    expect(lease).to_have_text(re.compile(r"^5\d s left"))
    browser_page.clock.run_for(60_000)
    expect(lease).to_have_text("lease ended")
    expect(lease).to_have_attribute("data-level", "over")


def test_a_wrong_clock_of_the_reader_does_not_move_deadlines(browser_page: Page, address: str) -> None:
    browser_page.clock.install(time=datetime.now(UTC) - timedelta(hours=7))
    browser_page.goto(f"{address}/styleguide")
    browser_page.clock.run_for(3_000)
    expect(browser_page.locator("#lease time")).to_have_text(re.compile(r"1 min (09|1\d) s left"))


def test_a_draft_survives_a_lost_page_and_goes_when_it_was_sent(guide: Page, world: World) -> None:
    guide.locator("#field-why").fill("The income was not proven.")
    guide.locator("input[name=verdict][value=reject]").check()
    guide.locator("#field-reason").select_option("documents incomplete")
    guide.reload()
    note = guide.locator("[data-draft-note]")
    expect(note).to_contain_text(re.compile(r"^Draft of \d\d:\d\d restored"))
    expect(guide.locator("#field-why")).to_have_value("The income was not proven.")
    expect(guide.locator("input[name=verdict][value=reject]")).to_be_checked()
    world.status = 409
    guide.locator("#decide button[type=submit]").click()
    expect(guide.locator(".toast")).to_contain_text("Already decided by <script>")
    assert "The income" in guide.evaluate("localStorage.getItem('interlock-draft:ann:loan-000001')")
    world.status = 200
    guide.locator("#decide button[type=submit]").click()
    expect(note).to_have_count(0)
    assert guide.evaluate("localStorage.getItem('interlock-draft:ann:loan-000001')") is None
    assert {token for _, _, _, token in world.requests} == {"token-1"}
    assert guide.evaluate("window.hacked") is None


def test_a_draft_can_be_discarded_and_goes_with_the_person(guide: Page) -> None:
    guide.locator("#field-why").fill("one")
    guide.reload()
    guide.locator("[data-draft-note] button").click()
    expect(guide.locator("#field-why")).to_have_value("")
    guide.locator("#field-why").fill("two")
    guide.evaluate("localStorage.setItem('interlock-draft:ben:loan-2', JSON.stringify({at: Date.now(), values: {}}))")
    guide.locator("[data-menu] summary").click()
    guide.evaluate(
        "document.querySelector('[data-logout]').addEventListener('submit', (event) => event.preventDefault())"
    )
    guide.locator("[data-logout] button").click()
    drafts = "Object.keys(localStorage).filter((name) => name.startsWith('interlock-draft'))"
    assert guide.evaluate(drafts) == ["interlock-draft:ben:loan-2"]


def test_personal_data_is_blurred_until_asked_for(guide: Page) -> None:
    sample = guide.locator("p [data-private]")
    blur = "one => getComputedStyle(one.firstElementChild).filter"
    assert "blur" in sample.evaluate(blur)
    sample.hover()
    assert sample.evaluate(blur) == "none"
    guide.locator("h1").hover()
    assert "blur" in sample.evaluate(blur)
    sample.focus()
    assert sample.evaluate(blur) == "none"
    guide.locator("h1").click()
    guide.keyboard.press("p")
    assert sample.evaluate(blur) == "none"
    guide.reload()
    guide.locator("html[data-ready]").wait_for()
    assert sample.evaluate(blur) == "none"
    guide.keyboard.press("p")
    assert "blur" in sample.evaluate(blur)


def test_an_event_refreshes_the_parts_that_wait_for_it(guide: Page, world: World) -> None:
    expect(guide.locator("[data-live-state]")).to_have_text("live")
    guide.evaluate("document.addEventListener('interlock:task', (event) => { window.heard = event.detail.task_id; })")
    world.events.append(("task", '{"task_id": "loan-1"}'))
    expect(guide.locator("#part #refreshed")).to_have_text("fetched 1 times")
    expect(guide.locator("#narrow")).to_have_text("not fetched")
    assert guide.evaluate("window.heard") == "loan-1"
    world.events.append(("task", '{"task_id": "loan-7"}'))
    expect(guide.locator("#narrow")).to_contain_text("fetched")


def test_many_events_are_few_requests(guide: Page, world: World) -> None:
    expect(guide.locator("[data-live-state]")).to_have_text("live")
    guide.evaluate(
        "() => { window.count = 0; document.addEventListener('interlock:presence', () => { window.count++; }); }"
    )
    world.events.append(("presence", "{}"))
    expect(guide.locator("#part #refreshed")).to_have_text("fetched 1 times")
    world.events += [("presence", "{}")] * 40
    # Not `wait_for_function`, which asks again by `eval`, which the page forbids.
    wait_until(lambda: guide.evaluate("() => window.count") == 41, "every event is heard", 30)
    expect(guide.locator("#part #refreshed")).to_have_text("fetched 2 times")
    assert world.refreshed == 2


def test_whoever_types_in_a_part_is_not_disturbed(guide: Page, world: World) -> None:
    expect(guide.locator("[data-live-state]")).to_have_text("live")
    guide.evaluate("document.querySelector('#part').innerHTML = '<input id=\"typing\" aria-label=\"x\">'")
    guide.locator("#typing").fill("half a sentence")
    world.events.append(("presence", "{}"))
    expect(guide.locator("#part")).to_have_attribute("data-live-stale", "")
    expect(guide.locator("#typing")).to_have_value("half a sentence")
    # A click elsewhere takes the focus, and the part with its input is replaced at once.
    guide.locator("h1").click()
    expect(guide.locator("#part #refreshed")).to_contain_text("fetched")


def test_a_lost_connection_is_said_and_caught_up(guide: Page, world: World) -> None:
    expect(guide.locator("[data-live-state]")).to_have_text("live")
    world.stopped = True
    expect(guide.locator("[data-live-state]")).to_have_text("reconnecting…")
    world.stopped = False
    expect(guide.locator("[data-live-state]")).to_have_text("live", timeout=15_000)
    expect(guide.locator("#part #refreshed")).to_contain_text("fetched")


def test_many_rows_are_acted_upon_with_a_count_and_a_reason(guide: Page, world: World) -> None:
    boxes = guide.locator("[data-bulk-item]")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(guide.locator("[data-bulk-count]")).to_have_text("3 chosen")
    guide.locator("[data-bulk-action]").click()
    expect(guide.locator("#confirm h2")).to_have_text("Release: 3 tasks?")
    submit = guide.locator("#confirm button[type=submit]")
    submit.click()
    guide.locator("#confirm textarea").fill("   ")
    submit.click()
    assert world.requests == []
    guide.locator("#confirm textarea").fill("left for the day")
    submit.click()
    expect(guide.locator(".toast")).to_contain_text("Release: 3 tasks: done.")
    body = {"ids": ["loan-1", "loan-2", SCRIPT], "reason": "left for the day"}
    assert world.requests == [("POST", "release", body, "token-1")]
    expect(guide.locator("[data-bulk-bar]")).to_be_hidden()


def test_a_cancelled_action_does_nothing(guide: Page, world: World) -> None:
    guide.locator("[data-bulk-all]").check()
    guide.locator("[data-bulk-action]").click()
    guide.keyboard.press("Escape")
    expect(guide.locator("#confirm")).to_be_hidden()
    assert world.requests == []
    expect(guide.locator("[data-bulk-count]")).to_have_text("5 chosen")


def test_filters_are_kept_under_their_names(guide: Page, address: str) -> None:
    guide.goto(f"{address}/styleguide?domain=loans&cursor=abc")
    guide.get_by_role("button", name="Save this filter…").click()
    guide.locator("#confirm textarea").fill(SCRIPT)
    guide.locator("#confirm button[type=submit]").click()
    link = guide.locator("[data-saved-filters] a")
    expect(link).to_have_text(SCRIPT)
    assert link.get_attribute("href") == "/styleguide?domain=loans"
    guide.reload()
    expect(link).to_have_attribute("aria-current", "true")
    guide.locator("[data-saved-filters] button").first.click()
    expect(link).to_have_count(0)
    assert guide.evaluate("window.hacked") is None


def test_times_are_those_of_the_reader_with_utc_beside(guide: Page) -> None:
    time = guide.locator(".definitions time")
    title = time.get_attribute("title")
    assert title is not None
    utc = datetime.strptime(title, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    expect(time).to_have_text(f"{utc + timedelta(hours=9):%Y-%m-%d %H:%M}")  # the browser's zone is Tokyo
    guide.locator("[data-menu] summary").click()
    zones = guide.locator("[data-zone-switch]")
    zones.focus()
    zones.select_option("America/New_York")
    guide.reload()
    expect(zones).to_have_value("America/New_York")
    expect(time).not_to_have_text(f"{utc + timedelta(hours=9):%Y-%m-%d %H:%M}")


@pytest.mark.parametrize(
    ("status", "code", "text"), [(409, "lease-lost", "Already decided by"), (200, None, None)], ids=["refused", "done"]
)
def test_the_api_answers_with_a_value_or_an_error_of_its_code(
    guide: Page, world: World, status: int, code: str | None, text: str | None
) -> None:
    world.status = status
    script = """async () => {
      const address = document.querySelector('script[type=module]').src.replace('app.js', 'api.js');
      const { api } = await import(address);
      try { return await api('PUT', '/v1/things/x', { a: 1 }); } catch (error) {
        return { code: error.code, status: error.status, detail: error.detail };
      }
    }"""
    answer = guide.evaluate(script)
    if code is None:
        assert answer == {"name": "x"}
    else:
        assert (answer["code"], answer["status"]) == (code, status)
        assert text is not None
        assert text in answer["detail"]
    assert world.requests == [("PUT", "x", {"a": 1}, "token-1")]


def test_whoever_is_no_longer_logged_in_comes_back_after_the_login(guide: Page, world: World, address: str) -> None:
    world.status = 401
    guide.locator("#field-why").fill("kept")
    guide.locator("#field-reason").select_option("documents incomplete")
    guide.locator("#decide button[type=submit]").click()
    guide.wait_for_url(f"{address}/login?next=%2Fstyleguide")
    assert "kept" in guide.evaluate("JSON.stringify(localStorage)")
