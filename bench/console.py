"""The HTTP API and the console on a whole running instance: reviewers at work, pages with a long queue, parked waits.

The reference is the same pair of commands without HTTP, straight to the desk over Kafka, in the same run.
"""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import psutil

from bench.proofs.platform import TIMEOUT_SECONDS, RunningInstance, running
from interlock.api.access.tokens import create_token
from interlock.client.client import Client
from interlock.policies.publishing import publish_policy
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError, DeskConnection
from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from interlock.schemas.models import Decision

POLICY = """
name: bench
domains:
  loan_approval: {models: ['*'], outcomes: [approve, reject], queue: underwriting, workflow: pre_approval}
"""

# A case takes a person minutes. Here it takes twenty seconds on average, so that two hundred people ask as often as a
# thousand and more would.
THINK_SECONDS = (10.0, 30.0)

# In which all of them begin.
_START_SECONDS = 20.0

# One token of a producer parks all waits.
SETTINGS = {"INTERLOCK_API__REQUESTS_PER_SECOND": "100000", "INTERLOCK_API__BURST": "100000"}

# Claims and verdicts without HTTP, for the reference.
_REFERENCE_PAIRS = 200

_WAIT_SECONDS = 40


@dataclass
class _Times:
    """Milliseconds by what was asked, and what went wrong."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def add(self, name: str, started: float) -> None:
        self.milliseconds.setdefault(name, []).append((time.perf_counter() - started) * 1000)

    def figures(self) -> dict[str, float]:
        found = {}
        for name, values in self.milliseconds.items():
            values.sort()
            found[f"{name}_p50_ms"] = values[len(values) // 2]
            found[f"{name}_p95_ms"] = values[int(len(values) * 0.95)]
        return found


def run(
    reviewers: int = 200,
    seconds: float = 60.0,
    tasks: int = 20_000,
    waits: int = 2_000,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The figures; times in milliseconds, memory in MB."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        with running(folder / "instance", secrets.token_bytes(16), SETTINGS) as instance:
            url, tokens, producer = _prepare(instance, folder, reviewers)
            _produce(instance, tasks, say)
            asyncio.run(_until_open(url, tokens[0], tasks))
            say(f"{tasks:,} cases are open")
            reference = _without_http(instance)
            say(f"without HTTP: {reference}")
            before = _memory(instance)
            times = asyncio.run(_work(url, tokens, seconds))
            say(f"{reviewers} reviewers: {times.figures()}, errors: {times.errors[:3]}")
            page = _pages(url)
            say(f"pages: {page}")
            parked, memory, answered = asyncio.run(_park(instance, url, producer, waits))
            say(f"{parked:,} parked waits, {memory:.0f} MB")
    return {
        "reviewers": reviewers,
        "open_cases": tasks,
        "verdicts": len(times.milliseconds.get("submit", ())),
        **times.figures(),
        "errors": len(times.errors),
        **reference,
        "memory_before_mb": before,
        **page,
        "parked_waits": parked,
        "parked_memory_mb": memory,
        "parked_answered": answered,
    }


def _prepare(instance: RunningInstance, folder: Path, reviewers: int) -> tuple[str, list[str], str]:
    """Policy, roster and tokens. Returns the address, a token for each reviewer, and one for a producer."""
    broker = instance.platform.serving_kafka()
    file = folder / "policy.yaml"
    file.write_text(POLICY)
    publish_policy(broker, file, "bench", "")
    people = [person({"id": f"r{number}", "name": f"Reviewer {number}"}) for number in range(reviewers)]
    people.append(person({"id": "reference", "capacity": 1000}))
    publish_reviewers(broker, [one.to_record() for one in people])
    now = time.time()
    tokens = [
        create_token(broker, name="bench", person=one.id, roles=["reviewer"], created_by="bench", now=now).text
        for one in people[:-1]
    ]
    scopes = ["decisions:read", "decisions:write"]
    producer = create_token(broker, name="bench", person="svc", scopes=scopes, created_by="bench", now=now).text
    description = instance.platform.instance
    assert description is not None
    return description.console_url.replace("localhost", "127.0.0.1"), tokens, producer


def _produce(instance: RunningInstance, tasks: int, say: Callable[[str], None]) -> None:
    rng = Random(1)
    started = time.perf_counter()
    with Client(broker=instance.platform.kafka()) as client:
        client.submit_many(_decision(number, rng) for number in range(tasks))
    say(f"{tasks:,} decisions sent in {time.perf_counter() - started:.1f} s")


def _decision(number: int, rng: Random) -> Decision:
    confidence = rng.random()
    return Decision(
        decision_id=f"case-{number}",
        domain="loan_approval",
        model_id="credit",
        model_version="1",
        prediction=rng.choice(("approve", "reject")),
        confidence=confidence,
        created_at=datetime.now(UTC),
        amount=rng.uniform(100, 50_000),
        subject_id=f"subject-{rng.randrange(5_000)}",
        input={"income": rng.randrange(10_000, 90_000), "age": rng.randrange(18, 80)},
    )


def _without_http(instance: RunningInstance) -> dict[str, float]:
    """One person after another claims and decides, straight over Kafka."""
    times = _Times()
    broker = instance.platform.kafka()
    with DeskConnection(broker) as connection:
        desk = DeskClient(broker, "reference", connection=connection)
        _until_known(desk)
        for _ in range(_REFERENCE_PAIRS):
            started = time.perf_counter()
            lease = desk.claim()
            times.add("reference_claim", started)
            started = time.perf_counter()
            hashed = lease.payload_hash
            desk.submit(lease.task_id, lease.epoch, hashed, "approve", reason_code="agree", reason_text="bench")
            times.add("reference_submit", started)
        desk.off_duty()
    return times.figures()


def _until_known(desk: DeskClient) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            desk.on_duty()
        except CommandRefusedError as refused:
            if refused.code != "unknown-reviewer":
                raise
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the desk does not know the roster")


async def _until_open(url: str, token: str, tasks: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    async with aiohttp.ClientSession(url, headers=_bearer(token)) as session:
        while time.monotonic() < deadline:
            async with session.get("/v1/queues") as response:
                if sum(queue["open"] for queue in await response.json()) >= tasks:
                    return
            await asyncio.sleep(0.5)
    raise RuntimeError(f"{tasks} cases never came to the desk")


async def _work(url: str, tokens: list[str], seconds: float) -> _Times:
    """Everybody at once: claim, read, think, decide."""
    times = _Times()
    end = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        people = [_one(session, token, Random(number), end, times) for number, token in enumerate(tokens)]
        await asyncio.gather(*people)
    return times


async def _one(session: aiohttp.ClientSession, token: str, rng: Random, end: float, times: _Times) -> None:
    headers = _bearer(token)
    # People do not begin in the same millisecond.
    await asyncio.sleep(rng.uniform(0, _START_SECONDS))
    await _ask(session, "POST", "/v1/me/on-duty", headers, None, "on_duty", times)
    while time.monotonic() < end:
        lease = await _ask(session, "POST", "/v1/tasks/claim", headers, {}, "claim", times)
        if lease is None:
            await asyncio.sleep(rng.uniform(*THINK_SECONDS))
            continue
        shown = await _ask(session, "GET", f"/v1/tasks/{lease['task_id']}", headers, None, "read", times)
        await asyncio.sleep(rng.uniform(*THINK_SECONDS))
        if shown is None:
            continue
        verdict = {
            "epoch": lease["epoch"],
            "payload_hash": shown["task"]["payload_hash"],
            "verdict": "approve",
            "reason_code": "agree",
            "reason_text": "bench",
        }
        await _ask(session, "POST", f"/v1/tasks/{lease['task_id']}/submit", headers, verdict, "submit", times)


async def _ask(
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    headers: dict[str, str],
    body: dict[str, Any] | None,
    name: str,
    times: _Times,
) -> dict[str, Any] | None:
    """The answer; None after an error, which is noted."""
    started = time.perf_counter()
    try:
        async with session.request(method, path, headers=headers, json=body) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            if response.status >= 400:
                times.errors.append(f"{name}: {answer.get('code')} {answer.get('detail')}")
                return None
    except (aiohttp.ClientError, TimeoutError) as error:
        times.errors.append(f"{name}: {error!r}")
        return None
    times.add(name, started)
    return answer


def _pages(url: str) -> dict[str, float]:
    """How long until a page reacts, in a real browser; nothing where there is none."""
    import shutil

    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        return {}
    figures = {}
    local = url.replace("127.0.0.1", "localhost")
    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])) as chromium,
    ):
        page = chromium.new_page()
        page.goto(f"{local}/login")
        page.get_by_role("button", name="Reviewer 0").first.click()
        for name, path in (("queues", "/queues"), ("cases", "/tasks")):
            values = []
            for _ in range(5):
                started = time.perf_counter()
                page.goto(f"{local}{path}", wait_until="commit")
                page.wait_for_selector("html[data-ready]", state="attached")
                values.append((time.perf_counter() - started) * 1000)
            figures[f"page_{name}_ms"] = sorted(values)[2]
    return figures


async def _park(instance: RunningInstance, url: str, token: str, waits: int) -> tuple[int, float, int]:
    """Callers who wait for what nobody has decided: how many wait at once, the memory then, how many are answered."""
    timeout = aiohttp.ClientTimeout(total=_WAIT_SECONDS * 3)
    connector = aiohttp.TCPConnector(limit=0)
    answered = 0
    async with aiohttp.ClientSession(url, headers=_bearer(token), connector=connector, timeout=timeout) as session:

        async def wait(number: int) -> None:
            nonlocal answered
            path = f"/v1/decisions/nobody-{number}/resolution?wait={_WAIT_SECONDS}"
            async with session.get(path) as response:
                answered += response.status == 202

        waiting = [asyncio.create_task(wait(number)) for number in range(waits)]
        await asyncio.sleep(_WAIT_SECONDS / 2)
        parked, memory = sum(not task.done() for task in waiting), _memory(instance)
        await asyncio.gather(*waiting)
    return parked, memory, answered


def _memory(instance: RunningInstance) -> float:
    description = instance.platform.instance
    assert description is not None
    pid = next(child.pid for child in description.children if child.role == "console")
    return float(psutil.Process(pid).memory_info().rss / 1e6)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
