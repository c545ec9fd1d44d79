"""One family of errors: drawn in the documentation, mapped to exit codes by the command line alone."""

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest
import typer

from interlock.cli.app import run
from interlock.errors import InterlockError, OperatorRequiredError, UnavailableError, UsageError
from interlock.platform.exit_codes import ExitCode, exit_code
from interlock.review.desk_connection import DeskUnavailableError

ROOT = Path(__file__).parents[3]

# No errors of the product: faults that tests order from the broker in memory.
ORDERED_FAULTS = {"Crash", "Late"}


@cache
def _sources() -> list[tuple[str, ast.Module]]:
    """Path in the package, and syntax tree, of every module."""
    folders = os.walk(ROOT / "interlock", followlinks=True)
    paths = [Path(folder, file) for folder, _, files in folders for file in files if file.endswith(".py")]
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())) for path in paths]


def _exceptions() -> dict[str, list[str]]:
    """The names of the bases of every exception class."""
    return {
        node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
        for _, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def _family(classes: dict[str, list[str]], root: str) -> set[tuple[str, str]]:
    """Parent and child of all pairs below `root`."""
    children = {name for name, bases in classes.items() if root in bases}
    return {(root, child) for child in children}.union(*(_family(classes, child) for child in children))


def _drawn() -> set[tuple[str, str]]:
    """The same pairs in the tree of the documentation."""
    (tree,) = re.findall(
        r"^```\n(InterlockError\n.*?)^```$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE | re.DOTALL
    )
    path: list[str] = []
    pairs = set()
    for line in tree.splitlines():
        indent, name = re.match(r"([│├└─ ]*)(\w+)", line).groups()  # type: ignore[union-attr]
        path = [*path[: len(indent) // 4], name]
        if len(path) > 1:
            pairs.add((path[-2], path[-1]))
    return pairs


def test_the_tree_in_the_documentation_is_that_of_the_classes() -> None:
    assert sorted(_drawn()) == sorted(_family(_exceptions(), "InterlockError"))


def test_every_exception_belongs_to_the_family() -> None:
    classes = _exceptions()
    family = {child for _, child in _family(classes, "InterlockError")} | {"InterlockError"}
    builtin = {"Exception", "BaseException", "ValueError", "RuntimeError", "OSError", "LookupError", "KeyError"}
    others = {name for name, bases in classes.items() if builtin & set(bases) and not name.startswith("_")} - family
    assert others == ORDERED_FAULTS


def test_libraries_know_neither_the_command_line_nor_exit_codes() -> None:
    may = ("interlock/cli/", "interlock/services/", "interlock/local/", "interlock/__main__.py")
    for path, tree in _sources():
        if not path.startswith(may):
            modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            forbidden = ("typer", "interlock.cli.", "interlock.platform.exit_codes")
            assert not [name for name in modules if f"{name}.".startswith(forbidden)], path


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InterlockError("x"), 1),
        (UsageError("x"), 2),
        (OperatorRequiredError("x"), 3),
        (UnavailableError("x"), 4),
        (DeskUnavailableError({"kind": "approve", "command_id": "c"}, 5, ""), 4),
        (ValueError("x"), 1),
    ],
)
def test_each_error_ends_with_its_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code
    assert isinstance(exit_code(error), ExitCode)


def _ends_with(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[object, str]:
    failing = typer.Typer()

    @failing.command()
    def fail() -> None:
        raise error

    failing.pretty_exceptions_enable = False
    monkeypatch.setattr("sys.argv", ["interlock"])
    with pytest.raises(SystemExit) as ended:
        run(failing)
    return ended.value.code, capsys.readouterr().err


def test_the_command_line_prints_one_message_and_ends_with_the_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _ends_with(UnavailableError("no desk"), capsys, monkeypatch) == (4, "interlock: no desk\n")


def test_what_kafkas_client_raises_counts_as_unavailable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from confluent_kafka import KafkaError, KafkaException

    error = KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all brokers are down"))
    assert _ends_with(error, capsys, monkeypatch) == (4, "interlock: Kafka: all brokers are down\n")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = typer.Typer(pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sys.argv", ["interlock"])
    with pytest.raises(ZeroDivisionError):
        run(failing)
