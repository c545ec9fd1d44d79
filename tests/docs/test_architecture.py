"""The page on architecture shows the project as import-linter holds it."""

import re
import tomllib

import pytest

from bench import structure
from interlock.schemas import catalogue
from tests.docs.commands import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


def rooms_shown(table: int) -> set[tuple[int, str]]:
    """Layer and name of every package in one of the tables of the page."""
    tables = PAGE.split("| layer | package |")[1:]
    return {
        (int(layer), package) for layer, package in re.findall(r"^\| (\d+) \| `(\w+)` \|", tables[table], re.MULTILINE)
    }


def rooms_of(contract: str) -> set[tuple[int, str]]:
    """Layer and name of every package that a contract demands; those in brackets may be missing."""
    layers = [[name.strip() for name in layer.split("|")] for layer in reversed(CONTRACTS[contract]["layers"])]
    present = [layer for layer in layers if not all(name.startswith("(") for name in layer)]
    return {(layer, name) for layer, names in enumerate(present, 1) for name in names if not name.startswith("(")}


@pytest.mark.parametrize(("table", "contract"), [(0, "project"), (1, "processors")])
def test_the_tables_of_rooms_are_those_of_the_contracts(table: int, contract: str) -> None:
    assert rooms_shown(table) == rooms_of(contract)


def test_every_new_room_must_be_given_a_floor() -> None:
    assert CONTRACTS["project"]["exhaustive"]
    assert CONTRACTS["processors"]["exhaustive"]


def test_no_room_imports_upward_and_no_files_import_each_other() -> None:
    project = structure.structure(ROOT)
    assert {container.name: container.upward for container in project.containers} == {
        "the project": (),
        "interlock": (),
        "processors": (),
    }
    assert project.cycles == ()


def test_the_picture_and_the_tables_name_only_topics_that_exist() -> None:
    topics = set(re.findall(r"(?:decisions|reviews|calibration|training|retraining)\.[a-z-]+\b", PAGE))
    assert topics <= catalogue.BY_NAME.keys()
