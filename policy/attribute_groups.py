"""Groups of people by an attribute: each value is a group, or each range between numbers that the policy names."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from interlock.policy.attributes import FLOAT_FORM
from interlock.policy.conditions.clickhouse import text_literal
from interlock.schemas.sealed_text import PREFIX as ENCRYPTED

# The group of those of whom the attribute is not known, or only as encrypted text.
NOT_KNOWN = ""


def ranges(cuts: Sequence[float]) -> list[str]:
    """The names of the groups between `cuts`, which ascend."""
    if not cuts:
        return []
    between = [f"{low:.15g} to under {high:.15g}" for low, high in pairwise(cuts)]
    return [f"under {cuts[0]:.15g}", *between, f"{cuts[-1]:.15g} or more"]


def group_of(text: str | None, cuts: Sequence[float]) -> str:
    """The group of a decision by the text of its attribute; `cuts`: see `Domain.group_cuts`."""
    if text is None or text.startswith(ENCRYPTED):
        return NOT_KNOWN
    if not cuts:
        return text
    return ranges(cuts)[bisect_right(cuts, float(text))] if re.fullmatch(FLOAT_FORM, text) else NOT_KNOWN


def clickhouse_group(text: str, cuts: Sequence[float]) -> str:
    """SQL of `group_of`; `text`: SQL of the attribute's text, empty where there is none."""
    plain = f"if(startsWith({text}, {text_literal(ENCRYPTED)}), {text_literal(NOT_KNOWN)}, {text})"
    if not cuts:
        return plain
    number = f"if(match({text}, {text_literal(FLOAT_FORM)}), toFloat64OrNull({text}), NULL)"
    names = ", ".join(map(text_literal, ranges(cuts)))
    place = " + ".join(f"({number} >= {cut!r})" for cut in cuts)
    return f"if(isNull({number}), {text_literal(NOT_KNOWN)}, [{names}][1 + {place}])"
