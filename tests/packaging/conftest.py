"""The wheel and the source archive of this checkout, and environments that have the wheel installed."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("learning", "policy", "processors", "schemas", "sinks", "streams")

# The build backend overwrites sys.argv.
_BUILD = "import sys; from setuptools import build_meta as b; to = sys.argv[1]; b.build_wheel(to); b.build_sdist(to)"


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built without a network by the backend that is installed."""
    source = tmp_path_factory.mktemp("checkout") / "interlock"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("interlock", *PACKAGES):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    built = tmp_path_factory.mktemp("archives")
    subprocess.run([sys.executable, "-c", _BUILD, str(built)], cwd=source, check=True, capture_output=True, timeout=120)
    return built


@pytest.fixture(scope="session")
def wheel(archives: Path) -> Path:
    """The wheel."""
    (path,) = archives.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the content of the wheel, for PYTHONPATH: it comes before this checkout."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project whose packages have the names of our packages."""
    for name in (*PACKAGES, "tests", "bench", "examples"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise AssertionError('{name} of the project was imported')\n")
    return tmp_path


@pytest.fixture(scope="session")
def base_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the base dependencies alone, in the locked versions."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv is not installed beside this interpreter (`make setup` does it)")
    folder = tmp_path_factory.mktemp("base") / "venv"
    python = folder / "bin" / "python"
    subprocess.run([str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)], check=True, timeout=60)
    constraints = ["--constraints", str(ROOT / "requirements" / "lock.txt")]
    install = [str(uv), "pip", "install", "--quiet", "--python", str(python), *constraints, str(wheel)]
    for options in (["--offline"], []):
        done = subprocess.run([*install, *options], capture_output=True, text=True, check=False, timeout=120)
        if done.returncode == 0:
            return python
    pytest.skip(f"neither uv's cache nor the network has the base dependencies: {done.stderr.strip()[-300:]}")


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment without settings of Interlock and without a search path for modules."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERLOCK_", "PYTHONPATH"))}
    return {**kept, **settings}
