"""What was right for the decisions of the examples: known to simulated reviewers, never sent."""

from collections.abc import Mapping
from typing import Any


def example_truth(decision: Mapping[str, Any]) -> str | None:
    """The true outcome of a `Decision` record of an example that has labels; None of any other decision."""
    from examples import employment, loan_approval

    return employment.truth_of(decision) or loan_approval.truth_of(decision)
