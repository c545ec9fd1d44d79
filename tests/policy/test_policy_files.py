"""What a policy file may say, and what its author is told when it says something else."""

import json
import sys
from copy import deepcopy
from datetime import date
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy.compiled import compile_policy
from interlock.policy.diff import diff
from interlock.policy.errors import Diagnostic, PolicyError
from interlock.policy.load import load, parse
from interlock.policy.model import Policy
from interlock.policy.regulation import pack, pack_names
from interlock.policy.version import from_resolved, resolved, version
from interlock.schemas.reasons import PIPELINE_REASONS, PipelineReason
from tests.policy.strategies import policies

LENDING = Path(__file__).with_name("lending.yaml")
LENDING_DOCUMENT = yaml.safe_load(LENDING.read_text())
MINIMAL = "name: small\ndomains:\n  loans: {models: [m], outcomes: [approve, reject]}\n"


def _policy_or_problems(text: str) -> Policy | list[Diagnostic]:
    try:
        return parse(text, "p.yaml")
    except PolicyError as error:
        return error.problems


def _problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_the_lending_policy_is_valid_and_has_the_rules_of_its_pack() -> None:
    policy = load(LENDING)
    assert [rule.id for rule in policy.every_rule()][-1] == "high-stakes-novel-pattern"
    assert policy.service_levels.high == 4 * 3600


def test_every_problem_is_reported_at_once_with_file_line_field_and_suggestion() -> None:
    text = (
        "name: x\n"
        "domians: {}\n"
        "domains:\n"
        "  a: {workflow: presto, models: [m], outcomes: [p, other], lanes: {p: {auto: 2}}}\n"
        "rules:\n"
        "  - {id: r, when: 'novel', route: auto}\n"
        "  - {id: s, when: 'amuont > 1', route: sync}\n"
        "packs: [hi-stakes]\n"
    )
    problems = _problems(text)
    assert "p.yaml:2: domians: unknown field (did you mean domains?)" in problems
    assert any(p.startswith("p.yaml:4: domains.a.workflow: 'presto' is not allowed") for p in problems)
    assert any(p.startswith("p.yaml:4: domains.a.lanes.p.auto:") for p in problems)
    assert any(p.startswith("p.yaml:6: rules.0.route: 'auto' is not allowed") for p in problems)
    assert "p.yaml:7: rules.1.when: unknown column amuont; did you mean amount?" in problems
    assert "p.yaml:8: packs.0: unknown pack 'hi-stakes' (did you mean high-stakes?)" in problems


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ("defaults: {auto: 0.5, async: 0.8}", "p.yaml:4: defaults: thresholds must fall"),
        ("rules: [{id: r, when: 'amuont > 5', route: sync}]", "did you mean amount?"),
        (
            "rules: [{id: r, when: novel, route: sync}, {id: r, when: novel, route: sync}]",
            "there is a rule 'r' on line 4 already",
        ),
        ("priority: [{when: 'amount', set: high}]", "p.yaml:4: priority.0.when"),
        ("service_levels: {high: soon}", "write a duration such as 30m, 4h or 3d"),
        ("audit: {rate: 1.5}", "p.yaml:4: audit.rate"),
        ("audit: {rate: .nan}", "p.yaml:4: audit.rate"),
        ("name: again", "p.yaml:4: name: appears twice"),
        ("packs: high-stakes", "write a list of pack names"),
        ("packs: [gdpr-22, gdpr-22]", "p.yaml:4: packs.1: 'gdpr-22' appears twice"),
        ("audit: {rate: true}", "p.yaml:4: audit.rate: must be a number"),
        ("calibration: {use: 1}", "p.yaml:4: calibration.use: must be true or false"),
        ("service_levels: {high: 99999d}", "p.yaml:4: service_levels.high: should be less than"),
        ("rules: [{id: 7, when: novel, route: sync}]", "p.yaml:4: rules.0.id: 7 is not text (write it in quotes)"),
        ("rules: {id: r}", "p.yaml:4: rules: must be a list"),
        ("audit: 0.05", "p.yaml:4: audit: must be a mapping of fields"),
        ("rules: [{id: a b, when: novel, route: sync}]", "'a b' is not a valid name"),
        (
            "packs: [high-stakes]\nrules: [{id: high-stakes-legal, when: novel, route: sync}]",
            "there is a rule 'high-stakes-legal' in pack high-stakes already",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_line(extra: str, complaint: str) -> None:
    assert any(complaint in problem for problem in _problems(MINIMAL + extra + "\n"))


@pytest.mark.parametrize("entry", PIPELINE_REASONS, ids=lambda entry: str(entry.code))
def test_no_rule_takes_the_name_of_a_reason_that_the_pipeline_gives(entry: PipelineReason) -> None:
    names = [f"{entry.code}x", f"{entry.code}a/b:c"] if entry.is_prefix else [entry.code]
    for name in names:
        problems = _problems(f"{MINIMAL}rules: [{{id: '{name}', when: novel, route: sync}}]\n")
        assert problems == [
            f"p.yaml:4: rules.0.id: {name!r} is a reason that the pipeline gives itself (rename the rule)"
        ]


@pytest.mark.parametrize("name", ["unknown-domains", "not-unknown-domain", "lane", "picked", "shadow-model", "halted"])
def test_a_rule_may_have_a_name_that_only_resembles_such_a_reason(name: str) -> None:
    policy = parse(f"{MINIMAL}rules: [{{id: '{name}', when: novel, route: sync}}]\n", "p.yaml")
    assert [rule.id for rule in policy.rules] == [name]


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1\n", "name: x\n\tb: 1\n", "just text"])
def test_what_is_no_yaml_mapping_is_refused_with_a_line(text: str) -> None:
    assert all(problem.startswith("p.yaml:") for problem in _problems(text))


def test_models_must_be_listed_because_an_unknown_model_never_reaches_auto() -> None:
    problems = _problems("name: x\ndomains:\n  a: {outcomes: [p, other]}\n")
    assert problems == ["p.yaml:3: domains.a.models: is required"]


@pytest.mark.parametrize(
    ("domain", "complaint"),
    [
        (
            "lanes: {aprove: {auto: 0.9}}",
            "is not among the outcomes of the domain (did you mean approve?)",
        ),
        (
            "lanes: {approve: {auto_raw: {scorer@7: 0.9}}}",
            "is the version of a model that does not decide in this domain",
        ),
        ("lanes: {approve: {auto_raw: {scorer: 0.9}}}", "write model_id@model_version, such as credit-scorer@7"),
        (
            "lanes: {approve: {auto: 0.5, async: 0.6}}",
            "must fall from auto to async to sync, but are 0.5, 0.6, 0.5",
        ),
        ("lanes: {approve: {auto: 0.5, sync: 0.6}}", "thresholds must fall"),
        ("on_timeout: aprove", "on_timeout: 'aprove' is not an outcome of the domain (did you mean approve?)"),
        ("workflow: pre-approval", "workflow: 'pre-approval' is not allowed (write 'escalation', 'pre_approval',"),
        ("override_limits: {scorer@7: 0.2}", "is no model that decides in this domain, and no version of one"),
        ("override_limit: 1", "override_limit: should be less than 1"),
        ("options: 1", "options: should be greater than or equal to 2"),
        ("attributes: {age: integer}", "attributes.age: 'integer' is not allowed (write 'string', 'int',"),
        ("attributes: {Age: int}", "'Age' is not a valid name"),
        ("que: x", "que: unknown field (did you mean queue?)"),
    ],
)
def test_a_wrong_field_of_a_domain_is_named(domain: str, complaint: str) -> None:
    problems = _problems(f"name: x\ndomains:\n  d: {{models: [m], outcomes: [approve, reject], {domain}}}\n")
    assert any(problem.startswith("p.yaml:3: domains.d.") and complaint in problem for problem in problems)


def test_a_percentage_where_a_share_is_asked_for_is_answered_with_the_share() -> None:
    for written, share in (("85", "0.85"), ("99.5", "0.995"), ("2", "0.02"), ("100", "1"), ("85%", "0.85")):
        (problem,) = _problems(f"{MINIMAL}defaults: {{auto: {written}}}\n")
        assert problem.startswith("p.yaml:4: defaults.auto: ")
        assert problem.endswith(f" (did you mean {share}?)"), problem


@pytest.mark.parametrize("written", ["1.5", "1.000001", "101", "-1", "'200%'", "half"])
def test_what_is_no_percentage_is_refused_without_such_a_hint(written: str) -> None:
    (problem,) = _problems(f"{MINIMAL}defaults: {{auto: {written}}}\n")
    assert "did you mean" not in problem


def test_a_wrong_form_hides_no_contradiction_beside_it() -> None:
    text = (
        "name: x\n"
        "domains:\n"
        "  d:\n"
        "    models: []\n"
        "    outcomes: [approve, reject]\n"
        "    options: 1\n"
        "    on_timeout: maybe\n"
        "    lanes:\n"
        "      approve: {auto: 85}\n"
        "      aprove: {}\n"
        "    queue: q\n"
        "queues:\n"
        "  q: {lease: 0, on_breach: soon}\n"
        "safe_rules:\n"
        "  - {id: s, domain: e, prediction: approve, when: novel, becuse: x}\n"
    )
    assert _problems(text) == [
        "p.yaml:4: domains.d.models: must not be empty",
        "p.yaml:6: domains.d.options: should be greater than or equal to 2",
        "p.yaml:7: domains.d.on_timeout: 'maybe' is not an outcome of the domain (known: escalate, approve, reject)",
        "p.yaml:9: domains.d.lanes.approve.auto: should be less than or equal to 1 (did you mean 0.85?)",
        "p.yaml:10: domains.d.lanes.aprove: is not among the outcomes of the domain (did you mean approve?)",
        "p.yaml:13: queues.q.lease: should be greater than 0",
        "p.yaml:13: queues.q.on_breach: 'soon' is not an outcome of domain d, whose tasks come here "
        "(known: escalate, raise_priority, approve, reject)",
        "p.yaml:15: safe_rules.0.becuse: unknown field (did you mean because?)",
        "p.yaml:15: safe_rules.0.domain: 'e' is not a domain of this policy (known: d)",
    ]


def test_a_wrong_form_is_not_reported_again_as_a_contradiction() -> None:
    for text, field in (
        ("queues: {general: {}, q: {escalations: 3}}", "queues.q.escalations"),
        ("defaults: {auto: 0.7, async: x}", "defaults.async"),
        ("audit: {rate: x, active: {budget_per_day: 5}}", "audit.rate"),
    ):
        (problem,) = _problems(f"{MINIMAL}{text}\n")
        assert problem.startswith(f"p.yaml:4: {field}: must be")


def test_a_challenger_that_is_among_the_models_as_well_is_named_on_its_own_line() -> None:
    text = (
        "name: x\ndomains:\n  d:\n    models: [b@1]\n    outcomes: [a, other]\n"
        "    shadow:\n      - c@1\n      - b@1\n      - a@1\n"
    )
    assert _problems(text) == ["p.yaml:8: domains.d.shadow.1: 'b@1' is among the models as well (remove one)"]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("2026-13-01", "2026-13-01 is not a date: month must be in 1..12"),
        ("2026-02-31", "2026-02-31 is not a date: day is out of range for month"),
        ("2026-13-01T10:00:00Z", "write a date such as 2026-12-25"),
        ("9999-12-31T23:59:59-14:00", "write a date such as 2026-12-25"),
        ("!!timestamp soon", "write a date such as 2026-12-25"),
        ("!!int ''", "write a date such as 2026-12-25"),
        ("!!bool maybe", "write a date such as 2026-12-25"),
        ("!!float x", "write a date such as 2026-12-25"),
    ],
)
def test_what_only_looks_like_a_date_or_number_is_reported_on_its_line_beside_all_other_problems(
    written: str, message: str
) -> None:
    text = (
        "name: x\ndomains:\n  d: {models: [m], outcomes: [a, other], queue: q}\nqueues:\n  q:\n    calendar:\n"
        "      time_zone: UTC\n      hours: {mon: ['09:00-17:00']}\n      holidays:\n        - 2026-12-25\n"
        f"        - {written}\naudit: {{rate: 2}}\n"
    )
    assert _problems(text) == [
        f"p.yaml:11: queues.q.calendar.holidays.1: {message}",
        "p.yaml:12: audit.rate: should be less than or equal to 1 (did you mean 0.02?)",
    ]


def test_an_escape_that_is_no_character_is_refused() -> None:
    for escape in ("\\U00110000", "\\UFFFFFFFF"):
        (problem,) = _problems(f'name: "{escape}"\n')
        assert problem.startswith("p.yaml:1: not YAML: ")
    rule = '{id: r, when: novel, route: sync, because: "\\ud800"}'
    assert _problems(f"{MINIMAL}rules: [{rule}]\n") == [
        "p.yaml:4: rules.0.because: holds half a character (a surrogate) (write the character itself)"
    ]


def test_outcomes_are_all_different() -> None:
    problems = _problems("name: x\ndomains:\n  d: {models: [m], outcomes: [a, b, a]}\n")
    assert problems == ["p.yaml:3: domains.d.outcomes.2: 'a' appears twice (remove one)"]


def test_a_wrong_declaration_is_not_reported_again_by_every_rule_that_uses_it() -> None:
    text = (
        "name: x\ndomains:\n  d: {models: [m], outcomes: [a, other], attributes: {age: integer}}\n"
        "rules: [{id: r, when: age < 21, route: sync}]\n"
    )
    (problem,) = _problems(text)
    assert problem.startswith("p.yaml:3: domains.d.attributes.age:")


@pytest.mark.parametrize(
    ("lane", "thresholds"),
    [
        ("{}", (0.95, 0.80, 0.60)),
        ("{auto: 0.99}", (0.99, 0.80, 0.60)),
        ("{auto: 0.60}", (0.60, 0.60, 0.60)),
        ("{auto: 0.50}", (0.50, 0.50, 0.50)),
        ("{sync: 0.90}", (0.95, 0.90, 0.90)),
        ("{sync: 0.97}", (0.97, 0.97, 0.97)),
        ("{async: 0.97}", (0.97, 0.97, 0.60)),
        ("{async: 0.50}", (0.95, 0.50, 0.50)),
        ("{auto: 9e-1, async: .5, sync: 0}", (0.9, 0.5, 0.0)),
    ],
)
def test_thresholds_that_a_lane_does_not_give_come_from_the_defaults_and_yield_to_those_it_gives(
    lane: str, thresholds: tuple[float, float, float]
) -> None:
    policy = parse(f"name: x\ndomains:\n  d: {{models: [m], outcomes: [a, other], lanes: {{a: {lane}}}}}\n", "p.yaml")
    assert policy.thresholds(policy.domains["d"].lanes["a"]) == thresholds


def test_a_file_that_cannot_be_read_is_a_problem_like_any_other(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(PolicyError, match=f"^{path}: cannot be read: {reason}"):
            load(path)


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(b"name: x\n# \xff\n")
    with pytest.raises(PolicyError, match=r"p\.yaml:2: is not UTF-8 text"):
        load(file)


def test_yaml_that_is_wrong_is_refused_with_line_and_column() -> None:
    assert _problems("name: x\nrules: [a, b\nfoo: bar\n") == [
        "p.yaml:3: not YAML: expected ',' or ']', but got ':', column 4"
    ]
    assert _problems("name: x\n# \0\n") == ["p.yaml:2: not YAML: special characters are not allowed"]


@pytest.mark.parametrize("nested", ["[" * 3000, "[" * 200 + "]" * 200])
def test_yaml_that_is_nested_too_deeply_is_refused_whatever_the_recursion_limit(nested: str) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        assert _problems(f"name: {nested}") == ["p.yaml:1: not YAML: nested too deeply, column 106"]
    finally:
        sys.setrecursionlimit(limit)


def test_yaml_that_contains_itself_or_repeats_itself_without_end_is_refused() -> None:
    bomb = "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))
    for text in (
        "name: x\ndomains: &a {x: *a}\n",
        "name: x\nrules: &a [*a]\n",
        f"name: x\na: &a [1]\n{bomb}domains: {{d: {{models: [m], outcomes: [o, other], workflow: *j}}}}\n",
    ):
        assert _problems(text) == ["p.yaml:1: repeats itself through aliases without end"]


def test_anchors_and_merges_may_be_used() -> None:
    text = "name: x\ndomains:\n  a: &a {models: [m], outcomes: [o, other]}\n  b: {<<: *a, queue: q}\n"
    assert parse(text, "p.yaml").domains["b"].models == ("m",)


def test_yes_and_no_are_outcomes_and_not_truth_values() -> None:
    assert parse("name: x\ndomains: {d: {models: [m], outcomes: [yes, no]}}\n", "p").domains["d"].outcomes == (
        "yes",
        "no",
    )


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_whatever_stands_in_a_file_it_is_a_policy_or_problems_with_lines(data: st.DataObject) -> None:
    document = deepcopy(LENDING_DOCUMENT)
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = data.draw(st.sampled_from(keys))
            if not (isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans())):
                break
            node = node[key]
        node[key] = data.draw(_ANYTHING)
    result = _policy_or_problems(yaml.safe_dump(document))
    if isinstance(result, Policy):
        compile_policy(result)
        assert from_resolved(resolved(result)) == result
    else:
        assert result
        assert all(problem.line >= 1 and problem.message for problem in result)


def test_an_attribute_has_one_type_and_no_routing_field_s_name() -> None:
    text = (
        "name: x\ndomains:\n"
        "  a: {models: [m], outcomes: [p, other], attributes: {size: int, amount: float}}\n"
        "  b: {models: [m], outcomes: [p, other], attributes: {size: string}}\n"
    )
    problems = _problems(text)
    assert any("amount: is the name of a routing field" in problem for problem in problems)
    assert any("size: is 'string' here and 'int' in domain a" in problem for problem in problems)


def test_the_version_changes_with_the_meaning_only() -> None:
    plain = parse(MINIMAL, "a")
    spelled = "# a comment\ndomains:\n  loans:\n    outcomes: ['approve', reject]\n    models: [m]\nname: small\n"
    assert version(parse(spelled, "b")) == version(plain)
    assert version(parse(MINIMAL + "audit: {rate: 0.06}\n", "c")) != version(plain)
    assert version(parse(MINIMAL + "packs: [high-stakes]\n", "d")) != version(plain)


def _shuffled(node: Any, random: Random) -> Any:
    """The same document with the fields of every mapping in another order."""
    if isinstance(node, dict):
        items = list(node.items())
        random.shuffle(items)
        return {key: _shuffled(value, random) for key, value in items}
    return [_shuffled(item, random) for item in node] if isinstance(node, list) else node


@given(policies(), st.randoms(use_true_random=False), st.booleans(), st.integers(40, 200))
@settings(deadline=None, max_examples=60)
def test_the_version_ignores_order_and_layout_and_survives_writing_and_reading(
    document: dict[str, Any], random: Random, flow: bool, width: int
) -> None:
    policy = parse(yaml.safe_dump(document), "p.yaml")
    other = "# a comment\n" + yaml.safe_dump(_shuffled(document, random), default_flow_style=flow, width=width)
    again = from_resolved(resolved(policy))
    assert version(parse(other, "p.yaml")) == version(policy) == version(again)
    assert resolved(again) == resolved(policy)
    assert again == policy


@given(policies(), policies())
@settings(deadline=None, max_examples=60)
def test_two_policies_have_one_version_exactly_if_nothing_differs(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = parse(yaml.safe_dump(old), "old"), parse(yaml.safe_dump(new), "new")
    changes = diff(before, after)
    assert (version(before) == version(after)) == (not changes)
    assert diff(before, before) == []
    assert json.loads(json.dumps([change.__dict__ for change in changes])) == [change.__dict__ for change in changes]
    assert all("\n" not in str(change) for change in changes)


@pytest.mark.parametrize(
    "change",
    [
        "audit: {rate: 0.06}",
        "calibration: {use: false}",
        "defaults: {auto: 0.96}",
        "service_levels: {low: 4d}",
        "priority: [{when: novel, set: high}]",
        "rules: [{id: r, when: novel, route: sync}]",
        "packs: [gdpr-22]",
    ],
)
def test_every_change_of_meaning_changes_the_version(change: str) -> None:
    assert version(parse(MINIMAL + change + "\n", "p")) != version(parse(MINIMAL, "p"))


def test_the_order_of_models_means_nothing_and_the_order_of_rules_does() -> None:
    first, second = (MINIMAL.replace("[m]", models) for models in ("[a, b]", "[b, a]"))
    assert version(parse(first, "p")) == version(parse(second, "p"))
    rules = ["{id: r, when: novel, route: sync}", "{id: s, when: novel, route: async}"]
    old, new = (parse(f"{MINIMAL}rules: [{', '.join(order)}]\n", "p") for order in (rules, rules[::-1]))
    assert version(old) != version(new)
    assert [str(change) for change in diff(old, new)] == ["~ order of rules: [r, s] → [s, r]"]


@pytest.mark.parametrize("name", pack_names())
def test_every_pack_compiles_and_every_rule_says_why_and_bears_the_name_of_its_pack(name: str) -> None:
    policy = parse(f"name: x\npacks: [{name}]\n", "p")
    compile_policy(policy)
    assert pack(name).name == name
    assert pack(name).because
    for rule in pack(name).rules:
        assert rule.id.startswith(f"{name}-")
        assert rule.because
        assert bool(rule.regulation) is (name != "high-stakes")


def test_all_packs_can_be_used_together() -> None:
    compile_policy(parse(f"name: x\npacks: [{', '.join(pack_names())}]\n", "p"))


def _longest(months: int) -> int:
    """The most days that so many months can have."""
    firsts = [date(year, month, 1) for year in range(2023, 2033) for month in range(1, 13)]
    return max((end - start).days for start, end in zip(firsts, firsts[months:], strict=False))


def test_packs_demand_what_the_law_asks_for() -> None:
    six_months, months_25 = _longest(6), _longest(25)
    assert pack("eu-ai-act").retention_days == six_months
    assert pack("medical-device").retention_days == six_months
    assert pack("ecoa-fcra").retention_days == months_25
    assert "adverse_action" in pack("ecoa-fcra").notices
    assert pack("dsa").notices == ("statement_of_reasons",)
    assert pack("erisa-claims").notices == ("adverse_benefit_determination",)
    # Reg B calls these two insufficient as reasons.
    assert not {"internal-policy", "score-too-low"} & set(pack("ecoa-fcra").reason_codes)
    # Two persons are asked for by article 14(5) alone, and only for biometric identification.
    everything = [rule for name in pack_names() for rule in pack(name).rules]
    assert [rule.id for rule in everything if rule.four_eyes] == ["eu-ai-act-biometric-identification"]


def test_packs_keep_appeals_open_for_as_long_as_the_law_wants() -> None:
    notice, free_copy, reinvestigation = 30, 60, 45
    to_arrive = 10
    assert {name: pack(name).appeal_days for name in pack_names()} == {
        "dsa": _longest(6),
        "ecoa-fcra": notice + free_copy + reinvestigation,
        "erisa-claims": 180 + to_arrive,
        # These regulations give a right without a period, or none.
        **dict.fromkeys(("california-admt", "eu-ai-act", "gdpr-22", "high-stakes", "medical-device"), 0),
    }


def test_the_page_on_policies_lists_every_pack_with_its_periods_and_notices() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
    table = page.partition("## Packs\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"`{name}`" for name in pack_names()]
    for name, (_, _, kept, appeals, notices) in zip(pack_names(), rows, strict=True):
        days = pack(name).retention_days
        assert kept.startswith(f"{days} d") if days else not kept
        open_for = pack(name).appeal_days
        assert appeals.startswith(f"{open_for} d") if open_for else appeals in ("no period", "")
        assert notices == ", ".join(f"`{notice}`" for notice in pack(name).notices)


def test_nobody_s_policy_knows_no_domain() -> None:
    default = parse(files("interlock.policy").joinpath("default.yaml").read_text(), "default.yaml")
    assert compile_policy(default).domains == frozenset()


def test_a_difference_names_field_old_and_new() -> None:
    old = parse(MINIMAL, "a")
    new = parse(MINIMAL + "audit: {rate: 0.1}\nrules: [{id: r, when: novel, route: sync}]\n", "b")
    changes = [str(change) for change in diff(old, new)]
    assert "~ audit.rate: 0.05 → 0.1" in changes
    assert "+ rules.r: {id: r, when: novel, route: sync}" in changes
    assert diff(old, old) == []
