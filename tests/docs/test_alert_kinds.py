"""The table of alerts has every kind that the desk writes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.commands import ROOT

# Where the functions that make an alert take its kind.
KIND = {"alert": 0, "_alert": 0, "task_alert": 1, "to_leads": 4}

# Kinds that a function chooses, or has unless it is told another.
CHOSEN = {"assigned", "assigned_sync", "escalated"}


def written(file: Path) -> Iterator[str]:
    """The kinds that the calls in a file of the desk name."""
    tree = ast.parse(file.read_text())
    constants = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        argument = node.args[KIND[name]] if name in KIND and len(node.args) > KIND[name] else None
        if isinstance(argument, ast.Constant):
            yield str(argument.value)
        elif isinstance(argument, ast.Name) and argument.id in constants:
            yield constants[argument.id]


def test_the_table_of_alerts_has_exactly_the_kinds_that_the_desk_writes() -> None:
    desk = ROOT / "processors" / "desk"
    told = {kind for file in desk.glob("*.py") for kind in written(file)} | CHOSEN
    table = (ROOT / "docs" / "tasks.md").read_text().split("| kind | told to | when |")[1].split("\n\n")[0]
    listed = {kind for row in table.splitlines()[2:] for kind in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert listed == told
