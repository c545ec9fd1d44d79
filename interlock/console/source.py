"""Differences between two texts, line by line."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

# Lines around a difference that say where it is.
_CONTEXT = 3


@dataclass(frozen=True)
class Line:
    """`kind`: gap where equal lines are left out. Numbers count from 1, None on the side that lacks the line."""

    kind: Literal["same", "added", "removed", "gap"]
    before: int | None
    after: int | None
    text: str


def compared(before: str, after: str) -> list[Line]:
    """Only what differs, with some lines around it; empty for equal texts."""
    return list(_compared(before.splitlines(), after.splitlines()))


def _compared(before: list[str], after: list[str]) -> Iterator[Line]:
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(_CONTEXT)):
        if number:
            yield Line("gap", None, None, "")
        for kind, start, end, new_start, new_end in group:
            if kind == "equal":
                for offset, text in enumerate(before[start:end]):
                    yield Line("same", start + offset + 1, new_start + offset + 1, text)
                continue
            for offset, text in enumerate(before[start:end]):
                yield Line("removed", start + offset + 1, None, text)
            for offset, text in enumerate(after[new_start:new_end]):
                yield Line("added", None, new_start + offset + 1, text)
