"""Priority rules that are never reached."""

from collections.abc import Iterator

from interlock.policy.conditions.contradictions import holds_always
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.model import Policy
from interlock.policy.vocabulary import ROUTING_COLUMNS


def shadowed(policy: Policy) -> Iterator[str]:
    """A line for each priority rule that another one always comes before: the first that holds sets the priority.

    Nothing of the kind is said of `rules`, of which all count.
    """
    columns = ROUTING_COLUMNS | policy.attribute_types()
    always = 0
    earlier: dict[object, int] = {}
    for number, rule in enumerate(policy.priority, 1):
        condition = parse_condition(rule.when, columns)
        if always:
            yield f"priority rule {number} ({rule.when}) is never reached: rule {always} before it always holds"
        elif condition in earlier:
            yield f"priority rule {number} ({rule.when}) is never reached: rule {earlier[condition]} is the same"
        elif holds_always(condition):
            always = number
        earlier.setdefault(condition, number)
