"""What contributors are told: the files exist, and CI, hooks and README run the same checks."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.commands import ROOT, shown_commands

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]


def recipes() -> dict[str, str]:
    part = CONTRIBUTING.partition("## Recipes")[2].partition("\n## ")[0]
    return dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^### |\Z)", part, re.MULTILINE | re.DOTALL))


def test_the_workflow_runs_exactly_the_test_command_of_the_readme_on_the_oldest_python() -> None:
    demo, test, *_ = shown_commands((ROOT / "README.md").read_text())
    assert (demo, test) == (["make", "demo"], ["make", "test"])
    steps = WORKFLOW["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [" ".join(test)]
    (version,) = [step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")]
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert required == f">={version}"


def test_hooks_are_local_and_run_what_the_test_command_runs() -> None:
    assert [repository["repo"] for repository in HOOKS] == ["local"]
    tools = {hook["entry"].split()[0] for repository in HOOKS for hook in repository["hooks"]}
    test = (ROOT / "Makefile").read_text().partition("\ntest: setup\n")[2].partition("\n\n")[0]
    assert {tool.replace(".venv/bin", "$(BIN)") for tool in tools} <= set(test.split())


@pytest.mark.parametrize("name", recipes())
def test_the_files_of_every_recipe_exist(name: str) -> None:
    paths = re.findall(r"`([\w.-]+/[\w./-]+)`", recipes()[name])
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_there_is_a_recipe_for_each_thing_that_grows() -> None:
    assert len(recipes()) == 9


def test_the_folders_of_the_tests_exist() -> None:
    for folder in re.findall(r"`(tests/[\w/]+)`", CONTRIBUTING):
        assert (ROOT / folder).is_dir(), folder


def test_the_changelog_speaks_of_the_version_that_is_built() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    first = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert version in first


def test_every_name_in_a_recipe_is_one() -> None:
    for path, name in (
        ("processors/desk/desk.py", "HANDLERS"),
        ("interlock/local/stages.py", "ROLES"),
        ("interlock/cli/roles.py", "Role"),
        ("schemas/catalogue.py", "TOPICS"),
        ("policy/conditions/ast.py", "FunctionName"),
    ):
        assert f"`{name}`" in CONTRIBUTING
        assert re.search(rf"^(class |def )?{name}\b", Path(ROOT / path).read_text(), re.MULTILINE), (path, name)
