"""What a reviewer may see: nothing of the AI's answer where it is withheld, all of it where it is shown."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy.load import parse
from interlock.processors.review.payload import Payload
from interlock.processors.review.times import SECOND, micros
from interlock.processors.review.view import TaskView, build_view
from interlock.schemas.times import moment
from tests.interlock.review.review_world import POLICY, decision, routed, task_record

LENDING = parse(POLICY, "lending")
OUTCOMES = ("approve", "reject", "refer")


def seen(envelope: dict[str, Any], policy: Any = LENDING, now: int | None = None, **task: Any) -> TaskView:
    record = task_record(envelope, **task)
    at = micros(record["arrived_at"]) if now is None else now
    return build_view(record, Payload(envelope, verified=True), at, routed_by=policy, in_force=policy)


def audit(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return routed(content, "auto", audit=True, propensity=0.05, priority="low", **changes)


# Two numbers, so that they are told apart from each other and from everything else in the view.
confidences = st.floats(0.01, 0.99)
words = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def ai_answers(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Everything of a decision, and of its envelope, that comes from the AI or follows from its answer."""
    prediction = draw(st.sampled_from(OUTCOMES))
    others = [name for name in OUTCOMES if name != prediction]
    answer = {
        "prediction": prediction,
        "confidence": draw(confidences),
        "alternatives": [
            {"option": name, "confidence": draw(confidences), "pros": [draw(words)], "cons": [draw(words)]}
            for name in draw(st.permutations(others))
        ],
        "explanation": {
            "top_features": [{"feature": draw(words), "value": draw(words), "importance": draw(confidences)}],
            "reasoning": draw(words),
            "similar_cases": [{"case_id": draw(words), "outcome": draw(st.sampled_from(OUTCOMES))}],
        },
        "history": {"previous_decisions": [], "model_accuracy_on_similar": draw(confidences)},
    }
    reasons = [f"lane:loans/{prediction}:auto", *(["sure-refusal"] if prediction == "reject" else [])]
    around = {
        "reasons": reasons,
        "calibrated_confidence": draw(confidences),
        "notices": ["adverse_action"] if prediction == "reject" else [],
    }
    return answer, around


def of_the_ai(answers: tuple[dict[str, Any], dict[str, Any]], route: str, policy: Any) -> dict[str, Any]:
    answer, around = answers
    content = decision("d-1", **answer)
    envelope = audit(content, **around) if route == "auto" else routed(content, route, **around)
    facts = seen(envelope, policy, now=10**15, payload_hash="h").facts()
    return {name: value for name, value in facts.items() if name not in _BY_THE_CLOCK}


_BY_THE_CLOCK = ("created_at", "deadline", "due_seconds")


@pytest.mark.parametrize("policy", [LENDING, None], ids=["policy known", "no policy"])
@settings(max_examples=30)
@given(first=ai_answers(), second=ai_answers())
def test_a_blind_view_is_the_same_whatever_the_ai_says(policy: Any, first: Any, second: Any) -> None:
    left, right = (of_the_ai(answers, "auto", policy) for answers in (first, second))
    assert left == right


@pytest.mark.parametrize("policy", [LENDING, None], ids=["policy known", "no policy"])
@settings(max_examples=30)
@given(first=ai_answers(), second=ai_answers())
def test_a_hidden_view_is_the_same_whatever_the_ai_says(policy: Any, first: Any, second: Any) -> None:
    left, right = (of_the_ai(answers, "manual", policy) for answers in (first, second))
    assert left == right


def test_a_blind_task_says_that_the_answer_is_withheld_and_lets_only_choose() -> None:
    found = seen(audit(decision("d-1")))
    assert (found.ai_shown, found.ai, found.verdicts) == ("withheld", None, ("choose",))
    assert [(option.outcome, option.confidence) for option in found.options] == [(name, None) for name in OUTCOMES]
    assert found.kind == "review"  # an audit is of something the AI was sure of
    assert found.effect == ""  # the policy's resolution is the AI's answer
    assert found.input == {"term": 36}
    assert found.reason_codes == ("income", "history", "other")  # there is nothing to agree with


def test_reveal_does_not_open_a_blind_task() -> None:
    envelope = audit(decision("d-1"))
    record = task_record(envelope)
    found = build_view(record, Payload(envelope, verified=True), micros(record["arrived_at"]), reveal=True)
    assert found.ai is None


def test_a_manual_case_shows_the_answer_only_when_it_is_revealed() -> None:
    envelope = routed(decision("d-1"), "manual")
    record = task_record(envelope)
    now = micros(record["arrived_at"])
    hidden = build_view(record, Payload(envelope, verified=True), now, routed_by=LENDING, in_force=LENDING)
    assert (hidden.ai_shown, hidden.ai, hidden.verdicts) == ("hidden", None, ("choose",))
    assert hidden.why == ("Large loans are signed by a person (amount 12,000 > 1,000)",)
    opened = build_view(record, Payload(envelope, verified=True), now, routed_by=LENDING, in_force=LENDING, reveal=True)
    assert opened.ai is not None
    assert opened.ai.prediction == "reject"
    assert "approve" in opened.verdicts


def test_an_ordinary_task_shows_answer_reasons_options_and_time() -> None:
    found = seen(routed(decision("d-1")))
    assert found.ai is not None
    assert (found.ai.prediction, found.ai.confidence, found.ai.raw_confidence) == ("reject", 0.625, 0.75)
    assert found.why == (
        "confidence 0.62 in reject is below 0.95, what it takes to act without a person",
        "Large loans are signed by a person (amount 12,000 > 1,000)",
    )
    assert [option.outcome for option in found.options] == ["reject", "approve", "refer"]
    assert found.options[1].pros == ("loyal",)
    assert found.reason_codes == ("agree", "income", "history", "other")
    assert found.notices == ("adverse_action",)
    assert found.due_seconds == pytest.approx(24 * 3600, abs=60)
    assert (found.lease_until, found.lease_seconds) == (None, None)
    assert found.signatures_needed == 1


def test_hybrid_options_come_in_the_order_of_the_desk_with_pros_and_cons() -> None:
    found = seen(routed(decision("d-1"), workflow="hybrid"), options=["reject", "approve", "refer"])
    assert [(option.outcome, option.confidence, option.cons) for option in found.options] == [
        ("reject", 0.75, ()),
        ("approve", 0.25, ("late payments",)),
        ("refer", None, ()),
    ]


def test_an_option_that_the_policy_in_force_has_removed_is_not_offered() -> None:
    fewer = parse(POLICY.replace("outcomes: [approve, reject, refer]", "outcomes: [approve, reject]"), "lending")
    found = seen(routed(decision("d-1"), workflow="hybrid"), fewer, options=["refer", "reject", "approve"])
    assert [option.outcome for option in found.options] == ["reject", "approve"]


@pytest.mark.parametrize("route", ["async", "manual"])
def test_without_a_policy_the_outcomes_that_were_possible_at_the_routing_are_offered(route: str) -> None:
    found = seen(routed(decision("d-1"), route), None, routed_outcomes=list(OUTCOMES))
    assert {option.outcome for option in found.options} == set(OUTCOMES)


def test_an_outcome_that_was_added_after_the_routing_is_not_offered_where_the_answer_is_hidden() -> None:
    found = seen(routed(decision("d-1"), "manual"), routed_outcomes=["approve", "reject"])
    assert [option.outcome for option in found.options] == ["approve", "reject"]


def test_the_lease_counts_down_to_zero_and_not_below() -> None:
    envelope = routed(decision("d-1"))
    record = task_record(envelope, state="leased", lease_holder="ann", lease_epoch=3)
    now = micros(record["arrived_at"])
    for left, shown in ((90, 90), (0, 0), (-5, 0)):
        held = {**record, "lease_until": moment(now + left * SECOND)}
        view = build_view(held, Payload(envelope, verified=True), now)
        assert (view.lease_seconds, view.lease_until) == (shown, now + left * SECOND)


def test_a_gold_item_looks_like_any_other() -> None:
    found = seen(routed(decision("d-1")), kind="gold", gold_outcome="refer-it-not")
    assert found.kind == "review"
    assert "refer-it-not" not in str(found.facts())


def test_an_overdue_task_counts_below_zero() -> None:
    envelope = routed(decision("d-1"))
    record = task_record(envelope)
    found = build_view(record, Payload(envelope, verified=True), micros(record["deadline"]) + 90 * SECOND)
    assert found.due_seconds == -90


def _verdict(reviewer: str, outcome: str, round_: int = 0) -> dict[str, Any]:
    return {"reviewer": reviewer, "verdict": "approve", "outcome": outcome, "reason_code": "agree", "round": round_}


def test_the_second_of_two_does_not_know_what_the_first_said() -> None:
    assert seen(routed(decision("d-1")), quorum=2, verdicts=[_verdict("ann", "reject")]).opinions == ()


def test_a_task_says_how_many_people_must_agree_and_how_many_have_judged_it() -> None:
    first = seen(routed(decision("d-1")), quorum=2)
    second = seen(routed(decision("d-1")), quorum=2, verdicts=[_verdict("ann", "reject")])
    assert (first.signatures_needed, first.signatures_given) == (2, 0)
    assert (second.signatures_needed, second.signatures_given) == (2, 1)


def test_an_audit_needs_one_verdict_whatever_its_quorum() -> None:
    assert seen(audit(decision("d-1")), quorum=2).signatures_needed == 1


@pytest.mark.parametrize(("condition", "needed"), [("amount > 1000", 2), ("prediction = 'reject'", 1)])
def test_a_number_of_signatures_that_would_tell_the_hidden_answer_is_hidden_too(condition: str, needed: int) -> None:
    rule = f"  - {{id: large, when: {condition}, route: manual, four_eyes: true, because: Two people sign}}"
    policy = parse(f"{POLICY.partition('rules:')[0]}rules:\n{rule}\n", "lending")
    envelope = routed(decision("d-1"), "manual", reasons=["large"])
    hidden = seen(envelope, policy, quorum=2)
    revealed = build_view(
        task_record(envelope, quorum=2),
        Payload(envelope, verified=True),
        0,
        routed_by=policy,
        in_force=policy,
        reveal=True,
    )
    assert (hidden.signatures_needed, revealed.signatures_needed) == (needed, 2)


def test_who_decides_between_two_that_disagree_knows_both() -> None:
    two = [_verdict("ann", "reject"), _verdict("bob", "approve")]
    found = seen(routed(decision("d-1")), quorum=2, verdicts=two, escalation=1)
    assert [verdict["reviewer"] for verdict in found.opinions] == ["ann", "bob"]


def test_who_decides_an_appeal_knows_what_it_is_against() -> None:
    found = seen(
        routed(decision("d-1")), kind="appeal", round=1, statement="not mine", verdicts=[_verdict("ann", "reject")]
    )
    assert [verdict["outcome"] for verdict in found.opinions] == ["reject"]
    assert found.statement == "not mine"


def test_a_blind_appeal_does_not_tell_by_its_verdicts_what_the_ai_said() -> None:
    found = seen(audit(decision("d-1")), kind="appeal", round=1, verdicts=[_verdict("ann", "reject")])
    assert [verdict["verdict"] for verdict in found.opinions] == [""]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("unknown-domain", "no policy is in force for this kind of decision"),
        ("halted:model:m", "the kill switch was on for model:m"),
        ("workflow:pre_approval", "every decision of this kind waits for a person before it takes effect"),
        ("gone-rule", "rule gone-rule, whose text is in a policy that is no longer in force"),
    ],
)
def test_every_kind_of_reason_is_told_in_words(reason: str, text: str) -> None:
    assert seen(routed(decision("d-1"), reasons=[reason])).why == (text,)


def test_input_that_is_no_json_is_shown_as_it_is() -> None:
    assert seen(routed(decision("d-1", input="plain words"))).input == "plain words"


def test_where_a_pack_wants_it_the_evidence_is_folded_until_this_reader_has_opened_it() -> None:
    envelope = routed(decision("d-1", attributes={"age": "35"}))
    record = task_record(envelope) | {"routed_evidence_opened": True, "routed_attestations": ["I have looked"]}
    now = micros(record["arrived_at"])

    def seen(reader: str) -> TaskView:
        return build_view(record, Payload(envelope, verified=True), now, in_force=LENDING, reader=reader)

    folded = seen("ann")
    assert (folded.evidence, folded.input, folded.attributes, folded.previous_decisions) == ("folded", None, {}, ())
    assert folded.attestations == ("I have looked",)
    record["evidence_opened"] = [{"reviewer": "ann", "at": now}]
    assert seen("ann").evidence == "shown"
    assert seen("ann").input is not None
    assert seen("bob").evidence == "folded"
