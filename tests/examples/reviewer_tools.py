"""The reviewer tools of the examples, as processes."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "examples" / "reviewer_tools"

# The first build downloads and compiles what the tool depends on.
BUILD_SECONDS = 240

# More than any of its commands takes, and less than a tool that hangs.
TOOL_SECONDS = 60


def tool_command(language: str, directory: Path) -> list[str]:
    """How the tool in `python` or `go` is called; builds it in `directory`. Skips the test where that cannot be had."""
    if language == "python":
        return [sys.executable, "-m", "plain_python"]
    go = shutil.which("go")
    if go is None:
        pytest.skip("not installed: go")
    downloaded = _run([go, "mod", "download"], TOOLS / "go", BUILD_SECONDS)
    if downloaded.returncode:
        pytest.skip(f"the Go modules cannot be had: {downloaded.stderr.strip()[-300:]}")
    program = directory / "reviewer"
    built = _run([go, "build", "-o", str(program), "."], TOOLS / "go", BUILD_SECONDS)
    assert built.returncode == 0, built.stderr
    return [str(program)]


def run_tool(command: Sequence[str], typed: str = "") -> "subprocess.CompletedProcess[str]":
    """How it ended. `typed`: what a person types."""
    return _run(command, TOOLS, TOOL_SECONDS, typed)


def _run(
    command: Sequence[str], directory: Path, seconds: float, typed: str = ""
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, check=False, cwd=directory, input=typed, capture_output=True, text=True, timeout=seconds
    )
