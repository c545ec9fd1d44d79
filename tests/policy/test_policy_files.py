"""What a policy file may say, and what its author is told when it says something else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.compiled import compile_policy
from policy.diff import diff
from policy.errors import PolicyError
from policy.load import load, pack, pack_names, parse
from policy.version import from_resolved, resolved, version

LENDING = Path(__file__).with_name("lending.yaml")
MINIMAL = "name: small\ndomains:\n  loans: {models: [m], outcomes: [approve, reject]}\n"


def _problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_the_lending_policy_is_valid_and_has_the_rules_of_its_pack() -> None:
    policy = load(LENDING)
    assert [rule.id for rule in policy.every_rule()][-1] == "novel-pattern"
    assert policy.service_levels.high == 4 * 3600


def test_every_problem_is_reported_at_once_with_file_line_field_and_suggestion() -> None:
    text = (
        "name: x\n"
        "domians: {}\n"
        "domains:\n"
        "  a: {workflow: presto, models: [m], outcomes: [p], lanes: {p: {auto: 2}}}\n"
        "rules:\n"
        "  - {id: r, when: 'novel', route: auto}\n"
        "packs: [hi-stakes]\n"
    )
    problems = _problems(text)
    assert "p.yaml:2: domians: unknown field (did you mean domains?)" in problems
    assert any(p.startswith("p.yaml:4: domains.a.workflow: 'presto' is not allowed") for p in problems)
    assert any(p.startswith("p.yaml:4: domains.a.lanes.p.auto:") for p in problems)
    assert any(p.startswith("p.yaml:6: rules.0.route: 'auto' is not allowed") for p in problems)
    assert any(p.startswith("p.yaml:7: packs.0: unknown pack 'hi-stakes' (known packs: ") for p in problems)


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ("defaults: {auto: 0.5, async: 0.8}", "p.yaml:4: defaults: thresholds must fall"),
        ("rules: [{id: r, when: 'amuont > 5', route: sync}]", "did you mean amount?"),
        ("rules: [{id: r, when: novel, route: sync}, {id: r, when: novel, route: sync}]", "'r' stands twice"),
        ("priority: [{when: 'amount', set: high}]", "p.yaml:4: priority.0.when"),
        ("service_levels: {high: soon}", "write a duration such as 30m, 4h or 3d"),
        ("audit: {rate: 1.5}", "p.yaml:4: audit.rate"),
        ("audit: {rate: .nan}", "p.yaml:4: audit.rate"),
        ("name: again", "p.yaml:4: name: stands here twice"),
        ("packs: high-stakes", "write a list of pack names"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(extra: str, complaint: str) -> None:
    assert any(complaint in problem for problem in _problems(MINIMAL + extra + "\n"))


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1\n", "name: x\n\tb: 1\n", "just text"])
def test_what_is_no_yaml_mapping_is_refused_with_a_line(text: str) -> None:
    assert all(problem.startswith("p.yaml:") for problem in _problems(text))


def test_models_must_be_listed_because_an_unknown_model_never_reaches_auto() -> None:
    problems = _problems("name: x\ndomains:\n  a: {outcomes: [p]}\n")
    assert problems == ["p.yaml:3: domains.a.models: is required"]


def test_an_attribute_has_one_type_and_no_routing_field_s_name() -> None:
    text = (
        "name: x\ndomains:\n"
        "  a: {models: [m], outcomes: [p], attributes: {size: int, amount: float}}\n"
        "  b: {models: [m], outcomes: [p], attributes: {size: string}}\n"
    )
    problems = _problems(text)
    assert any("amount: is the name of a routing field" in problem for problem in problems)
    assert any("size: is string here and int in domain a" in problem for problem in problems)


def test_the_version_changes_with_the_meaning_only() -> None:
    plain = parse(MINIMAL, "a")
    spelled = "# a comment\ndomains:\n  loans:\n    outcomes: ['approve', reject]\n    models: [m]\nname: small\n"
    assert version(parse(spelled, "b")) == version(plain)
    assert version(parse(MINIMAL + "audit: {rate: 0.06}\n", "c")) != version(plain)
    assert version(parse(MINIMAL + "packs: [high-stakes]\n", "d")) != version(plain)


@given(
    st.floats(0, 1),
    st.lists(st.sampled_from(pack_names()), unique=True),
    st.sampled_from(["escalation", "pre_approval", "post_approval", "hybrid"]),
)
def test_a_policy_survives_being_written_and_read(rate: float, packs: list[str], workflow: str) -> None:
    domain = f"  d: {{workflow: {workflow}, models: ['*'], outcomes: [p]}}\n"
    policy = parse(f"name: x\naudit: {{rate: {rate!r}}}\npacks: {packs}\ndomains:\n{domain}", "p")
    again = from_resolved(resolved(policy))
    assert again == policy
    assert version(again) == version(policy)


@pytest.mark.parametrize("name", pack_names())
def test_every_pack_compiles_and_every_rule_in_it_says_why(name: str) -> None:
    policy = parse(f"name: x\npacks: [{name}]\n", "p")
    compile_policy(policy)
    assert pack(name).because
    assert all(rule.because for rule in pack(name).rules)


def test_a_difference_names_field_old_and_new() -> None:
    old = parse(MINIMAL, "a")
    new = parse(MINIMAL + "audit: {rate: 0.1}\nrules: [{id: r, when: novel, route: sync}]\n", "b")
    changes = [str(change) for change in diff(old, new)]
    assert "~ audit.rate: 0.05 → 0.1" in changes
    assert any(change.startswith("+ rules.r: ") for change in changes)
    assert diff(old, old) == []
