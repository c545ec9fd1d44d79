"""The key store that the settings name: which master key counts, and how another takes its place."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from interlock.encryption.keys import subject
from interlock.encryption.master import WrongMasterKeyError
from interlock.errors import InterlockError
from interlock.platform import keys
from interlock.platform.connection import Platform
from interlock.platform.settings import EncryptionSettings, Settings

OLD, NEW = "0a" * 32, "0b" * 32
ANN = subject("ann")


def settings(data_dir: Path, **encryption: Any) -> Settings:
    return Settings(data_dir=data_dir, encryption=EncryptionSettings(**encryption))


def key_id(configured: Settings) -> str:
    store = keys.open_store(configured)
    try:
        return store.keys_for([ANN])[ANN].id
    finally:
        store.close()


def test_without_a_master_key_a_process_that_is_to_seal_is_told_what_to_set(tmp_path: Path) -> None:
    platform = Platform(settings(tmp_path, seal=True))
    with pytest.raises(InterlockError, match="INTERLOCK_ENCRYPTION__MASTER_KEY_FILE"):
        assert platform.keys_to_seal
    assert platform.keys_to_read is None
    assert Platform(settings(tmp_path)).keys_to_seal is None
    assert not list(tmp_path.iterdir())


def test_a_local_instance_has_a_master_key_of_its_own_that_a_rotation_replaces(tmp_path: Path) -> None:
    keys.make_local(tmp_path)
    local = settings(tmp_path)
    before, file = key_id(local), (tmp_path / "keys" / "master.key").read_text()
    running = keys.open_store(local)
    assert running.keys_for([ANN])[ANN].id == before
    master, count = keys.rotate(local)
    assert (count, running.counts().master) == (1, master)
    assert (tmp_path / "keys" / "master.key").read_text() != file
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["keys.sqlite", "master.key"]
    # A process that runs meanwhile goes on, and a new one finds the same keys.
    assert running.keys_for([ANN])[ANN].id == before == key_id(local)
    assert running.keys_for([subject("bob")])
    running.close()


def test_what_has_a_master_key_seals_unless_it_is_told_not_to(tmp_path: Path) -> None:
    """As every process of a local instance has."""
    keys.make_local(tmp_path)
    sealing = Platform(settings(tmp_path))
    assert sealing.keys_to_seal is sealing.keys
    plain = Platform(settings(tmp_path, seal=False))
    assert plain.keys_to_seal is None
    assert plain.keys_to_read is plain.keys
    for platform in (sealing, plain):
        platform.keys.close()  # type: ignore[attr-defined]


def test_a_local_rotation_that_was_cut_short_after_it_wrapped_everything_is_completed(tmp_path: Path) -> None:
    keys.make_local(tmp_path)
    local = settings(tmp_path)
    before = key_id(local)
    old = (tmp_path / "keys" / "master.key").read_text()
    keys.rotate(local)
    # As it stood between the commit and the replacement of the file.
    (tmp_path / "keys" / "master.key").rename(tmp_path / "keys" / "master.key.next")
    (tmp_path / "keys" / "master.key").write_text(old)
    assert key_id(local) == before
    keys.rotate(local)
    assert key_id(local) == before
    assert not (tmp_path / "keys" / "master.key.next").exists()


def test_elsewhere_the_settings_name_the_present_and_the_next_master_key(tmp_path: Path) -> None:
    file = tmp_path / "next"
    file.write_text(NEW)
    only_old = settings(tmp_path, master_key=SecretStr(OLD))
    both = settings(tmp_path, master_key=SecretStr(OLD), next_master_key_file=file)
    before = key_id(only_old)
    with pytest.raises(InterlockError, match="INTERLOCK_ENCRYPTION__NEXT_MASTER_KEY"):
        keys.rotate(only_old)
    running = keys.open_store(both)
    assert keys.rotate(both)[1] == 1
    assert running.keys_for([ANN])[ANN].id == before == key_id(settings(tmp_path, master_key_file=file))
    with pytest.raises(WrongMasterKeyError, match="was rotated, or is another one's"):
        key_id(only_old)
    running.close()


def test_a_setting_goes_before_the_master_key_of_the_data_directory(tmp_path: Path) -> None:
    keys.make_local(tmp_path)
    elsewhere = tmp_path / "store.sqlite"
    configured = settings(tmp_path, master_key=SecretStr(OLD), key_store=elsewhere)
    key_id(configured)
    assert elsewhere.exists()
    assert not (tmp_path / "keys" / "keys.sqlite").exists()


def test_a_master_key_of_a_wrong_length_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(InterlockError, match=r"INTERLOCK_ENCRYPTION__MASTER_KEY must have .* 64 hex digits"):
        key_id(settings(tmp_path, master_key=SecretStr("short")))
