"""Anchors prove the ends of chains to whoever trusts their key, and nothing to anybody else."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.errors import InterlockError
from interlock.operations.audit_trail import directory_anchors, name_key, publisher
from interlock.platform.settings import Settings
from interlock.platform.trail_keys import Ed25519Signer
from interlock.schemas import catalogue, wire
from interlock.services.anchoring import Anchoring, Heads, latest_anchor
from interlock.sinks.trail.anchors import proved, signed_anchor
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.ranges import read_topic

OLD, NEW, FORGER = (Ed25519Signer(bytes([seed]) * 32) for seed in (1, 2, 3))
CHAIN, OTHER = ("log", "tasks", 0), ("log", "tasks", 1)
START = 1_767_225_600_000_000


def anchor(signer: Ed25519Signer = OLD, previous: str = "", now: int = START, **more: Any) -> dict[str, Any]:
    return signed_anchor(signer, {CHAIN: (7, b"l" * 32)}, name="sink-1", previous=previous, now=now, **more)


def through_kafka(record: dict[str, Any]) -> dict[str, Any]:
    """As readers get it: times are no numbers any more."""
    return wire.decode("AuditAnchor", wire.encode("AuditAnchor", record))


def test_an_anchor_proves_the_ends_it_names_however_it_was_kept() -> None:
    record = anchor()
    for kept in (record, through_kafka(record), json.loads(json.dumps(record))):
        found = proved([kept], [OLD.public_key])
        (head,) = found.heads[CHAIN]
        assert (head.offset, head.link, head.signed_at) == (7, b"l" * 32, datetime(2026, 1, 1, tzinfo=UTC))
        assert (found.refused, found.missing) == ({}, [])


@pytest.mark.parametrize("field", sorted(anchor()))
def test_an_anchor_with_any_other_content_proves_nothing(field: str) -> None:
    record = anchor(next_key=NEW.public_key)
    value = record[field]
    others: list[Any]
    if isinstance(value, int):
        others = [value + 1]
    elif isinstance(value, str):
        others = [f"{value}00", value[:-1] + ("0" if value[-1:] != "0" else "1")]
    else:
        others = [[], [{**value[0], "offset": 8}], [{**value[0], "link": "00" * 32}], value * 2]
    for other in others:
        changed = record | {field: other}
        found = proved([changed], [OLD.public_key])
        assert (found.anchors, list(found.refused)) == ([], [changed["anchor_id"]]), other


def test_an_anchor_of_a_key_that_nobody_trusts_proves_nothing() -> None:
    forged = anchor(FORGER)
    found = proved([anchor(), forged], [OLD.public_key])
    assert len(found.anchors) == 1
    assert found.refused == {forged["anchor_id"]: "its key is neither trusted nor named by a trusted one"}


def test_a_key_that_the_old_one_names_is_trusted_from_then_on() -> None:
    first = anchor()
    change = anchor(previous=first["anchor_id"], now=START + 1, next_key=NEW.public_key)
    later = anchor(NEW, previous=change["anchor_id"], now=START + 2)
    found = proved([later, change, first], [OLD.public_key])
    assert ([one["anchor_id"] for one in found.anchors], found.refused, found.missing) == (
        [first["anchor_id"], change["anchor_id"], later["anchor_id"]],
        {},
        [],
    )
    # Who names a key of their own does not become trusted by it.
    assert proved([anchor(FORGER, next_key=NEW.public_key), later], [OLD.public_key]).anchors == []


def test_an_anchor_that_was_taken_away_is_missed() -> None:
    first = anchor()
    second = anchor(previous=first["anchor_id"], now=START + 1)
    third = anchor(previous=second["anchor_id"], now=START + 2)
    assert proved([first, second, third], [OLD.public_key]).missing == []
    assert proved([first, third], [OLD.public_key]).missing == [second["anchor_id"]]


class World:
    """A process that anchors."""

    def __init__(self, signer: Any = OLD, directory: Any = None) -> None:
        self.seconds = 0.0
        self.heads: dict[tuple[str, str, int], tuple[int, bytes]] = {}
        self.broker = MemoryBroker()
        self.broker.create_topics([TopicSpec(catalogue.AUDIT_ANCHORS.name, 1)])
        self.signer, self.directory = signer, directory
        self.anchoring = self.process()

    def process(self) -> Anchoring:
        return Anchoring(
            self.signer,
            publisher(self.broker, self.directory),
            name="sink-1",
            previous=latest_anchor(self.broker),
            seconds=60,
            monotonic=lambda: self.seconds,
            now=lambda: START + int(self.seconds * 1e6),
        )

    def look(self, seconds: float = 60, *, last: bool = False) -> None:
        self.seconds += seconds
        heads: Heads = dict(self.heads)
        self.anchoring.look(lambda: heads, last=last)

    def written(self) -> list[dict[str, Any]]:
        topic = catalogue.AUDIT_ANCHORS.name
        batches = read_topic(self.broker, topic)
        return [wire.decode("AuditAnchor", message.value() or b"") for batch in batches for message in batch]


def ends(record: dict[str, Any]) -> dict[int, int]:
    return {head["partition"]: head["offset"] for head in record["heads"]}


def test_what_has_grown_is_signed_every_minute_and_at_the_end() -> None:
    world = World()
    world.heads = {CHAIN: (3, b"a" * 32), OTHER: (0, b"b" * 32)}
    world.look(59)
    assert world.written() == []
    world.look(1)
    world.heads[CHAIN] = (9, b"c" * 32)
    world.look()
    world.look()
    world.heads[OTHER] = (1, b"d" * 32)
    world.look(1, last=True)
    assert [ends(record) for record in world.written()] == [{0: 3, 1: 0}, {0: 9}, {1: 1}]
    found = proved(world.written(), [OLD.public_key])
    assert (len(found.anchors), found.refused, found.missing) == (3, {}, [])


def test_an_anchor_is_no_reason_for_another_one() -> None:
    world = World()
    world.heads = {CHAIN: (3, b"a" * 32)}
    world.look()
    world.heads["log", catalogue.AUDIT_ANCHORS.name, 0] = (0, b"e" * 32)
    world.look()
    assert len(world.written()) == 1
    world.heads[CHAIN] = (4, b"f" * 32)
    world.look()
    assert len(world.written()[-1]["heads"]) == 2


def test_a_process_that_starts_goes_on_behind_the_latest_anchor() -> None:
    world = World()
    world.heads = {CHAIN: (3, b"a" * 32)}
    world.look()
    world.anchoring = world.process()
    world.look()
    first, second = world.written()
    assert (first["previous"], second["previous"]) == ("", first["anchor_id"])


def test_a_signer_that_fails_stops_nothing_and_is_asked_again() -> None:
    class Failing(Ed25519Signer):
        fails = True

        def sign(self, message: bytes) -> bytes:
            if self.fails:
                raise RuntimeError("the key management system does not answer")
            return super().sign(message)

    signer = Failing(bytes(32))
    world = World(signer)
    world.heads = {CHAIN: (3, b"a" * 32)}
    world.look()
    assert world.written() == []
    signer.fails = False
    world.look()
    assert len(world.written()) == 1


class Stub:
    """A platform with a broker and a key, all that naming a key takes."""

    def __init__(self, broker: MemoryBroker, key: str) -> None:
        self.settings = Settings.model_validate({"trail": {"signing_key": key} if key else {}})
        self.instance = None
        self.serving_kafka = lambda: broker


def test_the_old_key_names_the_new_one_and_both_are_proved_to_who_trusts_the_old_one() -> None:
    seeds = [hashlib.sha256(name).digest() for name in (b"old", b"new")]
    old, new = map(Ed25519Signer, seeds)
    world = World(old)
    world.heads = {CHAIN: (3, b"a" * 32)}
    world.look()
    platform: Any = Stub(world.broker, seeds[0].hex())
    name_key(platform, new.public_key, by="eve", now=START + 61_000_000)
    world.signer = new
    world.heads = {CHAIN: (4, b"b" * 32)}
    world.anchoring = world.process()
    world.look()
    found = proved(world.written(), [old.public_key])
    assert ([len(one["heads"]) for one in found.anchors], found.refused, found.missing) == ([1, 0, 1], {}, [])
    assert found.keys == [old.public_key, new.public_key]
    with pytest.raises(InterlockError, match="signs already"):
        name_key(platform, old.public_key, by="eve", now=START)
    nobody: Any = Stub(world.broker, "")
    with pytest.raises(InterlockError, match="INTERLOCK_TRAIL__SIGNING_KEY_FILE"):
        name_key(nobody, new.public_key, by="eve", now=START)


def test_anchors_are_written_to_a_directory_to_be_copied_off_site(tmp_path: Any) -> None:
    world = World(directory=tmp_path / "anchors")
    for offset in (3, 4):
        world.heads = {CHAIN: (offset, b"a" * 32)}
        world.look()
    lines = (tmp_path / "anchors" / "anchors-2026-01-01.jsonl").read_text().splitlines()
    assert [json.loads(line)["anchor_id"] for line in lines] == [one["anchor_id"] for one in world.written()]
    assert len(proved(map(json.loads, lines), [OLD.public_key]).anchors) == 2


@pytest.mark.parametrize("line", ["[" * 3_000, '{"anchor_id": NaN}', "\xff", "[]", "rubbish"])
def test_a_line_of_the_directory_that_is_no_anchor_is_named(tmp_path: Any, line: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"anchor_id": "a", "signature": "b"}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(InterlockError, match=r"a\.jsonl, line 2 is no anchor: "):
        list(directory_anchors(tmp_path))
