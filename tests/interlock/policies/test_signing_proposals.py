"""`interlock proposals` as a person uses it: look, sign, refuse."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.errors import InterlockError
from interlock.platform import connection
from interlock.policies import publishing, signing
from interlock.policy.load import parse
from interlock.processors.proposals.record import opened, proposal_id
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from tests.policy.test_editing import RULE
from tests.processors.proposals.proposal_world import SOURCE, policy_version


class Desk:
    """A broker with a published policy and some proposals, and the command line in front of it."""

    def __init__(self) -> None:
        self.broker: Any = MemoryBroker(SystemClock())
        self.broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
        self.put(catalogue.POLICIES, "lending", policy_version())
        self.threshold = self.propose("threshold", {"domain": "loan", "prediction": "approve", "auto": 0.72})
        self.rule = self.propose("safe_rule", {"domain": "loan", "prediction": "approve", "safe_rule": RULE})
        self.coaching = self.propose("coaching", None)

    def put(self, topic: catalogue.Topic, key: str, record: dict[str, Any]) -> None:
        assert topic.schema is not None
        publishing.send(self.broker, topic, key, wire.encode(topic.schema, record))

    def propose(self, kind: str, change: dict[str, Any] | None) -> str:
        name = proposal_id(kind, change)
        record = opened(
            kind,
            name,
            title=f"a {kind}",
            claim="at most 5 % is wrong",
            at=1_767_225_600_000_000,
            evidence={"labels": 100, "bins": [{"pattern": "x"}]},
            change=change,
            domain="loan",
            policy="lending" if change else "",
            policy_version=str(policy_version()["version"]) if change else "",
        )
        self.put(catalogue.PROPOSALS, name, record)
        return name

    def type(self, *words: str) -> str:
        done = CliRunner().invoke(app, ["proposals", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    def json(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json").splitlines()[-1])

    def refused(self, *words: str) -> str:
        with pytest.raises(InterlockError) as raised:
            CliRunner().invoke(app, ["proposals", *words], catch_exceptions=False)
        return str(raised.value)

    @property
    def policy(self) -> dict[str, Any]:
        return publishing.published_policies(self.broker)["lending"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk()
    monkeypatch.setattr(connection.Platform, "serving_kafka", lambda _: made.broker)
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(tmp_path))
    return made


def test_a_list_shows_what_waits_and_one_proposal_with_its_evidence_and_what_it_changes(desk: Desk) -> None:
    assert {row["proposal_id"] for row in desk.json("list")} == {desk.threshold, desk.rule, desk.coaching}
    assert [row["proposal_id"] for row in desk.json("list", "--kind", "threshold")] == [desk.threshold]
    shown = desk.type("show", desk.threshold)
    assert "at most 5 % is wrong" in shown
    assert "~ domains.loan.lanes.approve.auto: 0.9 → 0.72" in shown
    assert desk.json("show", desk.threshold)["evidence"]["labels"] == 100


def test_an_accepted_threshold_is_a_new_policy_version_that_names_proposal_and_person(desk: Desk) -> None:
    said = desk.json("accept", desk.threshold, "--by", "ana", "--note", "agreed on Monday")
    assert parse(desk.policy["source"], "x").domains["loan"].lanes["approve"].auto == 0.72
    assert (said["state"], said["decided_by"], said["policy_version"]) == ("accepted", "ana", desk.policy["version"])
    assert desk.threshold in desk.policy["note"]
    assert "ana" in desk.policy["note"]
    assert "agreed on Monday" in desk.policy["note"]
    assert desk.policy["published_by"] == "ana"
    assert desk.threshold not in {row["proposal_id"] for row in desk.json("list")}
    assert desk.threshold in {row["proposal_id"] for row in desk.json("list", "--all")}


def test_an_accepted_threshold_in_raw_confidence_stands_beside_the_plain_one(desk: Desk) -> None:
    change = {"domain": "loan", "prediction": "approve", "auto_raw": 0.91, "model": "scorer@7"}
    decided = desk.json("accept", desk.propose("threshold", change))
    lane = parse(desk.policy["source"], "lending").domains["loan"].lanes["approve"]
    assert (lane.auto, lane.auto_raw) == (0.9, {"scorer@7": 0.91})
    assert "# as agreed in May" in desk.policy["source"]
    assert decided["policy_version"] == desk.policy["version"]


def test_an_accepted_safe_rule_stands_in_the_policy(desk: Desk) -> None:
    desk.type("accept", desk.rule, "--by", "ana")
    (rule,) = parse(desk.policy["source"], "x").safe_rules
    assert rule.proposal == "safe-1"
    assert desk.policy["source"].startswith(SOURCE)  # comments and all


def test_what_changes_no_policy_is_accepted_as_it_is(desk: Desk) -> None:
    before = desk.policy
    assert desk.json("accept", desk.coaching)["state"] == "accepted"
    assert desk.policy == before


def test_a_refusal_needs_a_reason_and_changes_no_policy(desk: Desk) -> None:
    before = desk.policy
    assert "say why" in desk.refused("refuse", desk.threshold, "--reason", " ")
    assert desk.json("refuse", desk.threshold, "--reason", "too early", "--by", "ben")["reason"] == "too early"
    assert desk.policy == before


def test_a_second_word_on_a_proposal_is_refused_and_names_who_decided(desk: Desk) -> None:
    desk.type("refuse", desk.threshold, "--reason", "too early", "--by", "ben")
    assert "refused by ben already: too early" in desk.refused("accept", desk.threshold)
    assert "refused by ben already" in desk.refused("refuse", desk.threshold, "--reason", "again")


def test_an_unknown_proposal_is_named_with_what_to_do(desk: Desk) -> None:
    assert "`interlock proposals list`" in desk.refused("accept", "threshold-nope")


def test_what_was_published_but_not_recorded_is_only_recorded_when_repeated(desk: Desk) -> None:
    book = signing.read_proposals(desk.broker)
    found = signing.find(book, desk.threshold)
    signing.accept(desk.broker, found, "ana", "", 1)
    version = desk.policy
    desk.put(catalogue.PROPOSALS, desk.threshold, found)  # as if the record had never been written
    assert desk.json("accept", desk.threshold)["policy_version"] == version["version"]
    assert desk.policy == version


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (SOURCE.replace("  loan:", "  other:"), "no longer knows the domain"),
        (SOURCE.replace("approve: {auto: 0.90, async: 0.85}", "reject: {}"), "no longer has a lane"),
    ],
)
def test_a_change_that_no_longer_fits_the_policy_is_refused_and_changes_nothing(
    desk: Desk, source: str, says: str
) -> None:
    desk.put(catalogue.POLICIES, "lending", policy_version(source))
    assert says in desk.refused("accept", desk.threshold)
    assert desk.policy["source"] == source
    assert desk.json("show", desk.threshold)["state"] == "open"


def test_a_safe_rule_over_an_attribute_that_is_no_longer_declared_is_refused(desk: Desk) -> None:
    desk.put(catalogue.POLICIES, "lending", policy_version(SOURCE.replace("country: string, ", "")))
    assert "unknown column country" in desk.refused("accept", desk.rule)
