"""Packs over HTTP: their duties, and the policies in force that use them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.policies.publishing import publish_policy
from tests.interlock.api.api_world import World

CREDIT = """
name: credit
domains: {loan: {models: [m], outcomes: [yes, no], adverse: [no], lanes: {no: {notice: adverse_action}}}}
packs: [ecoa-fcra]
"""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    file = tmp_path / "credit.yaml"
    file.write_text(CREDIT)
    publish_policy(world.broker, file, "ana", "first")
    yield world
    world.close()


def test_packs_are_listed_with_duties_tests_and_the_policies_that_use_them(api: World) -> None:
    listed = api.get("/v1/packs").json()
    assert listed["advice"].startswith("This is no legal advice.")
    by_name = {pack["name"]: pack for pack in listed["packs"]}
    assert (by_name["ecoa-fcra"]["used_by"], by_name["dsa"]["used_by"]) == (["credit"], [])
    (duty,) = [duty for duty in by_name["ecoa-fcra"]["duties"] if duty["id"] == "records"]
    assert (duty["source"], duty["enforced_by"]) == ("Regulation B 1002.12(b)", "retention")
    assert duty["test"].startswith("tests/")
    assert api.get("/v1/packs/ecoa-fcra").json()["title"] == by_name["ecoa-fcra"]["title"]


def test_an_unknown_pack_is_not_found(api: World) -> None:
    assert (api.get("/v1/packs/hipaa").status_code, api.get("/v1/packs/hipaa").json()["code"]) == (404, "unknown-pack")
