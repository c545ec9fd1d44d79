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
from interlock.schemas import reasons
from interlock.schemas.reasons import PipelineReason, ReasonKind
from interlock.schemas.sealed_text import PREFIX as ENCRYPTED

# A sentence with one of these lets its reader know or guess what the AI said, or how sure it was.
_PREDICTION_COLUMNS = frozenset({"prediction", "confidence", "raw_confidence"})


@dataclass(frozen=True)
class RouteReason:
    """One reason. `reveals_prediction`: from its sentence the reader can guess the AI's answer."""

    reason: str
    text: str
    reveals_prediction: bool


def explain_reasons(routed: Mapping[str, Any], policy: Policy | None) -> list[RouteReason]:
    """The reasons of a `RoutedDecision` record in their order.

    `policy`: the one that routed it, None if it is no longer known. Its rules then cannot be explained.
    """
    return [_explain(reason, routed, policy) for reason in routed["reasons"]]


def used_columns(routed: Mapping[str, Any], policy: Policy | None) -> set[str]:
    """The fields that were looked at by the rules which sent the decision to a person."""
    if policy is None:
        return set()
    rules = [rule for rule in policy.every_rule() if rule.id in routed["reasons"]]
    return {name for rule in rules for name in columns_of(rule.when, policy)}


def columns_of(when: str, policy: Policy) -> frozenset[str]:
    """The fields that a condition of the policy looks at."""
    return frozenset(_columns(_parsed(when, policy)))


def why_met(when: str, routed: Mapping[str, Any], policy: Policy) -> str:
    """Why a condition of the policy counts as met for a `RoutedDecision`, for example "amount 12,000 > 10,000"; empty
    where it does not."""
    return explain(_parsed(when, policy), _row(routed, policy))


def _explain(reason: str, routed: Mapping[str, Any], policy: Policy | None) -> RouteReason:
    # The pipeline's own reasons first: an old policy may have a rule of the same name.
    by_pipeline = reasons.find(reason)
    if by_pipeline is not None:
        text = _pipeline_sentence(by_pipeline, reason, routed, policy)
        return RouteReason(reason, text, by_pipeline.reveals_prediction)
    rule = next((rule for rule in policy.every_rule() if rule.id == reason), None) if policy else None
    if rule is not None and policy is not None:
        return _explain_rule(rule, routed, policy)
    text = f"rule {reason}, whose text is in a policy that is no longer in force"
    return RouteReason(reason, text, reveals_prediction=True)


def _pipeline_sentence(entry: PipelineReason, reason: str, routed: Mapping[str, Any], policy: Policy | None) -> str:
    decision, confidence = routed["decision"], routed["calibrated_confidence"]
    prediction = decision["prediction"]
    domain = policy.domains.get(decision["domain"]) if policy else None
    if entry.kind is not ReasonKind.LANE or policy is None or domain is None:
        detail = reason.removeprefix(entry.code)
        return entry.sentence.format(detail=detail, prediction=prediction, confidence=confidence)
    auto, _, _ = policy.thresholds(domain.lanes.get(prediction))
    subject = f"confidence {confidence:.2f} in {prediction}"
    if prediction not in domain.lanes:
        return f"{subject}: {prediction} never takes effect without a person"
    if confidence < auto:
        return f"{subject} is below {auto:.2f}, what it takes to act without a person"
    return f"{subject} reaches {auto:.2f}, what it takes to act without a person"


def _explain_rule(rule: Rule, routed: Mapping[str, Any], policy: Policy) -> RouteReason:
    why = why_met(rule.when, routed, policy)
    text = rule.because or f"rule {rule.id}"
    reveals_prediction = not _PREDICTION_COLUMNS.isdisjoint(columns_of(rule.when, policy))
    return RouteReason(rule.id, f"{text} ({why})" if why else text, reveals_prediction)


def _parsed(when: str, policy: Policy) -> Condition:
    return parse_condition(when, {**ROUTING_COLUMNS, **policy.attribute_types()})


def _row(routed: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """The columns of rules, typed as the router types them."""
    from interlock.policy.attributes import row_of

    decision = routed["decision"]
    row = {name: decision.get(name) for name in ROUTING_COLUMNS}
    row |= {"confidence": routed["calibrated_confidence"], "raw_confidence": decision["confidence"]}
    # As the router saw them, also where a key has opened them since.
    row |= {"subject_id": ENCRYPTED} if decision.get("sealed_subject") else {}
    encrypted = dict.fromkeys(decision.get("sealed_attributes", ()), ENCRYPTED)
    return row | row_of({**decision["attributes"], **encrypted}, policy.attribute_types())


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
