"""What outcomes say about a model, read in one place: which of them are a sample of its decisions, and of which kind.

A `TrainingExample` is made of one outcome and carries what the definitions here read, so they take either record.
"""

from collections.abc import Mapping
from typing import Any

AUDIT = "audit"

# No task has a billion verdicts; Python refuses to read numbers of thousands of digits.
_MAX_DIGITS = 9


def verdict_number(outcome: Mapping[str, Any]) -> int:
    """Which verdict on its task an `Outcome` record is, from 1; 0 if its id does not say."""
    number = outcome["outcome_id"].rpartition("#")[2]
    return int(number) if number.isdecimal() and len(number) <= _MAX_DIGITS else 0


def is_conclusive(outcome: Mapping[str, Any]) -> bool:
    """Whether the outcome says what people finally decided on a case.

    The first of two verdicts does not, and a gold item is no case. An audit does even where it changes nothing.
    """
    return outcome["kind"] == AUDIT or bool(outcome["resolves"] and outcome["kind"] != "gold")


def is_sample(record: Mapping[str, Any]) -> bool:
    """Whether an `Outcome`, or the `TrainingExample` made of one, stands for 1/π decisions: the first word of a person
    on a decision that routing or chance had chosen for review.

    * Under four eyes it is the verdict that resolves, an audit's even where it resolves nothing.
    * An override that comes before the audit of a chosen decision takes its place, and is its label.
    * Who looks at a post_approval decision that chance had not chosen, or objects to one that took effect unseen, was
      chosen by nobody; gold items are planted; appeals come from people who disagree.
    * Where nobody said anything, or the policy answered for people, nothing is concluded.
    """
    if "example_id" in record and record["round"] is None:
        # Written before examples told; what was overridden before its audit was no sample then.
        return record["kind"] in ("review", AUDIT)
    if record["round"] != 0 or not record["reviewer"]:
        return False
    match record["kind"]:
        case "review":
            return bool(record.get("resolves", True))  # examples are made of what is conclusive
        case "audit":
            return True
        case "override":
            outcome_id: str = record["outcome_id"] if "outcome_id" in record else record["example_id"]
            return bool(record["audit"]) and outcome_id.endswith("#1")
    return False


def way(outcome: Mapping[str, Any]) -> str:
    """How the decision of an `Outcome` record came to a person: "audit" where it took effect and chance chose it, else
    its route. The strata of estimates are ways."""
    return AUDIT if outcome["audit"] else str(outcome["route"])
