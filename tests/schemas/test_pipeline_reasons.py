"""The table of the reasons that the pipeline gives is their only home."""

import ast
import re
from importlib.resources import files
from pathlib import Path

import pytest

from interlock.schemas import reasons
from interlock.schemas.reasons import PIPELINE_REASONS, PipelineReason

ROOT = Path(__file__).parents[2]

# The code that gives, reads or explains reasons of a route.
USERS = [
    "policy/routing.py",
    "policy/compiled.py",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "processors/router").glob("*.py")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "processors/sampling").glob("*.py")),
    "processors/review/reasons.py",
    "sinks/route_check.py",
]


def _constants() -> set[str]:
    return {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}


def test_every_constant_has_exactly_one_entry() -> None:
    codes = [entry.code for entry in PIPELINE_REASONS]
    assert sorted(codes) == sorted(_constants())
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("entry", PIPELINE_REASONS, ids=lambda entry: str(entry.code))
def test_every_reason_is_found_by_its_code_and_its_sentence_can_be_written(entry: PipelineReason) -> None:
    reason = f"{entry.code}x" if entry.is_prefix else entry.code
    assert reasons.find(reason) is entry
    assert entry.sentence.format(detail="x", prediction="approve", confidence=0.5)


@pytest.mark.parametrize("reason", ["", "large", "shadowed", "unknown-domains", "lane", "picked", "my-lane:x"])
def test_what_only_resembles_a_reason_of_the_pipeline_is_none(reason: str) -> None:
    assert reasons.find(reason) is None


@pytest.mark.parametrize("path", USERS)
def test_no_other_code_spells_a_reason_itself(path: str) -> None:
    literals = [
        node.value
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
    ]
    assert [text for text in literals if reasons.find(text) is not None] == []


def test_views_of_the_warehouse_ask_only_for_reasons_that_exist() -> None:
    sql = "".join(path.read_text() for path in files("interlock.sinks").joinpath("migrations").iterdir())
    asked = re.findall(r"has\(reasons, '([^']+)'\)", sql)
    assert asked
    assert all(reasons.find(reason) is not None for reason in asked)
