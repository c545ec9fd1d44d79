"""Personal fields of a decision, sealed by its producer before they enter Kafka, and opened again by readers with keys.

Sealed are, under the key of the subject (of the decision where it names none):

* `input`, `explanation`, `history`, `vector` and what speaks for and against alternatives, as one text in `input`; the
  other fields are empty then. How many features there were, and how they weigh, cannot be told.
* the attributes that the producer names, each in its place: rules must see that a value was given.
* `subject_id`, with a place that is the same everywhere. The nonce is synthetic, so all decisions of a subject have the
  same text in it, which opens under the subject's key only.

Plain stay the id, domain, model, prediction, confidence, amount, impact, jurisdiction and times, which rules need.

The same record gives the same bytes under the same key: a decision that is sent twice is a repetition.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from interlock.encryption.keys import KeyStore, Owner, SubjectKey, decision, subject
from interlock.errors import InterlockError
from interlock.schemas import sealed_text
from interlock.schemas.sealed_text import key_ids
from interlock.schemas.times import in_micros, moment

if TYPE_CHECKING:
    from interlock.encryption.sealing import Cipher

Record = Mapping[str, Any]

# The fields of a decision of which something may be sealed.
FIELDS = frozenset({"subject_id", "attributes", "input", "explanation", "history", "alternatives", "vector"})

# Ciphertexts are as long as their texts: without padding `true` and `false` could be told apart.
_BLOCK = 32

_SUBJECT_PLACE = b"subject"

# What stands in the place of a text that cannot be read.
NO_KEY = "encrypted, no key here"
ERASED = "erased"


class UnreadableError(InterlockError):
    """What was encrypted, and the key is not here, or no more."""

    code = "encrypted"


class ErasedDecisionError(InterlockError):
    """A decision that was erased is not sent again."""

    code = "erased"


@dataclass(frozen=True, slots=True)
class Encryption:
    """What a producer seals with. `attributes`: the names of those that are personal data; rules cannot read them, so
    a rule that asks for one counts as met."""

    keys: KeyStore
    attributes: Collection[str] = ()

    def sealed(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """The `Decision` records with their personal fields sealed; those that are sealed already stay as they are.

        Raises ErasedDecisionError, and what the store raises.
        """
        plain = [record for record in records if not _is_sealed(record)]
        owners = [owner_of(record) for record in plain]
        erased = self.keys.erased_of([record["decision_id"] for record in plain])
        if erased:
            raise ErasedDecisionError(
                f"decision {min(erased)} was erased, with the person whom it is about: it is not sent again"
            )
        found = self.keys.keys_for(list(dict.fromkeys(owners)))
        ciphers = {owner: (key, _cipher(key)) for owner, key in found.items()}
        return [
            dict(record)
            if _is_sealed(record)
            else _sealed_decision(record, *ciphers[owner_of(record)], frozenset(self.attributes))
            for record in records
        ]


def owner_of(record: Record) -> Owner:
    """Under whose key a `Decision` record is sealed."""
    return subject(record["subject_id"]) if record["subject_id"] else decision(record["decision_id"])


def seal_decision(record: Record, key: SubjectKey, attributes: Collection[str] = ()) -> dict[str, Any]:
    """A `Decision` record with its personal fields sealed under `key`."""
    return _sealed_decision(record, key, _cipher(key), frozenset(attributes))


def sealed_like(text: str, record: Record, store: KeyStore | None) -> str:
    """A text about a decision, sealed under the key of `record`, its `Decision` as it was sent; the text itself where
    that came in plain. Raises UnreadableError without the key, and what the store raises."""
    key_id = next(key_ids(record), None)
    if key_id is None:
        return text
    key = None if store is None else store.open_keys([key_id]).get(key_id)
    if key is None:
        raise UnreadableError(why_lost(NO_KEY if store is None else ERASED))
    return seal_text(text, key, record["decision_id"])


def why_lost(word: str) -> str:
    """What `Opened.lost` means, in a sentence."""
    if word == NO_KEY:
        return (
            "what can identify the person was encrypted by the producer, and this process has no keys: set "
            "INTERLOCK_ENCRYPTION__MASTER_KEY_FILE, and the key store"
        )
    return "what can identify the person is encrypted under a key that is no more: it was erased"


def seal_text(text: str, key: SubjectKey, decision_id: str) -> str:
    """What somebody wrote about a decision, or what is sent to the person whom it is about."""
    return _sealed(text, key.id, _cipher(key), _text_place(decision_id)) if text else ""


@dataclass(frozen=True, slots=True)
class Opened:
    """`record`: with what could be opened; `sealed_attributes` names the attributes that were sealed, if any were,
    and `sealed_subject` is true if the subject was: rules saw neither.
    `lost`: what stands in the place of the rest (NO_KEY or ERASED), empty where all was opened."""

    record: dict[str, Any]
    lost: str = ""


def open_record(record: Record, decision_id: str, store: KeyStore | None) -> Opened:
    """A record about a decision, or columns of it, with its sealed texts opened.

    `store`: None where this process has no keys. Raises what the store raises.
    """
    return open_records([(record, decision_id)], store)[0]


def open_records(records: Iterable[tuple[Record, str]], store: KeyStore | None) -> list[Opened]:
    """The same for many, each with the id of its decision."""
    given = list(records)
    asked = {key_id for record, _ in given for key_id in key_ids(record)}
    if not asked:
        return [Opened(dict(record)) for record, _ in given]
    found = {} if store is None else store.open_keys(asked)
    reader = _Reader({key_id: _cipher(key) for key_id, key in found.items()}, NO_KEY if store is None else ERASED)
    return [reader.opened(record, decision_id) for record, decision_id in given]


class _Reader:
    """Opens with the keys that were found; `word` stands in the place of the rest."""

    def __init__(self, ciphers: "Mapping[str, Cipher]", word: str) -> None:
        self._ciphers = ciphers
        self._word = word

    def opened(self, record: Record, decision_id: str) -> Opened:
        result = dict(record)
        lost = False
        for name, value in record.items():
            if name == "subject_id":
                # Left as it is where it cannot be read: decisions of one subject still have the same.
                result[name], failed = self._text(value, _SUBJECT_PLACE, otherwise=value)
                if sealed_text.parts(value) is not None:
                    result["sealed_subject"] = True
            elif name == "attributes":
                failed = self._attributes(dict(value), decision_id, result)
            elif name == "input":
                continue
            else:
                result[name], failed = self._within(value, _text_place(decision_id))
            lost = lost or failed
        if "input" in record:  # at last: it has what the other fields are without
            lost = self._content(record["input"], decision_id, result) or lost
        return Opened(result, self._word if lost else "")

    def _text(self, value: Any, place: bytes, *, otherwise: str) -> tuple[Any, bool]:
        """The text, and whether it could not be opened."""
        parts = sealed_text.parts(value)
        if parts is None:
            return value, False
        cipher = self._ciphers.get(parts[0])
        try:
            text = None if cipher is None else json.loads(cipher.open(urlsafe_b64decode(parts[1]), place))
        except (InterlockError, ValueError):  # of another decision or place, or changed
            text = None
        return (otherwise, True) if text is None else (text, False)

    def _within(self, value: Any, place: bytes) -> tuple[Any, bool]:
        """The same for every text in a value."""
        match value:
            case str():
                return self._text(value, place, otherwise=self._word)
            case Mapping():
                items = {name: self._within(item, place) for name, item in value.items()}
                return {name: item for name, (item, _) in items.items()}, any(failed for _, failed in items.values())
            case [first, *_] if isinstance(first, str | Mapping | list | tuple):
                found = [self._within(item, place) for item in value]
                return [item for item, _ in found], any(failed for _, failed in found)
        return value, False

    def _content(self, value: Any, decision_id: str, result: dict[str, Any]) -> bool:
        content, failed = self._text(value, _content_place(decision_id), otherwise="")
        if isinstance(content, str):
            result["input"] = content
            return failed
        result["input"] = content.get("input", "")
        for name in ("explanation", "history", "vector"):
            if name in content and name in result:
                result[name] = content[name]
        if "history" in content and "history" in result:
            result["history"] = _with_times(content["history"], result.get("created_at"))
        if "alternatives" in content and "alternatives" in result:
            result["alternatives"] = [
                {**alternative, **words}
                for alternative, words in zip(result["alternatives"], content["alternatives"], strict=False)
            ]
        return False

    def _attributes(self, attributes: dict[str, str], decision_id: str, result: dict[str, Any]) -> bool:
        sealed = [name for name, value in attributes.items() if sealed_text.parts(value) is not None]
        opened = {
            name: self._text(attributes[name], _attribute_place(decision_id, name), otherwise=self._word)
            for name in sealed
        }
        result["attributes"] = attributes | {name: value for name, (value, _) in opened.items()}
        if sealed:
            result["sealed_attributes"] = tuple(sealed)
        return any(failed for _, failed in opened.values())


def _cipher(key: SubjectKey) -> "Cipher":
    # Who has no keys needs no library that opens with them.
    from interlock.encryption.sealing import Cipher

    return Cipher(key)


def _is_sealed(record: Record) -> bool:
    return any(True for _ in key_ids({name: record[name] for name in ("subject_id", "input", "attributes")}))


def _sealed_decision(record: Record, key: SubjectKey, cipher: "Cipher", attributes: frozenset[str]) -> dict[str, Any]:
    name = record["decision_id"]
    content = _content(record)
    sealed = {
        **record,
        "input": _sealed(content, key.id, cipher, _content_place(name)) if content else "",
        "explanation": {"top_features": [], "reasoning": "", "similar_cases": []},
        "history": {"previous_decisions": [], "model_accuracy_on_similar": None},
        "vector": [],
        "alternatives": [{**alternative, "pros": [], "cons": []} for alternative in record["alternatives"]],
        "attributes": {
            attribute: _sealed(value, key.id, cipher, _attribute_place(name, attribute))
            if attribute in attributes
            else value
            for attribute, value in record["attributes"].items()
        },
    }
    if record["subject_id"]:
        sealed["subject_id"] = _sealed(record["subject_id"], key.id, cipher, _SUBJECT_PLACE)
    return sealed


def _content(record: Record) -> dict[str, Any]:
    """What is sealed as one text, without what is empty."""
    explanation, history = record["explanation"], record["history"]
    words = [{part: list(alternative[part]) for part in ("pros", "cons")} for alternative in record["alternatives"]]
    content = {
        "input": record["input"],
        "explanation": explanation if any(explanation.values()) else None,
        "history": in_micros(dict(history)) if any(value not in (None, (), []) for value in history.values()) else None,
        "vector": list(record["vector"]),
        "alternatives": words if any(each["pros"] or each["cons"] for each in words) else None,
    }
    return {name: value for name, value in content.items() if value}


def _with_times(history: dict[str, Any], like: Any) -> dict[str, Any]:
    """Times as the rest of the record has them: microseconds, or datetimes in UTC."""
    if not isinstance(like, datetime):
        return history
    previous = [{**each, "decided_at": moment(each["decided_at"])} for each in history["previous_decisions"]]
    return {**history, "previous_decisions": previous}


def _sealed(value: Any, key_id: str, cipher: "Cipher", place: bytes) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(errors="surrogatepass")
    padded = text.ljust(-(-len(text) // _BLOCK) * _BLOCK)
    return sealed_text.written(key_id, urlsafe_b64encode(cipher.seal(padded, place)).decode())


def _content_place(decision_id: str) -> bytes:
    return f"decision/{decision_id}".encode(errors="surrogatepass")


def _attribute_place(decision_id: str, name: str) -> bytes:
    return f"attribute/{decision_id}/{name}".encode(errors="surrogatepass")


def _text_place(decision_id: str) -> bytes:
    return f"text/{decision_id}".encode(errors="surrogatepass")
