"""A key store in one SQLite file, shared by the processes of one machine (or of one volume with working file locks).

Two random secrets stand in it, wrapped by the master key: one wraps the keys of subjects (AES-256-GCM, the key id as
associated data), the other keys the hash (BLAKE2b) under which owners are stored. Rotation makes a new wrapping
secret, wraps every key anew with it, and wraps both secrets with the new master key: the old master key opens nothing
of the file any more.

Ids of keys are ULIDs, in the order of their making, so that new keys are added at the end of the table: with
random ids each would rewrite a page of its own, and its page of the rollback journal. Only the index of owners is
random.

`secure_delete` overwrites what is deleted. The journal is a rollback journal, which every commit deletes: with a
write-ahead log an erased key would stay in a file beside the store until somebody empties it.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from interlock.encryption import keys
from interlock.encryption.keys import Counts, Erased, HeldError, Hold, NoHoldError, Owner, SubjectKey, UnknownOwnerError
from interlock.encryption.master import MasterKey
from interlock.errors import OperatorRequiredError, UnavailableError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value NOT NULL);
CREATE TABLE IF NOT EXISTS keys (key_id BLOB PRIMARY KEY, owner BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased (owner BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holds (
    owner BLOB PRIMARY KEY, key_id TEXT NOT NULL, by TEXT NOT NULL, at REAL NOT NULL, reason TEXT NOT NULL
);
"""

# Another process may wrap all keys anew meanwhile: ten seconds for a million.
_BUSY_SECONDS = 60.0

# Parameters of one statement; SQLite takes 32,766.
_NAMES_PER_STATEMENT = 10_000

# Keys held in memory, a third of a kilobyte each: those of some chunks of the sink.
_MAX_CACHED = 50_000

# What AES-GCM takes; random, since the file also holds it.
_NONCE_BYTES = 12

# A hash stands for its owner: of 2^40 owners two have the same one with a chance of 2^-49.
_OWNER_BYTES = 16

_INDEX, _WRAPPING = "index", "wrapping"


class SqliteKeyStore:
    """A `KeyStore` in the file at `path`, which is made where there is none."""

    def __init__(self, path: Path, master: Callable[[str], MasterKey]) -> None:
        """`master`: gives the master key with that id, or the present one for ''; asked again after a rotation.

        Raises WrongMasterKeyError, UnavailableError where the file cannot be used, and what `master` raises.
        """
        self._path = path
        self._master = master
        self._lock = threading.Lock()
        self._generation = -1
        self._seen_version = -1
        self._by_owner: dict[Owner, SubjectKey] = {}
        self._by_id: dict[str, SubjectKey] = {}
        self._erased: frozenset[bytes] = frozenset()
        self._index_secret = b""
        self._wrapping = AESGCM(bytes(keys.SECRET_BYTES))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA secure_delete = ON")
            self._connection.execute("PRAGMA journal_mode = DELETE")
            # A key must be on the disk before anything that only it opens.
            self._connection.execute("PRAGMA synchronous = EXTRA")
            self._connection.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise UnavailableError(f"the key store {path} cannot be used: {error}") from error
        with self._lock, self._errors():
            self._make_secrets()
            self._refresh()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def keys_for(self, owners: Collection[Owner]) -> Mapping[Owner, SubjectKey]:
        """As in `KeyStore`."""
        with self._lock, self._errors():
            self._refresh()
            known = self._by_owner
            found = {owner: known[owner] for owner in owners if owner in known}
            unknown = {self._mac(owner): owner for owner in owners if owner not in found}
            if unknown:
                stored = self._stored(unknown)
                stored |= self._made([mac for mac in unknown if mac not in stored and mac not in self._erased])
                named = {owner: stored[mac] for mac, owner in unknown.items() if mac in stored}
                self._remember(named)
                found |= named
            return found

    def erased_of(self, decision_ids: Collection[str]) -> frozenset[str]:
        """As in `KeyStore`."""
        with self._lock, self._errors():
            self._refresh()
            if not self._erased:
                return frozenset()
            return frozenset(name for name in decision_ids if self._mac(keys.decision(name)) in self._erased)

    def open_keys(self, key_ids: Collection[str]) -> Mapping[str, SubjectKey]:
        """As in `KeyStore`."""
        with self._lock, self._errors():
            self._refresh()
            found = {name: key for name in key_ids if (key := self._by_id.get(name)) is not None}
            missing = [bytes.fromhex(name) for name in key_ids if name not in found]
            for part in _parts(missing):
                query = f"SELECT key_id, wrapped FROM keys WHERE key_id IN ({','.join('?' * len(part))})"
                for key_id, wrapped in self._connection.execute(query, part):
                    key = self._unwrapped(key_id, wrapped)
                    found[key.id] = key
            if len(self._by_id) + len(found) > _MAX_CACHED:
                self._by_id.clear()
            self._by_id |= found
            return found

    def key_id_of(self, owner: Owner) -> str | None:
        """As in `KeyStore`."""
        with self._lock, self._errors():
            self._refresh()
            return self._key_id(self._mac(owner))

    def erase(self, owner: Owner, decision_ids: Collection[str] = ()) -> Erased:
        """As in `KeyStore`."""
        with self._lock, self._errors(), self._transaction():
            self._refresh()
            mac = self._mac(owner)
            hold = self._hold(mac)
            if hold is not None:
                raise HeldError(owner, hold)
            if self._key_id(mac) is None:
                raise UnknownOwnerError(f"nothing is stored under a key of {owner}: there is nothing to erase")
            never_again = {self._mac(keys.decision(name)) for name in decision_ids}
            if owner.kind == "decision":
                never_again.add(mac)
            gone = [name for one in (mac, *sorted(never_again - {mac})) if (name := self._key_id(one)) is not None]
            self._connection.executemany("DELETE FROM keys WHERE owner = ?", [(one,) for one in {mac, *never_again}])
            self._connection.executemany(
                "INSERT OR IGNORE INTO erased VALUES (?)", [(one,) for one in sorted(never_again)]
            )
            self._connection.execute("UPDATE state SET value = value + 1 WHERE name = 'generation'")
            self._forget()
            return Erased(tuple(gone), len(never_again))

    def hold(self, owner: Owner, *, by: str, at: datetime, reason: str) -> Hold:
        """As in `KeyStore`."""
        with self._lock, self._errors(), self._transaction():
            mac = self._mac(owner)
            hold = Hold(self._key_id(mac) or "", by, at, reason)
            self._connection.execute(
                "INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?, ?)", (mac, hold.key_id, by, at.timestamp(), reason)
            )
            return hold

    def hold_of(self, owner: Owner) -> Hold | None:
        """As in `KeyStore`."""
        with self._lock, self._errors():
            return self._hold(self._mac(owner))

    def lift(self, owner: Owner) -> Hold:
        """As in `KeyStore`."""
        with self._lock, self._errors(), self._transaction():
            mac = self._mac(owner)
            hold = self._hold(mac)
            if hold is None:
                raise NoHoldError(f"{owner} is under no legal hold")
            self._connection.execute("DELETE FROM holds WHERE owner = ?", (mac,))
            return hold

    def counts(self) -> Counts:
        """As in `KeyStore`."""
        with self._lock, self._errors():
            (master,) = self._connection.execute("SELECT value FROM state WHERE name = 'master'").fetchone()
            made, erased, holds = (
                self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("keys", "erased", "holds")
            )
            return Counts(master, made, erased, holds)

    def rotate(self, new: MasterKey) -> int:
        """Wraps every key anew, and the secrets with `new`; returns how many keys. The master key of before opens
        nothing any more: `master` is asked for the new one from here on, by every process."""
        with self._lock, self._errors(), self._transaction():
            self._refresh()
            secret = os.urandom(keys.SECRET_BYTES)
            wrapping = AESGCM(secret)
            rows = self._connection.execute("SELECT key_id, wrapped FROM keys").fetchall()
            self._connection.executemany(
                "UPDATE keys SET wrapped = ? WHERE key_id = ?",
                ((_wrapped(wrapping, self._unwrapped(name, old).secret, name), name) for name, old in rows),
            )
            for name, content in ((_INDEX, self._index_secret), (_WRAPPING, secret)):
                wrapped = new.wrap(content, _context(name))
                self._connection.execute("UPDATE secrets SET wrapped = ? WHERE name = ?", (wrapped, name))
            self._connection.execute("UPDATE state SET value = ? WHERE name = 'master'", (new.id,))
            self._connection.execute("UPDATE state SET value = value + 1 WHERE name = 'generation'")
            # Nothing of before: should the commit fail, what is true is read again.
            self._seen_version = self._generation = -1
            return len(rows)

    # Secrets and caches

    def _make_secrets(self) -> None:
        """Those of a new store. Two processes may come at once."""
        with self._transaction():
            if self._connection.execute("SELECT 1 FROM secrets").fetchone() is not None:
                return
            master = self._master("")
            for name in (_INDEX, _WRAPPING):
                wrapped = master.wrap(os.urandom(keys.SECRET_BYTES), _context(name))
                self._connection.execute("INSERT INTO secrets VALUES (?, ?)", (name, wrapped))
            self._connection.execute("INSERT INTO state VALUES ('master', ?), ('generation', 0)", (master.id,))

    def _refresh(self) -> None:
        """Forgets what this process knows if another one has erased or rotated since."""
        # Changes when another connection has committed anything; asking costs a microsecond.
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._seen_version:
            return
        self._seen_version = version
        (generation,) = self._generation_row()
        if generation == self._generation:
            return
        self._forget()
        (master_id,) = self._connection.execute("SELECT value FROM state WHERE name = 'master'").fetchone()
        master = self._master(master_id)
        wrapped = dict(self._connection.execute("SELECT name, wrapped FROM secrets").fetchall())
        self._index_secret = master.unwrap(wrapped[_INDEX], _context(_INDEX))
        self._wrapping = AESGCM(master.unwrap(wrapped[_WRAPPING], _context(_WRAPPING)))
        self._generation = generation

    def _generation_row(self) -> tuple[int]:
        row: tuple[int] = self._connection.execute("SELECT value FROM state WHERE name = 'generation'").fetchone()
        return row

    def _forget(self) -> None:
        self._by_owner.clear()
        self._by_id.clear()
        self._erased = frozenset(mac for (mac,) in self._connection.execute("SELECT owner FROM erased"))

    def _remember(self, found: Mapping[Owner, SubjectKey]) -> None:
        if len(self._by_owner) + len(found) > _MAX_CACHED:
            self._by_owner.clear()
        self._by_owner |= found

    # Rows

    def _stored(self, macs: Collection[bytes]) -> dict[bytes, SubjectKey]:
        found = {}
        for part in _parts(list(macs)):
            query = f"SELECT owner, key_id, wrapped FROM keys WHERE owner IN ({','.join('?' * len(part))})"
            for mac, key_id, wrapped in self._connection.execute(query, part):
                found[mac] = self._unwrapped(key_id, wrapped)
        return found

    def _made(self, macs: Sequence[bytes]) -> dict[bytes, SubjectKey]:
        """New keys, but for what another process has made or erased meanwhile."""
        if not macs:
            return {}
        # In the order of both indexes, whose pages are then written one after the other.
        macs, names = sorted(macs), _new_ids(len(macs), time.time_ns() // 1_000_000)
        secrets = _random_parts(len(macs), keys.SECRET_BYTES)
        with self._transaction():
            self._refresh()
            made = {
                mac: SubjectKey(name.hex(), secret)
                for mac, name, secret in zip(macs, names, secrets, strict=True)
                if mac not in self._erased
            }
            rows = (
                (name, mac, _wrapped(self._wrapping, secret, name))
                for mac, name, secret in zip(macs, names, secrets, strict=True)
                if mac in made
            )
            added = self._connection.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", rows).rowcount
            # Fewer where another process came before: its keys count.
            return made if added == len(made) else self._stored(made)

    def _key_id(self, mac: bytes) -> str | None:
        row = self._connection.execute("SELECT key_id FROM keys WHERE owner = ?", (mac,)).fetchone()
        return None if row is None else row[0].hex()

    def _hold(self, mac: bytes) -> Hold | None:
        row = self._connection.execute("SELECT key_id, by, at, reason FROM holds WHERE owner = ?", (mac,)).fetchone()
        return None if row is None else Hold(row[0], row[1], datetime.fromtimestamp(row[2], UTC), row[3])

    def _unwrapped(self, key_id: bytes, wrapped: bytes) -> SubjectKey:
        try:
            secret = self._wrapping.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], key_id)
        except InvalidTag as error:
            raise OperatorRequiredError(
                f"key {key_id.hex()} in the key store {self._path} is damaged: restore the store from a backup"
            ) from error
        return SubjectKey(key_id.hex(), secret)

    def _mac(self, owner: Owner) -> bytes:
        named = f"{owner.kind}\0{owner.id}".encode(errors="surrogatepass")
        return blake2b(named, key=self._index_secret, digest_size=_OWNER_BYTES).digest()

    # SQLite

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UnavailableError(f"the key store {self._path} cannot be used: {error}") from error


def _context(name: str) -> bytes:
    return f"interlock key store {name}".encode()


def _new_ids(count: int, milliseconds: int) -> list[bytes]:
    """ULIDs: the time, then random bytes; in ascending order. `milliseconds`: since the epoch."""
    now = milliseconds.to_bytes(6, "big")
    return sorted(now + noise for noise in _random_parts(count, keys.KEY_ID_BYTES - len(now)))


def _random_parts(count: int, size: int) -> list[bytes]:
    """As many pieces of `size` random bytes, of which the operating system is asked once."""
    noise = os.urandom(count * size)
    return [noise[start : start + size] for start in range(0, len(noise), size)]


def _wrapped(wrapping: AESGCM, secret: bytes, key_id: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + wrapping.encrypt(nonce, secret, key_id)


def _parts(macs: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(macs), _NAMES_PER_STATEMENT):
        yield macs[start : start + _NAMES_PER_STATEMENT]
