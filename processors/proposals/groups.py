"""Whom a claim would treat how: the groups that a policy names, inside what the claim would release."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from interlock.learning.groups import FOUR_FIFTHS, Group, Share, by_group
from interlock.policy.attribute_groups import NOT_KNOWN, group_of
from interlock.policy.model import Domain
from interlock.processors.proposals.by_group import MAX_GROUPS
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.lane import Claim, Lane
from interlock.processors.proposals.proposal_table import Proposal


def with_groups(proposal: Proposal, claim: Claim, lane: Lane, recent: Sequence[Example], domain: Domain) -> Proposal:
    """The proposal with the groups of its domain in its evidence, and the worst of them in its claim.

    `recent`: reviewed decisions of the lane's domain and model, whatever they predicted.
    """
    present = [example for example in recent if example.at >= lane.since]
    found = groups(domain, present, lambda example: example.prediction == lane.name[1] and claim.covers(example))
    if not found:
        return proposal
    evidence = json.loads(proposal["evidence"]) | {"groups": found}
    said = ". ".join(filter(None, (proposal["claim"], worst(found))))
    return proposal | {"evidence": json.dumps(evidence, ensure_ascii=False, allow_nan=False), "claim": said}


def groups(domain: Domain, examples: Sequence[Example], covered: Callable[[Example], bool]) -> list[dict[str, Any]]:
    """For the evidence of a proposal: every group of every attribute that the domain names, the worst first.

    `examples`: of the domain and model version, whatever they predicted. `covered`: whether the decision would take
    effect without a person by this claim. `favourable` speaks of outcomes as they would be then.
    """
    if not domain.group_cuts or not examples:
        return []
    inside = np.array([covered(example) for example in examples])
    wrong = np.array([not example.correct for example in examples])
    propensity = np.array([example.propensity for example in examples])
    favourable = None
    if adverse := domain.adverse_outcomes:
        outcomes = np.where(inside, *_words(examples))
        favourable = ~np.isin(outcomes, adverse)
    found = []
    for attribute, cuts in domain.group_cuts.items():
        names = [group_of(example.attributes.get(attribute), cuts) for example in examples]
        each = by_group(names, inside, wrong, favourable, propensity)
        found += [_facts(attribute, group) for group in each[:MAX_GROUPS]]
    return found


def worst(found: Sequence[dict[str, Any]]) -> str:
    """A sentence about the group that errs most beyond doubt; empty where no group has enough verdicts."""
    known = [one for one in found if one["error"] is not None]
    if not known:
        return ""
    first = max(known, key=lambda one: (one["error_lower"], one["error"]))
    return (
        f"Worst group: {first['attribute']} {first['group'] or 'not known'}, {first['error']:.1%} wrong "
        f"({first['error_lower']:.1%} to {first['error_upper']:.1%}, {first['verdicts']:,} verdicts)"
    )


def _words(examples: Sequence[Example]) -> tuple[Any, Any]:
    predicted = np.array([example.prediction for example in examples], dtype=object)
    return predicted, np.array([example.final for example in examples], dtype=object)


def _facts(attribute: str, group: Group) -> dict[str, Any]:
    return {
        "attribute": attribute,
        "group": group.name,
        "share_of_decisions": group.size,
        "reviewed": group.reviewed,
        "verdicts": group.verdicts,
        "errors": group.errors,
        **_share("error", group.error),
        **_share("released", group.covered),
        "released_ratio": group.covered_ratio,
        **_share("favourable", group.favourable),
        "favourable_ratio": group.favourable_ratio,
        "remarks": _remarks(group),
    }


def _share(name: str, share: Share | None) -> dict[str, float | None]:
    if share is None:
        return dict.fromkeys((name, f"{name}_lower", f"{name}_upper"))
    return {name: share.value, f"{name}_lower": share.low, f"{name}_upper": share.high}


def _remarks(group: Group) -> list[str]:
    """What a reader must know about the numbers, as codes."""
    remarks = []
    if group.error is None:
        remarks.append("too-few-verdicts")
    if group.name == NOT_KNOWN:
        remarks.append("not-known")
    if group.covered_ratio is not None and group.covered_ratio < FOUR_FIFTHS:
        remarks.append("released-less")
    if group.favourable_ratio is not None and group.favourable_ratio < FOUR_FIFTHS:
        remarks.append("favoured-less")
    return remarks
