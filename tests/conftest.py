"""Fixtures and command line options shared by every test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka


# The same examples in every run, and no deadline: how long an example takes says something about the machine.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--crash-kills",
        type=int,
        default=3,
        metavar="N",
        help="how often the crash tests kill processes (default: %(default)s, which proves that the test works)",
    )
    parser.addoption(
        "--registry",
        action="store_true",
        help="also run the tests that start a real schema registry (downloads 158 MB once)",
    )


@pytest.fixture(scope="session")
def crash_kills(request: pytest.FixtureRequest) -> int:
    """How many processes a crash test may kill."""
    kills: int = request.config.getoption("--crash-kills")
    return kills


# What starts processes comes last: a mistake shows in the fast tests first.
_SLOW = ("examples", "platform", "crash")

# What is started there keeps both cores busy, and some of it is timed.
_ALONE = ("platform", "crash")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def slowness(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return _SLOW.index(folder) + 1 if folder in _SLOW else 0

    items.sort(key=slowness)
    for item in items:
        if item.path.parent.name in _ALONE:
            item.add_marker("alone")
    if not config.getoption("--registry"):
        for item in items:
            if item.get_closest_marker("registry"):
                item.add_marker(pytest.mark.skip(reason="starts a real schema registry: run with --registry"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator["EmbeddedKafka"]:
    """A real Kafka broker, started when the first test asks for it and shared by all of them.

    Use topic, group and transactional names of your own (`uuid4`), and do not kill it: tests that do start theirs.
    """
    from interlock.streams.embedded_kafka import EmbeddedKafka

    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
