"""Packs change what the pipeline does: each duty names a feature and a test that shows it, and none is left out."""

import ast
from pathlib import Path

import polars as pl
import pytest

from interlock.policy.compiled import Treatment, compile_policy
from interlock.policy.load import parse
from interlock.policy.model import Pack
from interlock.policy.pack_pages import FOLDER, pages
from interlock.policy.regulation import FEATURES, NO_ADVICE, Feature, pack, pack_names, regulation
from interlock.policy.vocabulary import Route, Workflow
from tests.policy.test_compiled_policy import COLUMNS, ROW

ROOT = Path(__file__).parents[2]

# By which features what a pack demands is fulfilled.
DEMANDED = {
    "rules": {Feature.HUMAN_REVIEW},
    "qualifications": {Feature.QUALIFICATIONS},
    "retention_days": {Feature.RETENTION},
    "appeal_days": {Feature.APPEALS},
    "notify_within_days": {Feature.NOTICE_DEADLINE},
    "reason_codes": {Feature.REASON_CODES},
    "notices": {Feature.NOTICES},
    "attestations": {Feature.ATTESTATIONS},
    "evidence_opened": {Feature.EVIDENCE_OPENED},
}

# The articles that each pack answers for, as its sources number them.
ARTICLES = {
    "eu-ai-act": (
        "12(",
        "14(1)",
        "14(4)(a)",
        "14(4)(b)",
        "14(4)(c)",
        "14(4)(d)",
        "14(4)(e)",
        "14(5)",
        "19(",
        "26(2)",
        "26(6)",
    ),
    "gdpr-22": ("22(1)", "22(3)", "15(1)(h)"),
    "ecoa-fcra": ("1002.9(a)(1)", "1002.9(a)(2)", "1002.9(b)(2)", "1002.12", "615(a)(2)", "615(a)(3)"),
    "medical-device": ("14(1)", "26(2)", "26(6)"),
    "dsa": ("17(1)", "17(3)(c)", "17(4)", "20(1)", "20(4)", "20(6)"),
    "erisa-claims": ("(g)", "(g)(1)(i)", "(h)(3)(i)", "(h)(3)(ii)"),
    "high-stakes": ("house rule",),
    "california-admt": ("7001(e)(1)(A)", "7001(e)(1)(B)", "7001(e)(1)(C)"),
}

# Those that send whatever the producer marks to a person; under gdpr-22 the place matters too.
MARKED = [name for name in pack_names() if any(rule.when == "compliance_review" for rule in pack(name).rules)]


def _treatment(policy: str, **fields: object) -> Treatment:
    rows = pl.DataFrame([{**ROW, "domain": "loans", "prediction": "yes", "confidence": 1.0, **fields}], schema=COLUMNS)
    evaluation = compile_policy(parse(policy, "p")).evaluate(rows, [])
    (treatment,) = evaluation.treatments
    return treatment


def _with(packs: str, domain: str = "loans", more: str = "") -> str:
    """A policy that lets everything take effect by itself, were it not for its packs."""
    owed = [notice for name in packs.split(", ") for notice in pack(name).notices]
    refused = "".join(f", no-{number}: {{notice: {notice}}}" for number, notice in enumerate(owed))
    outcomes = ", ".join(["yes", "no", *(f"no-{number}" for number, _ in enumerate(owed))])
    adverse = ", ".join(f"no-{number}" for number, _ in enumerate(owed))
    return (
        f"name: p\ndomains:\n  {domain}: {{models: ['*'], outcomes: [{outcomes}], adverse: [{adverse}], "
        f"lanes: {{yes: {{auto: 0, async: 0, sync: 0}}{refused}}}{more}}}\npacks: [{packs}]\n"
    )


@pytest.mark.parametrize("name", pack_names())
def test_every_duty_names_a_test_that_exists(name: str) -> None:
    """As pytest collects it by this id: a function of the module itself, which nothing later in the file replaces."""
    assert regulation(name).duties
    for duty in regulation(name).duties:
        file, _, test = duty.test.partition("::")
        defined = [one.name for one in ast.parse((ROOT / file).read_text()).body if isinstance(one, ast.FunctionDef)]
        assert defined.count(test) == 1, duty.test


def test_every_feature_says_what_it_does_on_a_page_that_exists_and_serves_some_duty() -> None:
    assert FEATURES.keys() == set(Feature)
    assert all((ROOT / "docs" / page).exists() for _, page in FEATURES.values())
    served = {duty.enforced_by for name in pack_names() for duty in regulation(name).duties}
    assert served == set(Feature)


@pytest.mark.parametrize("name", pack_names())
def test_no_duty_of_a_pack_is_left_out(name: str) -> None:
    """Whatever the pack demands of a policy fulfils a duty that it names, and every article is answered for."""
    fulfilled = {duty.enforced_by for duty in regulation(name).duties}
    for field, features in DEMANDED.items():
        if getattr(pack(name), field):
            assert fulfilled & features, field
    if any(rule.four_eyes for rule in pack(name).rules):
        assert Feature.FOUR_EYES in fulfilled
    sources = [duty.source for duty in regulation(name).duties]
    assert all(any(article in source for source in sources) for article in ARTICLES[name])
    assert len({duty.id for duty in regulation(name).duties}) == len(regulation(name).duties)
    assert regulation(name).sources or name == "high-stakes"


def test_every_field_of_a_pack_is_fulfilled_by_some_feature() -> None:
    assert {"name", "because", *DEMANDED} == set(Pack.model_fields)


def test_the_pages_about_packs_are_what_their_files_say() -> None:
    expected = pages({name: regulation(name) for name in pack_names()})
    assert {path.name for path in (ROOT / FOLDER).iterdir()} == expected.keys()
    for file, text in expected.items():
        assert (ROOT / FOLDER / file).read_text() == text, "interlock policy packs --pages docs/packs writes them"
        assert NO_ADVICE in text


@pytest.mark.parametrize(
    "name", [name for name in pack_names() if any(r.when == "compliance_review" for r in pack(name).rules)]
)
def test_a_marked_decision_goes_to_a_person_under_every_pack_that_says_so(name: str) -> None:
    assert _treatment(_with(name)).route is Route.AUTO
    assert _treatment(_with(name), compliance_review=True).route is Route.ASYNC


def test_a_decision_about_a_person_in_the_eea_that_matters_is_not_left_to_a_machine() -> None:
    assert _treatment(_with("gdpr-22"), compliance_review=True, jurisdiction="FR").route is Route.ASYNC
    assert _treatment(_with("gdpr-22"), compliance_review=True, jurisdiction="US").route is Route.AUTO
    assert _treatment(_with("gdpr-22"), compliance_review=True, jurisdiction=None).route is Route.ASYNC


def test_two_people_confirm_a_biometric_identification() -> None:
    domain = "biometric_identification"
    found = _treatment(_with("eu-ai-act", domain), domain=domain)
    assert (found.route, found.duties.quorum, found.duties.qualifications) == (Route.SYNC, 2, ("ai-oversight",))


@pytest.mark.parametrize("domain", ["medical", "medical_diagnosis", "diagnosis", "triage"])
@pytest.mark.parametrize("workflow", Workflow)
def test_every_diagnosis_is_decided_by_a_physician_whatever_else_the_policy_says(
    domain: str, workflow: Workflow
) -> None:
    safe = f"safe_rules: [{{id: safe, domain: {domain}, prediction: yes, when: NOT novel}}]\n"
    text = _with("medical-device", domain, f", workflow: {workflow}") + safe
    found = _treatment(text, domain=domain, impact="none")
    assert (found.route, found.override_seconds) == (Route.SYNC, None)
    assert found.duties.qualifications == ("physician",)


@pytest.mark.parametrize(
    "fields",
    [{"domain": "diagnosis"}, {"domain": "financial", "amount": 10_000.01}, {"domain": "legal"}, {"novel": True}],
    ids=str,
)
def test_what_is_high_stakes_goes_to_a_person_however_sure_the_model_is(fields: dict[str, object]) -> None:
    policy = _with("high-stakes", str(fields.get("domain", "loans")))
    assert _treatment(policy, **fields).route > Route.AUTO
    assert _treatment(_with("high-stakes"), confidence=0.799).route is Route.ASYNC
