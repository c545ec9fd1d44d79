"""A world in which whatever is refused must change nothing."""

from collections.abc import Iterator

import pytest

from interlock.console import server
from tests.interlock.api.api_world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With pages, desk and ClickHouse away; a desk that is away is noticed soon."""
    directory = tmp_path_factory.mktemp("bad")
    generous = {"requests_per_second": 1e6, "burst": 1_000_000}
    world = World(directory, desk_seconds=0.01, install_pages=server.install, api=generous)
    yield world
    world.close()


@pytest.fixture(autouse=True)
def _nothing_changed(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves a record behind, unless it says so; its tokens are made before."""
    world.get("/v1/me")
    before = world.contents()
    yield
    if "changes_something" not in request.fixturenames:
        assert world.contents() == before


@pytest.fixture
def changes_something() -> None:
    """A test that takes it is about what is not refused."""
