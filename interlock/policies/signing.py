"""A person accepts a proposal, which may put a new version of a policy in force, or refuses it."""

import json
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError
from interlock.policies import publishing
from interlock.policies.honouring import check_people
from interlock.policy import editing as policy_source
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import version
from interlock.processors.proposals.proposal_table import Proposal, ProposalTable
from interlock.processors.proposals.record import POLICY
from interlock.schemas import catalogue, wire
from interlock.schemas.times import moment
from interlock.streams.turns import Turn, turn

if TYPE_CHECKING:
    from interlock.schemas.signed_commands import Signer
    from interlock.streams.ports import Broker


class UnknownProposalError(InterlockError):
    """There is no proposal of that id."""


class DecidedProposalError(InterlockError):
    """The proposal was accepted, refused or revoked before."""


def read_proposals(broker: "Broker") -> ProposalTable:
    """All proposals as they stand."""
    from interlock.streams.tables import TableReader

    proposals = ProposalTable()
    with closing(TableReader(broker, [catalogue.PROPOSALS.name], once=True)) as reader:
        for message in reader.read_all():
            proposals.apply(message.key(), message.value())
    return proposals


def find(proposals: ProposalTable, proposal_id: str) -> Proposal:
    """The proposal; raises UnknownProposalError if there is none of that id."""
    proposal = proposals.get(proposal_id)
    if proposal is None:
        raise UnknownProposalError(f"there is no proposal {proposal_id!r}; `interlock proposals list` shows them")
    return proposal


def accept(
    broker: "Broker",
    proposal: Proposal,
    by: str,
    note: str,
    now: int,
    *,
    four_eyes: bool = True,
    signer: "Signer | None" = None,
) -> Proposal:
    """Puts the change in force, records who accepted it, and returns the proposal as it stands then.

    `four_eyes`: whether somebody else must accept a policy that a person asked for; so it is too where the version in
    force demands two people. Raises InterlockError, and changes
    nothing, where the proposal is not open any more, its change no longer fits the policy, or somebody else publishes
    at the same moment.
    """
    with turn(broker, publishing.TURN) as mine:
        proposal = find(read_proposals(broker), proposal["proposal_id"])
        _check_open(proposal)
        policy_version = proposal["policy_version"]
        if proposal["change"]:
            demanded = publishing.demands(publishing.published_policies(broker), proposal["policy"])
            if (four_eyes or demanded.four_eyes) and by == json.loads(proposal["change"]).get("asked_by"):
                raise publishing.SamePersonError(
                    f"{by} asked for {proposal['proposal_id']}: another person must accept it; nothing was changed"
                )
            policy_version = _apply(broker, mine, proposal, by, note, signer)
        decided = proposal | {"state": "accepted", "policy_version": policy_version, "reason": note}
        return _record(mine, decided, by, now)


def refuse(broker: "Broker", proposal: Proposal, by: str, reason: str, now: int) -> Proposal:
    """Records who refused and why; raises InterlockError where the proposal is not open or no reason is given."""
    _check_open(proposal)
    if not reason.strip():
        raise InterlockError("say why: the reason is what the next reader of the list has")
    with turn(broker, publishing.TURN) as mine:
        proposal = find(read_proposals(broker), proposal["proposal_id"])
        _check_open(proposal)
        return _record(mine, proposal | {"state": "refused", "reason": reason}, by, now)


def changed_source(source: str, proposal: Proposal) -> str:
    """The text of the policy with the change of a proposal; raises InterlockError where it no longer fits."""
    change: Mapping[str, Any] = json.loads(proposal["change"])
    if proposal["kind"] == POLICY:
        return str(change["source"])
    domain, prediction = change["domain"], change["prediction"]
    policy = parse(source, proposal["policy"])
    terms = policy.domains.get(domain)
    if terms is None:
        raise InterlockError(f"policy {proposal['policy']} no longer knows the domain {domain!r}: refuse the proposal")
    try:
        if "safe_rule" in change:
            return policy_source.with_safe_rule(source, change["safe_rule"])
        if prediction not in terms.lanes:
            raise InterlockError(f"{domain} no longer has a lane for {prediction!r}: refuse the proposal")
        lane = terms.lanes[prediction]
        if "auto_raw" in change:
            model, threshold = change["model"], change["auto_raw"]
            if lane.auto_raw.get(model) == threshold:
                return source
            return policy_source.with_raw_threshold(source, domain, prediction, model, threshold)
        # A proposal of a release that certified thresholds in calibrated confidence.
        if policy.thresholds(lane)[0] <= change["auto"]:
            return source
        return policy_source.with_threshold(source, domain, prediction, change["auto"])
    except PolicyError as error:
        raise InterlockError(
            f"the policy would not be valid with this change; nothing was changed.\n{error}"
        ) from error


def changed_policy(broker: "Broker", proposal: Proposal) -> Policy | None:
    """What accepting a proposal would put in force; None where it changes no policy. Raises InterlockError where it no
    longer fits, and KafkaException."""
    if not proposal["change"]:
        return None
    record = publishing.published_policies(broker).get(proposal["policy"], {"source": ""})
    try:
        return parse(changed_source(record["source"], proposal), proposal["policy"])
    except PolicyError as error:
        raise InterlockError(f"the policy is not valid; nothing was changed.\n{error}") from error


def facts(proposal: Proposal) -> dict[str, Any]:
    """The record with its JSON texts unpacked and its times readable."""
    unpacked = {name: json.loads(proposal[name]) if proposal[name] else None for name in ("change", "evidence")}
    times = {
        name: moment(proposal[name]).isoformat(timespec="seconds") if proposal[name] else None
        for name in ("proposed_at", "decided_at")
    }
    return {**proposal, **unpacked, **times}


def _check_open(proposal: Proposal) -> None:
    if proposal["state"] == "open":
        return
    reason = f": {proposal['reason']}" if proposal["reason"] else ""
    raise DecidedProposalError(
        f"{proposal['proposal_id']} is {proposal['state']} by {proposal['decided_by']} already{reason}"
    )


def _apply(broker: "Broker", mine: Turn, proposal: Proposal, by: str, note: str, signer: "Signer | None") -> str:
    """The version of the policy with the change, published unless the policy says so already."""
    name = proposal["policy"]
    published = publishing.published_policies(broker)
    asked = proposal["kind"] == POLICY
    if asked:
        in_force = published[name]["version"] if name in published else ""
        if in_force != proposal["policy_version"]:
            raise publishing.StalePolicyError(name, proposal["policy_version"], in_force)
    elif name not in published:
        raise InterlockError(f"policy {name!r} is no longer published; nothing was changed")
    source = published[name]["source"] if name in published else ""
    text = changed_source(source, proposal)
    if text == source:
        return version(parse(source, name))
    change = json.loads(proposal["change"])
    back_to = change.get("roll_back_of", "")
    publishing.check_at_once(published, name, people=2 if asked else 1, was_in_force=bool(back_to))
    people = [change["asked_by"], by] if asked else [by]
    if asked:
        asking = f"asked for by {change['asked_by']}, accepted by {by}"
        # Why it was asked for is what readers of the history want to know; the title only repeats name and version.
        origin = f"{change['note']} (proposal {proposal['proposal_id']}, {asking})"
    else:
        origin = f"proposal {proposal['proposal_id']} accepted by {by}: {proposal['title']}"
    try:
        policy = parse(text, name)
    except PolicyError as error:
        raise InterlockError(f"the policy is not valid; nothing was changed.\n{error}") from error
    check_people(broker, policy, publishing.now())
    why = f"{origin}. {note}" if note else origin
    record = publishing.policy_record(
        policy, text, name, published, by, why, signed_by=list(dict.fromkeys(people)), roll_back_of=back_to
    )
    value = wire.encode("PolicyVersion", record)
    mine.write(catalogue.POLICIES, name, value, publishing.signature(signer, by, catalogue.POLICIES, name, value))
    return str(record["version"])


def _record(mine: Turn, proposal: Proposal, by: str, now: int) -> Proposal:
    decided = proposal | {"decided_by": by, "decided_at": now}
    mine.write(catalogue.PROPOSALS, decided["proposal_id"], wire.encode("Proposal", decided))
    return decided
