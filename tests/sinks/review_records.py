"""Records of the review side with every field filled, for the tests of the sink."""

from typing import Any

from interlock.streams.clock import ManualClock

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

START = ManualClock.START

_PLACE = {"topic": "reviews.async", "partition": 0, "offset": 7}


def verdict(reviewer: str = "ann", outcome: str = "reject", **changes: Any) -> dict[str, Any]:
    """A verdict as tasks keep it."""
    return {
        "reviewer": reviewer,
        "verdict": "reject",
        "outcome": outcome,
        "reason_code": "income",
        "reason_text": "too low",
        "modifications": "",
        "at": START,
        "round": 0,
        **changes,
    }


def task(task_id: str, event: str = "arrived", **changes: Any) -> dict[str, Any]:
    """A task that waits; its service level is an hour from START on."""
    return {
        "task_id": task_id,
        "decision_id": task_id.rsplit(":", 1)[-1],
        "kind": "review",
        "state": "waiting",
        "event": event,
        "actor": "desk",
        "at": START,
        "command_id": "",
        "queue": "underwriting",
        "priority": "high",
        "route": "async",
        "workflow": "escalation",
        "domain": "lending",
        "model_id": "scorer",
        "model_version": "7",
        "prediction": "approve",
        "confidence": 0.85,
        "raw_confidence": 0.9,
        "propensity": 1.0,
        "amount": None,
        "impact": 0.5,
        "compliance_review": False,
        "policy_version": "0123456789abcdef",
        "deadline_policy": "0123456789abcdef",
        "routed_at": START,
        "arrived_at": START,
        "due_from": START,
        "deadline": START + HOUR,
        "warned": False,
        "breached": False,
        "raised_at": None,
        "stuck": False,
        "score": 0.4,
        "blind": False,
        "gold_outcome": "",
        "quorum": 1,
        "options": ["approve", "reject"],
        "qualifications": ["underwriter"],
        "reasons": ["lane:loan/approve:async", "big"],
        "routed_queue": "lending",
        "routed_qualifications": ["clinician"],
        "routed_outcomes": ["approve", "reject"],
        "routed_calendar": '{"time_zone":"UTC"}',
        "routed_service_levels": '{"critical":3600}',
        "routed_notices": '{"reject":["adverse_action"]}',
        "routed_attestations": ["I can change the decision"],
        "routed_evidence_opened": True,
        "routed_notify_within_days": 30,
        "created_at": START,
        "evidence_opened": [{"reviewer": "ann", "at": START}],
        "arm": "decide-first",
        "seeded": False,
        "first_opinions": [{"reviewer": "ann", "outcome": "reject", "at": START}],
        "excluded": ["zoe"],
        "skipped": ["zoe"],
        "assigned_to": "",
        "assigned_until": None,
        "lease_holder": "",
        "lease_epoch": 0,
        "lease_since": None,
        "lease_until": None,
        "lease_warned": False,
        "snoozed_until": None,
        "escalation": 0,
        "with_team": False,
        "escalation_note": "",
        "round": 0,
        "statement": "",
        "on_behalf_of": "",
        "parties": [],
        "appeals": 0,
        "measures": "",
        "notices": [],
        "caller": "",
        "caller_until": None,
        "caller_left": False,
        "verdicts": [],
        "version": 0,
        "outcome": "",
        "effect": 0,
        "source": "",
        "decided_by": "",
        "decided_at": None,
        "override_until": None,
        "final_at": None,
        "closed_at": None,
        "payload_hash": "ab" * 16,
        **_PLACE,
        **changes,
    }


def outcome(decision_id: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """An approval by ann, a minute after she had claimed it."""
    record = {
        "outcome_id": f"{decision_id}#{number}",
        "task_id": decision_id,
        "decision_id": decision_id,
        "kind": "review",
        "reviewer": "ann",
        "verdict": "approve",
        "outcome": "approve",
        "prediction": "approve",
        "resolves": True,
        "gold_outcome": "",
        "reason_code": "fits",
        "reason_text": "as I see it",
        "modifications": "",
        "options": ["approve", "reject"],
        "at": START + MINUTE,
        "arrived_at": START - MINUTE,
        "claimed_at": START,
        "deadline": START + HOUR,
        "within_sla": True,
        "queue": "underwriting",
        "priority": "high",
        "route": "async",
        "workflow": "escalation",
        "domain": "lending",
        "model_id": "scorer",
        "model_version": "7",
        "confidence": 0.85,
        "raw_confidence": 0.9,
        "propensity": 1.0,
        "audit": False,
        "blind": False,
        "round": 0,
        "policy_version": "0123456789abcdef",
        "payload_hash": "ab" * 16,
        "settled_before": START,
        "way_settled": 1,
        "way_judged": 1,
        "way_settled_before": START,
        "open_audits": 2,
        "open_reviews": 5,
        "attestations": ["I can change the decision"],
        "evidence_opened_at": START,
        "arm": "decide-first",
        "seeded": False,
        "first_opinion": "reject",
        "first_opinion_at": START,
        **_PLACE,
        **changes,
    }
    return {"overridden": record["outcome"] != record["prediction"], **record}


def command(command_id: str, **changes: Any) -> dict[str, Any]:
    """ann submits an approval."""
    return {
        "command_id": command_id,
        "kind": "submit",
        "actor": "ann",
        "issued_at": START,
        "task_id": "d-1",
        "queue": "",
        "epoch": 1,
        "payload_hash": "ab" * 16,
        "verdict": "approve",
        "outcome": "",
        "modifications": "",
        "reason_code": "fits",
        "reason_text": "as I see it",
        "to_reviewer": "",
        "until": START + DAY,
        "on_behalf_of": "",
        "attestations": ["I can change the decision"],
        **changes,
    }


def reply(command_id: str, **changes: Any) -> dict[str, Any]:
    """The submission is taken."""
    return {
        "command_id": command_id,
        "kind": "submit",
        "actor": "ann",
        "task_id": "d-1",
        "accepted": True,
        "code": "ok",
        "message": "",
        "at": START,
        "epoch": 1,
        "lease_until": START + HOUR,
        "payload_hash": "ab" * 16,
        **_PLACE,
        **changes,
    }


def resolution(decision_id: str, version: int = 1, **changes: Any) -> dict[str, Any]:
    """ann's final word."""
    return {
        "decision_id": decision_id,
        "version": version,
        "outcome": "approve",
        "prediction": "approve",
        "verdict": "approve",
        "source": "review",
        "decided_by": ["ann"],
        "decided_at": START,
        "final": True,
        "override_until": START + DAY,
        "reason_code": "fits",
        "reason_text": "as I see it",
        "modifications": "",
        "notices": ["adverse_action"],
        "domain": "lending",
        "model_id": "scorer",
        "model_version": "7",
        "policy_version": "0123456789abcdef",
        **changes,
    }


def action(decision_id: str, kind: str = "execute", version: int = 1, **changes: Any) -> dict[str, Any]:
    """What follows from it."""
    return {
        "action_id": f"{decision_id}/{version}/{kind}",
        "decision_id": decision_id,
        "kind": kind,
        "version": version,
        "outcome": "approve",
        "modifications": "",
        "notices": ["adverse_action"],
        "reason_code": "fits",
        "reason_text": "as I see it",
        "domain": "lending",
        "at": START,
        **_PLACE,
        "corrects": 1,
        "language": "en",
        "text": "Your notice",
        "written_under": "0123456789abcdef",
        **changes,
    }


def action_sequence(decision_id: str, **changes: Any) -> dict[str, Any]:
    """What an executor keeps in mind of a decision with a dead letter."""
    waiting = {
        "topic": "actions",
        "partition": 1,
        "offset": 7,
        "action_id": f"{decision_id}/1/roll_back",
        "kind": "roll_back",
        "version": 1,
        "state": "waiting",
        "in_doubt": True,
    }
    return {"group": "webhooks", "decision_id": decision_id, "actions": [waiting], "at": START, **changes}


def alert(alert_id: str, kind: str = "sla_breach", **changes: Any) -> dict[str, Any]:
    """A deadline passed."""
    return {
        "alert_id": alert_id,
        "kind": kind,
        "severity": "warning",
        "to": ["ann", "mia"],
        "task_id": "d-1",
        "queue": "underwriting",
        "message": "its deadline has passed: decide it now",
        "at": START,
        **changes,
    }


def reviewer(name: str, **changes: Any) -> dict[str, Any]:
    """A person with everything that can be said of one."""
    return {
        "id": name,
        "name": name.capitalize(),
        "role": "reviewer",
        "manager": "mia",
        "queues": ["underwriting"],
        "qualifications": [
            {"name": "underwriter", "expires_at": START + DAY},
            {"name": "german", "expires_at": None},
        ],
        "capacity": 5,
        "time_zone": "Europe/Berlin",
        "hours": [{"day": 0, "start": 540, "end": 1020}],
        "time_off": [{"start": START, "end": START + DAY}],
        "contact": "mailto://x",
        **changes,
    }


def presence(name: str, **changes: Any) -> dict[str, Any]:
    """On duty."""
    return {"reviewer": name, "on_duty": True, "since": START, "paused_since": None, "pause_reason": "", **changes}
