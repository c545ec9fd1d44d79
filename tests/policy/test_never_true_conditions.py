"""Conditions that no decision can meet are refused, because a rule that never fires protects from nothing."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy.conditions.ast import All, AnyOf, Condition, Not
from interlock.policy.conditions.contradictions import contradiction, holds_always
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.conditions.python import Unreadable, evaluate
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.shadowed import shadowed
from interlock.policy.vocabulary import ColumnType

POLICY = """
name: lending
domains:
  loans:
    models: [m]
    outcomes: [approve, reject]
    attributes: {{age: int, country: string, member: bool}}
rules:
  - {{id: odd, when: "{when}", route: sync}}
"""


@pytest.mark.parametrize(
    "when",
    [
        "amount BETWEEN 5 AND 1",
        "age > 20 AND amount > 3 AND age < 18",
        "20 < age AND 18 > age",
        "age >= 18 AND (amount > 3 AND age < 18)",
        "age > 18 AND age <= 18",
        "age = 18 AND age = 19",
        "country = 'DE' AND country = 'FR'",
        "amount > 3 OR age BETWEEN 60 AND 18",
        "NOT (amount BETWEEN 5 AND 1)",
        "length(country) > 3 AND length(country) < 2",
        "coalesce(age, 0) BETWEEN 9 AND 3",
        "country IN ('DE', 'FR') AND country IN ('IT', 'ES')",
        "country IN ('DE', 'FR') AND country NOT IN ('FR', 'DE')",
        "country = 'DE' AND country <> 'DE'",
        "age > 18 AND age < 19",
        "age > 18.2 AND age < 18.9",
        "age >= 1 AND age <= 2 AND age <> 1 AND age <> 2",
        "member AND NOT member",
        "member = true AND member = false",
        "amount > 10 AND NOT (amount >= 5)",
        "NOT (age > 18 OR age <= 18)",
        "length(country) < 0",
        "abs(amount) < -1",
        "country < ''",
    ],
)
def test_bounds_that_no_value_keeps_are_refused_and_named(when: str) -> None:
    with pytest.raises(PolicyError, match=r"policy:9: .*when.*is never true: no value is") as raised:
        parse(POLICY.format(when=when), "policy")
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("false", "False is not True"),
        ("1 > 2", "1 is not above 2"),
        ("member AND false", "False is not"),
        ("NOT true", "True is not False"),
        ("amount > 3 OR 1 = 2", "1 is not 2"),
        ("age IS NULL AND age > 5", "age cannot be missing and have a value"),
        ("age IS NULL AND age IS NOT NULL", "age cannot be missing"),
        ("age IS NULL AND coalesce(age, 0) > 5", "age cannot be missing"),
        ("age IS NULL AND amount > age", "age cannot be missing"),
        ("coalesce(age, 0) IS NULL", "always has a value"),
        ("amount < amount", "nothing differs from itself"),
    ],
)
def test_a_condition_that_no_decision_can_meet_is_refused_with_the_reason(when: str, why: str) -> None:
    with pytest.raises(PolicyError, match=f"is never true: .*{why}") as raised:
        parse(POLICY.format(when=when), "policy")
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    "when",
    [
        "amount BETWEEN 1 AND 5",
        "amount BETWEEN 5 AND 5",
        "age >= 18 AND age <= 18",
        "age > 18 AND amount < 18",
        "age < 18 OR age > 65",
        "age = 18 AND age = 18 AND age < 19",
        "age <> 18 AND age > 18",
        "member = true AND age > 3 AND country IN ('DE', 'FR')",
        "country > 'DE' AND country < 'FR'",
        "true",
        "2 > 1",
        "age IS NULL OR age > 5",
        "age IS NULL AND coalesce(age, 9) > 5",
        "age > 18 AND age < 20",
        "amount > 18 AND amount < 19",
        "country IN ('DE', 'FR') AND country IN ('FR', 'ES')",
        "country NOT IN ('DE') AND country NOT IN ('FR')",
        "NOT (member AND age > 3)",
        "length(country) < 1",
        "abs(amount) <= 0",
        "country >= ''",
        "amount > age AND amount < age",
    ],
)
def test_bounds_that_some_value_keeps_are_taken(when: str) -> None:
    parse(POLICY.format(when=when), "policy")


# Every condition below says the same of two values between which no constant stands; all places between are here.
COLUMNS = {"n": ColumnType.INT, "x": ColumnType.FLOAT, "t": ColumnType.STRING, "b": ColumnType.BOOL}
VALUES: Mapping[str, Sequence[Any]] = {
    "n": (None, Unreadable("?", ColumnType.INT), *range(-3, 5)),
    "x": (None, Unreadable("?", ColumnType.FLOAT), -2.0, -1.0, -0.75, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5),
    "t": (None, "", "a", "aa", "ab", "b", "bb", "c"),
    "b": (None, True, False),
}
_whole, _part = st.integers(-1, 2).map(str), st.sampled_from(["-1", "-0.5", "0", "0.5", "1", "2"])
_text = st.sampled_from(["'a'", "'ab'", "'b'"])
_operator = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
_equal = st.sampled_from(["=", "<>"])


def _listed(constants: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(constants, min_size=1, max_size=3).map(", ".join)


_plain = st.one_of(
    st.builds("n {} {}".format, _operator, _whole | _part),
    st.builds("x {} {}".format, _operator, _part),
    st.builds("n BETWEEN {} AND {}".format, _whole, _whole),
    st.builds("n {}IN ({})".format, st.sampled_from(["", "NOT "]), _listed(_whole)),
    st.builds("t {} {}".format, _equal, _text),
    st.builds("t {}IN ({})".format, st.sampled_from(["", "NOT "]), _listed(_text)),
    st.builds("b {} {}".format, _equal, st.sampled_from(["TRUE", "FALSE"])),
    st.builds("{} IS {}NULL".format, st.sampled_from(list(COLUMNS)), st.sampled_from(["", "NOT "])),
    st.sampled_from(["b", "TRUE", "FALSE", "1 > 2", "1 < 2"]),
)
_any = _plain | st.one_of(
    st.builds("t {} {}".format, _operator, _text | st.just("''")),
    st.builds("length(t) {} {}".format, _operator, _whole),
    st.builds("abs(n) {} {}".format, _operator, _whole),
    st.builds("abs(x) {} {}".format, _operator, _part),
    st.builds("coalesce(n, {}) {} {}".format, _whole | _part, _operator, _whole | _part),
    st.builds("coalesce(t, {}) {} {}".format, _text, _operator, _text),
    st.builds("{} {} {}".format, st.sampled_from(["n", "x", "abs(n)"]), _operator, st.sampled_from(["n", "x"])),
    st.sampled_from(["coalesce(n, 1) IS NULL", "abs(x) IS NULL", "length(t) IS NOT NULL"]),
)


def _joined(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[Condition]:
    texts = st.recursive(
        atoms,
        lambda inner: (
            st.builds("({} AND {})".format, inner, inner)
            | st.builds("({} OR {})".format, inner, inner)
            | st.builds("NOT ({})".format, inner)
        ),
        max_leaves=5,
    )
    return texts.map(lambda text: parse_condition(text, COLUMNS))


def _truths(condition: Condition) -> set[bool | None]:
    """What the condition is for any row."""
    used = [name for name in COLUMNS if f"'{name}'" in repr(condition)]
    rows = product(*(VALUES[name] for name in used))
    return {evaluate(condition, dict(zip(used, row, strict=True))) for row in rows}


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    match condition:
        case All(of) | AnyOf(of):
            for part in of:
                yield from _parts(part)
        case Not(part):
            yield from _parts(part)


@given(_joined(_any))
@settings(deadline=None, max_examples=400)
def test_what_is_called_never_true_is_true_for_no_row(condition: Condition) -> None:
    if contradiction(condition) is not None:
        assert any(True not in _truths(part) for part in _parts(condition))
    if holds_always(condition):
        assert False not in _truths(condition)


@given(_joined(_plain))
@settings(deadline=None, max_examples=400)
def test_of_columns_compared_with_constants_everything_that_is_never_true_is_noticed(condition: Condition) -> None:
    truths = _truths(condition)
    if True not in truths:
        assert contradiction(condition) is not None
    assert holds_always(condition) is (False not in truths)


def test_a_condition_with_very_many_ways_to_come_true_is_taken_as_it_is() -> None:
    many = " AND ".join(f"(age = {number} OR amount > {number})" for number in range(40))
    parse(POLICY.format(when=many), "policy")


PRIORITIES = """
name: lending
domains:
  loans: {{models: [m], outcomes: [approve, reject], attributes: {{age: int}}}}
priority: [{rules}]
"""


def _shadowed(*conditions: str) -> list[str]:
    rules = ", ".join(f'{{when: "{when}", set: high}}' for when in conditions)
    return list(shadowed(parse(PRIORITIES.format(rules=rules), "policy")))


def test_priority_rules_behind_one_that_always_holds_are_named() -> None:
    assert _shadowed("amount > 5", "true", "age > 3", "novel") == [
        "priority rule 3 (age > 3) is never reached: rule 2 before it always holds",
        "priority rule 4 (novel) is never reached: rule 2 before it always holds",
    ]
    # Where the age is missing, a condition counts as met.
    assert len(_shadowed("age > 3 OR age <= 3", "novel")) == 1


def test_a_priority_rule_that_repeats_an_earlier_one_is_named() -> None:
    assert _shadowed("age > 3", "novel", "(age > 3)") == [
        "priority rule 3 ((age > 3)) is never reached: rule 1 is the same"
    ]


def test_priority_rules_that_can_be_reached_are_not_named() -> None:
    assert _shadowed("age > 3", "amount > 5", "true") == []
