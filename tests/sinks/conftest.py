"""A real ClickHouse engine for the tests of the sink."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate


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


@pytest.fixture
def own(empty: Client) -> Client:
    """A migrated database of the test's own, for tests that damage it."""
    migrate(empty)
    return empty


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
