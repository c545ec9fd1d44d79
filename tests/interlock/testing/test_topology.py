"""interlock.testing is a public library: what its page shows works, and what it exports is what it says."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import interlock.testing
from interlock import Client
from interlock.review.desk_connection import DeskUnavailableError
from interlock.testing import Crash, Topology
from tests.docs.commands import ROOT, blocks

PAGE = ROOT / "docs" / "testing-your-own.md"
POLICY = ROOT / "examples" / "loan_approval" / "policy.yaml"


def _snippets() -> dict[str, Callable[[], None]]:
    """The tests that the page shows; later snippets build on earlier ones."""
    names: dict[str, Any] = {}
    for snippet in blocks(PAGE.read_text(), "python"):
        exec(compile(snippet, str(PAGE), "exec"), names)
    return {name: value for name, value in names.items() if name.startswith("test_")}


SNIPPETS = _snippets()


@pytest.mark.parametrize("name", SNIPPETS)
def test_the_tests_that_the_page_shows_pass(name: str) -> None:
    SNIPPETS[name]()


def test_the_page_shows_a_test_of_a_policy_an_executor_and_a_tool_and_names_everything_exported() -> None:
    text = PAGE.read_text()
    assert len(SNIPPETS) >= 3
    assert [name for name in interlock.testing.__all__ if f"`{name}`" not in text] == []


def test_a_policy_is_put_in_force_and_everything_halted_while_the_topology_runs() -> None:
    topology = Topology()
    assert topology.decide("d1", domain="loan_approval")["reasons"] == ["unknown-domain"]
    policy = topology.publish(POLICY)
    assert policy.name == "loan-approval"
    assert topology.decide("d2", 0.99, amount=500.0)["policy_version"]
    topology.halt()
    assert topology.decide("d3", 0.99, amount=500.0)["reasons"][-1] == "halted:all"
    topology.halt(halted=False)
    assert "halted:all" not in topology.decide("d4", 0.99, amount=500.0)["reasons"]


def test_a_client_on_the_topologys_broker_tells_what_holds() -> None:
    topology = Topology(POLICY)
    topology.add_reviewer("ann")
    topology.decide("d1", 0.5, amount=500.0)
    with Client(broker=topology.broker) as client:
        assert client.resolution("d1") is None
        topology.review("ann", "approve", "d1")
        word = client.resolution("d1")
    assert word is not None
    assert (word.outcome, word.source, word.decided_by) == ("approve", "review", ("ann",))


def test_a_decision_that_becomes_a_dead_letter_is_named_with_the_reason() -> None:
    topology = Topology(POLICY)
    with pytest.raises(LookupError, match="was not submitted"):
        topology.routed("d0")
    decision = topology.decision("d1")
    topology.submit(decision)
    producer = topology.broker.producer(None)
    producer.produce("decisions", b"junk", b"d2")
    producer.flush()
    topology.run()
    assert topology.routed("d1")["decision"]["model_id"] == decision.model_id
    with pytest.raises(LookupError, match="d2 was not routed: the value does not start"):
        topology.routed("d2")


def test_without_a_desk_a_tool_is_told_so_and_a_standby_takes_over_from_one_that_crashed() -> None:
    topology = Topology(POLICY, start_desk=False)
    with pytest.raises(DeskUnavailableError, match="no desk of the topology runs"):
        topology.add_reviewer("ann")
    first = topology.start_desk()
    topology.start_desk("desk-2")
    first.faults.inject(Crash())
    topology.run()
    assert first.dead
    topology.advance(timedelta(minutes=1))
    assert topology.reviewer("ann").on_duty().accepted


def test_records_without_a_schema_are_read_as_messages() -> None:
    topology = Topology()
    with pytest.raises(ValueError, match="messages"):
        topology.records("dead-letter")
    assert topology.messages("dead-letter") == []


def test_a_topology_that_never_comes_to_rest_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.testing.topology.MAX_ROUNDS", 20)
    topology = Topology(POLICY)
    topology.attach(lambda: topology.submit(topology.decision("again")))
    with pytest.raises(RuntimeError, match="still writes records"):
        topology.run()


def test_a_missing_extra_is_named_in_one_line(tmp_path: Path) -> None:
    script = "import sys; sys.modules['polars'] = None; import interlock.testing"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == (
        "ImportError: interlock.testing needs the extra \"server\" (polars is missing): pip install 'interlock[server]'"
    )


def test_tools_of_tests_are_not_imported(tmp_path: Path) -> None:
    script = "import sys, interlock.testing; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
