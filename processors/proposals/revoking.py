"""What a drift signal ends: certificates, and with an accepted one the model's right to decide alone.

A policy is put in force by a person only, so that the thresholds of an accepted certificate cannot be taken back here.
The kill switch is pulled for the model version instead: from the next batch on nothing of it takes effect without a
person, and `interlock resume` ends that when a person has published other thresholds, or knows better.
"""

from typing import Any

from interlock.processors.events import Event, alert
from interlock.processors.proposals.proposal_table import Proposal, ProposalTable
from interlock.processors.proposals.record import CERTIFIED, LEARNING, revoked
from interlock.schemas import catalogue


def revoke(signal: dict[str, Any], book: ProposalTable) -> list[Event]:
    """What follows from a `DriftSignal` record, times as integers.

    The same again where it was written before in part: a process may die between two records.
    """
    events = []
    for one in list(book):
        if not _concerned(one, signal):
            continue
        mark = _mark(signal)
        again = one["state"] == "revoked" and mark in one["reason"]
        if one["state"] not in ("open", "accepted") and not again:
            continue
        was_accepted = one["state"] == "accepted" or (again and one["reason"].startswith(_ACCEPTED))
        reason = one["reason"] if again else f"{_before(one)}{mark}: {signal['message']}"
        if was_accepted:
            events += _halt(one, reason, signal["at"])
        events.append(book.note(revoked(one, reason, signal["at"])))
    return events


_ACCEPTED = "had been accepted"


def _concerned(one: Proposal, signal: dict[str, Any]) -> bool:
    if one["kind"] not in CERTIFIED or one["proposed_at"] > signal["at"]:
        return False
    if signal["monitor"] == "certificate":
        return one["proposal_id"] in signal["revokes"]
    return (one["model_id"], one["model_version"]) == (signal["model_id"], signal["model_version"])


def _mark(signal: dict[str, Any]) -> str:
    return f"revoked by {signal['signal_id']}"


def _before(one: Proposal) -> str:
    if one["state"] != "accepted":
        return ""
    return f"{_ACCEPTED} by {one['decided_by']} as policy version {one['policy_version']}; "


def _halt(one: Proposal, reason: str, at: int) -> list[Event]:
    scope = f"model:{one['model_id']}@{one['model_version']}"
    control = {
        "scope": scope,
        "halted": True,
        "reason": f"certificate {one['proposal_id']}: {reason}",
        "set_by": LEARNING,
        "set_at": at,
    }
    message = (
        f"{one['title']}: {reason}. Nothing that {one['model_id']}@{one['model_version']} decides takes effect by "
        f"itself now. Publish policy {one['policy']} without this change, then `interlock resume {scope}`"
    )
    return [
        Event(catalogue.CONTROLS, scope, control),
        alert("certificate_revoked", one["proposal_id"], "critical", (), message, at),
    ]
