"""A fresh world for each test."""

import pytest

from tests.interlock.api.access.access_world import World


@pytest.fixture
def world() -> World:
    return World()
