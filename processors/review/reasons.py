"""Why a decision came to a person: every reason of its route as a sentence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from interlock.policy.conditions.ast import (
    All,
    AnyOf,
    Column,
    Compare,
    Condition,
    Function,
    In,
    IsNull,
    Literal,
    Not,
    Term,
    Truth,
)
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.conditions.python import explain
from interlock.policy.model import Policy, Rule
from interlock.policy.vocabulary import ROUTING_COLUMNS

# Whoever reads one of these in a sentence knows or guesses what the AI said, or how sure it was.
_OF_THE_AI = frozenset({"prediction", "confidence", "raw_confidence"})

_KNOWN = {
    "unknown-domain": "no policy knows this kind of decision",
    "unknown-prediction": "the policy does not know what the model proposed",
    "unknown-model": "the policy does not know this model",
    "implausible-confidence": "the model's confidence is no probability",
    "implausible-timestamp": "the time at which the model decided cannot be right",
    "implausible-amount": "the amount is no number",
}

# What a reason says only to those who may see the AI's answer.
_TELLING = frozenset({"unknown-prediction", "implausible-confidence"})


@dataclass(frozen=True)
class RouteReason:
    """One reason. `tells`: its sentence lets the reader guess the AI's answer."""

    reason: str
    text: str
    tells: bool


def explain_reasons(routed: Mapping[str, Any], policy: Policy | None) -> list[RouteReason]:
    """The reasons of a `RoutedDecision` record in their order.

    `policy`: the one that routed it, None if it is no longer known; reasons then speak for themselves.
    """
    rules = {rule.id: rule for rule in policy.every_rule()} if policy else {}
    return [_because(reason, rules.get(reason), routed, policy) for reason in routed["reasons"]]


def _because(reason: str, rule: Rule | None, routed: Mapping[str, Any], policy: Policy | None) -> RouteReason:
    kind, _, rest = reason.partition(":")
    if rule is not None and policy is not None:
        return _by_rule(rule, routed, policy)
    if reason in _KNOWN:
        return RouteReason(reason, _KNOWN[reason], reason in _TELLING)
    if kind == "lane":
        return RouteReason(reason, _by_lane(rest, routed, policy), tells=True)
    if kind == "safe":
        return RouteReason(reason, f"safe rule {rest} lets it take effect whatever the confidence", tells=True)
    if kind == "workflow":
        return RouteReason(reason, "every decision of this kind waits for a person before it takes effect", tells=False)
    if kind == "halted":
        return RouteReason(reason, f"somebody pulled the kill switch for {rest}", tells=False)
    return RouteReason(reason, f"rule {reason}, whose text is in a policy that is no longer in force", tells=True)


def _by_rule(rule: Rule, routed: Mapping[str, Any], policy: Policy) -> RouteReason:
    columns = {**ROUTING_COLUMNS, **policy.attribute_types()}
    condition = parse_condition(rule.when, columns)
    why = explain(condition, _row(routed, policy))
    words = rule.because or f"rule {rule.id}"
    tells = any(column in _OF_THE_AI for column in _columns(condition))
    return RouteReason(rule.id, f"{words} ({why})" if why else words, tells)


def _by_lane(rest: str, routed: Mapping[str, Any], policy: Policy | None) -> str:
    where, _, route = rest.rpartition(":")
    decision, confidence = routed["decision"], routed["calibrated_confidence"]
    domain = policy.domains.get(decision["domain"]) if policy else None
    said = f"confidence {confidence:.2f} in {decision['prediction']}"
    if policy is None or domain is None:
        return f"{said} led to {route} in lane {where}"
    auto, _, _ = policy.thresholds(domain.lanes.get(decision["prediction"]))
    if decision["prediction"] not in domain.lanes:
        return f"{said}: {decision['prediction']} never takes effect without a person"
    if confidence < auto:
        return f"{said} is below {auto:.2f}, what it takes to act without a person"
    return f"{said} reaches {auto:.2f}, what it takes to act without a person"


def _row(routed: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """The columns of rules, typed as the router types them."""
    import polars as pl

    from interlock.policy.attributes import from_strings

    decision = routed["decision"]
    row = {name: decision.get(name) for name in ROUTING_COLUMNS}
    row |= {"confidence": routed["calibrated_confidence"], "raw_confidence": decision["confidence"]}
    kinds = policy.attribute_types()
    texts = [pl.Series(name, [decision["attributes"].get(name)], dtype=pl.String) for name in kinds]
    return row | {series.name: series[0] for series in from_strings(texts, kinds)}


def _columns(condition: Condition) -> Iterator[str]:
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _columns(part)
        case Not(of):
            yield from _columns(of)
        case Compare(_, left, right):
            yield from _named(left)
            yield from _named(right)
        case In(term) | IsNull(term) | Truth(term):
            yield from _named(term)


def _named(term: Term) -> Iterator[str]:
    match term:
        case Column(name):
            yield name
        case Function(_, of):
            yield from _named(of)
        case Literal():
            return
