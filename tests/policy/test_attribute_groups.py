"""Groups by an attribute: values, and ranges that the policy names."""

import pytest

from interlock.policy.attribute_groups import NOT_KNOWN, group_of, ranges
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved, resolved, version
from interlock.schemas.sealed_text import PREFIX


def policy(groups: str) -> Policy:
    return parse(
        f"""\
name: lending
domains:
  loan:
    models: [scorer]
    outcomes: [approve, reject]
    attributes: {{age: int, sex: string}}
    groups: {groups}
""",
        "lending.yaml",
    )


def test_ranges_are_half_open_and_have_readable_names() -> None:
    assert ranges((18, 65)) == ["under 18", "18 to under 65", "65 or more"]
    assert [group_of(text, (18, 65)) for text in ("17.9", "18", "64", "65")] == [
        "under 18",
        "18 to under 65",
        "18 to under 65",
        "65 or more",
    ]


@pytest.mark.parametrize("text", [None, "eighteen", "", PREFIX + "x"])
def test_what_is_no_number_belongs_to_those_of_whom_nothing_is_known(text: str | None) -> None:
    assert group_of(text, (18, 65)) == NOT_KNOWN


def test_without_numbers_every_value_is_a_group() -> None:
    assert policy("[sex]").domains["loan"].group_cuts == {"sex": ()}
    assert group_of("f", ()) == "f"


def test_the_order_of_numbers_has_no_meaning_and_a_plain_list_keeps_its_version() -> None:
    assert version(policy("{age: [65, 18]}")) == version(policy("{age: [18, 65]}"))
    assert '"groups":["sex"]' in resolved(policy("[sex]"))
    assert from_resolved(resolved(policy("{age: [18, 65], sex: []}"))) == policy("{age: [18, 65], sex: []}")


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ("{sex: [3]}", "lending.yaml:7: domains.loan.groups.sex: 'sex' is no number"),
        (
            "{aeg: [3]}",
            "lending.yaml:7: domains.loan.groups.aeg: 'aeg' is no attribute of the domain (did you mean",
        ),
        ("[aeg]", "lending.yaml:7: domains.loan.groups.0: 'aeg' is no attribute of the domain (did you mean age?"),
        ("{age: 18}", "lending.yaml:7: domains.loan.groups.age: must be a list"),
        ("3", "lending.yaml:7: domains.loan.groups: must be a list"),
    ],
)
def test_a_mistake_is_told_once_and_where_it_stands(groups: str, problem: str) -> None:
    with pytest.raises(PolicyError) as refused:
        policy(groups)
    assert [str(one).startswith(problem) for one in refused.value.problems] == [True]
