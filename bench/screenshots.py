"""The pictures of the documentation: the console of a running demonstration, in a real browser."""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench.proofs.platform import RunningInstance, running
from interlock.cli.demo import VISITOR
from interlock.client.client import Client
from interlock.console.rendering import THEME_COOKIE
from interlock.demo import survey
from interlock.errors import InterlockError
from interlock.policies.publishing import publish_policy
from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from interlock.simulation.people import People

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# A laptop's window, and a picture that is still readable in a README.
WIDTH, HEIGHT = 1280, 820

# Enough for a first calibration report and for similar cases.
_DECISIONS = 1_500
_VERDICTS = 350

_TIMEOUT_SECONDS = 300.0


def run(folder: Path, say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Takes the pictures and returns their files. Raises InterlockError where there is no browser."""
    browser = find_browser()
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        running(Path(directory) / "instance", secrets.token_bytes(16), {}) as instance,
        _people(instance, say),
    ):
        description = instance.platform.instance
        assert description is not None
        say(f"taking pictures of {description.console_url}")
        return list(_pictures(description.console_url, browser, folder))


def find_browser() -> str:
    """Its path. Raises InterlockError where there is none."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise InterlockError(f"no browser: install one of {', '.join(_BROWSERS)}")
    return browser


def browser_arguments() -> list[str]:
    """With which it starts: Chromium's sandbox does not work for root."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


@contextmanager
def _people(instance: RunningInstance, say: Callable[[str], None]) -> Iterator[None]:
    """The demonstration: decisions, and simulated people who have judged some hundred of them and go on."""
    broker = instance.platform.serving_kafka()
    publish_policy(broker, survey.POLICY, "interlock demo", "the example policy")
    fields = {"id": VISITOR, "name": "You", "role": "lead", "qualifications": ["ai-oversight"]}
    publish_reviewers(broker, [person(fields).to_record()])
    people = People(instance.platform, 10, survey.truth_of, speedup=600.0)
    people.start()
    try:
        with Client(broker=broker) as client:
            client.submit_many(islice(survey.decisions(_DECISIONS, "case"), _DECISIONS))
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while people.decided < _VERDICTS and not people.failure and time.monotonic() < deadline:
            time.sleep(0.5)
        say(f"people have decided {people.decided}")
        yield
    finally:
        people.stop()


def _pictures(url: str, browser: str, folder: Path) -> Iterator[Path]:
    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=browser, args=browser_arguments())) as chromium,
    ):
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", timezone_id="UTC")
        page.goto(f"{url}/login?next=/queues")
        page.locator(f'button[name=person][value="{VISITOR}"]').click()
        yield _picture(page, folder / "console-queues.png", "main .tile")
        page.get_by_role("button", name="Take the next case").click()
        page.get_by_role("button", name="Go on duty").click()
        page.wait_for_url("**/tasks/**")
        yield _picture(page, folder / "console-case.png", "#verdict")
        page.context.add_cookies([{"name": THEME_COOKIE, "value": "dark", "url": url}])
        page.reload()
        yield _picture(page, folder / "console-case-dark.png", "#verdict")
        page.context.add_cookies([{"name": THEME_COOKIE, "value": "light", "url": url}])
        page.goto(f"{url}/quality")
        yield _picture(page, folder / "console-quality.png", "main .tile")


def _picture(page: Page, file: Path, shown: str) -> Path:
    """Of the window, once `shown` is there and its modules have started."""
    page.locator("html[data-ready]").wait_for(state="attached")
    page.locator(shown).first.wait_for()
    page.evaluate("document.querySelectorAll('.toast').forEach((toast) => toast.remove())")
    page.screenshot(path=file)
    return file
