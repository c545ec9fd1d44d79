"""A client that encrypts personal fields before Kafka gets them."""

from pathlib import Path

import pytest

from interlock import Client, InterlockError
from interlock.encryption.fields import Encryption, open_record
from interlock.encryption.master import LocalMasterKey
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.schemas import wire
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.ranges import read_topic
from tests.interlock.client.test_client import TOPIC, decision


def test_a_client_that_encrypts_leaves_nothing_personal_in_kafka_and_a_repetition_is_the_same(
    tmp_path: Path,
) -> None:
    keys = SqliteKeyStore(tmp_path / "keys.sqlite", lambda _: LocalMasterKey(bytes(32)))
    broker = MemoryBroker(SystemClock())
    broker.create_topics([TopicSpec(TOPIC.name, TOPIC.partitions)])
    made = decision(subject_id="ann-4711", attributes={"age": "17", "country": "NO"}, input={"name": "Ann Example"})
    with Client(broker=broker, encrypt=Encryption(keys, ("age",))) as client:
        client.submit(made)
        client.submit_many([made])
    records = [message for batch in read_topic(broker, TOPIC.name) for message in batch]
    one, two = [message.value() for message in records if message.key() == made.decision_id.encode()]
    assert one == two
    assert one is not None
    assert not [text for text in (b"ann-4711", b"Ann Example") if text in one]
    sent = wire.decode("Decision", one)
    assert sent["attributes"]["country"] == "NO"
    opened = open_record(sent, made.decision_id, keys).record
    assert (opened["subject_id"], opened["attributes"]["age"]) == ("ann-4711", "17")


def test_a_client_that_shall_encrypt_and_has_no_keys_says_so_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("INTERLOCK_ENCRYPTION__KAFKA", "true")
    monkeypatch.setenv("INTERLOCK_KAFKA__BOOTSTRAP_SERVERS", "localhost:1")
    with pytest.raises(InterlockError, match="INTERLOCK_ENCRYPTION__MASTER_KEY"):
        Client()
