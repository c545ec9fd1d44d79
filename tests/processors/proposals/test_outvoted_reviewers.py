"""Who is named because the others outvote him: two judge alone, and where they differ a third decides."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors import double_reviews
from interlock.processors.events import Event
from interlock.processors.proposals import agreement
from interlock.processors.proposals.coaching import CoachingFold
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.schemas import wire
from tests.processors.calibration.reviewed_world import outcome
from tests.processors.desk.desk_world import HOUR, DeskWorld
from tests.processors.proposals.proposal_world import proposals

Outcomes = Iterable[dict[str, Any]]

TEAM = {"ana": 0.95, "ben": 0.7, "cem": 0.95, "dea": 0.95, "eva": 0.95}


def _taken(outcomes: Outcomes, fold: CoachingFold | None = None) -> list[dict[str, Any]]:
    """What is proposed for being outvoted; every record can be written."""
    coaching = fold or CoachingFold(ProposalTable())
    events: list[Event] = [event for outcome in outcomes for event in coaching.process(outcome)]
    for event in events:
        wire.encode("Proposal", event.record or {})
    return [proposal for proposal in proposals(events) if "outvoted" in proposal["title"]]


def _evidence(proposal: Mapping[str, Any]) -> dict[str, Any]:
    evidence: dict[str, Any] = json.loads(proposal["evidence"])
    return evidence


def _verdict(task: int, number: int, reviewer: str, decided: str, **fields: Any) -> dict[str, Any]:
    return outcome(task, **{"outcome_id": f"d{task}#{number}", "reviewer": reviewer, "outcome": decided} | fields)


def _judged(task: int, first: tuple[str, str], second: tuple[str, str], word: str, **fields: Any) -> Outcomes:
    """The outcomes of a decision under four eyes; `word`: of the lead, if the two differ."""
    agree = first[1] == second[1]
    yield _verdict(task, 1, *first, resolves=False, **fields)
    yield _verdict(task, 2, *second, resolves=agree, **fields)
    if not agree:
        yield _verdict(task, 3, "lea", word, **fields)


def _doubles(
    team: Mapping[str, float], count: int, seed: int, start: int = 0, **fields: Any
) -> Iterator[dict[str, Any]]:
    """Two of the team judge each decision, independently; the lead is right in 97 %. One in three is to be rejected."""
    rng = np.random.default_rng(seed)
    names = sorted(team)
    for task in range(start, start + count):
        truth = rng.random() < 1 / 3
        people = [names[index] for index in rng.choice(len(names), 2, replace=False)]
        right = [*(rng.random() < team[name] for name in people), rng.random() < 0.97]
        verdicts = ["reject" if is_right == truth else "approve" for is_right in right]
        yield from _judged(task, (people[0], verdicts[0]), (people[1], verdicts[1]), verdicts[2], **fields)


def _lost(count: int, loser: str = "ben", other: str = "ana", start: int = 0) -> Iterator[dict[str, Any]]:
    for task in range(start, start + count):
        yield from _judged(task, (loser, "approve"), (other, "reject"), "reject")


def test_whoever_errs_six_times_as_often_is_named_and_nobody_else() -> None:
    needed = []
    for seed in range(25):
        fold = CoachingFold(ProposalTable())
        own = 0
        for verdict in _doubles(TEAM, 600, seed):
            own += verdict["reviewer"] == "ben"
            if named := _taken([verdict], fold):
                assert {_evidence(proposal)["reviewer"] for proposal in named} == {"ben"}
                needed.append(own)
                break
    # Of his own double reviews; the whole team had two and a half times as many.
    assert len(needed) >= 24
    assert np.median(needed) < 125
    assert np.quantile(needed, 0.9) < 225


@pytest.mark.parametrize("right", [0.95, 0.7])
def test_where_all_are_equally_good_hardly_ever_anybody_is_named(right: float) -> None:
    named = [bool(_taken(_doubles(dict.fromkeys(TEAM, right), 150, seed))) for seed in range(200)]
    assert np.mean(named) <= 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5


def test_at_the_limit_itself_the_risk_is_kept_at_every_look() -> None:
    # The first of the reviewers has half of the risk, the first time of being named half of that.
    share = 0.8 / 4
    named = 0
    for seed in range(150):
        lost = np.random.default_rng(seed).random(120) < agreement.LOST_LIMIT
        words = ["reject" if loses else "approve" for loses in lost]
        judged = (_judged(task, ("ben", "approve"), ("ana", "reject"), word) for task, word in enumerate(words))
        coached = _taken((verdict for task in judged for verdict in task), CoachingFold(ProposalTable(), risk=0.8))
        named += any(_evidence(proposal)["reviewer"] == "ben" for proposal in coached)
    assert 0 < named / 150 <= share + 2 * (share * (1 - share) / 150) ** 0.5


def test_hard_cases_and_weak_partners_make_nobody_look_bad() -> None:
    # dan gets only the hard ones, and always with ben, who is the weak one.
    for seed in range(10):
        easy = _doubles({"ana": 0.98, "cem": 0.98, "eva": 0.98}, 200, seed)
        hard = _doubles({"ben": 0.6, "dan": 0.8}, 200, seed, start=200)
        coached = _taken([*easy, *hard])
        assert {_evidence(proposal)["reviewer"] for proposal in coached} <= {"ben"}


def test_the_evidence_tells_how_the_latest_double_reviews_of_the_domain_agree() -> None:
    (proposal, *_) = _taken([*_doubles(TEAM, 300, 3, domain="other"), *_doubles(TEAM, 600, 3, start=300)])
    evidence = _evidence(proposal)
    assert proposal["kind"] == "coaching"
    assert "either ben misreads the guidelines, or sees what the others overlook" in proposal["claim"]
    assert evidence["lost_share"] == evidence["lost"] / evidence["disputes"]
    assert agreement.LOST_LIMIT < evidence["lower"] < evidence["lost_share"] < evidence["upper"] <= 1
    assert evidence["domain"] == "other"
    assert evidence["disputes"] <= evidence["double_reviews"] - evidence["agreed"]
    assert evidence["double_reviews"] < evidence["double_reviews_of_all"] <= 300
    alpha, others = evidence["krippendorff_alpha"], evidence["krippendorff_alpha_of_others"]
    assert alpha["lower"] < alpha["value"] < alpha["upper"] < others["value"]
    assert evidence["dawid_skene_lower"] < evidence["dawid_skene_accuracy"] < evidence["dawid_skene_upper"] < 0.9
    assert evidence["dawid_skene_accuracy"] == pytest.approx(0.7, abs=0.1)


def test_the_accuracy_of_a_pair_that_is_always_the_same_is_refused_by_name() -> None:
    (proposal,) = _taken(_lost(20))
    evidence = _evidence(proposal)
    assert (evidence["disputes"], evidence["lost"], evidence["dawid_skene_accuracy"]) == (14, 14, None)
    assert evidence["dawid_skene_refusal"].startswith("too-few-labels: 2 reviewers share items")
    assert evidence["krippendorff_alpha_of_others"] is None


def test_nothing_new_is_estimated_where_the_dispute_is_older_than_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "WINDOW", 3)
    *settled, first, second, third = _lost(14)
    others = [
        verdict for task in range(20, 30) for verdict in _judged(task, ("cem", "approve"), ("dea", "approve"), "")
    ]
    (proposal,) = _taken([*settled, first, second, *others, third])
    assert _evidence(proposal)["double_reviews"] == 0
    assert _evidence(proposal)["dawid_skene_refusal"].startswith("no-data: no decision of ben")


def test_whoever_got_better_is_left_in_peace_and_whoever_did_not_is_named_again() -> None:
    lost = list(_lost(14))
    better = [
        verdict
        for task in range(14, 74)
        for verdict in _judged(task, ("ben", "approve"), ("ana", "reject"), "reject" if task % 2 else "approve")
    ]
    assert len(_taken([*lost, *better, *_lost(14, start=74)])) == 1
    again = _taken([*lost, *_lost(30, start=14)])
    assert [_evidence(proposal)["reviewer"] for proposal in again] == ["ben", "ben"]
    # Half of the risk is his, half of that was for the first time, a sixth is for the second.
    assert [_evidence(proposal)["level"] for proposal in again] == pytest.approx([0.05 / 4, 0.05 / 12])
    assert len({proposal["proposal_id"] for proposal in again}) == 2


def test_a_third_who_says_something_else_upholds_nobody() -> None:
    disputes = (_judged(task, ("ben", "approve"), ("ana", "reject"), "ask again") for task in range(60))
    assert not _taken(verdict for task in disputes for verdict in task)


def test_two_who_differ_only_in_what_they_changed_do_not_differ_on_the_outcome() -> None:
    fold = CoachingFold(ProposalTable())
    for task in range(60):
        same: dict[str, Any] = {"verdict": "modify", "modifications": json.dumps({"limit": task})}
        verdicts = [
            _verdict(task, 1, "ben", "approve", resolves=False),
            _verdict(task, 2, "ana", "approve", resolves=False, **same),
            _verdict(task, 3, "lea", "reject"),
        ]
        assert not _taken(verdicts, fold)
    assert not fold.refused


def test_what_was_said_before_a_restart_is_not_said_again() -> None:
    outcomes = list(_doubles(TEAM, 600, 3))
    book = ProposalTable()
    first = _taken(outcomes, CoachingFold(book))
    assert first
    assert _taken(outcomes, CoachingFold(book)) == []
    for cut in (0, 400, len(outcomes)):
        replayed = CoachingFold(ProposalTable())
        before = [event for outcome in outcomes[:cut] for event in replayed.process(outcome, replayed=True)]
        assert before == []
        assert _taken(outcomes[cut:], replayed) == [
            proposal for proposal in first if proposal["proposal_id"] not in _ids(outcomes[:cut])
        ]


def _ids(outcomes: Outcomes) -> set[str]:
    return {proposal["proposal_id"] for proposal in _taken(outcomes)}


def test_verdicts_that_make_no_double_review_are_counted_by_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(double_reviews, "MAX_WAITING", 2)
    fold = CoachingFold(ProposalTable())
    first = [_verdict(task, 1, "ben", "approve", resolves=False) for task in range(3)]
    assert not _taken([*first, first[2], _verdict(0, 2, "ana", "reject", resolves=False)], fold)
    assert fold.refused == {"waited-too-long": 1, "same-person": 1, "first-unknown": 1}
    # What was said twice has not undone the first time.
    assert not _taken([_verdict(2, 2, "ana", "reject", resolves=False), _verdict(2, 3, "lea", "reject")], fold)
    assert fold.refused.total() == 3


_records = st.builds(
    _verdict,
    st.integers(0, 5),
    st.integers(1, 4),
    st.sampled_from(["ana", "ben", "cem", "dea"]),
    st.sampled_from(["approve", "reject", "ask"]),
    resolves=st.booleans(),
    kind=st.sampled_from(["review", "review", "post_approval", "audit", "appeal", "override", "gold"]),
    round=st.sampled_from([0, 0, 0, 1]),
)


@given(st.lists(_records, max_size=150))
def test_whatever_comes_in_whatever_order_is_told_without_nan_or_not_at_all(outcomes: list[dict[str, Any]]) -> None:
    coached = _taken(outcomes, CoachingFold(ProposalTable(), risk=0.999))
    for proposal in coached:
        evidence = _evidence(proposal)
        assert 0 <= evidence["lower"] <= evidence["lost_share"] <= evidence["upper"] <= 1


# What the desk says


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ana", "ben", "cem")
    world.hire("lea", role="lead")
    return world


def _said(world: DeskWorld) -> list[dict[str, Any]]:
    return _taken(world.said["reviews.outcomes"])


def test_of_two_who_differ_at_the_desk_the_one_is_named_whom_the_lead_does_not_uphold(world: DeskWorld) -> None:
    for number in range(14):
        task_id = world.arrive(f"q{number}", reasons=("big",)).task_id
        world.decide("ben", task_id=task_id)
        world.decide("ana", "reject", task_id=task_id)
        world.decide("lea", "reject", task_id=task_id)
    (proposal,) = _said(world)
    assert (_evidence(proposal)["reviewer"], _evidence(proposal)["disputes"]) == ("ben", 14)


def test_appeals_audits_and_overrides_at_the_desk_are_no_double_reviews(world: DeskWorld) -> None:
    for number in range(30):
        appealed = world.arrive(f"r{number}").task_id
        world.decide("ben", task_id=appealed)
        world.command("appeal", "lea", task_id=appealed, reason_text="unfair")
        world.decide("ana", "reject", task_id=appealed)
        overridden = world.arrive(f"o{number}", reasons=("big",)).task_id
        world.decide("ben", task_id=overridden)
        world.decide("ana", task_id=overridden)
        verdict = {"verdict": "reject", "reason_code": "other", "reason_text": "no"}
        claimed = world.task(overridden).payload_hash
        assert world.command("override", "lea", task_id=overridden, payload_hash=claimed, **verdict)["accepted"]
        audited = world.arrive(f"a{number}", route="auto", audit=True, propensity=0.1).task_id
        world.decide("ben", "choose", outcome="approve", task_id=audited)
        world.command("appeal", "lea", task_id=audited, reason_text="unfair")
        world.decide("ana", "reject", task_id=audited)
        world.wait(HOUR)
    kinds = Counter(record["kind"] for record in world.said["reviews.outcomes"])
    assert kinds == {"review": 90, "appeal": 60, "override": 30, "audit": 30}
    assert _said(world) == []


def test_whoever_overrides_at_the_desk_what_one_or_two_have_judged_is_neither_second_nor_third(
    world: DeskWorld,
) -> None:
    for number in range(30):
        published = {
            "domain": "post",
            "queue": "moderation",
            "prediction": "publish",
            "override_until": world.now + HOUR,
        }
        names = [f"one-{number}", f"two-{number}"]
        for name, reasons in zip(names, [("lane",), ("big",)], strict=True):
            world.arrive(name, route="auto", workflow="post_approval", reasons=reasons, **published)
            world.decide("ben", task_id=name)
        world.decide("ana", task_id=names[1])
        for name in names:
            verdict = {"verdict": "reject", "reason_code": "other", "reason_text": "no"}
            shown = world.task(name).payload_hash
            assert world.command("override", "lea", task_id=name, payload_hash=shown, **verdict)["accepted"]
            world.command("appeal", "lea", task_id=name, reason_text="unfair")
            world.decide("cem", "reject", task_id=name)
    numbers = Counter((record["kind"], record["outcome_id"][-1]) for record in world.said["reviews.outcomes"])
    assert {kind for kind, number in numbers if number == "2"} == {"post_approval", "override"}
    assert {kind for kind, number in numbers if number == "3"} == {"override", "appeal"}
    assert _said(world) == []
