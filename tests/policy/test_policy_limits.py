"""A policy may be large, but not so large that everybody waits for the router."""

import time

import pytest

from interlock.policy import limits
from interlock.policy.compiled import compile_policy
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved, resolved

DOMAIN = "{models: [m], outcomes: [approve, reject]}"


def policy_text(rules: list[str], domains: int = 1) -> str:
    lines = ["name: large", "domains:", *(f"  d{number}: {DOMAIN}" for number in range(domains))]
    return "\n".join(
        [*lines, "rules:", *(f"  - {{id: r{n}, when: '{when}', route: sync}}" for n, when in enumerate(rules))]
    )


def long_condition(characters: int) -> str:
    return " AND ".join(f"amount > {number:010d}" for number in range(characters // 24))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            policy_text(["amount > 1"] * (limits.MAX_CONDITIONS + 1)),
            "201 conditions of rules, safe rules and priorities; 200 are possible: split the policy by domains",
        ),
        (policy_text([long_condition(31_000)] * 2), "characters in all conditions together; 60,000 are possible"),
        (policy_text(["amount > 1"], domains=201), "201 domains; 200 are possible"),
    ],
)
def test_more_than_the_router_can_take_is_refused_with_the_limit(text: str, problem: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse(text, "large.yaml")
    assert problem in str(refused.value)


def test_a_published_record_beyond_the_limits_is_refused_before_its_conditions_are_read() -> None:
    policy = parse(policy_text(["amount > 1"]), "small.yaml")
    # As somebody would write it who does not use our commands.
    forged = policy.model_copy(update={"rules": policy.rules * 10_000})
    started = time.process_time()
    with pytest.raises(ValueError, match=r"10,000 conditions|1,000,000 are possible"):
        from_resolved(resolved(forged))
    with pytest.raises(ValueError, match="characters; 1,000,000 are possible"):
        from_resolved("[" * 4_000_000)
    assert time.process_time() - started < 2


def test_the_largest_policy_is_in_force_within_a_second_of_processor_time() -> None:
    rest = limits.MAX_CONDITION_CHARACTERS // limits.MAX_CONDITIONS
    largest = resolved(parse(policy_text([long_condition(rest - 4)] * limits.MAX_CONDITIONS), "largest.yaml"))
    assert Policy.model_validate_json(largest)
    started = time.process_time()
    compile_policy(from_resolved(largest))
    assert time.process_time() - started < 1
