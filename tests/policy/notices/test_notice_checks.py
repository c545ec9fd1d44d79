"""A notice that would say too little is refused when the policy is read, with its line and field."""

import json
from pathlib import Path

import pytest
import yaml

from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.notices.kinds import kind, kind_names
from interlock.policy.version import from_resolved, resolved

LENDING = Path(__file__).with_name("lending.yaml").read_text(encoding="utf-8")

OWN = """
      en: |
        {{ facts.creditor }}, {{ facts.creditor_address }}, {{ date }}, {{ reference }}
        {% if corrects %}This replaces {{ corrects }}.{% endif %}
        {{ action_taken }}
        {% for reason in principal_reasons %}- {{ reason }}
        {% endfor %}
        The federal Equal Credit Opportunity Act prohibits creditors from discriminating against credit applicants on
        the basis of race, color, religion, national origin, sex, marital status, age (provided the applicant has the
        capacity to enter into a contract); because part of the income derives from any public assistance program; or
        because the applicant has in good faith exercised any right under the Consumer Credit Protection Act. The
        agency is {{ facts.agency }}, {{ facts.agency_address }}."""


def _problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml")
    return [str(problem) for problem in caught.value.problems]


def _with(old: str, new: str) -> list[str]:
    assert old in LENDING
    return _problems(LENDING.replace(old, new))


def _with_own_text(old: str, new: str) -> list[str]:
    assert old in OWN
    text = OWN.replace(old, new)
    return _problems(LENDING.replace("    own_words:", f"    texts:{text}\n    own_words:"))


def test_the_texts_of_a_published_policy_depend_on_no_later_release() -> None:
    policy = parse(LENDING, "p.yaml")
    assert policy.notices["adverse_action"].texts == kind("adverse_action").texts
    assert from_resolved(resolved(policy)) == policy


def test_a_text_of_ones_own_is_taken_where_it_says_what_it_must() -> None:
    policy = parse(LENDING.replace("    own_words:", f"    texts:{OWN}\n    own_words:"), "p.yaml")
    assert policy.notices["adverse_action"].texts["en"].startswith("{{ facts.creditor }}, {{ facts.creditor_address }}")
    assert policy.notices["adverse_action"].texts["es"] == kind("adverse_action").texts["es"]


@pytest.mark.parametrize(
    ("sentence", "phrase"),
    [
        ("Your application does not conform to our internal policies", "internal policies"),
        ("You failed to achieve a qualifying score", "qualifying score"),
        ("You did not meet  our\n          Internal Standards", "internal standard"),
        ("Nuestra política interna no lo permite", "política interna"),
        ("Interne Richtlinien erlauben es nicht", "interne richtlinie"),
        ("-", "-"),
    ],
)
def test_a_reason_that_is_none_is_refused_with_its_source(sentence: str, phrase: str) -> None:
    (problem,) = _with("en: Your credit history is too short", f"en: {json.dumps(sentence)}")
    field = "notices.adverse_action.principal_reasons.credit-history-insufficient"
    assert problem.startswith(f"p.yaml:28: {field}: {phrase!r} is no specific reason")
    assert "1002.9(b)(2)" in problem


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "      agency: Consumer Financial Protection Bureau\n",
            "",
            "p.yaml:15: notices.adverse_action.facts: agency is missing: the federal agency that",
        ),
        (
            "      agency: Consumer",
            "      report_agency: Bureau One\n      agency: Consumer",
            "p.yaml:15: notices.adverse_action.facts: report_agency_phone is missing: its telephone number",
        ),
        (
            "      agency: Consumer",
            "      score: {attribute: credit_score}\n      agency: Consumer",
            "p.yaml:15: notices.adverse_action.facts: score_factors is missing: all of the key factors",
        ),
        (
            "      agency: Consumer",
            "      agancy: Consumer\n      agency: Consumer",
            "p.yaml:18: notices.adverse_action.facts.agancy: is said nowhere in the text (did you mean agency?)",
        ),
        (
            "own_words: [wrong-prediction]",
            "own_words: []",
            "p.yaml:21: notices.adverse_action.principal_reasons: the reason code wrong-prediction of domain loans",
        ),
        (
            "own_words: [wrong-prediction]",
            "own_words: [wrong-prediction, delinquency]",
            "p.yaml:20: notices.adverse_action.own_words: delinquency has a sentence as well",
        ),
        (
            "        es: El valor de la garantía es insuficiente\n",
            "",
            "p.yaml:34: notices.adverse_action.principal_reasons.collateral-insufficient: has no words in es",
        ),
        (
            "languages: [en, es]",
            "languages: [en, es, fr]",
            "p.yaml:9: notices.adverse_action.texts: has no text in fr (built-in are en, es; write texts.fr)",
        ),
        (
            "      reject:\n        en: We",
            "      refuse:\n        en: We",
            "p.yaml:11: notices.adverse_action.action_taken: does not say what reject means for the subject",
        ),
        (
            "  adverse_action:\n    languages",
            "  adverse_actoin:\n    languages",
            "p.yaml:9: notices.adverse_actoin: no lane gives this notice (did you mean adverse_action?)",
        ),
        (
            "    languages: [en, es]",
            "    template: adverse_acton\n    languages: [en, es]",
            "p.yaml:10: notices.adverse_action.template: there is no kind of notice 'adverse_acton' (did you mean "
            "adverse_action?)",
        ),
        ("    languages: [en, es]", "    langauges: [en, es]", "langauges: unknown field (did you mean languages?)"),
    ],
)
def test_what_is_missing_is_named_with_line_and_field(old: str, new: str, problem: str) -> None:
    assert any(problem in found for found in _with(old, new))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("- {{ reason }}", "- ", "does not say every principal reason (write {% for reason in principal_reasons %}"),
        ("in principal_reasons", "in principal_reasons[:3]", "does not say every principal reason"),
        ("{{ action_taken }}", "", "does not say what was decided"),
        ("{{ corrects }}.", "", "does not say which earlier notice it corrects"),
        ("{{ facts.agency }}", "the agency", "does not say agency (write {{ facts.agency }})"),
        ("{{ facts.agency }}", "{{ facts.agncy }}", "uses a fact that is not given: 'agncy'"),
        ("{{ date }}", "{{ today }}", "'today' is undefined"),
        ("national origin, ", "", "does not say 'race, color, religion, national origin, sex, marital status, age'"),
        ("{{ date }}", "{{ date", "line "),
        ("{{ date }}", "{{ date * 9 }}", "* is not possible in a notice"),
        ("{{ date }}", "{{ date.format() }}", "line 1: call is not possible in a notice"),
        ("{{ date }}", "{% include 'other' %}", "line 1: include is not possible in a notice"),
        ("{{ date }}", "You failed to achieve a qualifying score.", "'qualifying score' is no specific reason"),
    ],
)
def test_a_text_of_ones_own_that_says_too_little_is_refused(old: str, new: str, problem: str) -> None:
    found = _with_own_text(old, new)
    assert all("notices.adverse_action.texts.en" in one for one in found)
    assert any(problem in one for one in found), found


def test_a_consumer_report_brings_the_words_of_the_credit_reporting_act() -> None:
    facts = "report_agency: B\n      report_agency_address: S\n      report_agency_phone: 1-800\n      agency: Consumer"
    text = LENDING.replace("    own_words:", f"    texts:{OWN}\n    own_words:").replace("agency: Consumer", facts)
    found = _problems(text)
    assert any("does not say 'free copy' (FCRA 615(a)(4)(A)" in one for one in found)
    assert any("does not say 'dispute' (FCRA 615(a)(4)(B)" in one for one in found)
    assert any("does not say report_agency_phone" in one for one in found)


def test_a_credit_score_is_told_with_range_key_factors_date_and_source() -> None:
    (missing,) = (
        one for one in _with("agency: Consumer", "score: '612'\n      agency: Consumer") if "score_range" in one
    )
    assert "the range of possible scores (FCRA 609(f)(1)(B))" in missing
    facts = dict.fromkeys(kind("adverse_action").groups["credit_score"].facts, "s")
    given = "".join(f"{name}: {value}\n      " for name, value in facts.items())
    text = LENDING.replace("    own_words:", f"    texts:{OWN}\n    own_words:")
    found = _problems(text.replace("agency: Consumer", f"{given}agency: Consumer"))
    for fact in ("score", "score_range", "score_factors", "score_date", "score_source"):
        assert any(f"does not say {fact} " in one for one in found), fact


def test_a_statement_of_reasons_says_whether_a_person_decided() -> None:
    its_kind = kind("statement_of_reasons")
    start = its_kind.texts["en"].index("{% if automated %}")
    end = its_kind.texts["en"].index("{% endif %}", start) + len("{% endif %}")
    for silent in ("", "It was decided with or without automated means."):
        text = its_kind.texts["en"][:start] + silent + its_kind.texts["en"][end:]
        notice = {
            "texts": {"en": text},
            "action_taken": {"no": "Your post was removed."},
            "facts": dict.fromkeys(its_kind.known_facts(), "a fact"),
            "own_words": ["wrong-prediction", "missing-information", "outside-policy", "special-circumstances"],
        }
        domain = {"models": ["m"], "outcomes": ["no", "yes"], "lanes": {"no": {"notice": "statement_of_reasons"}}}
        policy = {"name": "p", "domains": {"d": domain}, "notices": {"statement_of_reasons": notice}}
        found = _problems(yaml.safe_dump(policy, allow_unicode=True))
        assert any("texts.en: does not say whether a person decided" in one for one in found)


@pytest.mark.parametrize("name", kind_names())
def test_every_built_in_text_meets_the_duties_of_its_kind(name: str) -> None:
    its_kind = kind(name)
    policy = {
        "name": "p",
        "domains": {"d": {"models": ["m"], "outcomes": ["no", "yes"], "lanes": {"no": {"notice": name}}}},
        "notices": {
            name: {
                "languages": list(its_kind.texts),
                "texts": its_kind.texts,
                "withdrawals": its_kind.withdrawals,
                "action_taken": {"no": dict.fromkeys(its_kind.texts, "It is not possible.")},
                "facts": dict.fromkeys(its_kind.known_facts(), "a fact"),
                "own_words": ["wrong-prediction", "missing-information", "outside-policy", "special-circumstances"],
            }
        },
    }
    assert parse(yaml.safe_dump(policy, allow_unicode=True), "p.yaml").notices[name].texts == its_kind.texts
    assert set(its_kind.texts) == set(its_kind.withdrawals)
    assert len(its_kind.texts) >= 2
