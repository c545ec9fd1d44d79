"""A queue that two policies share has one order, whichever task came first."""

import pytest

from tests.processors.desk.desk_world import MINUTE, DeskWorld

ADVICE = """
name: advice
domains:
  advice: {models: ['*'], outcomes: [hold, buy], queue: shared}
queues: {shared: {order: score}}
"""
BANK = """
name: bank
domains:
  loan: {models: ['*'], outcomes: [approve, reject], queue: shared}
queues: {shared: {order: deadline}}
"""


@pytest.mark.parametrize("policies", [(ADVICE, BANK), (BANK, ADVICE)])
@pytest.mark.parametrize("first", ["loan", "advice"])
def test_the_first_policy_by_name_that_describes_a_queue_orders_it(policies: tuple[str, str], first: str) -> None:
    world = DeskWorld(policies[0])
    world.set_policy(policies[1])
    world.hire("ann")
    loan, advice = {"domain": "loan", "prediction": "approve"}, {"domain": "advice", "prediction": "hold"}
    one, other = (loan, advice) if first == "loan" else (advice, loan)
    # Due first, and of no impact; then due last, and of the greatest.
    world.arrive("due", queue="shared", priority="high", amount=1.0, **one)
    world.wait(MINUTE)
    world.arrive("big", queue="shared", priority="low", amount=9.0, **other)
    assert world.claim("ann")["task_id"] == "big"


def test_a_policy_that_orders_a_queue_counts_also_for_the_tasks_of_one_that_does_not_describe_it() -> None:
    world = DeskWorld(BANK.replace("queues: {shared: {order: deadline}}", ""))
    world.hire("ann")
    world.arrive("due", queue="shared", priority="high", amount=1.0)
    world.arrive("big", queue="shared", priority="low", amount=9.0)
    world.set_policy(ADVICE)
    world.wait(1)
    assert world.claim("ann")["task_id"] == "big"
