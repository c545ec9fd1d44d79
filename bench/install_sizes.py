"""What each extra installs: distributions and megabytes, as they are in this environment."""

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def run() -> list[dict[str, Any]]:
    """One row for the base dependencies and for each extra with them."""
    extras = tomllib.loads(_PROJECT.read_text())["project"]["optional-dependencies"]
    return [_row("interlock", frozenset()), *(_row(f"interlock[{extra}]", frozenset({extra})) for extra in extras)]


def _row(name: str, extras: frozenset[str]) -> dict[str, Any]:
    names: dict[str, set[str]] = {}
    _add(names, "interlock", extras)
    del names["interlock"]
    return {"install": name, "distributions": len(names), "megabytes": round(sum(map(_bytes, names)) / 1e6)}


def _add(names: dict[str, set[str]], name: str, extras: frozenset[str]) -> None:
    """The distribution with what it needs, in `names`, with the extras seen so far."""
    seen = names.get(name)
    if seen is not None and extras <= seen:
        return
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:  # not for this system or this Python
        return
    names.setdefault(name, set()).update(extras)
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            _add(names, canonicalize_name(requirement.name), frozenset(requirement.extras))


def _bytes(name: str) -> int:
    """What the installer wrote, without compiled files."""
    files = distribution(name).files or []
    return sum(file.size or 0 for file in files)
