"""What a drift signal ends."""

from typing import Any

import pytest

from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.record import opened
from interlock.processors.proposals.revoking import revoke
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from tests.processors.proposals.proposal_world import of, proposals


def _proposal(name: str, state: str = "open", *, kind: str = "threshold", version: str = "7") -> dict[str, Any]:
    proposal = opened(
        kind,
        name,
        title="loan/approve: auto from 0.7 on instead of 0.9",
        claim="…",
        at=100,
        evidence={},
        change={"domain": "loan", "prediction": "approve", "auto": 0.7},
        domain="loan",
        model_id="scorer",
        model_version=version,
        policy="lending",
        policy_version="new",
    )
    return proposal | {"state": state, "decided_by": "ana" if state != "open" else ""}


def _signal(monitor: str = "certificate", revokes: tuple[str, ...] = ("t1", "t2"), at: int = 500) -> dict[str, Any]:
    return {
        "signal_id": f"{monitor}/scorer@7/1",
        "monitor": monitor,
        "model_id": "scorer",
        "model_version": "7",
        "domain": "loan",
        "statistic": 2.0,
        "threshold": 1.0,
        "seen": 5,
        "message": "more is wrong than was promised",
        "revokes": list(revokes),
        "at": at,
    }


def _table(*records: dict[str, Any]) -> ProposalTable:
    table = ProposalTable()
    for record in records:
        table.put(record)
    return table


def test_an_accepted_certificate_ends_and_the_model_version_is_halted_with_the_reason() -> None:
    events = revoke(_signal(), _table(_proposal("t1", "accepted"), _proposal("t2")))
    assert {proposal["proposal_id"]: proposal["state"] for proposal in proposals(events)} == {
        "t1": "revoked",
        "t2": "revoked",
    }
    (control,) = of(events, catalogue.CONTROLS)
    assert (control["scope"], control["halted"], control["set_by"]) == ("model:scorer@7", True, "learning")
    (alert,) = of(events, catalogue.ALERTS)
    assert alert["severity"] == "critical"
    assert "interlock resume model:scorer@7" in alert["message"]
    assert "accepted by ana as policy version new" in alert["message"]
    state = RouterState()
    state.apply("controls", control["scope"].encode(), wire.encode("Control", control))
    assert list(state.halted) == ["model:scorer@7"]


def test_where_only_open_proposals_end_nothing_is_halted() -> None:
    events = revoke(_signal(), _table(_proposal("t2")))
    assert not of(events, catalogue.CONTROLS)
    assert proposals(events)[0]["state"] == "revoked"


@pytest.mark.parametrize(
    "other",
    [
        _proposal("x", "accepted"),
        _proposal("t1", "refused"),
        _proposal("t1", "accepted", kind="retraining"),
        _proposal("t1", "accepted") | {"proposed_at": 501},
    ],
    ids=["another certificate", "refused", "no certificate", "proposed on later evidence"],
)
def test_what_the_signal_does_not_speak_of_stays(other: dict[str, Any]) -> None:
    assert revoke(_signal(), _table(other)) == []


@pytest.mark.parametrize("monitor", ["confidence", "overrides"])
def test_a_monitor_that_does_not_watch_the_errors_of_a_certificate_ends_and_halts_nothing(monitor: str) -> None:
    table = _table(_proposal("t1", "accepted"), _proposal("t2"))
    assert revoke(_signal(monitor, ()), table) == []
    assert revoke(_signal(monitor), table) == []  # whatever an old or foreign record claims


def test_a_broken_certificate_ends_only_what_it_names() -> None:
    table = _table(_proposal("t1", "accepted"), _proposal("t2", "accepted"))
    events = revoke(_signal(revokes=("t2",)), table)
    assert [proposal["proposal_id"] for proposal in proposals(events)] == ["t2"]


def test_a_signal_that_is_taken_twice_says_the_same_twice_so_that_nothing_is_lost_between() -> None:
    table = _table(_proposal("t1", "accepted"))
    first = revoke(_signal(), table)
    assert revoke(_signal(), table) == first
    # Another signal finds nothing left to end.
    assert revoke(_signal() | {"signal_id": "certificate/scorer@7/9"}, table) == []


def test_an_unreadable_proposal_changes_nothing_and_a_tombstone_removes_one() -> None:
    table = _table(_proposal("t1"))
    table.apply(b"t1", b"rubbish")
    assert table.is_open("t1")
    table.apply(b"t1", None)
    assert table.get("t1") is None
