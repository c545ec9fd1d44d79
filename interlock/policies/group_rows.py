"""The figures of groups as rows of a table, as commands and pages show them."""

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    "attribute",
    "group",
    "errors",
    "verdicts",
    "released",
    "released ratio",
    "favourable",
    "favourable ratio",
    "remarks",
)

_REMARKS = {
    "too-few-verdicts": "too few verdicts",
    "not-known": "attribute not known",
    "released-less": "released less than four fifths as often as the first",
    "favoured-less": "favoured less than four fifths as often as the first",
}


def group_rows(groups: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """One row for each group of the `groups` in a proposal's evidence, by COLUMNS."""
    return [
        (
            one["attribute"],
            one["group"] or "(not known)",
            _share(one, "error"),
            one["verdicts"],
            _share(one, "released"),
            _ratio(one["released_ratio"]),
            _share(one, "favourable"),
            _ratio(one["favourable_ratio"]),
            "; ".join(_REMARKS.get(remark, remark) for remark in one["remarks"]),
        )
        for one in groups
    ]


def _share(one: Mapping[str, Any], name: str) -> str | None:
    if one[name] is None:
        return None
    return f"{one[name]:.1%} ({one[f'{name}_lower']:.1%} to {one[f'{name}_upper']:.1%})"


def _ratio(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
