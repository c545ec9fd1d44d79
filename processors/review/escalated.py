"""Who may decide what was escalated, in words."""


def escalated_to(escalation: int, with_team: bool) -> str:
    """`escalation`, `with_team`: as in the record of the task; empty for a task that its team alone has."""
    if not escalation:
        return ""
    return "team and leads" if with_team else "leads only"
