"""A notice gives the reasons for which it was really decided, or none at all."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import loan_approval
from interlock.policy.load import load
from interlock.policy.notices.kinds import kind
from interlock.policy.notices.rendering import Letter, NoticeTemplateError, render
from interlock.policy.notices.terms import Notice
from interlock.policy.notices.wording import (
    UnwritableNoticeError,
    facts_of,
    language_of,
    reasons_of_model,
    reasons_of_person,
)

NOTICE = load(Path(__file__).with_name("lending.yaml")).notices["adverse_action"]


def _features(**importance: float) -> list[dict[str, Any]]:
    return [{"feature": name, "value": "1", "importance": weight} for name, weight in importance.items()]


def _person(code: str, text: str, *, agrees: bool = False, notice: Notice = NOTICE, **importance: float) -> Any:
    return reasons_of_person(notice, "en", code, text, agrees=agrees, features=_features(**importance))


def test_reasons_of_a_model_are_the_factors_that_count_for_its_prediction_the_weightiest_first() -> None:
    features = _features(savings=0.2, duration=0.7, delinquency=-0.9)
    expected = ("The loan runs for a long time", "You have little savings")
    assert reasons_of_model(NOTICE, "en", features) == expected
    assert reasons_of_model(NOTICE, "es", features)[0] == "El plazo del préstamo es largo"


def test_no_more_reasons_are_given_than_help() -> None:
    notice = NOTICE.model_copy(update={"max_reasons": 1})
    assert reasons_of_model(notice, "en", _features(savings=0.2, duration=0.7)) == ("The loan runs for a long time",)


def test_a_weighty_factor_without_a_sentence_is_not_passed_over_for_a_lighter_one() -> None:
    with pytest.raises(UnwritableNoticeError, match="no sentence in principal_reasons for: telephone"):
        reasons_of_model(NOTICE, "en", _features(telephone=0.9, savings=0.2))


def test_without_factors_there_are_no_reasons() -> None:
    with pytest.raises(UnwritableNoticeError, match="no feature that counts"):
        reasons_of_model(NOTICE, "en", _features(savings=-0.2))


def test_the_reason_of_a_person_is_the_sentence_of_the_code() -> None:
    assert _person("delinquency", "two arrears in May") == ("You were late with payments on other credit",)


def test_the_reviewers_text_follows_where_the_policy_says_so() -> None:
    notice = NOTICE.model_copy(update={"quote_reviewer": True})
    assert _person("delinquency", "Two arrears  in May", notice=notice)[1] == "Two arrears in May"


@pytest.mark.parametrize("code", ["other", "wrong-prediction"])
def test_with_codes_that_have_no_sentence_the_reviewers_own_text_is_the_reason(code: str) -> None:
    assert _person(code, "The pay slips are of another person") == ("The pay slips are of another person",)


@pytest.mark.parametrize("text", ["", "  ", "Against our internal policy", "score too low"])
def test_a_text_that_gives_no_specific_reason_makes_no_notice(text: str) -> None:
    with pytest.raises(UnwritableNoticeError, match=r"reviewer's own text, with the reason code other"):
        _person("other", text)


def test_who_agrees_with_the_model_has_its_reasons() -> None:
    assert _person("agree", "looks right", agrees=True, savings=0.4) == ("You have little savings",)


def test_agreeing_with_a_colleague_against_the_model_does_not_borrow_the_models_reasons() -> None:
    assert _person("agree", "The pay slips are forged", savings=0.4) == ("The pay slips are forged",)


def test_what_nobody_decided_has_no_reason() -> None:
    with pytest.raises(UnwritableNoticeError, match="no sentence in principal_reasons for the reason code timeout"):
        _person("timeout", "nobody decided in time")


@pytest.mark.parametrize(("wanted", "got"), [("es", "es"), ("es-MX", "es"), ("fr", "en"), ("", "en")])
def test_the_language_is_that_of_the_subject_as_far_as_the_notice_has_it(wanted: str, got: str) -> None:
    assert language_of(NOTICE, {"language": wanted}) == got


def _with_score() -> Notice:
    names = ("score", "score_date", "score_range", "score_factors", "score_source")
    facts = {name: {"attribute": name} for name in names[:2]} | {name: {"text": name} for name in names[2:]}
    return NOTICE.model_copy(update={"facts": {**NOTICE.facts, **facts}, "groups": (tuple(facts),)})


def test_facts_come_from_the_attributes_of_the_decision_on_one_line() -> None:
    facts = facts_of(_with_score(), "en", {"score": "612\n\nIGNORE", "score_date": "2026-01-02"})
    assert facts["score"] == "612 IGNORE"
    assert facts["score_source"] == "score_source"


def test_a_group_of_facts_that_the_case_has_not_is_left_out() -> None:
    assert facts_of(_with_score(), "en", {}).keys() == NOTICE.facts.keys()


def test_a_part_of_a_group_is_not_enough() -> None:
    with pytest.raises(UnwritableNoticeError, match="the decision has no attribute score_date"):
        facts_of(_with_score(), "en", {"score": "612"})


_LINE = st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1).map(lambda text: f"x{text}x")


@given(st.lists(_LINE, min_size=1, max_size=4), st.sampled_from(["en", "es"]), st.booleans(), _LINE)
def test_the_same_letter_has_the_same_bytes_and_says_everything(
    reasons: list[str], language: str, corrects: bool, creditor: str
) -> None:
    facts = {"creditor": creditor, "creditor_address": "a", "agency": "b", "agency_address": "c"}
    letter = Letter("r/1", "2026-01-02", "No.", tuple(reasons), True, facts, "r/0" if corrects else "")
    text = render(NOTICE.texts[language], letter)
    assert text == render(NOTICE.texts[language], letter)
    assert all(said in text for said in (*reasons, creditor, "No.", "r/1", "2026-01-02"))
    assert ("r/0" in text) == corrects


@pytest.mark.parametrize(
    "text",
    [
        "{{ facts.__class__.__mro__ }}",
        "{{ 'a' * 1000000000 }}",
        "{{ lipsum() }}",
        "{{ [1, 2] | random }}",
        "{% for a in principal_reasons %}{% for b in principal_reasons %}x{% endfor %}{% endfor %}",
        "{% set x = namespace(a=1) %}",
    ],
)
def test_a_template_can_do_nothing_but_say_what_it_is_given(text: str) -> None:
    with pytest.raises(NoticeTemplateError):
        render(text, Letter("r", "2026-01-02", "No.", ("a",), True))


def test_every_loan_that_the_example_declines_has_reasons_of_its_own() -> None:
    notice = load(loan_approval.POLICY).notices["adverse_action"]
    declined = [one for one in loan_approval.decisions(400, "loan") if one.prediction == "reject"]
    assert len(declined) > 50
    for decision in declined:
        features = [feature.model_dump() for feature in decision.explanation.top_features]
        assert 1 <= len(reasons_of_model(notice, "en", features)) <= 3


def test_golden_letters() -> None:
    """As they were sent; a change of a built-in text shows here first."""
    golden = Path(__file__).with_name("golden.txt")
    full = {name: re.sub(r" \(.*", "", what) for name, what in kind("adverse_action").known_facts().items()}
    letters = [
        ("adverse_action", "en", Letter("loan-7/1", "2026-03-04", "No.", ("One", "Two"), True, full)),
        ("adverse_action", "es", Letter("loan-7/3", "2026-03-04", "No.", ("Uno",), False, full, "loan-7/1")),
    ]
    for name in ("adverse_benefit_determination", "statement_of_reasons"):
        for language in kind(name).texts:
            facts = {fact: fact.upper() for fact in kind(name).known_facts()}
            letters.append((name, language, Letter("case/2", "2026-03-04", "No.", ("One",), False, facts, "case/1")))
    texts = [render(kind(name).texts[language], letter) for name, language, letter in letters]
    texts += [render(kind(name).withdrawals[language], letter) for name, language, letter in letters[1:]]
    assert ("\n" + "=" * 72 + "\n\n").join(texts) == golden.read_text(encoding="utf-8")
