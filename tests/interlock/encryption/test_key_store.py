"""The key store: one key for each owner, nothing of it left after an erase, and a master key that can be replaced."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from interlock.encryption import master
from interlock.encryption.keys import HeldError, NoHoldError, UnknownOwnerError, decision, subject
from interlock.encryption.master import KEY_BYTES, LocalMasterKey, MasterKey, WrongMasterKeyError
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.errors import InterlockError, OperatorRequiredError

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
ANN, BOB = subject("ann-4711"), subject("bob-4712")


class RemoteMasterKey:
    """A stand-in for a key-management service: keeps what it wrapped, and gives out only a handle."""

    id = "kms/1"

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[bytes, bytes]] = {}

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        handle = os.urandom(8)
        self._kept[handle] = secret, context
        return handle

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        secret, bound = self._kept.get(wrapped, (b"", b""))
        if not secret or bound != context:
            raise WrongMasterKeyError("not wrapped here")
        return secret


@pytest.fixture(params=[lambda: LocalMasterKey(bytes(range(KEY_BYTES))), RemoteMasterKey], ids=["local", "remote"])
def master_key(request: pytest.FixtureRequest) -> MasterKey:
    made: MasterKey = request.param()
    return made


Open = Callable[[], SqliteKeyStore]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keys.sqlite"


@pytest.fixture
def again(path: Path, master_key: MasterKey) -> Iterator[Open]:
    """Opens the store as another process would."""
    opened: list[SqliteKeyStore] = []

    def open_store() -> SqliteKeyStore:
        opened.append(SqliteKeyStore(path, lambda _: master_key))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(again: Open) -> SqliteKeyStore:
    return again()


def bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


def test_an_owner_has_one_key_in_every_process(store: SqliteKeyStore, again: Open) -> None:
    keys = store.keys_for([ANN, BOB])
    assert keys[ANN] != keys[BOB]
    assert again().keys_for([ANN, BOB]) == keys == store.keys_for([BOB, ANN])
    assert again().open_keys([keys[ANN].id, "00" * 16]) == {keys[ANN].id: keys[ANN]}
    assert again().key_id_of(BOB) == keys[BOB].id


def test_a_subject_and_a_decision_of_the_same_id_have_keys_of_their_own(store: SqliteKeyStore) -> None:
    assert len({key.id for key in store.keys_for([subject("7"), decision("7")]).values()}) == 2


def test_processes_that_meet_a_subject_at_once_agree_on_its_key(again: Open) -> None:
    owners = [subject(str(number)) for number in range(200)]
    stores = [again() for _ in range(4)]
    found: list[object] = []
    threads = [threading.Thread(target=lambda s=store: found.append(dict(s.keys_for(owners)))) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(keys == found[0] for keys in found)


def test_neither_owners_nor_secrets_stand_in_the_file(store: SqliteKeyStore, path: Path) -> None:
    key = store.keys_for([ANN])[ANN]
    content = bytes_of(path.parent)
    assert bytes.fromhex(key.id) in content
    assert key.secret not in content
    assert b"ann-4711" not in content
    assert path.stat().st_mode & 0o077 == 0
    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)


def test_what_was_erased_has_no_key_and_no_link_and_is_in_no_file(
    store: SqliteKeyStore, again: Open, path: Path
) -> None:
    other = again()
    key, letter = other.keys_for([ANN, decision("d1")]).values()
    erased = store.erase(ANN, ["d1", "d2"])
    assert erased.key_ids == (key.id, letter.id)
    assert erased.decisions == 2
    for one in (store, other, again()):
        assert one.open_keys([key.id, letter.id]) == {}
        assert one.key_id_of(ANN) is None
        assert one.erased_of(["d1", "d2", "d3"]) == {"d1", "d2"}
    content = bytes_of(path.parent)
    assert bytes.fromhex(key.id) not in content
    assert bytes.fromhex(letter.id) not in content


def test_many_erased_keys_leave_no_byte_in_the_files(store: SqliteKeyStore, path: Path) -> None:
    """Pages of the file are split, merged and reused meanwhile."""
    draw = random.Random(1)
    owners = [decision(f"decision-{number}") for number in range(3_000)]
    keys = dict(store.keys_for(owners))
    gone = draw.sample(owners, 300)
    # Each erase waits for the disk: many go with one.
    for first in range(0, 300, 50):
        store.erase(gone[first], [owner.id for owner in gone[first : first + 50]])
        store.keys_for([subject(f"later-{first}-{more}") for more in range(100)])
    content = bytes_of(path.parent)
    assert not [owner for owner in gone if bytes.fromhex(keys[owner].id) in content]
    left = [owner for owner in owners if owner not in set(gone)]
    assert store.open_keys([keys[owner].id for owner in left]).keys() == {keys[owner].id for owner in left}


def test_a_subject_who_comes_back_gets_a_new_key_and_an_erased_decision_none(store: SqliteKeyStore) -> None:
    before = store.keys_for([ANN])[ANN]
    store.erase(ANN, ["d1"])
    assert store.keys_for([ANN])[ANN] != before
    assert store.keys_for([decision("d1")]) == {}


def test_an_unknown_subject_cannot_be_erased_and_is_named(store: SqliteKeyStore) -> None:
    with pytest.raises(UnknownOwnerError, match="subject ann-4711"):
        store.erase(ANN, ["d1"])
    assert store.erased_of(["d1"]) == frozenset()


def test_nothing_of_a_subject_under_a_hold_is_erased_until_it_is_lifted(store: SqliteKeyStore, again: Open) -> None:
    key = store.keys_for([ANN])[ANN]
    hold = store.hold(ANN, by="legal", at=NOON, reason="case 12/26")
    assert hold.key_id == key.id
    with pytest.raises(HeldError, match=r"since 2026-07-01T12:00:00\+00:00, set by legal: case 12/26") as refused:
        again().erase(ANN)
    assert refused.value.hold == hold
    assert store.open_keys([key.id])
    assert store.lift(ANN) == hold
    with pytest.raises(NoHoldError):
        store.lift(ANN)
    store.erase(ANN)
    assert store.open_keys([key.id]) == {}


def test_after_a_rotation_the_old_master_key_opens_nothing_and_all_keys_are_what_they_were(path: Path) -> None:
    old, new = LocalMasterKey(b"o" * KEY_BYTES), LocalMasterKey(b"n" * KEY_BYTES)
    known = {old.id: old, new.id: new, "": old}
    store, other = (SqliteKeyStore(path, known.__getitem__) for _ in range(2))
    keys = other.keys_for([ANN, BOB])
    with path.open("rb") as file:
        before = file.read()
    assert store.rotate(new) == 2
    assert store.counts().master == new.id
    assert other.keys_for([ANN, BOB]) == store.keys_for([ANN, BOB]) == keys
    assert other.keys_for([subject("later")]) == store.keys_for([subject("later")])
    with pytest.raises(WrongMasterKeyError, match="does not open"):
        SqliteKeyStore(path, lambda _: old)
    assert len(before) == path.stat().st_size
    store.close()
    other.close()


@pytest.mark.usefixtures("store")
def test_a_store_that_another_master_key_made_is_refused(path: Path) -> None:
    with pytest.raises(OperatorRequiredError, match="not"):
        SqliteKeyStore(path, lambda _: LocalMasterKey(b"x" * KEY_BYTES))


def test_counts_tell_no_names(store: SqliteKeyStore, master_key: MasterKey) -> None:
    store.keys_for([ANN, BOB])
    store.hold(ANN, by="legal", at=NOON, reason="case")
    store.erase(BOB, ["d1"])
    counts = store.counts()
    assert (counts.master, counts.keys, counts.erased, counts.holds) == (master_key.id, 1, 1, 1)


def test_a_master_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    master.make_file(path)
    made = path.read_text()
    master.make_file(path)
    assert path.read_text() == made
    assert path.stat().st_mode & 0o077 == 0
    assert master.from_file(path).id == master.from_file(path).id


@pytest.mark.parametrize("text", ["", "short", "zz" * 32, "ab" * 31])
def test_a_master_key_of_another_length_is_refused_with_how_to_make_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    with pytest.raises(InterlockError, match="openssl rand -hex 32"):
        master.from_file(path)


def test_a_function_named_in_the_settings_gives_the_master_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our_kms.py").write_text(
        "class Key:\n"
        "    id = 'kms/1'\n"
        "    def wrap(self, secret, context): return secret\n"
        "    def unwrap(self, wrapped, context): return wrapped\n"
        "def connect(): return Key()\n"
        "def wrong(): return 'key'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert master.from_provider("our_kms:connect").id == "kms/1"
    with pytest.raises(InterlockError, match="str, which has no id"):
        master.from_provider("our_kms:wrong")
    for name in ("our_kms", "our_kms:nothing", "no_such_kms:connect"):
        with pytest.raises(InterlockError, match="MODULE:FUNCTION"):
            master.from_provider(name)
