"""What is known of people's own errors, and what it makes of a promise, in words and numbers."""

from typing import Any

from interlock.learning.double_reviews import MIN_FOUND, PairCounts, sensitivity
from interlock.learning.estimates import Estimate
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.reviewer_errors import MIN_ITEMS, SUPPOSED_MISSED, GoldItems, Visible, corrected, if_missed
from interlock.processors.proposals.ladder import RUNGS

# Right answers that people change, as a share of the limit, from which they are named as what hinders: what is left for
# the model is half of what was promised, which takes more than twice the audits.
_MUCH = 0.5


def promised(alpha: float, seen: Visible | None, items: GoldItems, pairs: PairCounts) -> str:
    """What holds of the share of wrong decisions, as part of a sentence. `seen`: what of the promise people can see."""
    if seen is None:
        return (
            f"at most {alpha:.0%} is wrong as people judge it (if people miss {SUPPOSED_MISSED:.0%} of errors, this is "
            f"{if_missed(alpha):.1%} in truth: {items.wrong} gold items have shown a wrong answer, {MIN_ITEMS} are "
            f"needed to tell, or {MIN_FOUND} errors found by one of two who judged independently, so far "
            f"{pairs.found})"
        )
    sources = []
    if seen.by_gold is not None:
        sources.append(f"among gold items ({items.found} of {items.wrong} found)")
    if seen.by_pairs is not None:
        sources.append(f"where two judge independently ({_of_pairs(pairs)})")
    unseen = (
        "" if seen.by_gold is not None else ". Errors that everybody misses are in no double review: plant gold items"
    )
    return (
        f"at most {alpha:.0%} is wrong in truth, given that people find at least {seen.sensitivity:.0%} of errors, as "
        f"they do {' and '.join(sources)}{unseen}"
    )


def known(
    alpha: float, limit: float, seen: Visible | None, items: GoldItems, pairs: PairCounts, error: Estimate | None
) -> dict[str, Any]:
    """The same as evidence, with the error rate that flawless people would have found where that can be told. `limit`:
    the rate of overrides that the evidence is against."""
    facts: dict[str, Any] = {
        "wrong_items": items.wrong,
        "found": items.found,
        "right_items": items.right,
        "left": items.left,
        "errors_found_by_both": pairs.both,
        "errors_found_by_one": pairs.one,
        "changed_by_mistake": pairs.alarms,
        "left_by_both": pairs.neither,
        "sensitivity_at_least": None if seen is None else seen.sensitivity,
        "by_gold_items": None if seen is None else seen.by_gold,
        "by_double_reviews": None if seen is None else seen.by_pairs,
        "false_alarms_at_least": None if seen is None else seen.false_alarms,
        "tested_limit": limit,
        "limit_if_a_fifth_is_missed": if_missed(alpha),
    }
    true = _true(error, items, pairs)
    if true is not None:
        facts |= {"error_in_truth": true.value, "error_in_truth_lower": true.low, "error_in_truth_upper": true.high}
    return facts


def hindrance(alpha: float, seen: Visible | None, items: GoldItems, pairs: PairCounts) -> str:
    """Why people's own errors keep anything from being certified, or make it hard; empty where they do not."""
    if seen is not None and seen.limit < RUNGS[-1] * alpha:
        return _too_few(alpha, seen, items, pairs)
    limit = alpha if seen is None else seen.limit
    counted_on = seen is not None and seen.false_alarms > 0
    changed = items.right - items.left
    if items.right < MIN_ITEMS or counted_on or changed / items.right < _MUCH * limit:
        return ""
    return (
        f"People changed {changed} of {items.right} right answers among gold items ({changed / items.right:.1%}), "
        f"which counts as errors of the model, of which they may find {limit:.1%} at most. Coach first; if gold items "
        "are as hard as other decisions, set INTERLOCK_CALIBRATION__GOLD_IS_TYPICAL"
    )


def _too_few(alpha: float, seen: Visible, items: GoldItems, pairs: PairCounts) -> str:
    by_gold = seen.by_gold is not None and seen.by_gold <= seen.sensitivity
    found = (
        f"People found {items.found} of {items.wrong} wrong answers among gold items"
        if by_gold
        else f"Where two judged independently, {_of_pairs(pairs)}"
    )
    return (
        f"{found}, perhaps only {seen.sensitivity:.0%}: too few for a promise of {alpha:.0%} to be seen. Coach first, "
        f"then {'plant more' if by_gold else 'have more judged by two'}"
    )


def _of_pairs(pairs: PairCounts) -> str:
    found = sensitivity(pairs)
    return (
        f"of {pairs.found:,} errors that one of two found both found {pairs.both:,}: one finds {found.value:.0%}, "
        f"between {found.low:.0%} and {found.high:.0%}"
    )


def _true(error: Estimate | None, items: GoldItems, pairs: PairCounts) -> Estimate | None:
    if error is None:
        return None
    try:
        return corrected(error, items, pairs=pairs)
    except InsufficientDataError:
        return None
