"""The pictures of docs/walks/declined-loan.md: one application in a real browser, from the decision to the erasure."""

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from bench.proofs.platform import RunningInstance, running
from bench.screenshots import browser_arguments, find_browser
from examples import loan_approval
from interlock.client.client import Client
from interlock.policies.publishing import publish_policy
from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from interlock.schemas.models import Decision

# Two underwriters, and a lead who also takes the calls of applicants.
_PEOPLE = {"ann": ("Ann Lee", "reviewer"), "bob": ("Bob Okoye", "reviewer"), "mia": ("Mia Ruiz", "lead")}

_STATEMENT = "I paid both instalments on time; the letter of my bank says so."

# Nobody waits a minute for a signature.
_SETTINGS = {"INTERLOCK_TRAIL__ANCHOR_SECONDS": "2"}

# A small window: eight pictures are on the page, each of at most 150 kB.
_WIDTH, _HEIGHT = 1180, 680

# ClickHouse follows Kafka by some seconds, on a busy machine by more.
_TIMEOUT_SECONDS = 120.0


def run(folder: Path, say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Takes the pictures and returns their files. Raises InterlockError where there is no browser."""
    executable = find_browser()
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        running(Path(directory) / "instance", secrets.token_bytes(16), _SETTINGS) as instance,
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=executable, args=browser_arguments())) as chromium,
    ):
        decision = _sent(instance)
        say(f"{decision.decision_id} is sent")
        return list(_Walk(instance, chromium, folder, decision).pictures())


def _sent(instance: RunningInstance) -> Decision:
    broker = instance.platform.serving_kafka()
    publish_policy(broker, loan_approval.POLICY, "owner", "the example policy")
    roster = [{"id": one, "name": name, "role": role} for one, (name, role) in _PEOPLE.items()]
    publish_reviewers(broker, [person(one).to_record() for one in roster])
    decision = loan_approval.declined("application")
    with Client(broker=broker) as client:
        client.submit(decision)
    return decision


class _Walk:
    """Everybody's browser, and what they do one after another."""

    def __init__(self, instance: RunningInstance, browser: Browser, folder: Path, decision: Decision) -> None:
        description = instance.platform.instance
        assert description is not None
        self._instance = instance
        self._url = description.console_url
        self._browser = browser
        self._folder = folder
        self._decision = decision
        self._pages = {who: self._logged_in(who) for who in _PEOPLE}

    def pictures(self) -> Iterator[Path]:
        """The steps of the page, each with its picture."""
        ann, bob, mia = self._pages["ann"], self._pages["bob"], self._pages["mia"]
        self._write_verdict(ann, "delinquency", "two instalments of 2025 came late")
        yield self._picture(ann, "case", ann.locator("#verdict"))
        self._decide(ann)
        yield self._picture(mia, "letter", self._letter(1))

        self._open(mia, f"/tasks/{self._decision.decision_id}")
        mia.get_by_role("button", name="File an appeal").click()
        mia.locator("[name=appeal_text]").fill(_STATEMENT)
        mia.locator("[name=appeal_name]").fill("the applicant")
        yield self._picture(mia, "contest", mia.locator("dialog[open]"))
        mia.get_by_role("button", name="File it").click()
        mia.locator(".status-line[data-state=waiting], .status-line[data-state=assigned]").wait_for()
        self._write_verdict(bob, "collateral-insufficient", "the payments were on time; the car is not worth the loan")
        yield self._picture(bob, "appeal", bob.locator("#why"))
        self._decide(bob)
        yield self._picture(mia, "correction", self._letter(2))

        self._open(mia, f"{self._story}/explanation")
        yield self._picture(mia, "explanation", mia.locator("h1"))
        yield self._picture(mia, "proof", self._proof())
        subject = self._decision.subject_id
        assert subject is not None
        self._instance.command("audit", "erase", subject, "--reason", "request 88", "--by", "privacy officer")
        self._instance.command("audit", "verify")
        self._open(mia, f"{self._story}/explanation")
        yield self._picture(mia, "erased", mia.locator("h1"))

    @property
    def _story(self) -> str:
        return f"/decisions/{self._decision.decision_id}"

    def _logged_in(self, who: str) -> Page:
        page = self._browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, locale="en-GB", timezone_id="UTC")
        page.set_default_timeout(_TIMEOUT_SECONDS * 1000)
        page.goto(f"{self._url}/login?next=/work")
        page.locator(f'button[name=person][value="{who}"]').click()
        page.locator("html[data-ready]").wait_for(state="attached")
        if _PEOPLE[who][1] == "reviewer":
            page.get_by_role("button", name="Go on duty").click()
            page.get_by_text("on duty", exact=True).wait_for()
        return page

    def _open(self, page: Page, path: str) -> None:
        page.goto(f"{self._url}{path}")

    def _write_verdict(self, page: Page, code: str, text: str) -> None:
        """Takes the case and fills in the form."""
        self._until(page, f"/tasks/{self._decision.decision_id}", page.get_by_role("button", name="Take this case"))
        page.locator("html[data-ready]").wait_for(state="attached")
        page.get_by_role("button", name="Take this case").click()
        page.locator("#verdict").wait_for()
        page.locator("html[data-ready]").wait_for(state="attached")
        page.get_by_role("radio", name="Approve").check()
        page.locator("[name=reason_code]").select_option(code)
        page.locator("[name=reason_text]").fill(text)

    def _decide(self, page: Page) -> None:
        page.get_by_role("button", name="Decide").click()
        page.wait_for_url(lambda url: self._decision.decision_id not in url)

    def _letter(self, number: int) -> Locator:
        """The newest of so many letters, unfolded on the page of the decision."""
        page = self._pages["mia"]
        letters = page.locator("#actions ~ details")
        self._until(page, self._story, letters.nth(number - 1))
        letters.nth(number - 1).locator("summary").click()
        return letters.nth(number - 1)

    def _proof(self) -> Locator:
        page = self._pages["mia"]
        self._open(page, self._story)
        page.locator("html[data-ready]").wait_for(state="attached")
        proved = page.get_by_text("all are what was stored and signed")
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not proved.is_visible() and time.monotonic() < deadline:
            page.get_by_role("button", name="Prove it now").click()
            page.locator("#proof .badge").wait_for()
        return proved

    def _until(self, page: Page, path: str, shown: Locator) -> None:
        """Opens a page until it shows something."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            self._open(page, path)
            page.wait_for_load_state("networkidle")
            if shown.is_visible():
                return
        raise TimeoutError(f"{path} never showed {shown}")

    def _picture(self, page: Page, name: str, shown: Locator) -> Path:
        """Of the window, with `shown` in it."""
        shown.wait_for()
        shown.evaluate("(element) => element.scrollIntoView({block: 'center'})")
        page.evaluate("document.querySelectorAll('.toast').forEach((toast) => toast.remove())")
        file = self._folder / f"declined-loan-{name}.png"
        page.screenshot(path=file)
        return file
