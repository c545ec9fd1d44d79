"""One local instance for all tests of the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.sinks import queries


class Instance:
    """An instance and the command line that talks to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, *arguments: str, code: int = 0, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command; its exit code must be `code`."""
        done = subprocess.run(
            [sys.executable, "-m", "interlock", *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=600,
            check=False,
            env=environment(self.directory),
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout.splitlines()[-1])

    @property
    def platform(self) -> Platform:
        """Kafka and ClickHouse of the instance."""
        return Platform(Settings(data_dir=self.directory))

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What ClickHouse answers. For waiting: a command takes a second of processor time each time it is asked."""
        with closing(self.platform.clickhouse(analyst=True)) as client:
            columns, rows = queries.select(client, query)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def events(self, decision_id: str) -> list[str]:
        """What `interlock timeline` would name so far."""
        with closing(self.platform.clickhouse(analyst=True)) as client:
            return [event["event"] for event in queries.decision_timeline(client, decision_id)]


def environment(directory: Path) -> dict[str, str]:
    """An environment without settings of the machine's user; instances take free ports."""
    import os

    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    return {**kept, "INTERLOCK_DATA_DIR": str(directory), "INTERLOCK_ANY_PORT": "1"}


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A running instance; tests use domains and ids of their own."""
    running = Instance(tmp_path_factory.mktemp("platform") / "instance")
    running.run("up", "--detach")
    yield running
    running.run("down")
