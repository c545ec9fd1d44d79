"""From a claim to a proposal: what it would change in the policy, for whom, and with which errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interlock.learning.estimates import Estimate
from interlock.policy.model import Domain, Policy
from interlock.policy.vocabulary import Workflow
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.lane import Claim, Lane
from interlock.processors.proposals.numbers import scaled, share
from interlock.processors.proposals.patterns import condition, quoted
from interlock.processors.proposals.proposal_table import Proposal
from interlock.processors.proposals.record import opened

# In the others everything waits for a person, whatever the confidence: to change that is to change the workflow.
_AUTOMATIC = (Workflow.ESCALATION, Workflow.POST_APPROVAL)


@dataclass(frozen=True, slots=True)
class Owner:
    """The policy that a lane belongs to, in force as `version`."""

    policy: Policy
    version: str


def proposal(claim: Claim, lane: Lane, recent: Sequence[Example], owner: Owner, at: int) -> Proposal | None:
    """The proposal that follows from a claim; None where it would change nothing, or could not be watched.

    `recent`: reviewed decisions of the lane's domain and model, whatever they predicted.
    """
    domain = owner.policy.domains[lane.name[0]]
    # Without audits nobody would ever see whether the certificate still holds.
    if domain.workflow not in _AUTOMATIC or not owner.policy.audit.rate:
        return None
    made = _threshold(claim, lane, domain, owner) if claim.proof else _safe_rule(claim, lane, domain, owner)
    if made is None:
        return None
    auto = _auto(lane, domain, owner)

    def freed(one: Example) -> bool:
        return one.waited and one.prediction == lane.name[1] and one.confidence < auto and claim.covers(one)

    workload = scaled(share(recent, freed), 1 - owner.policy.audit.rate)
    if workload is None or not workload.value:
        return None
    error = share([one for one in lane.window if claim.covers(one)], lambda one: not one.correct)
    name, prediction, model_id, model_version = lane.name
    return opened(
        "threshold" if claim.proof else "safe_rule",
        claim.proposal_id,
        at=at,
        domain=name,
        model_id=model_id,
        model_version=model_version,
        workload=workload,
        error=error,
        policy=owner.policy.name,
        policy_version=owner.version,
        title=made["title"],
        change={"domain": name, "prediction": prediction, **made["change"]},
        claim=_promise(made["what"], lane, workload),
        evidence=made["evidence"] | {"alpha": lane.alpha, "delta": lane.delta, "since": lane.since},
    )


def _auto(lane: Lane, domain: Domain, owner: Owner) -> float:
    """From which confidence on the lane is automatic today; above 1 where it never is."""
    its = domain.lanes.get(lane.name[1])
    return owner.policy.thresholds(its)[0] if its is not None else 2.0


def _threshold(claim: Claim, lane: Lane, domain: Domain, owner: Owner) -> dict[str, Any] | None:
    proof = claim.proof
    # An outcome without a lane is never automatic on purpose: that is to be written down by a person.
    if proof is None or lane.name[1] not in domain.lanes or proof.threshold >= _auto(lane, domain, owner):
        return None
    return {
        "title": f"{lane.name[0]}/{lane.name[1]}: auto from {proof.threshold:g} on instead of "
        f"{_auto(lane, domain, owner):g}",
        "what": f"with confidence {proof.threshold:g} or more",
        "change": {"auto": proof.threshold},
        "evidence": {
            "method": "fixed sequence of anytime-valid e-processes, reviews weighted by 1/propensity",
            "threshold": proof.threshold,
            "labels": proof.labels,
            "accepted": proof.accepted,
            "errors": proof.errors,
            "e_value": proof.e_value,
            "smallest_propensity": proof.lowest,
        },
    }


def _safe_rule(claim: Claim, lane: Lane, domain: Domain, owner: Owner) -> dict[str, Any] | None:
    safe = claim.safe
    if safe is None or lane.name[1] not in domain.outcomes:
        return None
    types = owner.policy.attribute_types()
    if any(types.get(one) is None for one in safe.pattern.names):
        return None  # the policy no longer declares what the rule speaks of
    text = condition(safe.pattern, types)
    _, prediction, model_id, model_version = lane.name
    rule = {
        "id": claim.proposal_id,
        "domain": lane.name[0],
        "prediction": prediction,
        "when": f"model_id = {quoted(model_id)} AND model_version = {quoted(model_version)} AND {text}",
        "because": f"At most {lane.alpha:.0%} wrong, shown on {safe.rule.cases:,} reviewed decisions",
        "proposal": claim.proposal_id,
    }
    return {
        "title": f"{lane.name[0]}/{prediction}: auto where {text}",
        "what": f"where {text}",
        "change": {"safe_rule": rule},
        "evidence": {
            "method": "mined on one half of a uniform sample, exact binomial test with Holm's correction on the other",
            "sample": safe.sample,
            "found_cases": safe.rule.found.cases,
            "found_errors": safe.rule.found.errors,
            "cases": safe.rule.cases,
            "errors": safe.rule.errors,
            "p_value": safe.rule.p,
            "adjusted_p_value": safe.rule.adjusted_p,
            "error_bound": safe.rule.bound,
            "level": safe.level,
        },
    }


def _promise(what: str, lane: Lane, workload: Estimate) -> str:
    return (
        f"Of what {lane.name[2]}@{lane.name[3]} decides as {lane.name[1]} {what}, at most {lane.alpha:.0%} is wrong as "
        f"people judge it; such a claim is false with probability {lane.delta:.0%} at most. People would see up to "
        f"{workload.value:.1%} of the decisions of {lane.name[0]} no more; less where rules demand a person all the "
        "same. It says nothing about other versions of the model"
    )
