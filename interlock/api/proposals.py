"""Proposals as a person sees and signs them."""

import hashlib
from typing import Any

from interlock.api.backend import Backend
from interlock.api.pages import newest_first
from interlock.api.policies import differences, problems, without_source
from interlock.api.preconditions import check_match
from interlock.api.problems import Problem
from interlock.errors import InterlockError
from interlock.operations.retention import check_retention
from interlock.policies import signing
from interlock.policies.publishing import published_policies
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.version import version
from interlock.processors.proposals.proposal_table import Proposal
from interlock.processors.proposals.record import POLICY


def proposal_rows(backend: Backend, state: str, kind: str, cursor: str, limit: int) -> dict[str, Any]:
    """A page, newest first; "" for any state or kind. Raises Problem and KafkaException."""
    wanted = [
        proposal
        for proposal in signing.read_proposals(backend.broker)
        if state in ("", proposal["state"]) and kind in ("", proposal["kind"])
    ]
    page, following = newest_first(wanted, lambda row: (row["proposed_at"], row["proposal_id"]), cursor, limit)
    return {"proposals": [without_source(signing.facts(proposal)) for proposal in page], "next": following}


def proposal_facts(backend: Backend, proposal_id: str) -> tuple[dict[str, Any], str]:
    """One proposal with its evidence and, while it is open, the policy it would lead to; and its version for ETags.

    Raises InterlockError and KafkaException.
    """
    proposal = signing.find(signing.read_proposals(backend.broker), proposal_id)
    policy = published_policies(backend.broker).get(proposal["policy"])
    effect = _effect(proposal, policy) if proposal["change"] and proposal["state"] == "open" else None
    return {**without_source(signing.facts(proposal)), "effect": effect}, _version(proposal, policy)


def accept(
    backend: Backend, person: str, scopes: frozenset[str], proposal_id: str, note: str, if_match: str | None
) -> dict[str, Any]:
    """Signs it; what it changes is in force then. A policy that a person asked for takes the right to publish one.

    Raises Problem, InterlockError and KafkaException; then nothing changed.
    """
    proposal = _seen(backend, proposal_id, if_match)
    if proposal["kind"] == POLICY and "policies:write" not in scopes:
        detail = f"{proposal_id} publishes a policy, which takes policies:write: nothing was changed"
        raise Problem(403, "missing-scope", detail, scope="policies:write")
    policy = signing.changed_policy(backend.broker, proposal) if proposal["state"] == "open" else None
    if policy is not None:
        check_retention(backend.platform, policy)
    four_eyes = backend.platform.settings.api.four_eyes
    decided = signing.accept(
        backend.broker, proposal, person, note, backend.now(), four_eyes=four_eyes, signer=backend.platform.signer
    )
    return without_source(signing.facts(decided))


def refuse(backend: Backend, person: str, proposal_id: str, reason: str, if_match: str | None) -> dict[str, Any]:
    """Refuses it. Raises Problem, InterlockError and KafkaException; then nothing changed."""
    proposal = _seen(backend, proposal_id, if_match)
    return without_source(signing.facts(signing.refuse(backend.broker, proposal, person, reason, backend.now())))


def _seen(backend: Backend, proposal_id: str, if_match: str | None) -> Proposal:
    proposal = signing.find(signing.read_proposals(backend.broker), proposal_id)
    if proposal["state"] == "open":  # a decided one is refused with who decided it
        policy = published_policies(backend.broker).get(proposal["policy"])
        check_match(if_match, _version(proposal, policy), f"proposal {proposal_id}", required=False)
    return proposal


def _effect(proposal: Proposal, policy: dict[str, Any] | None) -> dict[str, Any]:
    """What accepting it would put in force now; `problem` says why it cannot be accepted any more."""
    in_force = None if policy is None else policy["version"]
    facts: dict[str, Any] = {"in_force": in_force, "version": None, "source": None, "changes": [], "problem": ""}
    if proposal["kind"] == POLICY and proposal["policy_version"] != (in_force or ""):
        facts["problem"] = f"written against version {proposal['policy_version'] or 'none'}, which is not in force"
    elif policy is None and proposal["kind"] != POLICY:
        facts["problem"] = f"policy {proposal['policy']!r} is no longer published"
        return facts
    try:
        before = None if policy is None else parse(policy["source"], "policy")
        facts["source"] = signing.changed_source("" if policy is None else policy["source"], proposal)
        after = parse(facts["source"], "policy")
    except PolicyError as error:
        return {**facts, "problem": "the policy would not be valid", "problems": problems(error)}
    except InterlockError as error:
        return {**facts, "problem": str(error)}
    changes = [] if before is None else differences(before, after)
    return {**facts, "version": version(after), "changes": changes}


def _version(proposal: Proposal, policy: dict[str, Any] | None) -> str:
    """Changes with the state, and with the policy in force, on which the effect depends."""
    parts = (proposal["proposal_id"], proposal["state"], "" if policy is None else policy["version"])
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
