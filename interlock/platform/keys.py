"""The key store that the settings name, and its master key."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.encryption import master
from interlock.encryption.master import LocalMasterKey, MasterKey, WrongMasterKeyError
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.errors import InterlockError

if TYPE_CHECKING:
    from interlock.platform.settings import Settings

# In the data directory: of a local instance, and where no setting names another place.
_STORE = Path("keys", "keys.sqlite")
_MASTER = Path("keys", "master.key")
_NEXT = Path("keys", "master.key.next")

_NO_KEY = (
    "personal data is stored under keys of its subjects, and no master key is set: give every process that needs them "
    "INTERLOCK_ENCRYPTION__MASTER_KEY (64 hex digits, for example from `openssl rand -hex 32`), "
    "INTERLOCK_ENCRYPTION__MASTER_KEY_FILE or INTERLOCK_ENCRYPTION__MASTER_KEY_PROVIDER, and the same key store. A "
    "local instance has them from its next `interlock up` on."
)


def open_store(settings: "Settings") -> SqliteKeyStore:
    """Raises InterlockError where no master key is set, WrongMasterKeyError and UnavailableError."""
    present = _candidates(settings)
    if not present:
        raise InterlockError(_NO_KEY)
    return SqliteKeyStore(store_path(settings), partial(_chosen, settings))


def has_master_key(settings: "Settings") -> bool:
    """Whether this process is meant to have keys."""
    return bool(_candidates(settings))


def store_path(settings: "Settings") -> Path:
    """Where the key store is."""
    return settings.encryption.key_store or settings.data_dir / _STORE


def make_local(data_dir: Path) -> None:
    """A master key for a local instance, unless it has one. Raises OSError."""
    master.make_file(data_dir / _MASTER)


def rotate(settings: "Settings") -> tuple[str, int]:
    """Wraps everything with the next master key; returns its id and how many keys there are.

    That of a local instance is made, and takes the place of the old one, here; elsewhere the settings name it, and
    whoever operates the processes puts it in the place of the old one afterwards. Raises InterlockError.
    """
    store = open_store(settings)
    try:
        local = settings.data_dir / _MASTER
        if _is_local(settings) and local.exists():
            following = settings.data_dir / _NEXT
            # One that a rotation left, which was cut short, is as good as a new one.
            master.make_file(following)
            new = master.from_file(following)
            count = store.rotate(new)
            following.replace(local)
            return new.id, count
        named = _next(settings)
        if named is None:
            raise InterlockError(
                "there is no next master key: set INTERLOCK_ENCRYPTION__NEXT_MASTER_KEY or "
                "INTERLOCK_ENCRYPTION__NEXT_MASTER_KEY_FILE, here and for every process that has the present one; then "
                "run this again, and afterwards give all of them the new one as the present one"
            )
        new = named()
        return new.id, store.rotate(new)
    finally:
        store.close()


def _chosen(settings: "Settings", key_id: str) -> MasterKey:
    """The master key with that id, the present one for ''. Raises WrongMasterKeyError."""
    known = [make() for make in _candidates(settings)]
    for key in known:
        if key_id in ("", key.id):
            return key
    names = ", ".join(key.id for key in known)
    raise WrongMasterKeyError(
        f"the key store {store_path(settings)} is wrapped by master key {key_id}, and the settings have {names}: it "
        "was rotated, or is another one's. Give this process the present master key"
    )


def _candidates(settings: "Settings") -> list[Callable[[], MasterKey]]:
    """The present one first, then that of an unfinished rotation."""
    named, configured = [], settings.encryption
    if configured.master_key is not None:
        text = configured.master_key.get_secret_value()
        named.append(partial(master.from_hex, text, "INTERLOCK_ENCRYPTION__MASTER_KEY"))
    elif configured.master_key_file is not None:
        named.append(partial(master.from_file, configured.master_key_file))
    found: list[Callable[[], MasterKey]] = [*named]
    if not named and configured.master_key_provider is not None:
        found.append(partial(master.from_provider, configured.master_key_provider))
    if _is_local(settings):
        found += [
            partial(master.from_file, path) for name in (_MASTER, _NEXT) if (path := settings.data_dir / name).exists()
        ]
    following = _next(settings)
    if found and following is not None:
        found.append(following)
    return found


def _next(settings: "Settings") -> Callable[[], LocalMasterKey] | None:
    configured = settings.encryption
    if configured.next_master_key is not None:
        text = configured.next_master_key.get_secret_value()
        return partial(master.from_hex, text, "INTERLOCK_ENCRYPTION__NEXT_MASTER_KEY")
    if configured.next_master_key_file is not None:
        return partial(master.from_file, configured.next_master_key_file)
    return None


def _is_local(settings: "Settings") -> bool:
    """Whether no setting names a master key: that of the data directory counts then."""
    configured = settings.encryption
    return (configured.master_key, configured.master_key_file, configured.master_key_provider) == (None, None, None)
