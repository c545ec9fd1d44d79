"""The loop of the loan example, closed: people answer, a version is trained from that, tried, and compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from examples import loan_approval
from examples.loan_approval import retrain
from interlock.cli.app import app
from interlock.platform import connection
from interlock.policy.load import load
from interlock.schemas import catalogue, wire
from interlock.schemas.models import Decision
from interlock.streams.memory import MemoryBroker
from tests.processors.router.messages import Sent
from tests.processors.shadow.shadow_world import answered, create_comparison_topics, published, routed

POLICY = load(loan_approval.POLICY)


def _routed(decisions: list[Decision]) -> list[tuple[str, dict[str, Any], bytes]]:
    # Of the year in which the tests' clock stands, so that no timestamp is implausible.
    records = [decision.to_record() | {"created_at": 1_767_225_600_000_000} for decision in decisions]
    return routed([Sent(record["decision_id"].encode(), wire.encode("Decision", record)) for record in records], POLICY)


def _reviewed(results: list[tuple[str, dict[str, Any], bytes]]) -> list[dict[str, Any]]:
    """What people answer, who know what was right."""
    seen = [record for topic, record, _ in results if topic.startswith("reviews.")]
    return [answered(record, loan_approval.truth_of(record["decision"]) or "") for record in seen]


def _examples(results: list[tuple[str, dict[str, Any], bytes]]) -> list[dict[str, Any]]:
    inputs = {record["decision"]["decision_id"]: record["decision"]["input"] for _, record, _ in results}
    return [
        {
            "decision_id": item["decision_id"],
            "domain": item["domain"],
            "input": inputs[item["decision_id"]],
            "final": item["outcome"],
            "weight": 1 / item["propensity"],
        }
        for item in _reviewed(results)
    ]


@pytest.fixture(scope="module")
def first() -> list[tuple[str, dict[str, Any], bytes]]:
    return _routed(list(loan_approval.decisions(200, run="loan")))


def _written(path: Path, examples: list[dict[str, Any]]) -> Path:
    frame = pl.DataFrame(examples)
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_ndjson(path)
    return path


@pytest.mark.parametrize("name", ["examples.parquet", "examples.jsonl"])
def test_a_version_is_trained_from_exported_examples_with_their_weights(
    tmp_path: Path, first: list[tuple[str, dict[str, Any], bytes]], name: str
) -> None:
    examples = _examples(first)
    read = retrain.read(_written(tmp_path / name, examples))
    assert (len(read.rows), read.kept_out, read.unusable) == (len(examples), 0, 0)
    assert sorted(set(read.weights)) == pytest.approx([1.0, 20.0])
    model = retrain.retrained(read)
    assert model.version == "2"
    one, other = (model.classifier.coef_, loan_approval.version_1().classifier.coef_)
    assert one.shape == other.shape
    assert abs(one - other).max() > 0.01


def test_no_applicant_of_the_comparison_has_a_part_in_the_training(tmp_path: Path) -> None:
    everybody = _routed(list(loan_approval.decisions(400, run="loan")))
    examples = _examples(everybody)
    gone = {**examples[0], "decision_id": "gone", "input": ""}
    read = retrain.read(_written(tmp_path / "e.parquet", [*examples, gone]))
    assert read.unusable == 1
    assert read.kept_out > 20
    assert len(read.rows) + read.kept_out == len(examples)
    applicants = {item.input for item in retrain.decided_by_both(retrain.retrained(read))}
    assert len(applicants) == retrain.COUNT
    inputs = [*loan_approval.NUMBERS, *loan_approval.WORDS]
    assert not applicants & {json.dumps(row) for row in read.rows.select(inputs).to_dicts()}


def test_of_two_examples_about_one_decision_the_last_counts(tmp_path: Path) -> None:
    (one,) = loan_approval.decisions(1, run="x")
    both = [
        {"decision_id": "x", "domain": "loan_approval", "input": one.input, "final": final, "weight": 1.0}
        for final in ("approve", "reject")
    ]
    assert retrain.read(_written(tmp_path / "e.parquet", both)).rows["credit"].to_list() == ["bad"]


def test_both_versions_are_compared_by_one_command_and_takes_no_effect(
    tmp_path: Path,
    first: list[tuple[str, dict[str, Any], bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = _written(tmp_path / "examples.parquet", _examples(first))
    retrain.main(str(path))
    written = capsys.readouterr()
    assert "trained on 8" in written.err
    decisions = [Decision.model_validate_json(line) for line in written.out.splitlines()]
    assert len({decision.decision_id for decision in decisions}) == 2 * retrain.COUNT

    results = _routed(decisions)
    for topic, record, _ in results:
        of_challenger = record["decision"]["model_version"] == "2"
        assert of_challenger is (topic == catalogue.SHADOW.name)
    broker = MemoryBroker()
    create_comparison_topics(broker)
    producer = broker.producer(None)
    producer.produce(catalogue.POLICIES.name, published(POLICY), POLICY.name.encode())
    for topic, record, value in results:
        producer.produce(topic, value, record["decision"]["decision_id"].encode())
    for item in _reviewed(results):
        producer.produce(catalogue.OUTCOMES.name, wire.encode("Outcome", item), item["decision_id"].encode())
    producer.flush()
    monkeypatch.setattr(connection.Platform, "serving_kafka", lambda _: broker)
    words = "shadow compare --domain loan_approval --champion german-credit@1 --challenger german-credit@2 --json"
    done = CliRunner().invoke(app, words.split(), catch_exceptions=False)
    found = json.loads(done.stdout)

    assert (found["pairs"], found["only_champion"], found["only_challenger"]) == (retrain.COUNT, 0, 0)
    for name, counts in (
        ("accuracy", _is_right),
        ("errors", lambda one: one["route"] == "auto" and not _is_right(one)),
    ):
        truth = {version: _share(results, version, counts) for version in ("1", "2")}
        for side, share in (
            ("champion", truth["1"]),
            ("challenger", truth["2"]),
            ("difference", truth["2"] - truth["1"]),
        ):
            assert found[name][side]["low"] <= share <= found[name][side]["high"], (name, side)
    shares = [_share(results, version, lambda one: one["route"] == "auto") for version in ("1", "2")]
    assert [found["auto"][side]["value"] for side in ("champion", "challenger")] == pytest.approx(shares)


def _is_right(record: dict[str, Any]) -> bool:
    return bool(record["decision"]["prediction"] == loan_approval.truth_of(record["decision"]))


def _share(
    results: list[tuple[str, dict[str, Any], bytes]], version: str, counts: Callable[[dict[str, Any]], bool]
) -> float:
    """Of the decisions of a version, the share that counts; what also goes to review is one decision."""
    mine = {
        result["decision"]["decision_id"]: result
        for _, result, _ in results
        if result["decision"]["model_version"] == version
    }
    assert len(mine) == retrain.COUNT
    return sum(counts(item) for item in mine.values()) / len(mine)


def test_version_1_is_what_it_was_before_there_was_a_second() -> None:
    (one,) = loan_approval.decisions(1, run="r", first=3)
    fourth = list(loan_approval.decisions(4, run="r"))[3]
    assert one.model_dump(exclude={"created_at"}) == fourth.model_dump(exclude={"created_at"})
    assert one.model_version == "1"
