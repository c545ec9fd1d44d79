"""Where an instance is looked for, and which ports it takes."""

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.client.client import Client
from interlock.errors import InterlockError, UnavailableError
from interlock.local.stages import _environment
from interlock.platform import instance as instances
from interlock.platform.connection import connect
from interlock.services.resting import exclusive_heartbeats, fetching, fold_heartbeats
from interlock.streams.embedded_kafka import settings
from interlock.streams.embedded_kafka.settings import free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_conventions(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Conventional ports that are free, whatever runs on this machine."""
    kafka, clickhouse = free_port(), free_port()
    monkeypatch.setattr(instances, "KAFKA_PORT", kafka)
    monkeypatch.setattr(instances, "CLICKHOUSE_PORT", clickhouse)
    return kafka, clickhouse


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("INTERLOCK_")]:
        monkeypatch.delenv(name)


def _described(directory: Path) -> instances.Instance:
    directory.mkdir(parents=True, exist_ok=True)
    instance = instances.describe(directory, any_port=True)
    instances.write(directory, instance)
    return instance


def test_the_conventional_ports_are_9092_and_8123() -> None:
    assert (instances.KAFKA_PORT, instances.CLICKHOUSE_PORT) == (9092, 8123)


def test_a_first_start_takes_the_conventional_ports(tmp_path: Path, free_conventions: tuple[int, int]) -> None:
    instance = instances.describe(tmp_path)
    assert (instance.kafka_port, instance.clickhouse_port) == free_conventions


def test_a_later_start_takes_the_ports_and_secrets_of_the_one_before(tmp_path: Path) -> None:
    before = _described(tmp_path)
    again = instances.describe(tmp_path)
    assert (again.kafka_port, again.clickhouse_port) == (before.kafka_port, before.clickhouse_port)
    assert (again.audit_key, again.writer_password) == (before.audit_key, before.writer_password)
    assert again.session_key == before.session_key
    assert len(bytes.fromhex(again.session_key)) == 32


@pytest.mark.usefixtures("free_conventions")
def test_a_taken_port_is_named_with_its_owner_and_the_choices(tmp_path: Path, taken_port: int) -> None:
    for option, ports in (("--kafka-port", (taken_port, None)), ("--clickhouse-port", (None, taken_port))):
        with pytest.raises(InterlockError) as failure:
            instances.describe(tmp_path, kafka_port=ports[0], clickhouse_port=ports[1])
        message = str(failure.value)
        assert f"port {taken_port}" in message
        assert f"(process {os.getpid()}" in message
        assert "--any-port" in message
        assert f"{option} N" in message


def test_free_ports_take_the_place_of_taken_ones_where_any_will_do(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "KAFKA_PORT", taken_port)
    assert instances.describe(tmp_path, any_port=True).kafka_port != taken_port


@pytest.mark.usefixtures("no_settings")
def test_commands_find_the_instance_of_the_nearest_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _described(tmp_path / ".interlock")
    below = tmp_path / "service" / "src"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert connect().settings.data_dir == tmp_path / ".interlock"
    _described(tmp_path / "service" / ".interlock")
    assert connect().settings.data_dir == tmp_path / "service" / ".interlock"


@pytest.mark.usefixtures("no_settings")
def test_the_instance_of_the_demonstration_is_not_taken_for_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _described(tmp_path / ".interlock" / "demo")
    monkeypatch.chdir(tmp_path)
    assert instances.read(connect().settings.data_dir) is None


def test_an_instance_of_another_user_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _described(tmp_path / ".interlock")
    monkeypatch.setattr(os, "getuid", lambda: (tmp_path / ".interlock").stat().st_uid + 1)
    assert instances.find_data_dir(tmp_path / "below") == tmp_path / "below" / ".interlock"


@pytest.mark.usefixtures("no_settings")
def test_an_instance_that_is_down_is_named_by_its_absolute_path_and_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _described(tmp_path / ".interlock")
    monkeypatch.chdir(tmp_path)
    message = f"no instance is running in {tmp_path}/.interlock; `interlock up` starts one"
    with pytest.raises(UnavailableError, match=message):
        connect().serving_kafka()
    with pytest.raises(UnavailableError, match=message):
        connect().clickhouse()
    with pytest.raises(UnavailableError, match=message):
        Client()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_data_directory_is_open_to_its_owner_only(tmp_path: Path) -> None:
    with instances.acquire(tmp_path / "new" / ".interlock"):
        assert _mode(tmp_path / "new" / ".interlock") == 0o700


def test_a_data_directory_that_was_open_to_others_is_closed_to_them_with_all_that_is_in_it(tmp_path: Path) -> None:
    _described(tmp_path)
    log = tmp_path / "kafka" / "data" / "decisions-0" / "0.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"amounts")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.touch(0o644)
    (tmp_path / "kafka" / "link").symlink_to(outside)
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with instances.acquire(tmp_path):
        assert {_mode(path) & 0o077 for path in (tmp_path, *tmp_path.rglob("*")) if not path.is_symlink()} == {0}
    assert _mode(outside) == 0o644


def test_a_folder_that_holds_other_things_keeps_its_permissions_and_only_the_instance_is_closed(tmp_path: Path) -> None:
    (tmp_path / "shared.txt").touch(0o644)
    (tmp_path / "logs").mkdir()
    for folder in (tmp_path, tmp_path / "logs"):
        folder.chmod(0o755)
    with instances.acquire(tmp_path):
        assert (_mode(tmp_path), _mode(tmp_path / "shared.txt"), _mode(tmp_path / "logs")) == (0o755, 0o644, 0o700)


def test_kafka_asks_for_a_password_from_the_start_that_wants_it_until_one_does_not(tmp_path: Path) -> None:
    def start(secure: bool | None) -> str:
        instance = instances.describe(tmp_path, any_port=True, secure=secure)
        instances.write(tmp_path, instance)
        return instance.kafka_password

    assert start(None) == ""
    password = start(True)
    assert len(password) == 32
    assert [start(None), start(True)] == [password, password]
    assert [start(False), start(None)] == ["", ""]


def test_a_description_of_before_kafka_had_passwords_is_read(tmp_path: Path) -> None:
    _described(tmp_path)
    path = tmp_path / instances.DESCRIPTION
    content = json.loads(path.read_text())
    del content["kafka_password"]
    path.write_text(json.dumps(content))
    instance = instances.read(tmp_path)
    assert instance is not None
    assert instance.kafka_properties == {}


@pytest.mark.usefixtures("no_settings")
def test_a_description_of_before_the_api_gets_a_session_key_at_the_next_start(tmp_path: Path) -> None:
    _described(tmp_path)
    path = tmp_path / instances.DESCRIPTION
    content = json.loads(path.read_text())
    del content["session_key"]
    path.write_text(json.dumps(content))
    with pytest.raises(InterlockError, match=r"INTERLOCK_API__SESSION_KEY.*openssl rand -hex 32"):
        _ = connect(str(tmp_path)).session_key
    instances.write(tmp_path, instances.describe(tmp_path))
    assert len(connect(str(tmp_path)).session_key) == 32


@pytest.mark.usefixtures("no_settings")
def test_a_platform_is_local_where_kafka_and_clickhouse_are_those_of_the_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not connect(str(tmp_path)).is_local
    instance = _described(tmp_path)
    assert connect(str(tmp_path)).is_local
    monkeypatch.setenv("INTERLOCK_KAFKA__BOOTSTRAP_SERVERS", instance.bootstrap_servers)
    monkeypatch.setenv("INTERLOCK_CLICKHOUSE__URL", instance.clickhouse_url)
    assert connect(str(tmp_path)).is_local
    assert fetching(connect(str(tmp_path))) == {"fetch.wait.max.ms": 2_000}
    assert exclusive_heartbeats(connect(str(tmp_path))) == {"heartbeat.interval.ms": 2_000}
    assert fold_heartbeats(connect(str(tmp_path))) == {"heartbeat_seconds": 7.0}
    monkeypatch.setenv("INTERLOCK_KAFKA__BOOTSTRAP_SERVERS", "elsewhere:9092")
    assert not connect(str(tmp_path)).is_local
    # Where members come and go.
    platform = connect(str(tmp_path))
    assert fetching(platform) == exclusive_heartbeats(platform) == fold_heartbeats(platform) == {}


@pytest.mark.usefixtures("no_settings")
def test_everything_in_a_process_asks_about_topics_with_one_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLOCK_KAFKA__BOOTSTRAP_SERVERS", "elsewhere:9092")
    platform = connect(str(tmp_path))
    assert platform.kafka() is platform.kafka()


@pytest.mark.usefixtures("no_settings")
def test_commands_and_clients_find_the_password_of_the_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = instances.describe(tmp_path, any_port=True, secure=True)
    instances.write(tmp_path, instance)
    properties = connect(str(tmp_path)).kafka_properties
    assert (properties["sasl.username"], properties["sasl.password"]) == ("interlock", instance.kafka_password)
    monkeypatch.setenv("INTERLOCK_KAFKA__BOOTSTRAP_SERVERS", "elsewhere:9092")
    assert connect(str(tmp_path)).kafka_properties == {}


@pytest.mark.usefixtures("no_settings")
def test_the_roles_of_a_local_instance_have_one_name_whatever_network_the_laptop_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = _described(tmp_path)
    assert _environment(connect(str(tmp_path)), instance)["INTERLOCK_INSTANCE_ID"] == "1"
    monkeypatch.setenv("INTERLOCK_INSTANCE_ID", "2")
    assert _environment(connect(str(tmp_path)), instance)["INTERLOCK_INSTANCE_ID"] == "2"


def test_no_two_parts_of_an_instance_get_the_same_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = range(settings._FREE_PORTS.start, settings._FREE_PORTS.start + 12)
    monkeypatch.setattr(settings, "_FREE_PORTS", few)
    monkeypatch.setattr(settings, "is_free", lambda _: True)
    for _ in range(20):
        assert len(instances.describe(tmp_path, any_port=True).ports) == 4
