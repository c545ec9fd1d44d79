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
    assert "docs/images/console-case.png" in first_screen


# What a snippet of the documents takes for granted.
_PREAMBLE = """
from datetime import UTC, datetime
from interlock import Decision
decision = Decision(
    decision_id="{id}", domain="loan_approval", model_id="german-credit", model_version="1", prediction="approve",
    confidence=0.95, created_at=datetime.now(UTC), amount=100, jurisdiction="DE",
)
def carry_out(outcome):
    print("carried out", outcome)
"""


def readme_steps() -> list[tuple[str, str]]:
    """What "Going on" shows, in its order: command lines and Python blocks."""
    (section,) = re.findall(r"^## Going on\n(.*?)^\| read", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    steps = re.finditer(r"^```python\n(?P<python>.*?)^```$|^    (?P<shell>[^\n]+)$", section, re.MULTILINE | re.DOTALL)
    return [(step.lastgroup or "", (step["python"] or step["shell"]).strip()) for step in steps]


def test_the_readme_ends_as_it_began_with_nothing_halted_and_nothing_running() -> None:
    lines = [text for kind, text in readme_steps() if kind == "shell"]
    halts = [line for line in lines if line.startswith("interlock halt ")]
    resumes = [line for line in lines if line.startswith("interlock resume ")]
    assert len(halts) == len(resumes)
    assert lines[-1] == "interlock down"


@pytest.mark.kafka
@pytest.mark.warehouse
@pytest.mark.timeout(1200)  # a dozen commands, each of them slow on a busy machine
def test_what_the_readme_shows_next_works_as_it_stands(tmp_path: Path) -> None:
    steps = readme_steps()
    assert [text.split()[0] for _, text in steps[:2]] == ["make", "."]
    assert sum(kind == "python" for kind, _ in steps) == 1
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    # A fresh instance has no row yet when the next line asks: a person types more slowly than a test.
    wait = 'for i in $(seq 100); do interlock sql "SELECT throwIf(count() < 400) FROM routed_decisions" && break; done'
    # Beside other tests a group may stand still for longer than it should, which the doctor then says.
    settle = "for i in $(seq 10); do interlock doctor && break; done"
    script = ["set -e"]
    for kind, text in steps[2:]:
        if text.startswith("interlock sql"):
            script.append(f"({wait}) >/dev/null 2>&1")
        if text == "interlock doctor":
            script.append(f"({settle}) >/dev/null 2>&1")
        if text == "interlock down":
            script += [
                _python(_PREAMBLE.format(id=f"snippet-{number}") + snippet)
                for number, snippet in enumerate(client_snippets())
            ]
        script.append(_python(text) if kind == "python" else text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    try:
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=tmp_path,
            env={
                **kept,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "INTERLOCK_ANY_PORT": "1",
            },
            capture_output=True,
            text=True,
            timeout=1000,
            check=False,
        )
    finally:
        subprocess.run([sys.executable, "-m", "interlock", "down"], cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == 0, (done.stderr + done.stdout)[-4000:]
    assert "routed" in done.stdout
    assert "Nothing in it takes effect by itself" in done.stdout
    assert "carried out approve" in done.stdout
    assert "approve auto" in done.stdout


def client_snippets() -> list[str]:
    """The blocks of other documents that talk to an instance with a Client."""
    documents = [ROOT / "docs" / name for name in ("executors.md", "workflows.md")]
    snippets = [block for path in documents for block in blocks(path.read_text(), "python") if "Client(" in block]
    assert len(snippets) == 2
    return snippets


def _python(code: str) -> str:
    return f"python - <<'END_OF_PYTHON'\n{code}\nEND_OF_PYTHON"
