"""Whether a person may file an appeal on a case, as far as the policy says; the desk decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.policy.model import Appeals
from interlock.processors.review.times import SECOND, micros


@dataclass(frozen=True)
class AppealOffer:
    """`until`: until when, in microseconds since the epoch. `named`: whether the policy wants to know in whose name.
    `bar`: why not, in a sentence; empty if one may be filed."""

    number: int
    limit: int
    until: int
    named: bool
    bar: str


def appeal_offer(task: Mapping[str, Any], rules: Appeals, role: str, now: int) -> AppealOffer:
    """For a `Task` record of what has taken effect, at `now` (microseconds since the epoch). `role`: of the person."""
    decided = now if task["decided_at"] is None else micros(task["decided_at"])
    until = decided + rules.within * SECOND
    if not rules.limit:
        bar = "The policy lets nobody file appeals here."
    elif task["appeals"] >= rules.limit:
        bar = f"No appeal is possible any more: {task['appeals']} of {rules.limit} filed."
    elif now >= until:
        bar = "The time in which an appeal was possible is over."
    elif role not in rules.filed_by:
        bar = f"The policy has appeals here filed by: {', '.join(rules.filed_by)}."
    else:
        bar = ""
    return AppealOffer(task["appeals"] + 1, rules.limit, until, rules.on_behalf_of == "subject", bar)
