"""Changes of policies that are tried, over HTTP and with what ClickHouse has of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client as ClickHouse

from interlock.policies import history
from interlock.schemas import catalogue
from interlock.schemas.times import moment
from tests.interlock.api.api_world import World, refusal
from tests.processors.proposals.proposal_world import SOURCE, policy_version

BOLDER = SOURCE.replace("auto: 0.90", "auto: 0.85")
STAGED = SOURCE + "publishing: {shadow_for: 1h, shadow_decisions: 4, four_eyes: true}\n"
FIRST = str(policy_version()["version"])
PATH = "/v1/policies/lending"
TRIAL = f"{PATH}/candidate"


@pytest.fixture
def published(api: World) -> World:
    """With one policy in force, and without ClickHouse."""
    api.put(catalogue.POLICIES, "lending", policy_version())
    return api


@pytest.fixture
def told(tmp_path: Path, own: ClickHouse) -> Iterator[World]:
    """With ClickHouse, and a policy in force that demands a trial."""
    world = World(tmp_path, own)
    world.put(catalogue.POLICIES, "lending", policy_version(STAGED))
    yield world
    world.close()


def begin(api: World, source: str = BOLDER, base: str = FIRST, **more: Any) -> Any:
    return api.post(TRIAL, {"source": source, "note": "fewer reviews", **more}, "ana", f'"{base}"')


def _row(number: int, version: str, at: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "decision_id": f"d-{number}",
        "routed_at": at,
        "policy_version": FIRST,
        "candidate_version": version,
        "live_route": "async",
        "candidate_route": "auto",
        "route": "async",
        **changes,
    }


def insert(clickhouse: ClickHouse, table: str, rows: list[dict[str, Any]]) -> None:
    clickhouse.insert(table, [[*row.values()] for row in rows], column_names=[*rows[0]])


def test_a_change_is_tried_in_shadow_and_shown_with_why_nothing_is_known_of_it_yet(published: World) -> None:
    assert refusal(published.get(TRIAL)) == (404, "unknown-candidate")
    assert refusal(published.post(TRIAL, {"source": BOLDER, "note": "x"})) == (428, "if-match-required")
    begun = begin(published)
    assert begun.status_code == 200
    shown = published.get(TRIAL)
    assert shown.headers["etag"] == begun.headers["etag"]
    facts = shown.json()
    assert (facts["stage"], facts["published_by"], facts["base_version"]) == ("shadow", "ana", FIRST)
    assert facts["source"] == BOLDER
    assert facts["stale"] is False
    assert facts["missing"] is None
    assert "what it has shown is not known" in facts["unavailable"]
    assert published.get(PATH).json()["version"] == FIRST


def test_a_second_change_or_the_text_of_another_policy_is_refused(published: World) -> None:
    begin(published)
    assert refusal(begin(published, SOURCE.replace("0.90", "0.87"))) == (409, "candidate-stands")
    other = published.post("/v1/policies/other/candidate", {"source": BOLDER, "note": "x"})
    assert refusal(other) == (422, "wrong-name")
    assert refusal(begin(published, BOLDER, forecast={"version": "0"})) == (422, "invalid")


def test_nobody_is_let_decide_while_clickhouse_cannot_tell_what_the_trial_has_shown(published: World) -> None:
    tag = begin(published).headers["etag"]
    for step, body in (("promote", {"note": "now"}), ("share", {"share": 0.1})):
        answered = published.post(f"{TRIAL}/{step}", body, "ben", tag)
        assert answered.status_code == 503
    assert published.post(f"{TRIAL}/share", {"share": 0}, "ben", tag).status_code == 200
    assert refusal(published.post(f"{TRIAL}/share", {"share": 0.7}, "ben", tag)) == (422, "invalid")
    withdrawn = published.post(f"{TRIAL}/withdraw", {"note": "no way to tell"}, "ben", tag)
    assert withdrawn.json()["stage"] == "withdrawn"
    assert refusal(published.get(TRIAL)) == (404, "unknown-candidate")


@pytest.mark.warehouse
def test_a_trial_is_promoted_by_another_person_once_it_has_shown_enough(told: World, own: ClickHouse) -> None:
    in_force = str(policy_version(STAGED)["version"])
    assert refusal(told.post(f"{PATH}/publish", {"source": BOLDER, "note": "x"}, "ana", f'"{in_force}"')) == (
        409,
        "trial-demanded",
    )
    begun = begin(told, base=in_force)
    tag, version = begun.headers["etag"], begun.json()["version"]
    now = moment(told.backend.now())
    insert(
        own,
        "routed_decisions",
        [
            *(_row(number, version, now) for number in range(2)),
            _row(1, version, now, kafka_offset=9),  # its copy for review
            _row(7, version, now - timedelta(hours=1)),  # of an earlier trial
            _row(8, "another", now),
        ],
    )
    facts = told.get(TRIAL).json()
    assert facts["observed"]["matrix"] == [{"live": "async", "candidate": "auto", "decisions": 2, "by_candidate": 0}]
    assert facts["missing"] == ["it ran 0.0 h of 1 h", "it saw 2 of 4 decisions"]
    early = told.post(f"{TRIAL}/promote", {"note": "now"}, "ben", tag)
    assert refusal(early) == (409, "trial-too-short")
    assert early.json()["missing"] == facts["missing"]

    told.backend.clock = _Later(told.backend.now() + 3_600_000_000)
    more = [_row(number, version, now, live_route="auto", route="auto") for number in range(10, 12)]
    more.append(_row(12, version, now, policy_version=version, route="auto"))
    insert(own, "routed_decisions", more)
    assert refusal(told.post(f"{TRIAL}/promote", {}, "ana", tag)) == (409, "same-person")
    assert refusal(told.post(f"{TRIAL}/promote", {}, "ben", '"0"')) == (412, "stale")
    promoted = told.post(f"{TRIAL}/promote", {"note": "as forecast"}, "ben", tag)
    assert promoted.json()["version"] == version
    (latest, *_) = told.get(f"{PATH}/versions").json()["versions"]
    assert (latest["signed_by"], latest["stage"], latest["base_version"]) == (["ana", "ben"], "shadow", in_force)
    observed = latest["observed"]
    assert (observed["decisions"], observed["changed"], observed["by_candidate"]) == (5, 3, 1)


@pytest.mark.warehouse
def test_the_history_tells_what_happened_under_every_version_and_how_trials_went(own: ClickHouse) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    routed = [_row(number, "", at, policy_version="v2", route="auto") for number in range(3)]
    routed += [_row(number, "", at, policy_version="v2", route="async") for number in (3, 4, 4)]
    insert(own, "routed_decisions", routed)
    resolution = {"decision_id": "d-3", "version": 1, "outcome": "approve", "prediction": "approve"}
    resolutions = [
        resolution,
        resolution | {"version": 2, "outcome": "reject"},
        resolution | {"decision_id": "d-4"},
        resolution | {"decision_id": "d-0", "decided_by": []},  # nobody decided it
    ]
    rows = [{"decided_by": ["ana"], "policy_version": "v2", **one} for one in resolutions]
    insert(own, "resolutions", rows)
    found = history.happened(lambda: _Open(own), ["v1", "v2"])
    assert found == {
        "v1": {"routes": {}, "by_people": 0, "overridden": 0},
        "v2": {"routes": {"auto": 3, "async": 2}, "by_people": 2, "overridden": 1},
    }
    trial = {"key": "lending", "name": "lending", "version": "v2", "stage": "shadow", "started_at": at}
    last = {"stage": "withdrawn", "started_at": at + timedelta(hours=1), "note": "too many", "signed_by": ["ben"]}
    insert(own, "policy_candidates", [trial])
    insert(own, "policy_candidates", [trial | last])
    assert [(one["stage"], one["note"], one["signed_by"]) for one in history.trials(lambda: _Open(own), "lending")] == [
        ("shadow", "", []),
        ("withdrawn", "too many", ["ben"]),
    ]


class _Later:
    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now


class _Open:
    """A client that is not closed."""

    def __init__(self, client: ClickHouse) -> None:
        self._client = client

    def __enter__(self) -> ClickHouse:
        return self._client

    def __exit__(self, *_: object) -> None:
        pass
