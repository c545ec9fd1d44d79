"""Champion and challenger, from the topics and on the command line."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.errors import InterlockError
from interlock.operations.shadow import read_comparison
from interlock.platform import connection
from interlock.policy.load import parse
from interlock.processors.shadow.comparison import VersionDecision, summarize
from interlock.schemas import wire
from interlock.streams.memory import MemoryBroker
from tests.processors.router.messages import Sent, sent
from tests.processors.shadow.shadow_world import POLICY, answered, create_comparison_topics, published, routed

CHAMPION, CHALLENGER = "m@1", "m@2"


class World:
    """Decisions of two versions on a broker."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        create_comparison_topics(self.broker)
        self._producer = self.broker.producer(None)
        self._send("policies", b"lending", published(parse(POLICY, "lending")))

    def decide(self, *messages: Sent) -> list[tuple[str, dict[str, Any]]]:
        records = []
        for topic, record, value in routed(messages):
            self._send(topic, record["decision"]["decision_id"].encode(), value)
            records.append((topic, record))
        return records

    def both(self, case: str, champion: dict[str, Any], challenger: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        facts = {"amount": 1.0, "input": json.dumps({"case": case})}
        return self.decide(
            sent(f"champion-{case}", **facts, **champion),
            sent(f"challenger-{case}", model_version="2", **facts, **challenger),
        )

    def answer(self, record: dict[str, Any], outcome: str, **changes: Any) -> None:
        answer = answered(record, outcome, **changes)
        self._send("reviews.outcomes", answer["decision_id"].encode(), wire.encode("Outcome", answer))

    def summary(self) -> dict[str, Any]:
        return summarize(read_comparison(self.broker, "loans", CHAMPION, CHALLENGER), 0.1)

    def _send(self, topic: str, key: bytes, value: bytes) -> None:
        self._producer.produce(topic, value, key)
        self._producer.flush()


def _ids(pairs: list[tuple[VersionDecision, VersionDecision]]) -> list[tuple[str, str]]:
    return [(champion.decision_id, challenger.decision_id) for champion, challenger in pairs]


SURE: dict[str, Any] = {"confidence": 0.99}
UNSURE: dict[str, Any] = {"confidence": 0.85}


def test_cases_are_matched_by_input_whatever_the_order_of_its_fields() -> None:
    world = World()
    world.decide(sent("a", amount=1.0, input='{"x": 1, "y": 2}'))
    world.decide(sent("b", amount=1.0, model_version="2", input='{"y": 2, "x": 1}'))
    world.decide(sent("c", amount=1.0, input='{"x": 3}'), sent("d", amount=1.0, model_version="2", input="no JSON"))
    summary = world.summary()
    assert (summary["pairs"], summary["only_champion"], summary["only_challenger"]) == (1, 1, 1)


def test_an_attribute_pair_matches_before_anything_else_and_subjects_keep_equal_inputs_apart() -> None:
    world = World()
    world.decide(sent("a", amount=1.0, input="{}", attributes={"pair": "7"}))
    world.decide(sent("b", amount=1.0, model_version="2", input='{"other": 1}', attributes={"pair": "7"}))
    world.decide(sent("c", amount=1.0, subject_id="s", input="{}"))
    world.decide(sent("d", amount=1.0, model_version="2", subject_id="t", input="{}"))
    world.decide(sent("e", amount=1.0), sent("f", amount=1.0, model_version="2"))
    pairs = read_comparison(world.broker, "loans", CHAMPION, CHALLENGER).pairs
    assert _ids(pairs) == [("a", "b")]


def test_a_case_that_was_decided_several_times_is_matched_in_order_of_time() -> None:
    world = World()
    for number, version in enumerate(["1", "2", "1", "2", "1"]):
        at = 1_767_225_600_000_000 - 10 + number
        world.decide(sent(f"d{number}", amount=1.0, model_version=version, input="{}", created_at=at))
    comparison = read_comparison(world.broker, "loans", CHAMPION, CHALLENGER)
    assert _ids(comparison.pairs) == [("d0", "d1"), ("d2", "d3")]
    assert (comparison.only_champion, comparison.only_challenger) == (1, 0)


def test_agreement_automation_and_workload_are_those_of_the_pairs() -> None:
    world = World()
    for number in range(40):
        champion, challenger = (SURE if number < 20 else UNSURE), (SURE if number < 30 else UNSURE)
        if number >= 36:
            challenger = {**challenger, "prediction": "reject"}
        world.both(f"{number}", champion, challenger)
    summary = world.summary()
    assert summary["agreement"]["value"] == 0.9
    assert summary["auto"]["champion"]["value"] == pytest.approx(0.5)
    assert summary["auto"]["challenger"]["value"] == pytest.approx(0.75)
    assert summary["auto"]["difference"]["low"] > 0
    # Those that take effect are audited at 10 %.
    assert summary["workload"]["champion"]["value"] == pytest.approx(0.5 + 0.5 * 0.1)
    assert summary["workload"]["difference"]["value"] == pytest.approx(-0.25 * 0.9)
    assert summary["workload"]["difference"]["high"] < 0
    assert (summary["accuracy"], summary["errors"], summary["answered"]) == (None, None, 0)


def test_accuracy_is_weighted_by_one_over_the_propensity_of_the_decision_that_people_saw() -> None:
    world = World()
    for number in range(400):
        # Where the champion is sure, the challenger errs; where it is not, the champion does.
        sure = number % 2 == 0
        decisions = world.both(
            f"{number}", SURE if sure else UNSURE, {**SURE, "prediction": "reject" if sure else "approve"}
        )
        for topic, record in decisions:
            if topic == "reviews.async":
                world.answer(record, "approve")
    summary = world.summary()
    assert summary["answered"] == 200 + summary["blind"]
    assert 5 < summary["blind"] < 40
    # Half of all cases, although ten times as many of the answers are about the other half.
    assert summary["accuracy"]["challenger"]["low"] < 0.5 < summary["accuracy"]["challenger"]["high"]
    assert summary["accuracy"]["champion"]["value"] == pytest.approx(1.0)
    assert summary["errors"]["champion"]["value"] == 0


def test_gold_appeals_and_first_verdicts_of_two_are_no_answers() -> None:
    world = World()
    ((_, record), _) = world.both("1", UNSURE, SURE)
    world.answer(record, "reject", kind="gold")
    world.answer(record, "reject", kind="appeal", round=1)
    world.answer(record, "reject", resolves=False)
    world.answer(record, "reject", propensity=0.0)
    assert world.summary()["answered"] == 0
    world.answer(record, "approve")
    summary = world.summary()
    assert (summary["answered"], summary["accuracy"]["champion"]["value"]) == (1, 1.0)


def test_records_that_cannot_be_read_and_those_of_other_domains_are_passed_over() -> None:
    world = World()
    world._send("decisions.shadow", b"k", b"loans m rubbish")
    world.decide(sent("x", domain="later", amount=1.0, input="{}"))
    world.both("1", SURE, SURE)
    assert (world.summary()["pairs"], world.summary()["only_champion"]) == (1, 0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(connection.Platform, "serving_kafka", lambda _: world.broker)
    return world


def _compare(*words: str) -> str:
    result = CliRunner().invoke(app, ["shadow", "compare", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


LOANS = ("--domain", "loans", "--champion", CHAMPION, "--challenger", CHALLENGER)


def test_one_command_compares_and_shows_intervals(world: World) -> None:
    for number in range(30):
        for topic, record in world.both(f"{number}", UNSURE, SURE):
            if topic == "reviews.async":
                world.answer(record, "approve" if number else "reject")
    shown = _compare(*LOANS)
    for words in ("30 cases decided by both", "100.0 % [", "+100.0 % [", "-90.0 % [", "30 cases that people answered"):
        assert words in shown
    summary = json.loads(_compare(*LOANS, "--json"))
    assert (summary["domain"], summary["pairs"]) == ("loans", 30)
    assert (summary["champion"], summary["challenger"]) == (CHAMPION, CHALLENGER)
    assert summary["accuracy"]["difference"]["value"] == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (LOANS, "no case was decided by both: 1 by m@1 alone, 0 by m@2 alone"),
        (
            ("--domain", "cats", "--champion", CHAMPION, "--challenger", CHALLENGER),
            "no published policy knows domain 'cats'; known: later, loans",
        ),
        (
            ("--domain", "loans", "--champion", "m", "--challenger", CHALLENGER),
            "--champion: write model_id@model_version",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(
    world: World, words: tuple[str, ...], complaint: str
) -> None:
    world.decide(sent("a", amount=1.0, input="{}"))
    with pytest.raises(InterlockError, match=complaint):
        _compare(*words)
