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

FAIRNESS_COLUMNS = (
    "model",
    "attribute",
    "group",
    "decisions",
    "automated",
    "ratio",
    "wrong among automated",
    "in truth",
    "verdicts",
    "people override",
    "favourable",
    "favourable ratio",
    "remarks",
)

_REMARKS = {
    "automated-less": "automated less than four fifths as often as the first",
    "too-few-answered": "less than half of the audits are answered",
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


def fairness_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """One row for each row of `interlock.policies.replay.fairness.fairness`, by FAIRNESS_COLUMNS."""
    return [
        (
            one["model"],
            one["attribute"] or "everybody",
            one["group"] or ("(not known)" if one["attribute"] else ""),
            one["decisions"],
            _per_cent(one["automated"]),
            _ratio(one["automated_ratio"]),
            _share(one, "automated_error"),
            _share(one, "automated_error_in_truth") or _supposed(one["automated_error_if_a_fifth_is_missed"]),
            one["automated_error_verdicts"],
            _share(one, "override_rate"),
            _per_cent(one["favourable"]),
            _ratio(one["favourable_ratio"]),
            "; ".join(_REMARKS.get(remark, remark) for remark in one["remarks"]),
        )
        for one in rows
    ]


def _per_cent(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def _supposed(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%} if a fifth is missed"


def _share(one: Mapping[str, Any], name: str) -> str | None:
    if one[name] is None:
        return None
    if one[f"{name}_lower"] is None:
        return f"{one[name]:.1%}"
    return f"{one[name]:.1%} ({one[f'{name}_lower']:.1%} to {one[f'{name}_upper']:.1%})"


def _ratio(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
