"""Personal fields of a decision, sealed by its producer and opened by readers with keys."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock import Decision
from interlock.encryption.fields import (
    ERASED,
    NO_KEY,
    Encryption,
    ErasedDecisionError,
    open_record,
    seal_decision,
    seal_text,
)
from interlock.encryption.keys import KeyStore, SubjectKey, subject
from interlock.encryption.master import LocalMasterKey
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.schemas import wire

KEY = SubjectKey("ab" * 16, bytes(range(32)))

PERSONAL = (b"ann-4711", b"Ann Example", b"bankrupt", b"fired in May", b"no savings", b"old-case", b"17", b"0.625")


@pytest.fixture
def store(tmp_path: Path) -> SqliteKeyStore:
    return SqliteKeyStore(tmp_path / "keys.sqlite", lambda _: LocalMasterKey(bytes(32)))


class _Keys:
    """The only method of a store that opening asks."""

    def __init__(self, *keys: SubjectKey) -> None:
        self._keys = {key.id: key for key in keys}

    def open_keys(self, key_ids: Any) -> dict[str, SubjectKey]:
        return {key_id: self._keys[key_id] for key_id in key_ids if key_id in self._keys}


def holding(*keys: SubjectKey) -> KeyStore:
    """A store with these keys."""
    return cast(KeyStore, _Keys(*keys))


def record(**fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "decision_id": "loan-1",
        "domain": "loans",
        "model_id": "m",
        "model_version": "1",
        "prediction": "reject",
        "confidence": 0.9,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "subject_id": "ann-4711",
        "attributes": {"age": "17", "country": "NO"},
        "input": {"name": "Ann Example"},
        "alternatives": [{"option": "approve", "confidence": 0.1, "cons": ["no savings"]}],
        "explanation": {
            "top_features": [{"feature": "bankrupt", "value": "yes", "importance": 0.8}],
            "reasoning": "fired in May",
        },
        "history": {
            "previous_decisions": [
                {"decision_id": "old-case", "outcome": "reject", "decided_at": datetime(2025, 1, 1, tzinfo=UTC)}
            ]
        },
        "vector": [0.625, 1.0],
        **fields,
    }
    return Decision(**given).to_record()


def as_read(sent: dict[str, Any]) -> dict[str, Any]:
    """As Kafka gives it back."""
    return wire.decode("Decision", wire.encode("Decision", sent))


def in_one_form(opened: dict[str, Any]) -> dict[str, Any]:
    """Read again, because lists and tuples say the same."""
    marks = {name: opened[name] for name in ("sealed_attributes", "sealed_subject")}
    return {**as_read({name: value for name, value in opened.items() if name not in marks}), **marks}


def test_what_a_producer_sealed_shows_nothing_personal_and_opens_again_whole() -> None:
    plain = record()
    sealed = seal_decision(plain, KEY, ["age"])
    value = wire.encode("Decision", sealed)
    assert not [text for text in PERSONAL if text in value and text != b"17"]
    assert sealed["attributes"]["country"] == "NO"
    assert sealed["attributes"]["age"] != "17"
    assert [(each["option"], each["confidence"]) for each in sealed["alternatives"]] == [("approve", 0.1)]
    with_key = open_record(as_read(sealed), "loan-1", holding(KEY))
    assert with_key.lost == ""
    assert in_one_form(with_key.record) == {**as_read(plain), "sealed_attributes": ("age",), "sealed_subject": True}


@given(st.sampled_from(["true", "false", "", "7", "1234567890"]), st.text(max_size=20))
def test_the_length_of_a_sealed_text_tells_little(short: str, text: str) -> None:
    one, other = (seal_decision(record(attributes={"a": value}), KEY, ["a"]) for value in (short, "true"))
    assert len(one["attributes"]["a"]) == len(other["attributes"]["a"])
    assert open_record({"reason_text": seal_text(text, KEY, "loan-1")}, "loan-1", holding(KEY)).record == {
        "reason_text": text
    }


def test_all_decisions_of_a_subject_name_it_alike_and_nothing_else_of_two_is_alike() -> None:
    one, two = seal_decision(record(), KEY, ["age"]), seal_decision(record(decision_id="loan-2"), KEY, ["age"])
    assert one["subject_id"] == two["subject_id"]
    assert one["input"] != two["input"]
    assert one["attributes"]["age"] != two["attributes"]["age"]


def test_a_decision_sent_twice_is_a_repetition_and_one_sealed_already_is_not_sealed_again(store: KeyStore) -> None:
    encryption = Encryption(store, ["age"])
    (first,), (second,) = encryption.sealed([record()]), encryption.sealed([record()])
    assert wire.encode("Decision", first) == wire.encode("Decision", second)
    assert encryption.sealed([first]) == [first]


def test_what_is_moved_to_another_decision_or_field_does_not_open() -> None:
    sealed = seal_decision(record(), KEY, ["age", "country"])
    keys = holding(KEY)
    assert open_record({**sealed, "decision_id": "loan-2"}, "loan-2", keys).record["input"] == ""
    swapped = {"age": sealed["attributes"]["country"], "country": "NO"}
    assert open_record({**sealed, "attributes": swapped}, "loan-1", keys).record["attributes"]["age"] == ERASED


def test_without_keys_and_after_an_erase_a_reader_gets_words_in_their_place(store: KeyStore) -> None:
    (sealed,) = Encryption(store, ["age"]).sealed([record()])
    nobody = open_record(sealed, "loan-1", None)
    assert nobody.lost == NO_KEY
    assert nobody.record["attributes"]["age"] == NO_KEY
    store.erase(subject("ann-4711"), ["loan-1"])
    gone = open_record(sealed, "loan-1", store)
    assert gone.lost == ERASED
    assert (gone.record["input"], gone.record["attributes"]["age"]) == ("", ERASED)
    assert gone.record["subject_id"] == sealed["subject_id"]


def test_an_erased_decision_is_not_sent_again_and_a_subject_who_comes_back_has_a_new_key(store: KeyStore) -> None:
    encryption = Encryption(store)
    (before,) = encryption.sealed([record()])
    store.erase(subject("ann-4711"), ["loan-1"])
    with pytest.raises(ErasedDecisionError, match="loan-1 was erased"):
        encryption.sealed([record()])
    (after,) = encryption.sealed([record(decision_id="loan-2")])
    assert after["subject_id"] != before["subject_id"]


def test_a_decision_without_a_subject_is_sealed_under_a_key_of_its_own(store: KeyStore) -> None:
    one, two = Encryption(store).sealed([record(subject_id=""), record(subject_id="", decision_id="loan-2")])
    assert one["subject_id"] == ""
    assert one["input"][:39] != two["input"][:39]
    assert open_record(one, "loan-1", store).record["input"] == '{"name":"Ann Example"}'
