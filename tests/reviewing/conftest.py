"""A world with a running desk."""

from collections.abc import Iterator

import pytest

from tests.reviewing.desk_world import World


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()
