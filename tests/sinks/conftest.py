"""A real ClickHouse engine for the tests of the sink."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client

from interlock.encryption.master import KEY_BYTES, LocalMasterKey
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate
from tests.sinks.migrated import Migrated, clear, definitions


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    """One server, started when the first test asks for it. Do not kill it: tests that do start theirs."""
    with EmbeddedClickHouse(ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))) as server:
        yield server


@pytest.fixture(scope="session")
def shared(warehouse: EmbeddedClickHouse) -> Iterator[Client]:
    """A migrated database for all tests that only add rows; tell yours by a stream id and a domain of your own."""
    with _database(warehouse) as client:
        migrate(client)
        yield client


@pytest.fixture
def empty(warehouse: EmbeddedClickHouse) -> Iterator[Client]:
    """A database of the test's own, without tables."""
    with _database(warehouse) as client:
        yield client


@pytest.fixture(scope="session")
def migrated(shared: Client) -> Migrated:
    return Migrated(shared)


@pytest.fixture(scope="session")
def reused(warehouse: EmbeddedClickHouse, migrated: Migrated) -> Iterator[Client]:
    """The database behind `own`: creating a new one takes longer than most of its tests."""
    with _database(warehouse) as client:
        migrated.fill(client)
        yield client


@pytest.fixture
def own(warehouse: EmbeddedClickHouse, reused: Client, migrated: Migrated) -> Iterator[Client]:
    """A migrated database without rows, for tests that damage rows, alter tables or ask for all rows there are."""
    yield reused
    if definitions(reused) != migrated.definitions:
        with warehouse.client() as owner:
            owner.command(f"DROP DATABASE {reused.database} SYNC")
            owner.command(f"CREATE DATABASE {reused.database}")
        migrated.fill(reused)
        return
    clear(reused)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[SqliteKeyStore]:
    """A key store of the test's own."""
    store = SqliteKeyStore(tmp_path / "keys.sqlite", lambda _: LocalMasterKey(b"k" * KEY_BYTES))
    yield store
    store.close()


@contextmanager
def _database(server: EmbeddedClickHouse) -> Iterator[Client]:
    name = f"test_{uuid4().hex}"
    with server.client() as owner:
        owner.command(f"CREATE DATABASE {name}")
        with server.client(database=name) as client:
            yield client
        # Every table that remembers blocks takes a megabyte of the little memory that the engine has.
        owner.command(f"DROP DATABASE {name} SYNC")


NewName = Callable[[], str]


@pytest.fixture
def run_id() -> str:
    """A name that no other test uses."""
    return f"run-{uuid4().hex[:12]}"
