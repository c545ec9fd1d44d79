"""Training examples as files."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.errors import InterlockError
from interlock.operations.export import ExampleFilter, Examples, JsonLines, Parquet, moment, preferences, write
from interlock.processors.feedback.examples import example
from interlock.schemas import catalogue, json_text, wire
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, TopicSpec
from tests.processors.feedback.feedback_world import START, outcome, payload


def send(broker: Broker, outcomes: list[dict[str, Any]], **attributes: str) -> None:
    producer = broker.producer(None)
    for record in outcomes:
        value = wire.encode("TrainingExample", example(record, payload(**attributes)))
        producer.produce(catalogue.TRAINING_EXAMPLES.name, value, record["decision_id"].encode())
    producer.flush()


@pytest.fixture
def broker() -> Broker:
    memory = MemoryBroker()
    memory.create_topics([TopicSpec(catalogue.TRAINING_EXAMPLES.name, 1)])
    return memory


def exported(broker: Broker, wanted: ExampleFilter | None = None) -> list[dict[str, Any]]:
    return list(Examples(broker, wanted or ExampleFilter(), lambda _: None))


def test_the_last_word_on_a_decision_is_exported_and_what_was_written_twice_only_once(broker: Broker) -> None:
    appeal = outcome(1, overridden=True, outcome_id="d000001#2", kind="appeal", round=1, at=START + 9_000_000)
    send(broker, [outcome(1), outcome(2), appeal, outcome(1), outcome(2)])
    assert [item["example_id"] for item in exported(broker)] == ["d000001#2", "d000002#1"]


def test_an_example_has_the_weight_of_its_decision_whoever_spoke_last(broker: Broker) -> None:
    audit: dict[str, Any] = {"kind": "audit", "audit": True, "route": "auto", "propensity": 0.05}
    unseen: dict[str, Any] = {"kind": "override", "route": "auto", "propensity": 0.05}
    appeal: dict[str, Any] = {"kind": "appeal", "round": 1, "propensity": 0.05}
    send(
        broker,
        [
            outcome(1, **audit),
            outcome(2, **audit),
            outcome(2, **appeal, outcome_id="d000002#2", at=START + 9_000_000),
            outcome(3, **unseen),
            outcome(4, **appeal, outcome_id="d000004#1"),
            outcome(5),
        ],
    )
    weights = {item["example_id"]: item["weight"] for item in exported(broker)}
    assert weights == pytest.approx({"d000001#1": 20, "d000002#2": 20, "d000003#1": 0, "d000004#1": 0, "d000005#1": 1})
    since = ExampleFilter(since=moment("2026-01-01T00:00:08"))
    assert [item["weight"] for item in exported(broker, since)] == [pytest.approx(20)]


def test_domain_model_version_and_time_choose(broker: Broker) -> None:
    send(
        broker, [outcome(1), outcome(2, model_version="2"), outcome(3, domain="content"), outcome(4, model_id="other")]
    )

    def chosen(**fields: Any) -> list[str]:
        return [item["decision_id"][-1] for item in exported(broker, ExampleFilter(**fields))]

    assert chosen(domain="content") == ["3"]
    assert chosen(model="credit") == ["1", "2", "3"]
    assert chosen(model="credit@1") == ["1", "3"]
    assert chosen(since=moment("2026-01-01T00:00:03")) == ["3", "4"]
    assert chosen(domain="nothing") == []


def test_a_parquet_file_has_every_field_of_an_example(broker: Broker, tmp_path: Path) -> None:
    send(broker, [outcome(number, propensity=0.05) for number in range(3)], purpose="car")
    file = tmp_path / "examples.parquet"
    assert write(iter(exported(broker)), file, Parquet) == 3
    rows = pq.read_table(file).to_pylist()
    assert rows == [item | {"attributes": [("purpose", "car")], "groups": []} for item in exported(broker)]
    assert rows[0]["weight"] == pytest.approx(20)
    assert [file.name for file in tmp_path.iterdir()] == ["examples.parquet"]


def test_an_example_names_the_groups_of_its_decision(broker: Broker, tmp_path: Path) -> None:
    send(broker, [outcome(1, domain="loans"), outcome(2, domain="cards")], age="40", sex="f")
    cuts: dict[str, dict[str, tuple[float, ...]]] = {"loans": {"age": (18, 65), "sex": (), "race": ()}}
    examples = list(Examples(broker, ExampleFilter(), lambda _: None, cuts=cuts))
    named = {one["domain"]: one["groups"] for one in examples}
    assert named == {"loans": {"age": "18 to under 65", "sex": "f", "race": ""}, "cards": {}}
    file = tmp_path / "examples.parquet"
    write(iter(examples), file, Parquet)
    told = [dict(row["groups"]) for row in pq.read_table(file).to_pylist()]
    assert told == [one["groups"] for one in examples]


def test_json_lines_say_the_same(broker: Broker, tmp_path: Path) -> None:
    send(broker, [outcome(1)], purpose="car")
    file = tmp_path / "examples.jsonl"
    assert write(iter(exported(broker)), file, JsonLines) == 1
    (row,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert row["attributes"] == {"purpose": "car"}
    assert row["decided_at"] == "2026-01-01T00:00:01+00:00"
    assert set(row) == set(exported(broker)[0])


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InterlockError, match=r"nowhere/x\.jsonl cannot be written"):
        write(iter([]), tmp_path / "nowhere" / "x.jsonl", JsonLines)


def test_a_preference_is_what_was_chosen_against_each_other_option() -> None:
    one = example(outcome(1, verdict="choose", outcome="counter", options=["approve", "counter", "reject"]), payload())
    pairs = preferences(one)
    assert [(pair["chosen"], pair["rejected"]) for pair in pairs] == [("counter", "approve"), ("counter", "reject")]
    assert all("approve, counter, reject" in pair["prompt"] and '"income": 10' in pair["prompt"] for pair in pairs)


def test_there_is_no_preference_without_options_or_without_the_case() -> None:
    assert preferences(example(outcome(1), payload())) == []
    assert preferences(example(outcome(1, options=["approve", "reject"]), None)) == []


def test_a_wrong_date_and_an_unknown_ending_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    runner = CliRunner()
    wrong = runner.invoke(app, ["export", "training-examples", "--out", str(tmp_path / "x.csv")])
    assert isinstance(wrong.exception, InterlockError)
    assert "--format" in str(wrong.exception)
    wrong = runner.invoke(app, ["export", "preferences", "--out", str(tmp_path / "x.jsonl"), "--since", "yesterday"])
    assert isinstance(wrong.exception, InterlockError)
    assert "2026-11-01" in str(wrong.exception)


@pytest.mark.kafka
def test_the_command_writes_a_file_and_says_how_many(
    kafka: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers)
    broker.create_topics([TopicSpec(topic.name, 1) for topic in (catalogue.TRAINING_EXAMPLES, catalogue.POLICIES)])
    send(broker, [outcome(number, domain="exported", options=["approve", "reject"]) for number in range(5)])
    monkeypatch.setenv("INTERLOCK_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(tmp_path))
    runner = CliRunner()
    for name, form, what, count in (
        ("x.parquet", "parquet", "training-examples", 5),
        ("y.jsonl", "jsonl", "training-examples", 5),
        ("z.jsonl", "jsonl", "preferences", 5),
    ):
        file = str(tmp_path / name)
        done = runner.invoke(app, ["export", what, "--domain", "exported", "--out", file, "--json"])
        assert done.exception is None
        key = "examples" if what == "training-examples" else "preferences"
        assert json.loads(done.stdout) == {"file": file, "format": form, key: count}
    assert len((tmp_path / "z.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize(
    "given", ['{"x": NaN}', '{"x": "\\ud83d"}', '{"x": ' + "[" * 3_000 + "]" * 3_000 + "}", '{"x": 1e999}', "rubbish"]
)
def test_an_input_that_not_every_reader_takes_is_exported_as_its_text(tmp_path: Path, given: str) -> None:
    path = tmp_path / "preferences.jsonl"
    lines = JsonLines(path)
    record = example(outcome(1), payload()) | {
        "options": ["a", "b"],
        "final": "a",
        "weight": float("inf"),
        "input": given,
    }
    for pair in preferences(record):
        lines.write(pair)
    lines.close()
    (text,) = path.read_text(encoding="utf-8").splitlines()
    pair = json_text.parse(text)  # strict: no NaN, no half of a character
    assert (pair["context"]["input"], pair["weight"]) == (given, None)
