"""What the doctor says about replication."""

import pytest

from interlock.operations.durability import Replication, judge

SAFE = Replication(3, 2)


def test_three_replicas_of_which_two_acknowledge_are_safe() -> None:
    assert judge(3, {"decisions": SAFE, "__consumer_offsets": SAFE}) == (
        "ok",
        "what 3 brokers acknowledge is on at least 2 disks",
    )


@pytest.mark.parametrize("name", ["decisions", "__consumer_offsets", "__transaction_state"])
def test_a_topic_that_a_lone_leader_acknowledges_is_wrong_and_the_remedy_is_told(name: str) -> None:
    state, finding = judge(3, {"actions": SAFE, name: Replication(3, 1)})
    assert state == "wrong"
    assert finding.startswith(f"acknowledged by one broker alone, whose loss loses records: {name}. For each: ")
    assert "--add-config min.insync.replicas=2" in finding


@pytest.mark.parametrize("replication", [Replication(1, 1), Replication(1, 2), Replication(2, 1), Replication(2, 2)])
def test_a_topic_with_fewer_replicas_than_there_could_be_is_wrong(replication: Replication) -> None:
    state, finding = judge(3, {"actions": SAFE, "__transaction_state": replication})
    assert state == "wrong"
    assert finding.startswith("fewer than 3 replicas: __transaction_state. ")
    assert "transaction.state.log.replication.factor" in finding


def test_two_brokers_are_safe_only_where_both_acknowledge() -> None:
    assert judge(2, {"decisions": Replication(2, 2)})[0] == "ok"
    assert judge(2, {"decisions": Replication(2, 1)})[0] == "wrong"


def test_a_topic_that_one_absent_broker_would_stop_is_a_warning() -> None:
    state, finding = judge(3, {"decisions": Replication(3, 3)})
    assert (state, finding.startswith("nothing can be written while one broker is away")) == ("warning", True)


def test_one_broker_is_a_warning() -> None:
    assert judge(1, {"decisions": Replication(1, 1)})[0] == "warning"
