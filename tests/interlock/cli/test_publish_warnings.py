"""What publishing a policy and the doctor say of work that nobody may do, and of records that are not kept."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.errors import UnavailableError, UsageError
from interlock.operations import doctor, retention
from interlock.platform import connection
from interlock.platform.connection import Platform
from interlock.policies.honouring import UnhonouredPackError
from interlock.policies.publishing import publish_policy, published_policies
from interlock.review.enrolment import publish_reviewers
from interlock.schemas import catalogue
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec

POLICY = """
name: hospital
domains:
  scan:
    models: ['*']
    outcomes: [benign, malignant]
    lanes: {malignant: {notice: adverse_action}}
    queue: radiology
queues: {radiology: {qualifications: [radiologist]}}
packs: [ecoa-fcra]
"""

NOBODY = "nobody on the roster is qualified as radiologist for queue radiology, to which policy hospital sends scan"


@pytest.fixture
def platform() -> Platform:
    """Kafka in memory, with a person who has learned nothing, and no ClickHouse."""
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS])
    publish_reviewers(cast("Any", broker), [{"id": "ann", "name": "Ann"}])

    def clickhouse() -> None:
        raise UnavailableError("ClickHouse does not answer")

    return cast("Platform", SimpleNamespace(serving_kafka=lambda: broker, clickhouse=clickhouse, signer=None))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "hospital.yaml"
    path.write_text(POLICY)
    return path


def publish(policy: Path) -> list[str]:
    result = CliRunner().invoke(app, ["policy", "publish", str(policy), "--by", "olga"], catch_exceptions=False)
    assert result.exit_code == 0
    return " ".join(result.output.split()).split("warning: ")[1:]


def keeps(monkeypatch: pytest.MonkeyPatch, days: dict[str, int | None]) -> None:
    """For how many days ClickHouse keeps the rows of each table."""
    monkeypatch.setattr(retention, "kept_days", lambda client: days)  # noqa: ARG005


def test_whoever_publishes_a_policy_reads_what_nobody_may_do_and_that_clickhouse_was_not_asked(
    platform: Platform, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "connect", lambda data_dir: platform)  # noqa: ARG005
    nobody, unknown = publish(policy)
    assert nobody.strip() == NOBODY
    assert unknown == (
        "whether records are kept for as long as the packs demand cannot be seen: ClickHouse does not answer"
    )


def test_a_policy_whose_packs_want_records_for_longer_than_clickhouse_keeps_them_is_refused(
    platform: Platform, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "connect", lambda data_dir: platform)  # noqa: ARG005
    monkeypatch.setattr(platform, "clickhouse", lambda: None)
    keeps(monkeypatch, {"decisions": 30})
    with pytest.raises(UnhonouredPackError, match="policy hospital, pack ecoa-fcra: records must be kept for 762 days"):
        publish(policy)
    assert published_policies(cast("Any", platform.serving_kafka())) == {}
    keeps(monkeypatch, {"decisions": None})
    assert len(publish(policy)) == 1


def test_a_policy_whose_packs_want_a_qualification_that_nobody_has_is_refused_until_it_expires_later(
    platform: Platform, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = cast("Any", platform.serving_kafka())
    monkeypatch.setattr(connection, "connect", lambda data_dir: platform)  # noqa: ARG005
    policy.write_text(POLICY.replace("packs: [", "packs: [medical-device, "))
    with pytest.raises(UnhonouredPackError) as refused:
        publish(policy)
    assert "pack medical-device demands that who decides in queue radiology is qualified as physician and radiolog" in (
        str(refused.value)
    )
    past = [{"name": "physician", "expires_at": 1}, {"name": "radiologist", "expires_at": None}]
    publish_reviewers(broker, [{"id": "ann", "name": "Ann", "qualifications": past}])
    with pytest.raises(UnhonouredPackError):
        publish(policy)
    held = [{"name": name, "expires_at": None} for name in ("physician", "radiologist")]
    publish_reviewers(broker, [{"id": "ann", "name": "Ann", "qualifications": held}])
    publish(policy)
    assert list(published_policies(broker)) == ["hospital"]


def test_the_doctor_warns_of_the_same_and_is_content_when_it_is_mended(
    platform: Platform, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = cast("Any", platform.serving_kafka())
    publish_policy(broker, policy, "olga", "")
    monkeypatch.setattr(platform, "clickhouse", lambda: None)
    keeps(monkeypatch, {"decisions": 30})
    roster, kept = doctor._reviewers(platform), doctor._retention(platform)
    assert (roster.state, roster.finding) == ("warning", NOBODY)
    assert (kept.state, "kept for 762 days" in kept.finding) == ("wrong", True)
    skilled = [{"name": "radiologist", "expires_at": None}]
    publish_reviewers(broker, [{"id": "ann", "name": "Ann", "qualifications": skilled}])
    keeps(monkeypatch, {"decisions": 762})
    assert (doctor._reviewers(platform).state, doctor._retention(platform).state) == ("ok", "ok")


def test_a_policy_is_checked_against_a_roster_without_any_platform(policy: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.yaml"
    roster.write_text("reviewers:\n  - {id: ann, name: Ann, queues: [radiology], qualifications: [radiologist]}\n")
    policy.write_text(POLICY.replace("packs: [", "packs: [medical-device, "))

    def check() -> tuple[int, dict[str, Any]]:
        result = CliRunner().invoke(app, ["policy", "check", str(policy), "--roster", str(roster), "--json"])
        return result.exit_code, json.loads(result.stdout)

    code, told = check()
    assert (code, told["problems"]) == (1, [])
    assert "hospital.yaml: pack medical-device demands that who decides in queue radiology" in told["unhonoured"][0]
    roster.write_text(roster.read_text().replace("[radiologist]", "[radiologist, physician]"))
    assert check() == (0, {**told, "unhonoured": [], "warnings": []})
    roster.write_text("reviewers:\n  - {id: ann, nam: Ann}\n")
    refused = CliRunner().invoke(app, ["policy", "check", str(policy), "--roster", str(roster)])
    assert isinstance(refused.exception, UsageError)
    assert "roster.yaml:2: reviewers.0.nam: unknown field" in str(refused.exception)
