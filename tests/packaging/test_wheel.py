"""A wheel holds one package, whole and typed; the packages at the top are reached by one name alone."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import PACKAGES, ROOT, clean_environment

DATA = (".avsc", ".json", ".sql", ".yaml", ".toml", ".properties", ".txt", ".parquet", ".html", ".css", ".js", ".svg")


def _files_of_the_package() -> set[str]:
    """What the wheel must hold, as paths in it."""
    folders = [(ROOT / "interlock", "interlock"), *((ROOT / package, f"interlock/{package}") for package in PACKAGES)]
    return {
        f"{prefix}/{path.relative_to(folder).as_posix()}"
        for folder, prefix in folders
        for path in folder.rglob("*")
        if path.suffix in (".py", *DATA) or path.name == "py.typed" or path.parent.name == "vendor"
    }


def test_every_room_at_the_top_is_linked_under_its_import_name() -> None:
    links = {path.name: path.readlink().as_posix() for path in (ROOT / "interlock").iterdir() if path.is_symlink()}
    assert links == {package: f"../{package}" for package in PACKAGES}


def test_every_short_name_is_banned_by_lint() -> None:
    rule = re.findall(
        r'^"(\w+)"\.msg = "import (interlock\.\w+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert dict(rule) == {package: f"interlock.{package}" for package in PACKAGES}


@pytest.mark.parametrize("statement", ["from schemas import wire", "import sinks.writer"])
def test_lint_refuses_a_short_name(statement: str) -> None:
    options = ["--no-cache", "--select", "TID", "--stdin-filename", "x.py", "-"]
    command = [str(Path(sys.executable).with_name("ruff")), "check", *options]
    done = subprocess.run(command, input=statement, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "TID251" in done.stdout
    assert "import interlock." in done.stdout


def test_no_program_in_a_string_or_a_document_imports_a_short_name() -> None:
    names = "|".join(PACKAGES)
    statement = re.compile(rf"^(?:from (?:{names})\b\S* import|import (?:{names})\b).*", re.MULTILINE)
    files = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for folder in ("interlock", *PACKAGES, "bench", "examples", "tests"):
        files += (ROOT / folder).rglob("*.py")
    found = {str(file.relative_to(ROOT)): statement.findall(file.read_text()) for file in files}
    assert {file: lines for file, lines in found.items() if lines} == {}
    assert len(found) > 500


def test_no_module_is_loaded_under_two_names() -> None:
    script = """
import importlib, os, pkgutil, sys
import interlock
for module in pkgutil.walk_packages(interlock.__path__, "interlock."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
files = {}
for name, module in list(sys.modules.items()):
    if getattr(module, "__file__", None):
        files.setdefault(os.path.realpath(module.__file__), []).append(name)
root = os.path.realpath(sys.argv[1])
ours = {file: names for file, names in files.items() if file.startswith(root + os.sep) and ".venv" not in file}
print(len(ours))
print({file: names for file, names in ours.items() if len(names) > 1})
print(sorted(name for names in ours.values() for name in names if name.partition(".")[0] != "interlock"))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    count, twice, foreign = done.stdout.splitlines()
    assert int(count) > 300
    assert (twice, foreign) == ("{}", "[]")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {re.sub(r"-.*(\.dist-info)", r"-*\1", top) for top in tops} == {"interlock", "interlock-*.dist-info"}
    assert {name for name in names if name.startswith("interlock/")} == _files_of_the_package()


def test_the_source_archive_holds_the_rooms_as_folders(archives: Path) -> None:
    (path,) = archives.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
    assert not [name for name, member in members.items() if member.issym()]
    assert _files_of_the_package() <= members.keys()


def test_in_a_project_with_packages_of_our_rooms_names_the_client_is_imported(project: Path, installed: Path) -> None:
    (project / "main.py").write_text(
        "import interlock; from interlock import Client, Decision; print(interlock.__file__)"
    )
    for command in (["main.py"], ["-m", "main"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=project,
            env=clean_environment(PYTHONPATH=str(installed)),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout.strip() == str(installed / "interlock" / "__init__.py"), done.stderr


def test_in_such_a_project_a_role_starts_and_waits_for_kafka(project: Path, installed: Path) -> None:
    settings = {
        "PYTHONPATH": str(installed),
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "INTERLOCK_ROUTER__AUDIT_KEY": "8a1c50e7d3b94f26a07e5c11d9f8b324",
        "INTERLOCK_LOG_FORMAT": "json",
    }
    command = [sys.executable, "-P", "-m", "interlock", "run", "router"]
    with subprocess.Popen(
        command, cwd=project, env=clean_environment(**settings), stderr=subprocess.PIPE, text=True
    ) as role:
        try:
            assert role.stderr is not None
            assert "Kafka at 127.0.0.1:1 does not answer" in role.stderr.readline()
            role.terminate()
            assert role.wait(timeout=60) == 0
        finally:
            role.kill()


def test_in_such_a_project_the_console_script_works(project: Path) -> None:
    script = Path(sys.executable).with_name("interlock")
    for arguments in (["--version"], ["schemas", "check"]):
        done = subprocess.run(
            [script, *arguments],
            cwd=project,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
