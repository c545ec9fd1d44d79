"""Policies that a person asks to have published: in force once another person accepts them.

A request is a proposal of kind `policy` on the topic of proposals, so that it waits, is signed and is kept as those of
the learning side are. Its change holds the whole text and who asked; its policy_version is the version that it was
written against.
"""

from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError
from interlock.policies import publishing
from interlock.policies.honouring import check_people
from interlock.policies.publishing import StalePolicyError
from interlock.policies.signing import read_proposals
from interlock.policy.diff import diff
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved, version
from interlock.processors.events import alert
from interlock.processors.proposals.record import POLICY, opened, proposal_id
from interlock.schemas import catalogue, wire
from interlock.streams.turns import Turn, turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interlock.processors.proposals.proposal_table import Proposal
    from interlock.schemas.signed_commands import Signer
    from interlock.streams.ports import Broker

# More changes than a person reads in evidence; the difference is computed anew for whoever signs.
_MAX_CHANGES = 50


class UnchangedPolicyError(InterlockError):
    """What is in force says so already, letter for letter."""


def publish_source(
    broker: "Broker",
    source: str,
    base: str,
    by: str,
    note: str,
    *,
    roll_back_of: str = "",
    signer: "Signer | None" = None,
) -> dict[str, Any]:
    """Puts a policy in force and returns its `PolicyVersion` record. `base`: the version in force, "" for none.

    `roll_back_of`: the earlier version whose text it is, which needs no trial: it was in force. Raises PolicyError,
    StalePolicyError, UnchangedPolicyError, DomainTakenError, UnhonouredPackError, TrialDemandedError, SamePersonError
    and TurnLostError; then nothing changes.
    """
    policy = parse(source, "policy")
    with turn(broker, publishing.TURN) as mine:
        record = checked_record(broker, policy, source, base, by, note, people=1, roll_back_of=roll_back_of)
        value = wire.encode("PolicyVersion", record)
        headers = publishing.signature(signer, by, catalogue.POLICIES, policy.name, value)
        mine.write(catalogue.POLICIES, policy.name, value, headers)
    return record


def request_policy(
    broker: "Broker",
    source: str,
    base: str,
    by: str,
    note: str,
    now: int,
    second_person: str = "",
    *,
    roll_back_of: str = "",
) -> "Proposal":
    """Asks for a policy to be published, and returns the proposal; the same one where it waits already.

    `second_person`: who is told that a signature is asked for. Raises as `publish_source` does.
    """
    policy = parse(source, "policy")
    with turn(broker, publishing.TURN) as mine:
        checked_record(broker, policy, source, base, by, note, people=2, roll_back_of=roll_back_of)
        change = {"source": source, "version": version(policy), "asked_by": by, "note": note}
        if roll_back_of:
            change["roll_back_of"] = roll_back_of
        proposal = opened(
            POLICY,
            proposal_id(POLICY, policy.name, base, source, by, now),
            title=f"Publish policy {policy.name}, version {version(policy)}",
            claim=f"{by} asks to publish it: {note}",
            at=now,
            evidence={"changes": _changes(broker, policy)},
            change=change,
            policy=policy.name,
            policy_version=base,
        )
        for known in read_proposals(broker):
            same = ("kind", "state", "policy", "policy_version", "change")
            if all(known[name] == proposal[name] for name in same):
                return known
        mine.write(catalogue.PROPOSALS, proposal["proposal_id"], wire.encode("Proposal", proposal))
        if second_person:
            _tell(mine, proposal, second_person, by, now)
    return proposal


def checked_record(
    broker: "Broker",
    policy: Policy,
    source: str,
    base: str,
    by: str,
    note: str,
    *,
    people: int | None = None,
    **told: Any,
) -> dict[str, Any]:
    """The `PolicyVersion` record of a change that may be made. `people`: who may make it at once; None: it was tried.

    `told`: as `policy_record` takes it. Raises as `publish_source` does.
    """
    published = publishing.published_policies(broker)
    in_force: Mapping[str, Any] = published.get(policy.name, {"version": "", "source": None})
    if in_force["version"] != base:
        raise StalePolicyError(policy.name, base, in_force["version"])
    if in_force["source"] == source:
        raise UnchangedPolicyError(f"policy {policy.name} in force is just this text: nothing was changed")
    check_people(broker, policy, publishing.now())
    if people is not None:
        publishing.check_at_once(published, policy.name, people=people, was_in_force=bool(told.get("roll_back_of")))
    return publishing.policy_record(policy, source, policy.name, published, by, note, **told)


def _changes(broker: "Broker", policy: Policy) -> list[str]:
    record = publishing.published_policies(broker).get(policy.name)
    if record is None:
        return ["no policy of this name is in force"]
    try:
        before = from_resolved(record["resolved"])
    except (PolicyError, ValueError):
        return []
    return [str(change) for change in diff(before, policy)[:_MAX_CHANGES]]


def _tell(mine: Turn, proposal: "Proposal", second_person: str, by: str, now: int) -> None:
    message = (
        f"{by} asks you to look at proposal {proposal['proposal_id']} ({proposal['title']}), and to accept or refuse it"
    )
    event = alert("policy_requested", proposal["proposal_id"], "info", (second_person,), message, now)
    assert event.record is not None
    mine.write(catalogue.ALERTS, event.key, wire.encode("Alert", event.record))
