"""A promise is about all decisions, also about those that were chosen for people and that nobody has judged."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench.gates import all as gates
from interlock.learning.answered import Answered
from interlock.processors.calibration.alarm_level import alarm_level
from interlock.processors.outcomes import AUDIT
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.lane import Lane
from interlock.processors.proposals.open_work import OpenWork
from interlock.schemas import catalogue
from tests.processors.calibration.reviewed_world import World
from tests.processors.proposals.proposal_world import new_fold, of, proposals, taken

_AUDIT = Example("d#1", "loans", "m", "1", "approve", 0.9, 0.9, True, 0.05, False, {}, 0, "approve", way=AUDIT)


def _work(count: int, first: Answered | None = None) -> OpenWork:
    work = OpenWork()
    for _ in range(count):
        work.add(replace(_AUDIT, answered=first))
    return work


def test_everything_that_is_open_in_the_domain_is_taken_to_be_this_lanes() -> None:
    answers = _work(27, Answered(10, 10)).answers({AUDIT: Answered(110, 107)})
    assert answers.share == pytest.approx(27 / 30)
    assert str(answers) == "27 of 30 audits answered"


def test_what_was_open_before_the_evidence_began_does_not_count() -> None:
    assert _work(50, Answered(1_000, 400)).answers({AUDIT: Answered(1_050, 450)}).share == 1


def test_each_way_counts_by_how_many_decisions_it_stands_for() -> None:
    work = _work(10, Answered(0, 0))
    for _ in range(200):
        work.add(replace(_AUDIT, propensity=1.0, waited=True, way="async"))
    # Ten audits at 5 % stand for as many decisions as 200 reviews; half of these audits are missing.
    answers = work.answers({AUDIT: Answered(20, 10)})
    assert answers.share == pytest.approx(400 / 600)
    assert str(answers) == "10 of 20 audits answered"


def test_where_the_desk_tells_nothing_everything_counts_as_answered() -> None:
    assert _work(5).answers({}).share == 1
    assert str(_work(5).answers({})) == ""


def _examples(count: int, open_since: int = 2, late_since: int = 0, reviews: int = 60) -> Iterator[dict[str, Any]]:
    """Of a good model. From example `open_since` on, `reviews` were not done in time, and from `late_since` on they are
    done late, if that is given."""
    for number, example in enumerate(World(intercept=1.6, seed=3).examples(count), 1):
        missed = reviews if number >= open_since else 0
        late = reviews if late_since and number >= late_since else 0
        yield example | {"way": "async", "way_settled": number + missed, "way_judged": number + late}


def test_a_proposal_says_what_was_answered_and_what_it_was_tested_against() -> None:
    events = taken(new_fold(), _examples(4_000))
    proposal = [one for one in proposals(events) if one["state"] == "open"][-1]
    evidence = json.loads(proposal["evidence"])
    assert evidence["people"]["tested_limit"] == pytest.approx(0.095)
    assert evidence["answered"]["share"] > 0.9
    assert "async reviews answered: tested against 9.5%" in proposal["claim"]
    record = of(events, catalogue.LANE_PROGRESS)[-1]
    assert record["tested_limit"] == pytest.approx(0.095)
    assert record["missing"][0].endswith("tested against 9.5%")


def test_a_share_that_moves_moves_the_limit_and_keeps_the_evidence() -> None:
    events = taken(new_fold(), _examples(4_000, 500, 900, reviews=150))
    records = of(events, catalogue.LANE_PROGRESS)
    limits = [round(record["tested_limit"], 4) for record in records]
    assert limits[0] == 0.1
    assert min(limits) < 0.09
    assert limits[-1] > min(limits)
    assert [record["examples"] for record in records] == [100 * (number + 1) for number in range(len(records))]


def test_a_proposal_that_open_work_takes_back_says_so_and_comes_again_when_the_work_is_done() -> None:
    events = taken(new_fold(), _examples(4_500, 2_301, 2_601, reviews=570))
    first = next(one for one in proposals(events))["proposal_id"]
    states = [
        (event.record["state"], event.record["reason"])
        for event in events
        if event.topic is catalogue.PROPOSALS and event.key == first and event.record is not None
    ]
    assert [state for state, _ in states][:3] == ["open", "revoked", "open"]
    assert states[1][1] == (
        "no longer certified: 2400 of 2970 async reviews answered: it is tested against 8% instead of 10%"
    )


def test_what_nobody_judged_is_no_evidence_that_a_certificate_is_broken() -> None:
    alpha, level = 0.05, alarm_level()
    lane = Lane(("loans", "approve", "m", "1"), alpha, 0.1, level)
    count = Answered(0, 0)
    for number in range(1, 1_500):
        count = Answered(number * 100 // 85, number)
        lane.add(replace(_AUDIT, raw=number % 40 / 40, at=number, answered=count))
    lane.look(0.1, {AUDIT: count})
    lane.prove({})
    # The claim is held to 4.25 %, because 15 % of the audits are open. Then 4.6 % are wrong.
    assert lane.claims[0].limit == pytest.approx(0.0425)
    assert not any(lane.add(replace(_AUDIT, raw=0.99, at=number, correct=number % 22 > 0)) for number in range(3_000))
    assert any(lane.add(replace(_AUDIT, raw=0.99, at=number, correct=number % 10 > 0)) for number in range(3_000))


@pytest.mark.parametrize("name", gates.chosen("what nobody judged"))
def test_the_gate_of_open_work_keeps_its_promise(name: str) -> None:
    rows = gates.run(name, gates.gates()[name], quick=True)
    assert [row for row in rows if row.kept is False] == []
