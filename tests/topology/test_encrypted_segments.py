"""The segment files of Apache Kafka, searched byte by byte for what a producer encrypted.

The roles write the records in memory; Kafka stores the same bytes, uncompressed so that a search can find them.
"""

from pathlib import Path
from uuid import uuid4

import pytest

from interlock.encryption.fields import Encryption
from interlock.encryption.keys import subject
from interlock.schemas import catalogue
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec
from tests.topology.test_encrypted import ALL_TOPICS, PERSONAL, Story, encrypted, keys, new_keys, plain, story

__all__ = ["encrypted", "keys", "plain"]  # fixtures

pytestmark = pytest.mark.kafka


def segments(kafka: EmbeddedKafka, told: Story) -> tuple[int, bytes]:
    """How many records Kafka stores, and the bytes of their segment files."""
    broker = KafkaBroker(kafka.bootstrap_servers)
    name = f"story-{uuid4()}"
    broker.create_topics([TopicSpec(name, 1, {"compression.type": "uncompressed"})])
    producer = broker.producer(None, {"compression.type": "none"})
    messages = [
        message for topic in ALL_TOPICS if topic != catalogue.POLICIES.name for message in told[0].messages(topic)
    ]
    for message in messages:
        producer.produce(name, message.value(), message.key(), headers=message.headers() or [])
    producer.flush()
    (folder,) = Path(kafka.settings.log_dir).glob(f"{name}-0")
    return len(messages), b"".join(file.read_bytes() for file in folder.glob("*.log"))


def found(stored: bytes) -> set[bytes]:
    return {text for text in PERSONAL if text in stored}


def test_no_personal_value_stands_in_a_segment_file_before_or_after_an_erase(
    kafka: EmbeddedKafka, plain: Story, tmp_path: Path
) -> None:
    store = new_keys(tmp_path)
    sealed = story(Encryption(store, ["income"]))
    count, stored = segments(kafka, sealed)
    assert count > 10
    assert stored.count(b"enc:v1:") > 5
    assert found(stored) == set()
    assert found(segments(kafka, plain)[1]) == set(PERSONAL)
    # What stands there opens with a key of the store, and with none any more after an erase.
    (key_id,) = {stored[at + 7 : at + 39].decode() for at in _places(stored, b"enc:v1:")}
    assert store.open_keys([key_id]) != {}
    store.erase(subject("ann-4711"), ["auto-1", "person-1"])
    assert store.open_keys([key_id]) == {}


def _places(stored: bytes, text: bytes) -> list[int]:
    places, at = [], stored.find(text)
    while at >= 0:
        places.append(at)
        at = stored.find(text, at + 1)
    return places
