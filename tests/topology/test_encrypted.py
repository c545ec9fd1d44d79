"""Personal fields that the producer encrypted, from decision to notice and training example: nobody without a key can
read them on any topic, and nobody at all after an erase."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.encryption.fields import ERASED, Encryption
from interlock.encryption.keys import subject
from interlock.encryption.master import LocalMasterKey
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.executors import Execution
from interlock.explanations.from_kafka import records_in_kafka
from interlock.operations.export import ExampleFilter, Examples
from interlock.processors.explanation.explain import explain
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.review.payload import Payload
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue
from interlock.schemas.models import Alternative, Explanation, Feature
from interlock.services.feedback_fold import FeedbackFold, WrittenExamples, fetcher
from interlock.streams.folding import Record
from interlock.testing import Topology
from tests.topology.test_notices import LENDING

# Of the person, and of what the letter to that person says.
PERSONAL = (
    b"ann-4711",
    b"Ann Example",
    b"duration",
    b"48 months",
    b"lost her job",
    b"no savings",
    b"for a long time",
    b"late with payments",
)

ALL_TOPICS = [topic.name for topic in catalogue.TOPICS]


Story = tuple[Topology, list[Execution]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SqliteKeyStore:
    return new_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def encrypted(keys: SqliteKeyStore) -> Story:
    return story(Encryption(keys, ["income"]))


@pytest.fixture(scope="module")
def plain() -> Story:
    return story(None)


def new_keys(folder: Path) -> SqliteKeyStore:
    return SqliteKeyStore(folder / "keys.sqlite", lambda _: LocalMasterKey(bytes(32)))


def story(encryption: Encryption | None) -> Story:
    """One refusal by the machine and one by a person, both with a letter, and what executors were handed."""
    world = Topology(LENDING, encryption=encryption)
    handed: list[Execution] = []
    world.start_notices()
    world.start_executor(handed.append)
    world.add_reviewer("bob", role="lead")
    given: dict[str, Any] = {
        "prediction": "reject",
        "subject_id": "ann-4711",
        "attributes": {"income": "17345", "language": "en"},
        "input": {"name": "Ann Example"},
        "alternatives": (Alternative(option="approve", confidence=0.1, cons=("no savings",)),),
        "explanation": Explanation(
            top_features=(Feature(feature="duration", value="48 months", importance=0.9),), reasoning="lost her job"
        ),
    }
    for name, confidence in (("auto-1", 0.95), ("person-1", 0.85)):
        world.submit(world.decision(name, confidence, **given))
    world.run()
    world.review("bob", "approve", "person-1", reason_code="delinquency", reason_text="as the model says")
    world.run()
    learn(world)
    return world, handed


def learn(world: Topology) -> None:
    """The role feedback, over all outcomes."""
    with closing(PayloadReader(world.broker)) as payloads:
        fold = FeedbackFold(Feedback(), WrittenExamples(world.broker), fetcher(payloads))
        for message in world.messages(catalogue.OUTCOMES.name):
            key, value = message.key(), message.value()
            made = fold(Record(message.topic(), message.partition(), message.offset(), key, value, (), False))
            producer = world.broker.producer(None)
            for output in made:
                producer.produce(output.topic, output.value, output.key)
            producer.flush()


def found(world: Topology, topics: Iterable[str] = ALL_TOPICS) -> set[bytes]:
    """What of a person stands on the topics in plain, policies aside, which have words for everybody."""
    values = [
        bytes(message.value() or b"") + bytes(message.key() or b"")
        for topic in topics
        if topic != catalogue.POLICIES.name
        for message in world.messages(topic)
    ]
    return {text for text in PERSONAL for value in values if text in value}


def shown(world: Topology, task_id: str, keys: SqliteKeyStore | None) -> Payload:
    (task,) = [record for record in world.records(catalogue.TASKS.name) if record["task_id"] == task_id][-1:]
    with closing(PayloadReader(world.broker, keys=lambda: keys)) as reader:
        return reader.read(task)


def test_nothing_personal_stands_on_any_topic_and_without_encryption_all_of_it_does(
    encrypted: Story, plain: Story
) -> None:
    world, _ = encrypted
    assert found(world) == set()
    assert len(world.records(catalogue.TRAINING_EXAMPLES.name)) == 1
    assert found(plain[0]) == set(PERSONAL)


def test_letters_and_executions_are_whole_for_who_has_the_keys(encrypted: Story, plain: Story) -> None:
    def said(handed: list[Execution]) -> list[tuple[str, str]]:
        return [(one.action_id, one.text) for one in handed]

    assert said(encrypted[1]) == said(plain[1])
    (automatic,) = [one.decision for one in encrypted[1] if one.decision is not None]
    assert automatic["subject_id"] == "ann-4711"
    assert automatic["attributes"] == {"income": "17345", "language": "en"}


def test_a_reviewer_is_shown_everything_and_without_the_key_is_told_why_not(
    encrypted: Story, keys: SqliteKeyStore
) -> None:
    world, _ = encrypted
    payload = shown(world, "person-1", keys)
    assert payload.verified
    assert payload.damage == ()
    decision = payload.routed["decision"]
    assert decision["explanation"]["reasoning"] == "lost her job"
    assert decision["alternatives"][0]["cons"] == ["no savings"]
    nobody = shown(world, "person-1", None)
    assert nobody.verified
    assert "this process has no keys" in nobody.damage[0]
    assert nobody.routed["decision"]["attributes"]["income"] == "encrypted, no key here"


def test_an_explanation_is_the_same_as_without_encryption(encrypted: Story, plain: Story, keys: SqliteKeyStore) -> None:
    world, _ = encrypted
    for name in ("auto-1", "person-1"):
        told = explain(records_in_kafka(world.broker, name, lambda: keys))
        expected = explain(records_in_kafka(plain[0].broker, name))
        # The hash is that of what was judged, encrypted.
        looks = tuple(
            replace(look, payload_hash=known.payload_hash)
            for look, known in zip(told.looks, expected.looks, strict=True)
        )
        assert replace(told, looks=looks) == expected
    without = records_in_kafka(world.broker, "person-1")
    assert "this process has no keys" in without.missing[-1]


def test_after_an_erase_nobody_reads_it_and_the_rest_stays(tmp_path: Path) -> None:
    keys = new_keys(tmp_path)
    world, _ = story(Encryption(keys, ["income"]))
    keys.erase(subject("ann-4711"), ["auto-1", "person-1"])
    payload = shown(world, "person-1", keys)
    assert "it was erased" in payload.damage[0]
    decision = payload.routed["decision"]
    assert (decision["input"], decision["attributes"]["income"]) == ("", ERASED)
    assert (decision["prediction"], decision["confidence"]) == ("reject", 0.85)
    examples = Examples(world.broker, ExampleFilter(), lambda _: None, keys)
    assert list(examples) == []
    assert examples.unreadable == 1


def test_examples_are_exported_in_plain_for_who_has_the_keys(
    encrypted: Story, plain: Story, keys: SqliteKeyStore
) -> None:
    (example,) = Examples(encrypted[0].broker, ExampleFilter(), lambda _: None, keys)
    (expected,) = Examples(plain[0].broker, ExampleFilter(), lambda _: None)
    assert example == expected
