"""The pipeline with every kind of history, driven once."""

import pytest

from interlock.testing import Topology
from tests.interlock.explanations import histories


@pytest.fixture(scope="session")
def pipeline() -> Topology:
    """Tests read from it and change nothing."""
    return histories.build()
