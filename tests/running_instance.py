"""A local instance, and the command line that talks to it as a user would."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from interlock.api.access.tokens import create_token
from interlock.cli import main
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.sinks import queries


class Instance:
    """An instance in `directory`; `settings`: environment variables of its roles."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.environment = {**_environment(directory), **(settings or {})}

    def run(self, *arguments: str, code: int | None = 0, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command; its exit code must be `code`. None: any.

        In this process, because importing the command line takes longer than most commands do. What starts or stops an
        instance runs as a user's command does.
        """
        run = _in_a_process if arguments[0] in ("up", "down") else _in_this_process
        done = run(arguments, self.environment, stdin)
        assert code in (done.returncode, None), f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout.splitlines()[-1])

    @property
    def platform(self) -> Platform:
        """Kafka and ClickHouse of the instance."""
        return Platform(Settings(data_dir=self.directory))

    @property
    def url(self) -> str:
        """Of the console and the HTTP API, without a slash at the end."""
        instance = self.platform.instance
        assert instance is not None
        return instance.console_url

    def token(self, person: str, *rights: str) -> str:
        """A token with which `person` asks the HTTP API. `rights`: roles, and scopes (`tasks:read`)."""
        scopes = [right for right in rights if ":" in right]
        made = create_token(
            self.platform.serving_kafka(),
            name=f"{person} in a test",
            person=person,
            roles=set(rights).difference(scopes),
            scopes=scopes,
            created_by="test",
            now=time.time(),
        )
        return made.text

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What ClickHouse answers. For waiting: a command takes a second of processor time each time it is asked."""
        with closing(self.platform.clickhouse(analyst=True)) as client:
            columns, rows = queries.select(client, query)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def events(self, decision_id: str) -> list[str]:
        """What `interlock timeline` would name so far."""
        with closing(self.platform.clickhouse(analyst=True)) as client:
            return [event["event"] for event in queries.decision_timeline(client, decision_id)]


def _in_a_process(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str | None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interlock", *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        timeout=600,
        check=False,
        env=environment,
    )


def _in_this_process(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str | None
) -> subprocess.CompletedProcess[str]:
    output, errors = StringIO(), StringIO()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["interlock", *arguments]),
        mock.patch.object(sys, "stdin", StringIO(stdin or "")),
        redirect_stdout(output),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as end,
    ):
        main()
    code = end.value.code if isinstance(end.value.code, int) else 0
    return subprocess.CompletedProcess(list(arguments), code, output.getvalue(), errors.getvalue())


def _environment(directory: Path) -> dict[str, str]:
    """An environment without settings of the machine's user; instances take free ports."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    return {**kept, "INTERLOCK_DATA_DIR": str(directory), "INTERLOCK_ANY_PORT": "1"}
