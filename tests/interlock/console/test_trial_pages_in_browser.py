"""A change of a policy that is tried, as two owners see it in their browsers."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from interlock.policies.observed import Cell, Observed
from interlock.policies.replay.comparisons import Compared
from tests.interlock.console.console_world import World
from tests.interlock.console.test_owner_pages_in_browser import confirm, console, pages, site, visit  # noqa: F401


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ClickHouse, which is away here, would say of every trial."""

    def observed(_backend: Any, found: Any) -> Observed:
        cells = Cell("auto", "auto", 9_000, 0), Cell("async", "auto", 950, 96), Cell("async", "async", 2_050, 205)
        return Observed(found["published_at"], cells)

    monkeypatch.setattr("interlock.api.policy_trials._observed", observed)
    tasks = Compared("tasks", "underwriting", 20.0, 15.0, 25.0, 24.0, 24.0, 24.0, True)
    errors = Compared("errors", "", 4.0, 2.0, 6.0, 8.0, 7.0, 9.0, False)
    compared = {"days": 7.0, "of_days": 7.0, "unavailable": "", "measures": [asdict(tasks), asdict(errors)]}
    monkeypatch.setattr("interlock.console.pages.policies.forecast_beside_what_came", lambda *_: compared)


@pytest.mark.usefixtures("seen")
def test_a_change_is_tried_by_one_owner_and_given_a_share_and_promoted_by_another(
    pages: tuple[Page, Page],  # noqa: F811
    site: str,  # noqa: F811
    console: World,  # noqa: F811
    tmp_path: Path,
) -> None:
    ana, ben = pages
    visit(ana, f"{site}/policies/lending/edit")
    area = ana.locator("#policy-source")
    area.fill(area.input_value().replace("0.95", "0.93"))
    ana.locator("[data-publish]:enabled").click()
    ana.locator("#publish textarea[name=note]").fill("fewer reviews")
    ana.get_by_role("button", name="Try it in shadow").click()
    expect(ana.locator("#candidate")).to_contain_text("shadow")
    panel = ana.locator("section[aria-labelledby=candidate]")
    expect(panel).to_contain_text("950 of 12,000 decisions differ")
    expect(panel).to_contain_text("0.95 → 0.93")
    expect(panel).to_contain_text("another person must sign")
    expect(panel.get_by_role("button", name="Promote")).to_have_count(0)

    visit(ben, f"{site}/policies/lending")
    ben.get_by_role("button", name="Share 10 %").click()
    confirm(ben)
    expect(ben.locator("#candidate")).to_contain_text("decides 10 %")
    ben.screenshot(path=tmp_path / "candidate.png", full_page=True)
    ben.get_by_role("button", name="Promote").click()
    confirm(ben, "as forecast")
    expect(ben.locator("#candidate")).to_have_count(0)
    versions = ben.locator("section[aria-labelledby=versions]")
    expect(versions).to_contain_text("fewer reviews. as forecast")
    expect(versions).to_contain_text("Tried on 12,000 decisions: 950 went elsewhere (7.9 %)")
    ben.locator("section[aria-labelledby=versions] td a").first.click()
    expect(ben.locator("main")).to_contain_text("950 went elsewhere")
    came = ben.locator("section[aria-labelledby=forecast]")
    expect(came).to_contain_text("7.0 of the 7.0 days")
    expect(came.get_by_role("row").nth(1)).to_have_text(
        re.compile(r"tasks underwriting\s*20.0\s*15.0 to 25.0\s*24.0\s*24.0 to 24.0\s*inside")
    )
    expect(came.get_by_role("row").nth(2)).to_contain_text("outside")
    ben.screenshot(path=tmp_path / "version.png", full_page=True)
    assert console.browser("ana", "policy_owner").send("GET", "/v1/policies/lending/candidate").status_code == 404


@pytest.mark.usefixtures("seen")
def test_a_trial_is_withdrawn_with_a_reason(pages: tuple[Page, Page], site: str, console: World) -> None:  # noqa: F811
    ana, _ = pages
    owner = console.browser("ana", "policy_owner")
    text = owner.send("GET", "/v1/policies/lending").json()
    body = {"source": text["source"].replace("0.95", "0.93"), "note": "fewer reviews"}
    assert owner.send("POST", "/v1/policies/lending/candidate", body, f'"{text["version"]}"').status_code == 200
    visit(ana, f"{site}/policies/lending")
    ana.get_by_role("button", name="Withdraw").click()
    confirm(ana, "twice the reviews")
    expect(ana.locator("#candidate")).to_have_count(0)
