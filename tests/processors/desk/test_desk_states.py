"""The desk in any sequence of commands, arrivals, clock moves, new policies, new people and crashes, against a model.

What the model checks after every step stands in `model`, what can happen in `model_machine`.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.processors.desk.model_machine import DeskLife

# What there is to do, and how often: the deeper a state, the rarer it would be otherwise.
OFTEN = {
    "decide": 6,
    "go_on": 5,
    "lead": 4,
    "wait_until_something_is_due": 4,
    "arrive": 3,
    "ask": 3,
    "override_together": 3,
    "meddle": 3,
    "appeal_against_what_was_forgotten": 2,
    "begin_the_day": 2,
    "wait": 2,
    "change": 1,
    "crash": 1,
    "send_again_or_junk": 1,
    "plant": 1,
}


@pytest.mark.parametrize("seed", range(16))
def test_in_a_long_life_the_desk_does_what_it_may_and_must(seed: int) -> None:
    dice = Random(seed)
    life = DeskLife()
    life.begin(dice)
    for name in dice.choices(list(OFTEN), list(OFTEN.values()), k=300):
        getattr(life, name)(dice)
        life.check()


class DeskStates(RuleBasedStateMachine):
    """The same in sequences that Hypothesis chooses, and makes short where one fails."""

    def __init__(self) -> None:
        super().__init__()
        self.life = DeskLife()

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed: int) -> None:
        self.life.begin(Random(seed))

    @rule(
        name=st.sampled_from([name for name, times in OFTEN.items() for _ in range(times)]),
        seed=st.integers(0, 2**32 - 1),
    )
    def live(self, name: str, seed: int) -> None:
        getattr(self.life, name)(Random(seed))

    @invariant()
    def everything_holds(self) -> None:
        self.life.check()


TestDeskStates: Any = DeskStates.TestCase
TestDeskStates.settings = settings(max_examples=100, stateful_step_count=40, suppress_health_check=list(HealthCheck))
