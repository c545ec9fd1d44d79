"""The API on Kafka in memory, and a real ClickHouse engine for what it keeps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interlock.api.api_world import World
from tests.sinks.conftest import migrated, own, reused, shared, warehouse  # noqa: F401 - fixtures


@pytest.fixture
def api(tmp_path: Path) -> Iterator[World]:
    """A server whose ClickHouse is away."""
    world = World(tmp_path)
    yield world
    world.close()
