"""A person accepts a proposal, which may put a new version of a policy in force, or refuses it."""

import json
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError
from interlock.policies import publishing
from interlock.policy import editing as policy_source
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.version import version
from interlock.processors.proposals.proposal_table import Proposal, ProposalTable
from interlock.schemas import catalogue, wire

if TYPE_CHECKING:
    from interlock.streams.ports import Broker


def read_proposals(broker: "Broker") -> ProposalTable:
    """All proposals as they stand."""
    from interlock.streams.tables import TableReader

    proposals = ProposalTable()
    with closing(TableReader(broker, [catalogue.PROPOSALS.name])) as reader:
        for message in reader.read_all():
            proposals.apply(message.key(), message.value())
    return proposals


def find(proposals: ProposalTable, proposal_id: str) -> Proposal:
    """The proposal; raises InterlockError if there is none of that id."""
    proposal = proposals.get(proposal_id)
    if proposal is None:
        raise InterlockError(f"there is no proposal {proposal_id!r}; `interlock proposals list` shows them")
    return proposal


def accept(broker: "Broker", proposal: Proposal, by: str, note: str, now: int) -> Proposal:
    """Puts the change in force, records who accepted it, and returns the proposal as it stands then.

    Raises InterlockError, and changes nothing, where the proposal is not open or its change no longer fits the policy.
    Safe to repeat: if the policy was published and the record was not, the policy says so already and only the record
    is written.
    """
    _check_open(proposal)
    policy_version = proposal["policy_version"]
    if proposal["change"]:
        policy_version = _apply(broker, proposal, by, note)
    return _record(broker, proposal | {"state": "accepted", "policy_version": policy_version, "reason": note}, by, now)


def refuse(broker: "Broker", proposal: Proposal, by: str, reason: str, now: int) -> Proposal:
    """Records who refused and why; raises InterlockError where the proposal is not open or no reason is given."""
    _check_open(proposal)
    if not reason.strip():
        raise InterlockError("say why: the reason is what the next reader of the list has")
    return _record(broker, proposal | {"state": "refused", "reason": reason}, by, now)


def changed_source(source: str, proposal: Proposal) -> str:
    """The text of the policy with the change of a proposal; raises InterlockError where it no longer fits."""
    change: Mapping[str, Any] = json.loads(proposal["change"])
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
        if policy.thresholds(terms.lanes[prediction])[0] <= change["auto"]:
            return source
        return policy_source.with_threshold(source, domain, prediction, change["auto"])
    except PolicyError as error:
        raise InterlockError(
            f"the policy would not be valid with this change; nothing was changed.\n{error}"
        ) from error


def _check_open(proposal: Proposal) -> None:
    if proposal["state"] == "open":
        return
    reason = f": {proposal['reason']}" if proposal["reason"] else ""
    raise InterlockError(
        f"{proposal['proposal_id']} is {proposal['state']} by {proposal['decided_by']} already{reason}"
    )


def _apply(broker: "Broker", proposal: Proposal, by: str, note: str) -> str:
    """The version of the policy with the change, published unless the policy says so already."""
    name = proposal["policy"]
    published = publishing.published_policies(broker)
    if name not in published:
        raise InterlockError(f"policy {name!r} is no longer published; nothing was changed")
    source = published[name]["source"]
    text = changed_source(source, proposal)
    if text == source:
        return version(parse(source, name))
    origin = f"proposal {proposal['proposal_id']} accepted by {by}: {proposal['title']}"
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / f"{name.replace('/', '_')}.yaml"
        file.write_text(text)
        return publishing.publish_policy(broker, file, by, f"{origin}. {note}" if note else origin)["version"]


def _record(broker: "Broker", proposal: Proposal, by: str, now: int) -> Proposal:
    decided = proposal | {"decided_by": by, "decided_at": now}
    key = decided["proposal_id"]
    publishing.send(broker, catalogue.PROPOSALS, key, wire.encode("Proposal", decided))
    return decided
