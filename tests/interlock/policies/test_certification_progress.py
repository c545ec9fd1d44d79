"""`interlock proposals progress`: every lane of the policies in force, whatever is known of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.platform import connection
from interlock.policies import publishing
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from tests.processors.proposals.proposal_world import SOURCE, policy_version

STEP = {
    "threshold": 0.97,
    "audits": 41.2,
    "needed": 84.1,
    "per_day": 4.0,
    "errors": 0,
    "error": 0.0,
    "evidence": 0.31,
}
RECORD: dict[str, Any] = {
    "domain": "loan",
    "prediction": "approve",
    "model_id": "scorer",
    "model_version": "7",
    "at": 2,
    "since": 1,
    "examples": 900,
    "warm_up": 0,
    "alpha": 0.05,
    "delta": 0.1,
    "smallest_propensity": 0.05,
    "certified": None,
    "missing": ["63 of 100 audits answered, 80 needed"],
    "steps": [STEP],
    "rules_tested": 4,
    "rules_certified": 0,
    "rule_evidence": 0.2,
    "start": 1,
    "tested_limit": 0.0475,
}


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made: Any = MemoryBroker(SystemClock())
    made.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
    monkeypatch.setattr(connection.Platform, "serving_kafka", lambda _: made)
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(tmp_path))
    return made


def _put(broker: Any, source: str, *records: dict[str, Any]) -> None:
    value = wire.encode("PolicyVersion", policy_version(source))
    publishing.send(broker, catalogue.POLICIES, "lending", value)
    for record in records:
        key = "{domain}/{prediction}/{model_id}@{model_version}".format(**record)
        publishing.send(broker, catalogue.LANE_PROGRESS, key, wire.encode("LaneProgress", record))


def _rows(*words: str) -> Any:
    done = CliRunner().invoke(app, ["proposals", "progress", *words], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)["lanes"] if words else done.output


def test_a_lane_says_how_many_audits_it_has_of_about_how_many_and_in_how_many_days(broker: Any) -> None:
    _put(broker, SOURCE, RECORD)
    (row,) = _rows("--json")
    assert (row["lane"], row["model"]) == ("loan/approve", "scorer@7")
    assert row["said"] == "41 of about 84 audits"
    assert row["tested_limit"] == 0.0475
    assert row["days"] == pytest.approx(42.9 / 4)
    assert row["missing"] == ["63 of 100 audits answered, 80 needed"]
    assert "41 of about 84" in " ".join(_rows().split())


@pytest.mark.parametrize(
    ("source", "changes", "said"),
    [
        (SOURCE, {"steps": [], "warm_up": 120}, "120 more reviews until thresholds are chosen"),
        (SOURCE, {"certified": 0.93}, "certified from 0.93 of its own confidence on"),
        (
            SOURCE,
            {"steps": [STEP | {"needed": None, "error": 0.08}]},
            "41 audits; 8.0% wrong where it is surest, too many for 5%",
        ),
        (SOURCE.replace("rate: 0.1", "rate: 0"), {}, "without audits nothing is proposed: give audit.rate"),
        (
            SOURCE.replace("models: [scorer]", "models: [scorer]\n    workflow: hybrid"),
            {},
            "nothing is automatic in the workflow hybrid",
        ),
    ],
)
def test_a_lane_says_what_it_waits_for(broker: Any, source: str, changes: dict[str, Any], said: str) -> None:
    _put(broker, source, RECORD | changes)
    (row,) = _rows("--json")
    assert row["said"] == said


def test_a_lane_that_nobody_has_reviewed_is_listed_and_one_of_no_policy_is_not(broker: Any) -> None:
    _put(broker, SOURCE, RECORD | {"domain": "other"})
    (row,) = _rows("--json")
    assert (row["lane"], row["model"], row["said"], row["days"]) == ("loan/approve", "", "nothing counted yet", None)


def test_the_risk_that_a_policy_allows_a_year_is_told_with_what_is_used(broker: Any) -> None:
    _put(broker, SOURCE + "risk: {per_year: 0.08}\n", RECORD | {"start": 3})
    done = CliRunner().invoke(app, ["proposals", "progress", "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["risk"] == [
        {"policy": "lending", "per_year": 0.08, "used": pytest.approx(0.08 * (1 / 2 + 1 / 6 + 1 / 12))}
    ]
    shown = " ".join(_rows().split())
    assert "lending: 6% of the 8% risk of a false certificate a year is used" in shown
