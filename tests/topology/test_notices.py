"""A notice from decision to letter: by the machine, by a person, contested, and taken back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.executors import Execution
from interlock.policy.load import load
from interlock.processors.notices.checking import written_again
from interlock.review.desk_connection import CommandRefusedError
from interlock.schemas import catalogue
from interlock.schemas.models import Explanation, Feature
from interlock.testing import Topology

LENDING = Path(__file__).parents[1] / "policy" / "notices" / "lending.yaml"
REASONS = Explanation(
    top_features=(
        Feature(feature="savings", value="1", importance=0.2),
        Feature(feature="duration", value="48", importance=0.9),
        Feature(feature="delinquency", value="0", importance=-0.8),
    )
)


@pytest.fixture
def world() -> Topology:
    topology = Topology(LENDING)
    topology.start_notices()
    for name in ("ann", "bob"):
        topology.add_reviewer(name, role="lead")
    topology.run()
    return topology


def _notices(world: Topology) -> list[dict[str, Any]]:
    return [record for record in world.records(catalogue.ACTIONS.name) if record["kind"] == "notice"]


def _decline(world: Topology, decision_id: str = "l-1", confidence: float = 0.95, **fields: Any) -> None:
    given = {"prediction": "reject", "explanation": REASONS, "subject_id": "s", **fields}
    world.decide(decision_id, confidence, **given)


def test_an_automatic_refusal_is_explained_by_the_factors_that_counted(world: Topology) -> None:
    _decline(world, attributes={"language": "es"})
    (notice,) = _notices(world)
    assert notice["action_id"] == "l-1/1/notice/adverse_action"
    assert (notice["language"], notice["corrects"], notice["notices"]) == ("es", 0, ["adverse_action"])
    assert "- El plazo del préstamo es largo\n- Tiene pocos ahorros\n" in notice["text"]
    assert notice["written_under"] == world.records(catalogue.POLICIES.name)[0]["version"]


def test_an_approval_owes_no_notice(world: Topology) -> None:
    world.decide("l-1", 0.95, prediction="approve")
    assert _notices(world) == []


def test_a_refusal_by_a_person_is_explained_by_the_persons_reason(world: Topology) -> None:
    _decline(world, confidence=0.85)
    world.review("ann", "approve", "l-1", reason_code="delinquency", reason_text="two arrears")
    world.run()
    (notice,) = _notices(world)
    assert "- You were late with payments on other credit\n" in notice["text"]
    assert "arrears" not in notice["text"]


def _audited(world: Topology) -> None:
    world.publish(LENDING.read_text(encoding="utf-8") + "audit: {rate: 1}\n")
    world.run()
    _decline(world)


def test_an_automatic_refusal_that_falls_is_taken_back_in_writing(world: Topology) -> None:
    _audited(world)
    world.review("ann", "choose", "l-1", outcome="approve", reason_code="other", reason_text="Enough income")
    world.run()
    first, second = _notices(world)
    assert second["action_id"] == "l-1/2/notice/adverse_action"
    assert (second["notices"], second["corrects"]) == (["adverse_action:withdrawn"], first["version"])
    assert "Our notice l-1/1 no longer holds" in second["text"]


def _contested(world: Topology) -> None:
    """A refusal by ann for late payments, against which the applicant appeals."""
    _decline(world, confidence=0.85)
    world.review("ann", "approve", "l-1", reason_code="delinquency", reason_text="two arrears")
    world.reviewer("ann").appeal("l-1", "Those were my brother's", on_behalf_of="s")
    world.run()


def test_a_contested_refusal_that_falls_is_taken_back(world: Topology) -> None:
    _contested(world)
    world.review("bob", "reject", "l-1", reason_code="other", reason_text="They are of another person")
    world.run()
    assert [(one["notices"], one["corrects"]) for one in _notices(world)] == [
        (["adverse_action"], 0),
        (["adverse_action:withdrawn"], 1),
    ]


def test_a_contested_refusal_that_stands_for_another_reason_is_corrected(world: Topology) -> None:
    _contested(world)
    world.review("bob", "approve", "l-1", reason_code="income-insufficient", reason_text="1,200 a month")
    world.run()
    _, second = _notices(world)
    assert second["corrects"] == 1
    assert "This notice replaces our earlier notice l-1/1" in second["text"]
    assert "- Your income is insufficient for the amount of credit requested\n" in second["text"]
    assert "late with payments" not in second["text"]


def test_a_refusal_that_stands_for_the_same_reason_changes_no_notice(world: Topology) -> None:
    _contested(world)
    world.review("bob", "approve", "l-1", reason_code="delinquency", reason_text="nothing new")
    world.run()
    assert len(_notices(world)) == 1


@pytest.mark.parametrize(
    ("code", "text"), [("other", "Against internal policy"), ("wrong-prediction", "score too low")]
)
def test_a_reason_that_is_none_is_refused_at_once_and_the_reviewer_still_has_the_case(
    world: Topology, code: str, text: str
) -> None:
    _decline(world, confidence=0.85)
    with pytest.raises(CommandRefusedError, match="is no specific reason for 'reject': write which facts"):
        world.review("ann", "approve", "l-1", reason_code=code, reason_text=text)
    world.review("ann", "approve", "l-1", reason_code=code, reason_text="Two payments were late in May")
    world.run()
    (notice,) = _notices(world)
    assert "- Two payments were late in May\n" in notice["text"]


def test_factors_without_a_sentence_are_not_replaced_by_the_nearest_ones(world: Topology) -> None:
    _decline(world, explanation=Explanation(top_features=(Feature(feature="shoes", value="red", importance=0.9),)))
    assert _notices(world) == []
    (alert,) = [one for one in world.records(catalogue.ALERTS.name) if one["kind"] == "notice_unwritable"]
    assert "no sentence in principal_reasons for: shoes" in alert["message"]


def test_executors_are_handed_the_text_once_and_after_what_it_is_about(world: Topology) -> None:
    handed: list[Execution] = []
    world.start_executor(handed.append)
    _decline(world, confidence=0.85)
    world.review("ann", "approve", "l-1", reason_code="delinquency", reason_text="two arrears")
    world.run()
    world.advance(timedelta(hours=1))
    assert [one.action_id for one in handed] == ["l-1/1/execute", "l-1/1/notify", "l-1/1/notice/adverse_action"]
    assert handed[-1].text == _notices(world)[0]["text"]
    assert handed[-1].language == "en"


def test_a_notice_that_a_later_policy_drops_stays_due_in_the_words_of_the_one_that_routed(world: Topology) -> None:
    _decline(world, confidence=0.85)
    routed_under = world.routed("l-1")["policy_version"]
    world.publish(
        "name: lending\ndomains: {loans: {models: [m], outcomes: [approve, reject], reason_codes: [delinquency]}}\n"
    )
    world.run()
    world.review("ann", "approve", "l-1", reason_code="delinquency", reason_text="two arrears")
    world.run()
    (notice,) = _notices(world)
    assert notice["written_under"] == routed_under


def _again(world: Topology, **changes: Any) -> tuple[str, str]:
    record = _notices(world)[-1] | changes
    return written_again(record, load(LENDING), world.routed("l-1"))


def test_the_record_gives_the_bytes_that_were_sent(world: Topology) -> None:
    _contested(world)
    world.review("bob", "reject", "l-1", reason_code="other", reason_text="They are of another person")
    world.run()
    for record in _notices(world):
        assert written_again(record, load(LENDING), world.routed("l-1")) == ("same", "")


@pytest.mark.parametrize(
    "changes", [{"text": "Dear customer"}, {"language": "es"}, {"reason_code": "income-insufficient"}, {"at": 0}]
)
def test_a_notice_that_its_record_does_not_give_is_found(world: Topology, changes: dict[str, Any]) -> None:
    _decline(world, confidence=0.85)
    world.review("ann", "approve", "l-1", reason_code="delinquency", reason_text="two arrears")
    world.run()
    assert _again(world)[0] == "same"
    assert _again(world, **changes)[0] == "differs"


def test_without_its_policy_or_decision_nobody_knows(world: Topology) -> None:
    _decline(world)
    (record,) = _notices(world)
    assert written_again(record, None, world.routed("l-1"))[0] == "unknown"
    assert written_again(record, load(LENDING), None)[0] == "unknown"
