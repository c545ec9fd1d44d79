"""A policy, a queue and people of one test on a shared instance, and browsers in which they work."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from playwright.sync_api import Browser, BrowserContext, Page

from interlock.policies.publishing import publish_policy
from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from tests.interlock.console.closing import close
from tests.running_instance import Instance

T = TypeVar("T")

# On a machine that runs other tests, Kafka, ClickHouse and a browser.
PATIENCE_SECONDS = 60.0

POLICY = """
name: {name}
domains:
  {name}-pre: {{workflow: pre_approval, models: ['*'], outcomes: [grant, deny], queue: {name}, override_window: 1h}}
  {name}-short: {{workflow: pre_approval, models: ['*'], outcomes: [grant, deny], queue: {name}, override_window: 20s}}
  {name}-auto:
    workflow: escalation
    models: ['*']
    outcomes: [grant, deny]
    queue: {name}-blind
    lanes: {{grant: {{auto: 0.5, async: 0.3, sync: 0.2}}, deny: {{auto: 0.5, async: 0.3, sync: 0.2}}}}
rules:
  - {{id: {name}-large, when: amount > 1000, route: async, because: Large amounts need a person}}
audit: {{rate: {audit}}}
"""


class Office:
    """A policy, a queue and people of one test on the shared instance."""

    def __init__(self, instance: Instance, browser: Browser, folder: Path) -> None:
        self.instance = instance
        self.name = f"t{uuid4().hex[:8]}"
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._folder = folder
        self.complaints: list[str] = []
        self.people = {who: f"{self.name}-{who}" for who in ("ann", "bob", "lee")}
        self._broker = instance.platform.serving_kafka()
        queues = [self.name, f"{self.name}-blind"]
        roster = [
            {"id": one, "name": who.capitalize(), "queues": queues, "role": "lead" if who == "lee" else "reviewer"}
            for who, one in self.people.items()
        ]
        publish_reviewers(self._broker, [person(one).to_record() for one in roster])
        self.publish(audit=0)
        self._producer = instance.token("svc", "decisions:read", "decisions:write")
        self._tokens: dict[str, str] = {}

    def publish(self, *, audit: float) -> None:
        """Puts the policy in force; `audit`: share of what takes effect by itself that is reviewed blindly."""
        file = self._folder / f"{self.name}.yaml"
        file.write_text(POLICY.format(name=self.name, audit=audit))
        publish_policy(self._broker, file, "test", "")

    def put_in_force(self, text: str) -> None:
        """Another policy beside it; `{name}` in it is the name of the test."""
        file = self._folder / "another.yaml"
        file.write_text(text.replace("{name}", self.name))
        publish_policy(self._broker, file, "test", "")

    def decide(self, kind: str = "pre", **fields: Any) -> str:
        """Sends a decision and returns its id."""
        decision_id = f"{self.name}-{uuid4().hex[:6]}"
        decision = {
            "decision_id": decision_id,
            "domain": f"{self.name}-{kind}",
            "model_id": "credit",
            "model_version": "3",
            "prediction": "grant",
            "confidence": 0.85,
            "created_at": datetime.now(UTC).isoformat(),
            "amount": 4200,
            "subject_id": "subject-4711",
            "input": {"income": 31_000, "full_name": "Erika Muster", "purpose": "car"},
            "explanation": {
                "top_features": [{"feature": "income", "value": "31000", "importance": 0.42}],
                "reasoning": "steady income",
            },
            **fields,
        }
        answer = httpx.post(
            f"{self.instance.url}/v1/decisions", json=decision, headers={"Authorization": f"Bearer {self._producer}"}
        )
        assert answer.status_code == 202, answer.text
        return decision_id

    def task(self, **fields: Any) -> str:
        """A decision that has become an open task."""
        task_id = self.decide(**fields)
        self.until_open(task_id)
        return task_id

    def until_open(self, task_id: str) -> None:
        """Returns when the desk has made a task of a decision."""
        self.until(lambda: self.ask("lee", "GET", f"/v1/tasks/{task_id}").status_code == 200)

    def ask(self, who: str, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """A request of one of the people, without a browser."""
        if who not in self._tokens:
            self._tokens[who] = self.instance.token(self.people[who], "lead" if who == "lee" else "reviewer")
        headers = {"Authorization": f"Bearer {self._tokens[who]}"}
        return httpx.request(method, f"{self.instance.url}{path}", json=body, headers=headers, timeout=60)

    def settle(self, who: str, task_id: str, verdict: str = "approve", outcome: str = "") -> None:
        """Claims and decides without a browser."""
        # The desk reads the roster of the test some moments after it was written.
        self.until(lambda: self.ask(who, "POST", "/v1/me/on-duty").status_code == 200)
        lease = self.ask(who, "POST", f"/v1/tasks/{task_id}/claim").json()
        body = {
            "epoch": lease["epoch"],
            "payload_hash": lease["payload_hash"],
            "verdict": verdict,
            "outcome": outcome,
            "reason_code": "other",
            "reason_text": "seen",
        }
        answer = self.ask(who, "POST", f"/v1/tasks/{task_id}/submit", body)
        assert answer.status_code == 200, answer.text

    def page(self, who: str, path: str = "/work", *extra_roles: str) -> Page:
        """A browser of its own, in which the person has logged in."""
        context = self._browser.new_context(viewport={"width": 1360, "height": 900}, locale="en-GB")
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if "Content Security" in message.text else None,
        )
        page.goto(f"{self.instance.url}/login?next={path}")
        for box in page.get_by_role("checkbox").all():
            box.set_checked(box.get_attribute("value") in extra_roles)
        page.locator(f'button[name=person][value="{self.people[who]}"]').click()
        page.wait_for_url(f"**{path}")
        self.ready(page)
        return page

    def open(self, page: Page, path: str) -> None:
        page.goto(f"{self.instance.url}{path}")
        self.ready(page)

    @staticmethod
    def ready(page: Page) -> None:
        """Its modules have started."""
        page.locator("html[data-ready]").wait_for(state="attached")

    def until(self, condition: Callable[[], T]) -> T:
        """What `condition` returns, as soon as that is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.1)
        raise AssertionError("this never came true")

    def resolution(self, decision_id: str) -> dict[str, Any]:
        """What holds for a decision, as its producer is told."""
        headers = {"Authorization": f"Bearer {self._producer}"}
        answer = httpx.get(
            f"{self.instance.url}/v1/decisions/{decision_id}/resolution?wait=30", headers=headers, timeout=60
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def close(self) -> None:
        """Closes all browsers."""
        for context in self._contexts:
            close(context)
