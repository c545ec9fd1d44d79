"""Revokes certificates that errors have broken, and halts the model version if a person had accepted one.

Only evidence about errors does so: an alarm of the certificate's own monitor. A shift of confidence, or an override
rate above its limit, says nothing about what a certificate covers; both are warnings, also where an old log holds them.

Only a person puts a policy in force, so this code cannot take back the thresholds of an accepted certificate. It halts
the model version instead: from the next batch on, none of its decisions takes effect without a person. `interlock
resume` ends that when a person has published other thresholds, or finds the alarm false.
"""

from typing import Any

from interlock.processors.events import Event, alert
from interlock.processors.proposals.proposal_table import Proposal, ProposalTable
from interlock.processors.proposals.record import CERTIFIED, LEARNING, revoked
from interlock.schemas import catalogue


def revoke(signal: dict[str, Any], table: ProposalTable) -> list[Event]:
    """What follows from a `DriftSignal` record, times as integers.

    Returns the same events again if they were written only in part: a process may die between two records.
    """
    events = []
    for proposal in list(table):
        if not _concerned(proposal, signal):
            continue
        mark = _mark(signal)
        again = proposal["state"] == "revoked" and mark in proposal["reason"]
        if proposal["state"] not in ("open", "accepted") and not again:
            continue
        was_accepted = proposal["state"] == "accepted" or (again and proposal["reason"].startswith(_ACCEPTED))
        reason = proposal["reason"] if again else f"{_before(proposal)}{mark}: {signal['message']}"
        if was_accepted:
            events += _halt(proposal, reason, signal["at"])
        events.append(table.put(revoked(proposal, reason, signal["at"])))
    return events


_ACCEPTED = "had been accepted"


def _concerned(proposal: Proposal, signal: dict[str, Any]) -> bool:
    if signal["monitor"] != "certificate" or proposal["kind"] not in CERTIFIED:
        return False
    return proposal["proposed_at"] <= signal["at"] and proposal["proposal_id"] in signal["revokes"]


def _mark(signal: dict[str, Any]) -> str:
    return f"revoked by {signal['signal_id']}"


def _before(proposal: Proposal) -> str:
    if proposal["state"] != "accepted":
        return ""
    return f"{_ACCEPTED} by {proposal['decided_by']} as policy version {proposal['policy_version']}; "


def _halt(proposal: Proposal, reason: str, at: int) -> list[Event]:
    scope = f"model:{proposal['model_id']}@{proposal['model_version']}"
    control = {
        "scope": scope,
        "halted": True,
        "reason": f"certificate {proposal['proposal_id']}: {reason}",
        "set_by": LEARNING,
        "set_at": at,
    }
    message = (
        f"{proposal['title']}: {reason}. No decision of {proposal['model_id']}@{proposal['model_version']} takes "
        f"effect by itself now. Publish policy {proposal['policy']} without this change, then "
        f"`interlock resume {scope}`"
    )
    return [
        Event(catalogue.CONTROLS, scope, control),
        alert("certificate_revoked", proposal["proposal_id"], "critical", (), message, at),
    ]
