"""Makes proposals of claims: what a claim would change in the policy, how much work it saves, and at which error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interlock.learning.estimates import Estimate
from interlock.policy.model import Domain, Policy
from interlock.processors.proposals import people
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.lane import Claim, Lane
from interlock.processors.proposals.numbers import scaled, share
from interlock.processors.proposals.open_work import Answers
from interlock.processors.proposals.patterns import condition, quoted
from interlock.processors.proposals.proposal_table import Proposal
from interlock.processors.proposals.record import opened
from interlock.processors.proposals.risk import AUTOMATIC


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The policy that owns a lane's domain, and its version."""

    policy: Policy
    version: str


def proposal(claim: Claim, lane: Lane, recent: Sequence[Example], owner: PolicyInForce, at: int) -> Proposal | None:
    """The proposal that follows from a claim; None if it would change nothing, or could not be monitored.

    `recent`: reviewed decisions of the lane's domain and model, whatever they predicted.
    """
    domain = owner.policy.domains[lane.name[0]]
    # Without audits nothing would show whether the certificate still holds.
    audit_rate = owner.policy.audit_rate(domain.lanes.get(lane.name[1]))
    if domain.workflow not in AUTOMATIC or not audit_rate:
        return None
    change = _threshold(claim, lane, domain, owner) if claim.proof else _safe_rule(claim, lane, domain, owner)
    if change is None:
        return None

    def saved(example: Example) -> bool:
        would_change = example.prediction == lane.name[1] and not _automatic(example, domain, owner)
        return example.waited and would_change and claim.covers(example)

    workload = scaled(share(recent, saved), 1 - audit_rate)
    if workload is None or not workload.value:
        return None
    error = share([example for example in lane.window if claim.covers(example)], lambda example: not example.correct)
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
        title=change["title"],
        change={"domain": name, "prediction": prediction, **change["change"]},
        claim=_promise(change["covered"], claim, lane, workload, owner.policy),
        evidence=change["evidence"]
        | {"alpha": lane.alpha, "delta": lane.delta, "since": lane.since, "start": lane.start}
        | {"people": people.known(lane.alpha, claim.limit, claim.seen, lane.gold, lane.pairs, error)}
        | {"answered": {"share": claim.answers.share, "ways": str(claim.answers)}}
        | ({} if claim.by is None else {"certified_by": str(claim.by), "certified_groups": list(claim.groups)}),
    )


def _automatic(example: Example, domain: Domain, owner: PolicyInForce) -> bool:
    """Whether the lane lets it take effect today."""
    lane = domain.lanes.get(example.prediction)
    if lane is None:
        return False
    own = lane.auto_raw.get(f"{example.model_id}@{example.model_version}")
    return example.confidence >= owner.policy.thresholds(lane)[0] if own is None else example.raw >= own


def _threshold(claim: Claim, lane: Lane, domain: Domain, owner: PolicyInForce) -> dict[str, Any] | None:
    proof = claim.proof
    terms = domain.lanes.get(lane.name[1])
    # A policy keeps an outcome from being automatic by giving it no lane: only a person may add one.
    if proof is None or terms is None:
        return None
    model = f"{lane.name[2]}@{lane.name[3]}"
    own = terms.auto_raw.get(model)
    if own is not None and proof.threshold >= own:
        return None
    now = f"{owner.policy.thresholds(terms)[0]:g} after calibration" if own is None else f"{own:g}"
    return {
        "title": f"{lane.name[0]}/{lane.name[1]}: {model} auto from its own confidence {proof.threshold:g} on "
        f"instead of {now}",
        "covered": f"with a confidence of its own of {proof.threshold:g} or more",
        "change": {"auto_raw": proof.threshold, "model": model},
        "evidence": {
            "method": "fixed sequence of anytime-valid e-processes, reviews weighted by 1/propensity",
            "threshold": proof.threshold,
            "unit": "raw confidence",
            "labels": proof.labels,
            "accepted": proof.accepted,
            "errors": proof.errors,
            "e_value": proof.e_value,
            "smallest_propensity": proof.lowest,
        },
    }


def _safe_rule(claim: Claim, lane: Lane, domain: Domain, owner: PolicyInForce) -> dict[str, Any] | None:
    certified = claim.rule
    if certified is None or lane.name[1] not in domain.outcomes:
        return None
    types = owner.policy.attribute_types()
    if any(types.get(name) is None for name in certified.pattern.names):
        return None  # the policy no longer declares an attribute of the rule
    text = condition(certified.pattern)
    _, prediction, model_id, model_version = lane.name
    rule = {
        "id": claim.proposal_id,
        "domain": lane.name[0],
        "prediction": prediction,
        "when": f"model_id = {quoted(model_id)} AND model_version = {quoted(model_version)} AND {text}",
        "because": f"At most {lane.alpha:.0%} wrong, shown on {certified.cases:,} reviewed decisions",
        "proposal": claim.proposal_id,
    }
    return {
        "title": f"{lane.name[0]}/{prediction}: auto where {text}",
        "covered": f"where {text}",
        "change": {"safe_rule": rule},
        "evidence": {
            "method": "found on earlier decisions, proved on later ones: anytime-valid e-process, reviews weighted by "
            "1/propensity",
            "found_cases": certified.found.cases,
            "found_errors": certified.found.errors,
            "cases": certified.cases,
            "errors": certified.errors,
            "e_value": certified.e_value,
            "level": certified.level,
        },
    }


def _promise(covered: str, claim: Claim, lane: Lane, workload: Estimate, policy: Policy) -> str:
    per_year = policy.risk.per_year
    budget = (
        "" if per_year is None else f", its part of the {per_year * 100:.3g}% a year that the policy allows for all"
    )
    each = "" if claim.by is None else f", of each group ({', '.join(map(claim.by.named, claim.groups))})"
    return (
        f"Of what {lane.name[2]}@{lane.name[3]} decides as {lane.name[1]} {covered}{each}, "
        f"{people.promised(lane.alpha, claim.seen, lane.gold, lane.pairs)}; each such claim is false with probability "
        f"{lane.delta * 100:.3g}% at most{budget}. {tested(claim.answers, claim.limit)}"
        f"People would no longer see up to {workload.value:.1%} of the decisions of {lane.name[0]}; less where rules "
        "demand a person all the same. It says nothing about other versions of the model"
    )


def tested(answers: Answers, limit: float) -> str:
    """What open work makes of the promise, as a sentence; empty where everything is answered."""
    return f"{answers}: tested against {limit * 100:.3g}%. " if str(answers) else ""
