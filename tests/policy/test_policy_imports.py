"""The policy language is a library of its own."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]

ALLOWED = ("interlock.policy", "interlock.errors", "interlock.schemas.reasons", "interlock.schemas.sealed_text")


def _imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, by full name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "interlock"}


def test_policies_know_nothing_of_ours_but_errors_the_names_of_reasons_and_the_form_of_encrypted_texts() -> None:
    files = sorted((ROOT / "policy").rglob("*.py"))
    assert files
    for path in files:
        foreign = {name for name in _imports(path) if not f"{name}.".startswith(tuple(f"{room}." for room in ALLOWED))}
        assert foreign == set(), path


def test_the_table_of_reasons_imports_nothing_of_ours() -> None:
    assert _imports(ROOT / "schemas" / "reasons.py") == set()
