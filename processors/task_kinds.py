"""What people take a task for."""

# Arms of the reliance experiment: the AI's answer is shown at once, or after a first opinion.
AI_FIRST, DECIDE_FIRST = "ai-first", "decide-first"


def apparent_kind(kind: str, appeals: int) -> str:
    """The kind that people see: a gold item on which an appeal was filed is an appeal like any other to them."""
    return "appeal" if kind == "gold" and appeals else kind
