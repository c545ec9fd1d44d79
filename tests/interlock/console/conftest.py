"""A browser for pages, and the running style guide."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.interlock.console import styleguide
from tests.interlock.console.closing import close
from tests.interlock.console.office import Office
from tests.running_instance import Instance

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _of_playwright() -> str | None:
    """A Chromium that playwright has downloaded."""
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _find() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None) or _of_playwright()


def _install() -> str | None:
    """Installed by the system's own package manager, where that is allowed and there is one."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    # The lists of packages may be missing or too old to name what there is.
    command = ["sh", "-c", "apt-get update && apt-get install -y --no-install-recommends chromium"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, env=environment, check=False, capture_output=True, timeout=240)
    except subprocess.TimeoutExpired:
        return None
    return _find()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; the test is skipped where there is none and none can be installed."""
    found = _find() or _install()
    if found is None:
        pytest.skip("no Chromium on PATH, and none could be installed: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One for the tests of a file; each has a context of its own.

    Not for longer: while it is there, playwright keeps an event loop running, under which no test of asyncio can work.
    """
    # Chromium's sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


@pytest.fixture
def browser_context(browser: Browser) -> Iterator[BrowserContext]:
    """Without cookies or storage of other tests."""
    made = browser.new_context(viewport={"width": 1280, "height": 900}, timezone_id="Asia/Tokyo", locale="en-GB")
    yield made
    close(made)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser of the test complained about: errors, and what the policy of the page forbade."""
    return []


@pytest.fixture
def browser_page(browser_context: BrowserContext, complaints: list[str]) -> Page:
    """An empty page, whose complaints are kept."""
    page = browser_context.new_page()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


@pytest.fixture
def office(console_instance: Instance, browser: Browser, tmp_path: Path) -> Iterator[Office]:
    """People and a policy of the test on the running instance."""
    made = Office(console_instance, browser, tmp_path)
    yield made
    made.close()
    assert not made.complaints


@pytest.fixture
def world() -> styleguide.World:
    """What the style guide's server is to answer."""
    return styleguide.World()


@pytest.fixture
def address(world: styleguide.World) -> Iterator[str]:
    """Of the running style guide."""
    styleguide.add_templates()
    with styleguide.serving(styleguide.application(world)) as running:
        yield running
        # A stream of events would not end by itself.
        world.stopped = True


@pytest.fixture
def guide(browser_page: Page, address: str) -> Page:
    """The style guide with its modules started."""
    browser_page.goto(f"{address}/styleguide")
    browser_page.locator("html[data-ready]").wait_for()
    return browser_page
