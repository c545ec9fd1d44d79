"""A domain may ask for certificates that hold for every group of an attribute, not only for all together."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench.gates import all as gates
from bench.gates import certified_groups as gate
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.processors.calibration.alarm_level import alarm_level
from interlock.processors.proposals.by_group import MAX_GROUPS, Grouping
from interlock.processors.proposals.certificate import Certificate
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.thresholds import ThresholdEvidence
from interlock.schemas import catalogue
from tests.processors.calibration.reviewed_world import World
from tests.processors.proposals.proposal_world import SOURCE, new_fold, of, proposals, taken

GROUPED = SOURCE.replace(
    "attributes: {country: string, age: int, member: bool}",
    "attributes: {country: string, age: int, member: bool}\n    groups: {age: [18, 65]}",
)
BY_AGE = GROUPED.replace("groups: {age: [18, 65]}", "groups: {age: [18, 65]}\n    certify_by: age")


def _examples(count: int, *, old: int = 4, wrong: int = 6) -> Iterator[dict[str, Any]]:
    """Of a good model: one in `old` cases is of somebody old, of which one in `wrong` is wrong besides."""
    for number, example in enumerate(World(intercept=3, auto=1.01, seed=3).examples(count)):
        is_old = number % old == 0
        if is_old and number // old % wrong == 0:
            example |= {"final": "reject", "overridden": True}
        yield example | {"attributes": {"age": "70" if is_old else ("16", "30", "40")[number % 3]}}


def _thresholds(source: str, count: int = 2_500, **world: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    events = taken(new_fold(source), _examples(count, **world))
    made = [one for one in proposals(events) if one["state"] == "open" and one["kind"] == "threshold"]
    return made, of(events, catalogue.LANE_PROGRESS)[-1]


def test_a_group_that_errs_more_than_promised_hides_unless_the_domain_certifies_by_it() -> None:
    (over_all,), _ = _thresholds(GROUPED)
    assert "Worst group: age 65 or more, 1" in over_all["claim"]
    by_age, progress = _thresholds(BY_AGE)
    assert by_age == []
    assert progress["certified"] is None
    (said,) = progress["missing"]
    assert said.startswith("certified for none: age 65 or more has ")
    assert said.endswith("where the model is surest, too many for 10%")


def test_a_group_with_too_few_audits_is_named_with_how_many_it_has_of_how_many() -> None:
    made, progress = _thresholds(BY_AGE, old=60, wrong=1_000)
    assert made == []
    (said,) = progress["missing"]
    assert said.startswith("certified for none: age 65 or more has ")
    assert " audits of about " in said
    (strictest, *_) = progress["steps"]
    assert strictest["needed"] > 2 * strictest["audits"]


def test_a_claim_by_groups_names_each_group_that_keeps_the_promise() -> None:
    (made,), progress = _thresholds(BY_AGE, wrong=1_000)
    assert "of each group (age 18 to under 65, age 65 or more, age under 18)" in made["claim"]
    evidence = json.loads(made["evidence"])
    assert evidence["certified_by"] == "age 18 65"
    assert evidence["certified_groups"] == ["18 to under 65", "65 or more", "under 18"]
    assert progress["missing"] == []


def test_what_was_judged_before_the_policy_asked_for_groups_counts() -> None:
    stream = gate.employment_stream(seed=1, reviews=2_000)
    from_start, later = (ThresholdEvidence(gate.ALPHA, gate.DELTA) for _ in range(2))
    from_start.certify_by(gate.AGE, [])
    for number, example in enumerate(stream, 1):
        from_start.add(example)
        later.add(example)
        if number % 500 == 0:
            from_start.proof()
            later.proof()
    later.certify_by(gate.AGE, stream)
    proofs = from_start.proof(), later.proof()
    assert proofs[0] is not None
    assert proofs[1] is not None
    assert proofs[0].e_value == pytest.approx(proofs[1].e_value)
    assert proofs[0] == replace(proofs[1], e_value=proofs[0].e_value)
    assert [step.evidence for step in from_start.steps()] == pytest.approx([step.evidence for step in later.steps()])


def test_an_attribute_with_more_groups_than_anybody_compares_certifies_nothing() -> None:
    evidence = ThresholdEvidence(gate.ALPHA, gate.DELTA)
    evidence.certify_by(Grouping("age", ()), [])
    for number, example in enumerate(gate.employment_stream(seed=1, reviews=2_000)):
        evidence.add(replace(example, correct=True, attributes={"age": str(number % (MAX_GROUPS + 1))}))
    assert evidence.proof() is None
    assert evidence.hindrance() == "certified for none: age has more than 50 groups"


def _case(number: int, *, old: bool, wrong: bool) -> Example:
    age = {"age": "70" if old else "30"}
    return Example(str(number), "loan", "m", "1", "yes", 0.9, 0.9, not wrong, 1.0, True, age, number, "yes")


def test_the_monitor_sees_a_group_break_the_promise_while_all_together_keep_it() -> None:
    def alarms(by: Grouping | None) -> list[str | None]:
        certificate = Certificate("t", lambda _: True, 0.05, alarm_level(), by=by)
        stream = (_case(number, old=number % 10 == 0, wrong=number % 50 == 0) for number in range(5_000))
        return [alarm[1] for case in stream if (alarm := certificate.add(case)) is not None]

    # One in fifty is wrong, all of them of the old: one in five of these.
    assert alarms(None) == []
    assert alarms(Grouping("age", (18, 65)))[0] == "65 or more"


def test_a_policy_certifies_by_one_of_its_groups() -> None:
    with pytest.raises(PolicyError, match="none of the groups"):
        parse(GROUPED.replace("groups: {age: [18, 65]}", "groups: {age: [18, 65]}\n    certify_by: country"), "p")


def test_the_threshold_that_hides_the_old_among_employment_records_is_refused_by_age() -> None:
    stream = gate.employment_stream(seed=1, reviews=5_000)
    over_all, by_age = (gate.thresholds(stream, by) for by in (None, gate.AGE))
    assert gate.worst_group(over_all[-1]) > 2 * gate.ALPHA
    assert all(gate.worst_group(threshold) <= gate.ALPHA for threshold in by_age)


@pytest.mark.parametrize("name", gates.chosen("one group errs too often"))
def test_the_gate_of_groups_keeps_its_promise(name: str) -> None:
    rows = gates.run(name, gates.gates()[name], quick=True)
    assert [row for row in rows if row.kept is False] == []
