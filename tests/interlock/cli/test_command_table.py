"""The table of commands says what the commands say of themselves, and completion needs no more than it."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from interlock import __version__
from interlock.cli.app import COMMANDS, app, load


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_begins_as_the_help_of_the_command_does(name: str) -> None:
    start = COMMANDS[name].help.removesuffix(".")
    text = inspect.cleandoc(load(name).help).replace("\n", " ")
    assert text.startswith(start)
    assert text[len(start)] in ".,;:"


def _interlock(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("interlock")), *arguments],
        env={**os.environ, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_list_of_commands_fits_80_columns() -> None:
    lines = _interlock("--help").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert {line.split()[0] for line in lines if line.startswith("  ") and line.strip()} >= COMMANDS.keys()


def test_the_version_is_that_of_the_package() -> None:
    assert _interlock("--version").stdout == f"interlock {__version__}\n"


def test_a_mistyped_command_is_answered_with_a_similar_one() -> None:
    done = _interlock("polcy")
    assert done.returncode == 2
    assert "Did you mean 'policy'?" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("interlock pol", {"policy"}),
        ("interlock policy d", {"diff"}),
        ("interlock re", {"reconcile", "review", "resume"}),
    ],
)
def test_the_shell_completes_commands(words: str, expected: set[str]) -> None:
    done = _interlock(_INTERLOCK_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    assert expected <= set(done.stdout.split()), done.stderr


def test_completion_can_be_installed() -> None:
    options = {option for parameter in typer.main.get_command(app).params for option in parameter.opts}
    assert {"--install-completion", "--show-completion", "--version"} <= options
