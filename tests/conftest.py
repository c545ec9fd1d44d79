"""Fixtures and command line options shared by every test, and the order in which they run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# The workers of pytest-xdist set it; commands under test must see a pipe without a width.
os.environ.pop("COLUMNS", None)

# Before numpy is imported: the matrices of tests are small, and a thread pool for each of two workers on two cores
# spends most of its time waiting for its turn. Started processes inherit it.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# A Java program that lives for seconds never gets back what the optimising compiler costs: half of the start-up.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

# Where the environment forbids bytecode beside the sources, every started process would compile all of its modules
# again, which takes longer than the rest of its start. `make test` allows it there.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode"))

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from xdist.scheduler import LoadScopeScheduling  # noqa: E402

from interlock.schemas import written  # noqa: E402

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka
    from tests.running_instance import Instance


# The same examples in every run, and no deadline: how long an example takes says something about the machine.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

TESTS = Path(__file__).parent

# These share one running instance, whose start takes as long as many tests.
ON_ONE_INSTANCE = (
    "interlock/cli/test_command_line.py",
    "interlock/cli/test_encrypted_erasure.py",
    "bench/test_running_proof.py",
    "interlock/review/test_appeals_of_the_forgotten.py",
    "examples/test_reviewer_tools.py",
    "crash/test_kill_everything.py",
)

# These share another one, on which people work over HTTP.
ON_CONSOLE_INSTANCE = (
    "examples/test_declined_loan.py",
    "examples/test_first_hour.py",
    "interlock/api/test_restarts.py",
    "interlock/api/test_two_servers.py",
    "interlock/console/test_oversight_in_browser.py",
    "interlock/console/test_work_in_browser.py",
)

# The fixtures that start them; all files that use one of them go to the same worker.
SHARED = {"local_instance": ON_ONE_INSTANCE, "console_instance": ON_CONSOLE_INSTANCE}

# Workers take files in this order: with the longest first none of them is left alone with one at the end.
# Everything else follows in the order of its name.
LONGEST_FIRST = (
    *ON_ONE_INSTANCE,
    *ON_CONSOLE_INSTANCE,
    "crash",
    "docs",
    "sinks/test_writer.py",
    "streams/test_embedded_kafka.py",
    "interlock/services",
    "bench",
    "interlock/cli",
    "streams",
    "sinks",
    "learning",
    "processors",
    "interlock",
)

# Tests ask more often than people do, and do not wait a minute for a signature.
_IN_A_HURRY = {
    "INTERLOCK_API__REQUESTS_PER_SECOND": "10000",
    "INTERLOCK_API__BURST": "10000",
    "INTERLOCK_TRAIL__ANCHOR_SECONDS": "2",
}

# A desk forgets what was decided 20 seconds ago: soon enough to wait for, and later than the command behind a verdict.
_FORGETFUL = {"INTERLOCK_DESK__DECIDED_DAYS": f"{20 / 86_400:.9f}"}

QUICK_KILLS, CAMPAIGN_KILLS = 3, 25


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--campaign",
        action="store_true",
        help="run the long form of tests that have one; `-m campaign` selects them (docs/testing.md)",
    )
    parser.addoption(
        "--crash-kills",
        type=int,
        metavar="N",
        help=f"how often the crash tests kill processes (default: {QUICK_KILLS}, which proves that the test works; "
        f"{CAMPAIGN_KILLS} with --campaign)",
    )
    parser.addoption(
        "--registry",
        action="store_true",
        help="also run the tests that start a real schema registry (downloads 158 MB once)",
    )
    parser.addoption(
        "--clients",
        action="store_true",
        help="also run the tests with clients in other languages, where their toolchains are found (docs/testing.md)",
    )


@pytest.fixture(scope="session")
def campaign(request: pytest.FixtureRequest) -> bool:
    """Whether the long form of a test is asked for. Whoever uses it is marked `campaign`."""
    return bool(request.config.getoption("--campaign"))


@pytest.fixture(scope="session")
def crash_kills(request: pytest.FixtureRequest, campaign: bool) -> int:
    """How many processes a crash test may kill."""
    kills: int | None = request.config.getoption("--crash-kills")
    if kills is None:
        return CAMPAIGN_KILLS if campaign else QUICK_KILLS
    return kills


class _WholeFiles(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types for its schedulers
    """Gives workers whole files, and all files that share an instance to one of them: two instances at work beside the
    processes that other tests kill would be more than two cores can do within the bounds of those tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "instance" if file.endswith(sum(SHARED.values(), ())) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return _WholeFiles(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = [name for name in LONGEST_FIRST if not (TESTS / name).exists()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py names what is not there: {', '.join(missing)}")

    def position(item: pytest.Item) -> int:
        for index, name in enumerate(LONGEST_FIRST):
            if item.path.is_relative_to(TESTS / name):
                return index
        return len(LONGEST_FIRST)

    for name, files in SHARED.items():
        users = {str(item.path) for item in items if name in getattr(item, "fixturenames", ())}
        strangers = [path for path in sorted(users) if not path.endswith(files)]
        if strangers:
            raise pytest.UsageError(f"SHARED does not name what uses `{name}`: {', '.join(strangers)}")
    items.sort(key=position)
    for item in items:
        if "campaign" in getattr(item, "fixturenames", ()):
            item.add_marker("campaign")
        if item.get_closest_marker("registry") and not config.getoption("--registry"):
            item.add_marker(pytest.mark.skip(reason="starts a real schema registry: run with --registry"))
        if item.get_closest_marker("clients") and not config.getoption("--clients"):
            item.add_marker(pytest.mark.skip(reason="builds a client in another language: run with --clients"))


@pytest.fixture(autouse=True)
def _no_source_of_schemas() -> Iterator[None]:
    """No test asks the Kafka of another one for schemas."""
    written.use(None)
    yield
    written.use(None)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator["EmbeddedKafka"]:
    """A real Kafka broker, started when the first test asks for it and shared by all of them.

    Use topic, group and transactional names of your own (`uuid4`), and do not kill it: tests that do start theirs.
    """
    from interlock.streams.embedded_kafka import EmbeddedKafka

    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


# Shared instances that run, by their fixture. Idle, one takes a fifth of a core, for which other tests have use.
_RUNNING: dict[str, "Instance"] = {}


@pytest.hookimpl(trylast=True)  # fixtures of that test may still use it
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stops them in a worker behind the last test that may use one: it gets all of these in one go, and in order."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    for name, files in SHARED.items():
        if name in _RUNNING and not (nextitem and str(nextitem.path).endswith(files)):
            _RUNNING.pop(name).run("down")


@pytest.fixture(scope="session")
def local_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Instance"]:
    """A running instance whose Kafka asks for a password and whose desk soon forgets what was decided.

    Tests use domains and ids of their own.
    """
    from bench.proofs.employment import audit_key
    from bench.proofs.platform import describe
    from bench.proofs.running import SETTINGS
    from tests.running_instance import Instance

    running = Instance(tmp_path_factory.mktemp("platform") / "instance", SETTINGS | _FORGETFUL)
    # With another key each time, too few of some decisions would be audited now and then for what the tests expect.
    describe(running.directory, audit_key(1))
    running.run("up", "--detach", "--secure")
    _RUNNING["local_instance"] = running
    yield running
    if _RUNNING.pop("local_instance", None):
        running.run("down")


@pytest.fixture(scope="session")
def console_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Instance"]:
    """A running instance with console and HTTP API; tests use domains, people and ids of their own.

    Whoever kills one of its processes waits until it serves again.
    """
    from tests.running_instance import Instance

    running = Instance(tmp_path_factory.mktemp("console") / "instance", _IN_A_HURRY)
    running.run("up", "--detach")
    _RUNNING["console_instance"] = running
    yield running
    if _RUNNING.pop("console_instance", None):
        running.run("down")
