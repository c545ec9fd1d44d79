"""`interlock policy try` and what follows, as a policy owner types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.errors import InterlockError, UnavailableError, UsageError
from interlock.operations import retention
from interlock.operations.doctor import _policies, _reliance
from interlock.platform import connection
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.policies import requests
from interlock.policies.honouring import UnhonouredPackError
from interlock.policies.trials import TrialTooShortError
from interlock.review.enrolment import publish_reviewers
from tests.interlock.policies.trial_world import Owner, seen, text


class Terminal:
    """The command line in front of an owner's broker; ClickHouse, which is away, would say `decisions`."""

    def __init__(self, directory: Path, in_force: str) -> None:
        self.owner = Owner(in_force)
        self.directory = directory
        self.decisions = 0

    def file(self, source: str) -> str:
        path = self.directory / "policy.yaml"
        path.write_text(source)
        return str(path)

    def type(self, *words: str) -> str:
        done = CliRunner().invoke(app, ["policy", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    def json(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json").splitlines()[-1])

    def refused(self, *words: str) -> InterlockError:
        with pytest.raises(InterlockError) as raised:
            CliRunner().invoke(app, ["policy", *words], catch_exceptions=False)
        return raised.value


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(tmp_path, text())
    monkeypatch.setattr(connection.Platform, "serving_kafka", lambda _: made.owner.broker)
    monkeypatch.setattr("interlock.cli.trials._observed", lambda _, found: seen(made.decisions, found["published_at"]))
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(tmp_path))
    return made


def test_a_change_is_tried_looked_at_given_a_share_promoted_and_taken_back(terminal: Terminal) -> None:
    first = terminal.owner.version
    begun = terminal.json("try", terminal.file(text(0.8)), "--by", "ann", "--note", "fewer reviews")
    assert (begun["stage"], begun["base_version"]) == ("shadow", first)
    assert terminal.json("candidate", "lending")["missing"] == ["it saw 0 of 1 decisions"]
    assert isinstance(terminal.refused("promote", "lending", "--by", "ben"), TrialTooShortError)
    terminal.decisions = 1200
    shown = terminal.type("candidate", "lending")
    assert "120 of 1,200 decisions differ" in shown
    assert terminal.json("share", "lending", "0.1", "--by", "ben")["share"] == 0.1
    promoted = terminal.json("promote", "lending", "--by", "ben", "--note", "as forecast")
    assert (promoted["version"], promoted["signed_by"]) == (begun["version"], ["ann", "ben"])
    (latest, *_) = terminal.json("history", "lending")["versions"]
    assert (latest["version"], latest["stage"], latest["observed"]["changed"]) == (begun["version"], "share", 120)
    assert "120 of 1,200 differ" in " ".join(terminal.type("history", "lending").split())
    back = terminal.refused("roll-back", "lending", "nope")
    assert isinstance(back, UnavailableError)


def test_going_back_is_one_command_and_asks_a_second_person_where_the_policy_demands_one(terminal: Terminal) -> None:
    first = terminal.owner.version
    owner = terminal.owner
    requests.publish_source(owner.broker, text(0.8), first, "ann", "bolder")
    done = terminal.json("roll-back", "lending", first, "--by", "ann", "--note", "too many overrides")
    assert (done["state"], done["version"], done["roll_back_of"]) == ("published", first, first)
    demanding = text(0.8, more="publishing: {four_eyes: true}")
    requests.publish_source(owner.broker, demanding, first, "ann", "two people from now on")
    assert terminal.json("roll-back", "lending", first, "--by", "ann")["state"] == "waiting"
    assert owner.policy["source"] == demanding


def test_a_trial_is_withdrawn_with_a_reason(terminal: Terminal) -> None:
    terminal.type("try", terminal.file(text(0.8)), "--by", "ann")
    assert terminal.json("withdraw", "lending", "--reason", "wrong file", "--by", "ben")["stage"] == "withdrawn"
    assert "interlock policy try" in str(terminal.refused("candidate", "lending"))


def test_what_is_tried_is_one_file_or_one_proposal(terminal: Terminal) -> None:
    assert isinstance(terminal.refused("try"), UsageError)
    assert "no proposal 'none'" in str(terminal.refused("try", "--proposal", "none"))
    missing = terminal.refused("try", terminal.file(text(0.8)), "--forecast", "absent.json")
    assert "absent.json cannot be read" in str(missing)


def test_publish_is_refused_where_the_policy_in_force_demands_a_trial(terminal: Terminal) -> None:
    owner = terminal.owner
    staged = text(more="publishing: {shadow_for: 24h}")
    requests.publish_source(owner.broker, staged, owner.version, "ann", "tried from now on")
    assert "interlock policy try FILE" in str(terminal.refused("publish", terminal.file(text(0.8))))


def test_the_doctor_tells_what_is_tried_and_warns_of_a_change_that_decides_nothing_any_more(terminal: Terminal) -> None:
    platform = Platform(Settings(data_dir=terminal.directory))
    begun = terminal.json("try", terminal.file(text(0.8)))
    assert _policies(platform).state == "ok"
    assert f"of lending {begun['version']} is tried" in _policies(platform).finding
    owner = terminal.owner
    requests.publish_source(owner.broker, text(0.99), owner.version, "cid", "an alarm")
    assert _policies(platform).state == "warning"
    assert "decides nothing" in _policies(platform).finding
    assert terminal.json("try", terminal.file(text(0.8)))["base_version"] == owner.version
    assert _policies(platform).state == "ok"


def _keeps(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    monkeypatch.setattr(Platform, "clickhouse", lambda _, **__: None)
    monkeypatch.setattr(retention, "kept_days", lambda _: {"decisions": days})


def test_neither_a_share_nor_a_promotion_escapes_what_packs_demand_of_retention(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    credit = text(0.8, more="packs: [ecoa-fcra]").replace("auto: 0.8}", "auto: 0.8}, reject: {notice: adverse_action}")
    terminal.type("try", terminal.file(credit), "--by", "ann")
    terminal.decisions = 100
    _keeps(monkeypatch, 30)
    for words in (("share", "lending", "0.1"), ("promote", "lending")):
        refused = terminal.refused(*words, "--by", "ben")
        assert isinstance(refused, UnhonouredPackError)
        assert "pack ecoa-fcra: records must be kept for 762 days" in str(refused)
    _keeps(monkeypatch, 762)
    terminal.type("share", "lending", "0.1", "--by", "ben")
    terminal.type("promote", "lending", "--by", "ben")
    assert terminal.owner.policy["source"] == credit


def test_a_proposal_is_not_accepted_where_its_packs_demand_more_than_clickhouse_keeps(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = terminal.owner
    credit = text(0.8, more="packs: [ecoa-fcra]").replace("auto: 0.8}", "auto: 0.8}, reject: {notice: adverse_action}")
    asked = requests.request_policy(owner.broker, credit, owner.version, "ann", "credit", 1)
    _keeps(monkeypatch, 30)
    accept = ["proposals", "accept", asked["proposal_id"], "--by", "ben"]
    with pytest.raises(UnhonouredPackError, match="762 days"):
        CliRunner().invoke(app, accept, catch_exceptions=False)
    _keeps(monkeypatch, 762)
    assert CliRunner().invoke(app, accept, catch_exceptions=False).exit_code == 0
    assert owner.policy["source"] == credit


def test_who_had_the_qualification_that_a_pack_demands_must_still_have_it_when_the_change_gets_a_share(
    terminal: Terminal,
) -> None:
    owner = terminal.owner
    publish_reviewers(
        owner.broker, [{"id": "eve", "name": "Eve", "qualifications": [{"name": "physician", "expires_at": None}]}]
    )
    terminal.type("try", terminal.file(text(0.8, more="packs: [medical-device]")), "--by", "ann")
    terminal.decisions = 100
    publish_reviewers(owner.broker, [{"id": "eve", "name": "Eve", "qualifications": []}])
    for words in (("share", "lending", "0.1"), ("promote", "lending")):
        refused = terminal.refused(*words, "--by", "ben")
        assert isinstance(refused, UnhonouredPackError)
        assert "qualified as physician" in str(refused)


def test_the_doctor_warns_of_an_experiment_that_no_desk_can_run_for_want_of_the_secret(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = terminal.owner
    assert _reliance(Platform(Settings(data_dir=terminal.directory))).state == "ok"
    text_with = text().replace("    queue:", "    reliance: {rate: 0.1}\n    queue:")
    requests.publish_source(owner.broker, text_with, owner.version, "ann", "an experiment")
    found = _reliance(Platform(Settings(data_dir=terminal.directory)))
    assert (found.state, "loan needs INTERLOCK_ROUTER__AUDIT_KEY" in found.finding) == ("warning", True)
    monkeypatch.setenv("INTERLOCK_ROUTER__AUDIT_KEY", "9f86d081884c7d659a2feaa0c55ad015")
    assert _reliance(Platform(Settings(data_dir=terminal.directory))).state == "ok"
