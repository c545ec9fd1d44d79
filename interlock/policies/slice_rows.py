"""The slices of a retraining proposal as rows of a table, as commands and pages show them."""

from collections.abc import Mapping
from typing import Any

COLUMNS = ("where", "of decisions", "reviewed", "overridden", "rate", "times the rate of all", "by chance")

# Evidence by name, and of which decisions it speaks.
SPANS = {"slices_since_change": "since the change", "slices": "since the start"}


def slice_rows(evidence: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """One row for each slice in the evidence of a proposal, by COLUMNS; those since the change come first."""
    return [
        (
            one["pattern"],
            span,
            one["support"],
            one["overrides"],
            f"{one['rate']:.1%}",
            f"{one['lift']:.1f}",
            f"{one['q_value']:.1g}",
        )
        for name, span in SPANS.items()
        for one in evidence.get(name) or ()
    ]
