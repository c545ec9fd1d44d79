"""A world with a running desk."""

from collections.abc import Iterator

import pytest

from tests.interlock.review.review_world import World


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()
