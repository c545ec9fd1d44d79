"""Every macro with hostile data in a real browser: nothing is executed, and everybody can read it."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.interlock.console.closing import close
from tests.interlock.console.styleguide import LONG

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page, *, only: str = "") -> list[str]:
    """What axe finds, with the first place of each. `only`: one rule instead of all."""
    rules = {"type": "rule", "values": [only]} if only else {"type": "tag", "values": _RULES}
    result = Axe().run(page, options={"runOnly": rules})
    return [f"{one['id']}: {one['nodes'][0]['html'][:300]}" for one in result.response["violations"]]


def test_nothing_of_the_data_is_executed_and_the_browser_has_no_complaint(guide: Page, complaints: list[str]) -> None:
    assert guide.evaluate("window.hacked") is None
    assert complaints == []
    assert guide.locator("main img, main script, main iframe").count() == 0


def test_marks_of_direction_and_control_characters_are_visible(guide: Page) -> None:
    text = guide.locator("main").inner_text()
    assert re.findall("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", text) == []
    assert "invoice \\u202e001$ gnp.exe\\u2066" in text
    assert "bell \\x07 escape \\x1b[31m red" in text


def test_a_form_field_keeps_characters_that_are_not_visible(guide: Page) -> None:
    assert guide.locator("#field-amount").input_value() == "bell \x07 escape \x1b[31m red"


def test_templates_in_data_are_text(guide: Page) -> None:
    assert "{{ 7 * 7 }}" in guide.locator("main").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation(guide: Page, theme: str) -> None:
    guide.locator("[data-menu] summary").click()
    guide.locator(f"[data-theme-switch][value={theme}]").check(force=True)
    assert violations(guide) == []
    guide.keyboard.press("Escape")
    guide.locator("h1").click()
    for key, dialog in (("Control+k", "palette"), ("e", "sample-dialog"), ("?", "keys")):
        guide.keyboard.press(key)
        expect(guide.locator(f"#{dialog}")).to_be_visible()
        assert violations(guide) == []
        guide.keyboard.press("Escape")
        expect(guide.locator(f"#{dialog}")).to_be_hidden()


@pytest.mark.parametrize("width", [768, 1280, 1920])
def test_no_page_is_wider_than_its_screen(guide: Page, width: int) -> None:
    guide.set_viewport_size({"width": width, "height": 1000})
    assert guide.evaluate("document.documentElement.scrollWidth") <= width
    assert LONG in guide.locator("main").inner_text()


def test_every_target_is_at_least_24_pixels_high(guide: Page) -> None:
    script = """
      () => [...document.querySelectorAll('button, select, input:not([type=hidden]), summary, nav a, .tile a, thead a')]
        .filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.closest('dialog'))
        .map((one) => [(one.closest('label') ?? one).getBoundingClientRect(), one.outerHTML.slice(0, 120)])
        .filter(([box]) => box.height < 24 || box.width < 24).map(([, html]) => html)"""
    assert guide.evaluate(script) == []


def test_the_theme_is_in_the_first_bytes_of_the_next_page(guide: Page, address: str) -> None:
    guide.locator("[data-menu] summary").click()
    guide.locator("[data-theme-switch][value=dark]").check(force=True)
    answer = guide.context.request.get(f"{address}/elsewhere")
    assert '<html lang="en" data-theme="dark">' in answer.text()


def test_a_system_in_the_dark_gets_a_dark_page(browser: Browser, address: str) -> None:
    shades = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
        page = context.new_page()
        page.goto(f"{address}/styleguide")
        shades.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        close(context)
    assert shades == ["rgb(246, 247, 249)", "rgb(18, 21, 26)"]


def test_the_page_is_readable_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/styleguide")
    expect(page.locator("#lease")).to_contain_text(re.compile(r"1 min \d\d s left"))
    expect(page.locator("#confirm")).to_be_hidden()
    close(context)


@pytest.mark.parametrize("delay_ms", [0, 8, 24])
def test_a_page_is_closed_also_while_the_next_one_takes_its_place(
    browser: Browser, address: str, delay_ms: int
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/styleguide")
    page.evaluate(f"setTimeout(() => location.assign('/elsewhere'), {delay_ms})")
    close(context)
    assert page.is_closed()
