"""Documentation is true: links lead somewhere, commands exist, snippets work."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from interlock.policy.compiled import compile_policy
from interlock.policy.load import parse
from tests.docs.commands import DOCUMENTS, ROOT, accept, blocks, every_command, shown_commands

document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@document
def test_links_and_pictures_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), target


@document
def test_commands_are_accepted_by_the_command_line_and_the_makefile(path: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in shown_commands(path.read_text()):
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, words
        else:
            accept(words)


@document
def test_python_snippets_compile_and_their_imports_resolve(path: Path) -> None:
    for snippet in blocks(path.read_text(), "python"):
        imports: list[ast.stmt] = [
            node for node in ast.parse(snippet).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        exec(compile(ast.Module(imports, []), str(path), "exec"), {})


@document
def test_policies_shown_whole_are_valid(path: Path) -> None:
    for snippet in blocks(path.read_text(), "yaml"):
        content = yaml.safe_load(snippet)
        if isinstance(content, dict) and {"name", "domains"} <= set(content):
            compile_policy(parse(snippet, str(path)))


@pytest.mark.parametrize("name", [name for name, _ in every_command()])
def test_every_command_explains_itself_with_an_example_that_it_accepts(name: str) -> None:
    examples = dict(every_command())[name].help.partition("Examples:")[2]
    shown = list(shown_commands(examples))
    assert shown
    for words in shown:
        accept(words)


def test_every_test_with_a_long_form_is_listed_with_what_it_proves() -> None:
    listed = (ROOT / "docs/testing.md").read_text()
    for path in (ROOT / "tests").rglob("test_*.py"):
        if re.search(r"\b(campaign|crash_kills): (bool|int)[,)]", path.read_text()):
            assert f"`{path.relative_to(ROOT)}`" in listed, path


def test_the_readme_shows_the_two_commands_first_and_a_picture() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:20])
    assert [" ".join(words) for words in shown_commands(first_screen)][:2] == ["make demo", "make test"]
    assert "docs/demo.svg" in first_screen


@pytest.mark.kafka
@pytest.mark.warehouse
def test_what_the_readme_shows_next_works_as_it_stands(tmp_path: Path) -> None:
    (part,) = re.findall(r"^## Going on\n\n((?:    .*\n)+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    lines = [line.strip() for line in part.splitlines()]
    assert [line.split()[0] for line in lines[:2]] == ["make", "."]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    # A fresh instance has no row yet when the next line asks: a person types more slowly than a test.
    wait = 'for i in $(seq 100); do interlock sql "SELECT throwIf(count() < 400) FROM routed_decisions" && break; done'
    place = next(i for i, line in enumerate(lines) if line.startswith("interlock sql"))
    script = "\n".join(["set -e", *lines[2:place], f"({wait}) >/dev/null 2>&1", *lines[place:]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    finally:
        subprocess.run([sys.executable, "-m", "interlock", "down"], cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "routed" in done.stdout
