"""How an outcome can be contested."""

from interlock.policy.model import Policy
from interlock.policy.review import terms
from interlock.processors.explanation.model import Contest
from interlock.processors.explanation.records import Entry, Records
from interlock.processors.explanation.words import counted, day, duration, iso
from interlock.processors.review.times import SECOND


def contest(records: Records, routed: Entry, policy: Policy | None, decided_at: int | None) -> Contest | None:
    """Whether and until when somebody can appeal, by the policy that chose the route; None where nobody knows that
    policy, or the decision has no effect.

    `decided_at`: since when the latest outcome holds; None where none does."""
    if policy is None or routed.shadow:
        return None
    record = routed.record
    rules = terms(policy, record["policy_version"], record["decision"]["domain"], record["queue"]).appeals
    filed = max((entry.record["appeals"] for entry in records.tasks), default=0)
    left = max(0, rules.limit - filed)
    whose = " in the name of the person concerned" if rules.on_behalf_of == "subject" else ""
    already = f" So far {counted(filed, 'appeal')} {'was' if filed == 1 else 'were'} filed." if filed else ""
    if not rules.limit:
        return Contest("The policy knows no appeal for this kind of decision.", filed, 0, "")
    if decided_at is None:
        text = f"Once it has been decided, an appeal can be filed{whose} within {duration(rules.within)}.{already}"
        return Contest(text, filed, left, "")
    until = decided_at + rules.within * SECOND
    if not left:
        text = f"No further appeal is possible: the policy allows {rules.limit}.{already}"
        return Contest(text, filed, 0, iso(until))
    text = f"An appeal can be filed{whose} until {day(until)}. Somebody decides it who has not judged the case before."
    return Contest(f"{text}{already}", filed, left, iso(until))
