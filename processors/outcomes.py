"""What outcomes say about a model, read in one place."""

from collections.abc import Mapping
from typing import Any

# A first verdict on a decision that routing sent to a person. Gold items are planted, overrides and appeals come from
# people who disagree: none of them says how often the model is right.
SAMPLED_KINDS = frozenset({"review", "audit", "post_approval"})

# No task has a billion verdicts; Python refuses to read numbers of thousands of digits.
_MAX_DIGITS = 9


def verdict_number(outcome: Mapping[str, Any]) -> int:
    """Which verdict on its task an `Outcome` record is, from 1; 0 if its id does not say."""
    number = outcome["outcome_id"].rpartition("#")[2]
    return int(number) if number.isdecimal() and len(number) <= _MAX_DIGITS else 0
