"""Packages, layers and imports are counted from files alone, whatever version of the tree they are of."""

import json
from pathlib import Path

import pytest

from bench import structure


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(source)
    return root


def test_rooms_stand_on_floors_by_what_they_import_under_either_import_name(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "schemas/wire.py": "import json\n",
            "streams/runner.py": "def run():\n    from interlock.schemas import wire\n",
            "sinks/writer.py": "from streams.runner import run\n",
            "interlock/errors.py": "",
        },
    )
    (root / "interlock" / "schemas").symlink_to("../schemas")
    (project, *_) = structure.structure(root).containers
    assert {package.name: (package.layer, package.imports) for package in project.packages if package.files > 1} == {
        "schemas": (1, ()),
        "streams": (2, ("schemas",)),
        "sinks": (3, ("streams",)),
    }
    assert (project.layers, project.edges, project.upward) == (3, 2, ())


def test_of_rooms_in_a_cycle_the_import_with_the_fewest_files_is_the_upward_one(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "interlock/cli/a.py": "from interlock.platform.c import c\n",
            "interlock/cli/b.py": "import interlock.platform.c\n",
            "interlock/platform/c.py": "from interlock.cli import a\n",
        },
    )
    measured = structure.structure(root)
    (container,) = [container for container in measured.containers if container.name == "interlock"]
    assert container.upward == ("platform -> cli",)
    assert measured.cycles == (("interlock.cli.a", "interlock.platform.c"),)


def test_the_report_and_the_json_show_the_same_rooms(capsys: pytest.CaptureFixture[str]) -> None:
    structure.main([])
    text = capsys.readouterr().out
    structure.main(["--json"])
    measured = json.loads(capsys.readouterr().out)
    for container in measured["containers"]:
        for package in container["packages"]:
            assert f"{package['name']} " in text
