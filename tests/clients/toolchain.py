"""Programs in other languages, built and run with the toolchains of this machine."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

# The first build downloads and compiles what a program depends on.
BUILD_SECONDS = 600.0


def need(*commands: str) -> None:
    """Skip the test, and say why, where one of these commands is not installed."""
    missing = [command for command in commands if not shutil.which(command)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def cache() -> Path:
    """Where builds and downloads are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interlock-tests"


def copied(source: Path) -> Path:
    """A copy of a program where it may be built: outside of the repository, and kept, so that a later run compiles
    nothing again. Every state of the program has its own."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    state = hashlib.sha256()
    for path in files:
        state.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes() + b"\0")
    directory = cache() / f"{source.parent.name}-{source.name}-{state.hexdigest()[:16]}"
    shutil.copytree(source, directory, dirs_exist_ok=True)
    return directory


def run(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float = BUILD_SECONDS,
) -> str:
    """What the command prints to its standard output; fails the test with all it said if it does not end well."""
    done = subprocess.run(
        command,
        check=False,
        cwd=directory,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout
