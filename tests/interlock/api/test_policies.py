"""Policies over HTTP: read, check, compare, publish with four eyes, go back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client as ClickHouse

from interlock.policies import publishing
from interlock.schemas import catalogue
from tests.interlock.api.api_world import World, refusal
from tests.processors.proposals.proposal_world import SOURCE, policy_version

STRICTER = SOURCE.replace("auto: 0.90", "auto: 0.95")
STRICTEST = SOURCE.replace("auto: 0.90", "auto: 0.99")
FIRST, SECOND = str(policy_version()["version"]), str(policy_version(STRICTER)["version"])
PATH = "/v1/policies/lending"


@pytest.fixture
def published(api: World) -> World:
    """With one policy in force."""
    api.put(catalogue.POLICIES, "lending", policy_version())
    return api


@pytest.fixture
def trusting(tmp_path: Path) -> Iterator[World]:
    """One person is enough."""
    world = World(tmp_path, api={"four_eyes": False})
    world.put(catalogue.POLICIES, "lending", policy_version())
    yield world
    world.close()


def publish(api: World, source: str = STRICTER, version: str = FIRST, person: str = "ana", **more: Any) -> Any:
    return api.post(f"{PATH}/publish", {"source": source, "note": "as agreed", **more}, person, f'"{version}"')


def accept(api: World, proposal_id: str, person: str) -> Any:
    return api.post(f"/v1/proposals/{proposal_id}/accept", {"note": "read"}, person)


def in_force(api: World) -> str:
    return str(api.get(PATH).json()["version"])


def test_policies_are_listed_and_one_is_shown_as_written_and_written_out(published: World) -> None:
    (row,) = published.get("/v1/policies").json()["policies"]
    assert (row["name"], row["version"], row["domains"]) == ("lending", FIRST, ["loan"])
    shown = published.get(PATH)
    assert shown.headers["etag"] == f'"{FIRST}"'
    assert shown.json()["source"] == SOURCE
    assert shown.json()["resolved"]["domains"]["loan"]["outcomes"] == ["approve", "reject"]


def test_an_unknown_policy_is_not_found(published: World) -> None:
    assert refusal(published.get("/v1/policies/nope")) == (404, "unknown-policy")
    assert refusal(published.get(f"{PATH}/versions/nope")) == (503, "clickhouse-unavailable")


def test_a_right_policy_is_valid_and_a_wrong_one_is_answered_with_every_problem_at_its_line(api: World) -> None:
    right = api.post("/v1/policies/check", {"source": SOURCE}).json()
    assert right == {"valid": True, "name": "lending", "version": FIRST, "problems": []}
    wrong = api.post("/v1/policies/check", {"source": SOURCE.replace("outcomes", "outcoms") + "typo: 1\n"})
    assert wrong.status_code == 200
    assert wrong.json()["valid"] is False
    assert [(problem["line"], problem["field"]) for problem in wrong.json()["problems"]][-1] == (10, "typo")
    assert any("outcomes" in problem["hint"] for problem in wrong.json()["problems"])


def test_a_text_that_is_no_yaml_is_answered_with_its_line(api: World) -> None:
    (problem,) = api.post("/v1/policies/check", {"source": "name: [\n"}).json()["problems"]
    assert (problem["line"], problem["message"].startswith("not YAML")) == (2, True)


def test_a_text_is_compared_with_what_is_in_force(published: World) -> None:
    facts = published.post("/v1/policies/diff", {"source": STRICTER}).json()
    assert (facts["in_force"], facts["version"]) == (FIRST, SECOND)
    (change,) = facts["changes"]
    assert (change["field"], change["old"], change["new"]) == ("domains.loan.lanes.approve.auto", 0.9, 0.95)
    assert refusal(published.post("/v1/policies/diff", {"source": "nam: x\n"})) == (422, "invalid-policy")


def test_a_policy_takes_two_people_and_the_second_one_puts_it_in_force(published: World) -> None:
    asked = publish(published)
    assert asked.status_code == 202
    proposal = asked.json()["proposal"]
    assert asked.headers["location"] == f"/v1/proposals/{proposal['proposal_id']}"
    assert proposal["change"] == {"version": SECOND, "asked_by": "ana", "note": "as agreed"}
    assert in_force(published) == FIRST

    assert refusal(accept(published, proposal["proposal_id"], "ana")) == (409, "same-person")
    assert in_force(published) == FIRST

    decided = accept(published, proposal["proposal_id"], "ben").json()
    assert (decided["state"], decided["decided_by"], decided["policy_version"]) == ("accepted", "ben", SECOND)
    policy = published.get(PATH).json()
    assert (policy["version"], policy["published_by"], policy["source"]) == (SECOND, "ben", STRICTER)
    assert "asked for by ana, accepted by ben" in policy["note"]


def test_a_new_policy_needs_no_tag_but_a_second_person(api: World) -> None:
    asked = api.post(f"{PATH}/publish", {"source": SOURCE, "note": "the first"})
    assert asked.status_code == 202
    assert refusal(api.get(PATH)) == (404, "unknown-policy")
    assert accept(api, asked.json()["proposal"]["proposal_id"], "ben").status_code == 200
    assert in_force(api) == FIRST


def test_to_accept_a_policy_takes_the_right_to_publish_one(published: World) -> None:
    proposal_id = publish(published).json()["proposal"]["proposal_id"]
    published.scopes["ben"] = frozenset({"proposals:read", "proposals:write"})
    assert refusal(accept(published, proposal_id, "ben")) == (403, "missing-scope")
    assert in_force(published) == FIRST


def test_a_request_that_was_overtaken_is_refused_and_changes_nothing(published: World) -> None:
    first = publish(published).json()["proposal"]["proposal_id"]
    second = publish(published, STRICTEST, person="ben").json()["proposal"]["proposal_id"]
    assert accept(published, second, "ana").status_code == 200
    before = in_force(published)
    assert refusal(accept(published, first, "ben")) == (412, "stale-policy")
    assert in_force(published) == before
    shown = published.get(f"/v1/proposals/{first}").json()
    assert shown["state"] == "open"
    assert "not in force" in shown["effect"]["problem"]


def test_the_same_request_is_filed_once(published: World) -> None:
    again = [publish(published).json()["proposal"]["proposal_id"] for _ in range(2)]
    assert again[0] == again[1]
    assert len(published.records(catalogue.PROPOSALS)) == 1


def test_what_was_refused_can_be_asked_for_again(published: World) -> None:
    first = publish(published).json()["proposal"]["proposal_id"]
    refused = published.post(f"/v1/proposals/{first}/refuse", {"reason": "too strict"}, "ben")
    assert refused.json()["state"] == "refused"
    assert publish(published).json()["proposal"]["proposal_id"] != first


def test_the_second_person_who_is_named_is_told(published: World) -> None:
    publish(published, second_person="ben")
    (alert,) = published.records(catalogue.ALERTS)
    assert (alert["kind"], alert["to"]) == ("policy_requested", ["ben"])
    assert refusal(publish(published, STRICTEST, second_person="ana")) == (409, "same-person")


@pytest.mark.parametrize(
    ("version", "expected"), [(None, (428, "if-match-required")), ('"0000000000000000"', (412, "stale"))]
)
def test_publishing_over_a_policy_takes_the_version_that_was_seen(
    published: World, version: str | None, expected: tuple[int, str]
) -> None:
    answered = published.post(f"{PATH}/publish", {"source": STRICTER, "note": "x"}, if_match=version)
    assert refusal(answered) == expected
    assert answered.headers["etag"] == f'"{FIRST}"'
    assert published.records(catalogue.PROPOSALS) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"source": "nam: lending\n", "note": "x"}, (422, "invalid-policy")),
        ({"source": SOURCE.replace("lending", "other"), "note": "x"}, (422, "wrong-name")),
        ({"source": SOURCE, "note": "x"}, (409, "unchanged")),
        ({"source": STRICTER, "note": " "}, (422, "invalid")),
        ({"source": STRICTER, "note": "x", "notes": "y"}, (422, "invalid")),
        ({"source": "#" * (1024 * 1024 + 1), "note": "x"}, (422, "invalid")),
    ],
)
def test_what_cannot_be_published_is_refused_and_nothing_changes(
    published: World, body: dict[str, str], expected: tuple[int, str]
) -> None:
    assert refusal(published.post(f"{PATH}/publish", body, if_match=f'"{FIRST}"')) == expected
    assert published.records(catalogue.PROPOSALS) == []
    assert len(published.records(catalogue.POLICIES)) == 1


def test_a_domain_of_another_policy_is_refused(published: World) -> None:
    body = {"source": SOURCE.replace("lending", "other"), "note": "x"}
    assert refusal(published.post("/v1/policies/other/publish", body)) == (409, "domain-taken")


def test_where_one_person_is_enough_a_policy_is_in_force_at_once(trusting: World) -> None:
    answered = publish(trusting)
    assert answered.status_code == 200
    assert answered.headers["etag"] == f'"{SECOND}"'
    assert (answered.json()["state"], answered.json()["policy"]["published_by"]) == ("published", "ana")
    assert in_force(trusting) == SECOND
    assert refusal(publish(trusting, STRICTEST)) == (412, "stale")


def test_of_two_people_who_publish_at_the_same_moment_one_is_told_to_look_again(
    trusting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = publishing.published_policies
    looks = iter(range(100))

    def read_slowly(broker: Any) -> Any:
        found = read(broker)
        if next(looks) == 1:  # inside the turn of the first
            assert publish(trusting, STRICTEST, person="ben").status_code == 200
        return found

    monkeypatch.setattr("interlock.api.policies.published_policies", read_slowly)
    monkeypatch.setattr(publishing, "published_policies", read_slowly)
    assert refusal(publish(trusting)) == (409, "changed-meanwhile")
    assert trusting.get(PATH).json()["published_by"] == "ben"


def test_an_earlier_version_is_published_again_by_two_people(published: World, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(STRICTER)
    publishing.publish_policy(published.broker, file, "ana", "stricter")
    body = {"version": FIRST, "note": "too strict"}
    assert refusal(published.post(f"{PATH}/rollback", body, if_match=f'"{FIRST}"')) == (412, "stale")
    asked = published.post(f"{PATH}/rollback", body, if_match=f'"{SECOND}"').json()["proposal"]
    assert asked["change"]["note"] == f"back to version {FIRST}: too strict"
    accept(published, asked["proposal_id"], "ben")
    assert published.get(PATH).json()["source"] == SOURCE


def test_versions_come_newest_first_in_pages_and_say_that_older_ones_may_be_missing(published: World) -> None:
    published.put(catalogue.POLICIES, "lending", {**policy_version(STRICTER), "published_at": 1})
    published.put(catalogue.POLICIES, "lending", {**policy_version(STRICTEST), "published_at": 2})
    first = published.get(f"{PATH}/versions", limit=2).json()
    assert [row["version"] for row in first["versions"]] == [str(policy_version(STRICTEST)["version"]), SECOND]
    assert "only what Kafka still has" in first["unavailable"]
    rest = published.get(f"{PATH}/versions", limit=2, cursor=first["next"]).json()
    assert ([row["version"] for row in rest["versions"]], rest["next"]) == ([FIRST], None)
    assert refusal(published.get(f"{PATH}/versions", cursor="bm9uZQ==")) == (422, "invalid")


@pytest.mark.warehouse
def test_versions_that_kafka_has_forgotten_come_from_clickhouse(tmp_path: Path, own: ClickHouse) -> None:
    old = policy_version(STRICTEST)
    columns = ["key", "tombstone", "name", "version", "resolved", "source", "published_at", "published_by", "note"]
    row = ["lending", False, "lending", old["version"], old["resolved"], old["source"], 0, "zoe", "long ago"]
    own.insert("policies", [row], column_names=columns)
    world = World(tmp_path, own)
    try:
        world.put(catalogue.POLICIES, "lending", {**policy_version(), "published_at": 5})
        answered = world.get(f"{PATH}/versions").json()
        assert [row["version"] for row in answered["versions"]] == [FIRST, old["version"]]
        assert answered["unavailable"] == ""
        assert world.get(f"{PATH}/versions/{old['version']}").json()["source"] == STRICTEST
        assert refusal(world.get(f"{PATH}/versions/0123")) == (404, "unknown-policy-version")
        assert refusal(world.get("/v1/policies/nope/versions")) == (404, "unknown-policy")
    finally:
        world.close()


def test_who_may_only_read_publishes_nothing(published: World) -> None:
    published.scopes["eve"] = frozenset({"policies:read"})
    assert refusal(publish(published, person="eve")) == (403, "missing-scope")
    assert published.get("/v1/policies", "eve").status_code == 200
