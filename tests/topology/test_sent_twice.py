"""One word for one decision_id: what a producer sends twice has one effect, whatever happens in between."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from interlock.executors import Execution
from interlock.schemas import catalogue
from interlock.schemas.error_headers import read_error_headers
from interlock.testing import Topology

POLICY = Path(__file__).with_name("pipeline.yaml")

WITHOUT_LANE = POLICY.read_text().replace("      approve: {}\n", "      approve: {auto: 0.99}\n")


@pytest.fixture
def world() -> Topology:
    world = Topology(POLICY)
    world.add_reviewer("ann")
    return world


@pytest.fixture
def carried_out(world: Topology) -> list[tuple[str, str]]:
    """What an executor was handed: kind and outcome."""
    handed: list[tuple[str, str]] = []

    def handler(execution: Execution) -> None:
        handed.append((execution.kind, execution.outcome))

    world.start_executor(handler)
    return handed


def _send(world: Topology, decision_id: str, confidence: float) -> None:
    world.submit(world.decision(decision_id, confidence, amount=100.0))
    world.run()


def _contradictions(world: Topology) -> list[str]:
    letters = world.messages(catalogue.DEAD_LETTER.name)
    errors = [read_error_headers(letter.headers()) for letter in letters]
    return [error["message"] for error in errors if error["exception"] == "contradiction"]


def _alerts(world: Topology) -> list[str]:
    return [record["kind"] for record in world.records("alerts") if record["kind"] == "contradiction"]


def test_a_surer_second_sending_does_not_silence_the_person_who_judges_the_first(
    world: Topology, carried_out: list[tuple[str, str]]
) -> None:
    _send(world, "d1", 0.85)
    _send(world, "d1", 0.99)
    assert carried_out == []
    world.review("ann", "reject", "d1")

    assert carried_out == [("execute", "reject"), ("notify", "reject")]
    assert [(one["version"], one["outcome"]) for one in world.resolutions("d1")] == [(1, "reject")]
    assert _contradictions(world) == [
        "decisions[1] offset 1 has other content than offset 0 under the same decision_id"
    ]
    assert _alerts(world) == ["contradiction"]


def test_a_doubtful_second_sending_asks_nobody_about_what_took_effect(
    world: Topology, carried_out: list[tuple[str, str]]
) -> None:
    _send(world, "d1", 0.99)
    _send(world, "d1", 0.85)

    assert carried_out == [("execute", "approve")]
    assert world.tasks() == {}
    assert (len(_contradictions(world)), _alerts(world)) == (1, ["contradiction"])


def _halt(world: Topology) -> None:
    world.halt()


def _publish(world: Topology) -> None:
    world.publish(WITHOUT_LANE)


def _restart(world: Topology) -> None:
    world.restart_router()


def _halt_and_restart(world: Topology) -> None:
    world.halt()
    world.restart_router()


def _wait(world: Topology) -> None:
    # The desk has forgotten what was decided so long ago.
    world.advance(timedelta(days=100))


@pytest.mark.parametrize("change", [_halt, _publish, _restart, _halt_and_restart, _wait])
@pytest.mark.parametrize("confidence", [0.97, 0.85], ids=["took effect", "was judged"])
def test_the_same_decision_sent_again_changes_nothing_whatever_happened_in_between(
    world: Topology, carried_out: list[tuple[str, str]], confidence: float, change: Callable[[Topology], None]
) -> None:
    decision = world.decision("d1", confidence, amount=100.0)
    world.submit(decision)
    world.run()
    if confidence < 0.95:
        world.review("ann", "reject", "d1")
    change(world)
    world.run()
    before = list(carried_out), world.resolutions("d1"), world.actions("d1"), len(world.records("reviews.tasks"))

    world.submit(decision)
    world.run()

    assert (
        list(carried_out),
        world.resolutions("d1"),
        world.actions("d1"),
        len(world.records("reviews.tasks")),
    ) == before
    assert _contradictions(world) == []


def test_the_desk_tells_operators_of_another_decision_under_the_id_of_a_task(world: Topology) -> None:
    _send(world, "d1", 0.85)
    # As from a producer that partitions differently, or long ago: the router cannot know.
    routed = world.routed("d1")
    world.send(catalogue.REVIEWS_MANUAL, "d1", routed | {"decision": routed["decision"] | {"amount": 5_000_000.0}})
    world.run()

    (alert,) = [record for record in world.records("alerts") if record["kind"] == "contradiction"]
    assert "amount differ" in alert["message"]
    assert world.tasks()["d1"]["amount"] == 100.0


def test_an_effect_that_contradicts_what_was_carried_out_is_a_dead_letter_and_an_alert(
    world: Topology, carried_out: list[tuple[str, str]]
) -> None:
    _send(world, "d1", 0.85)
    # As from a router that has forgotten the first sending, or a producer that partitions differently.
    routed = world.routed("d1")
    world.send(catalogue.AUTO_APPROVED, "d1", routed | {"route": "auto"})
    world.run()
    assert carried_out == [("execute", "approve")]

    world.review("ann", "reject", "d1")

    # The person's verdict is not silenced: somebody must look, before the subject is told of it.
    assert carried_out == [("execute", "approve")]
    (message,) = _contradictions(world)
    assert "d1/1/execute was carried out before, with another outcome" in message
    assert _alerts(world) == ["contradiction"]


def test_an_effect_that_comes_again_as_it_was_is_carried_out_once(
    world: Topology, carried_out: list[tuple[str, str]]
) -> None:
    _send(world, "d1", 0.97)
    world.send(catalogue.AUTO_APPROVED, "d1", world.routed("d1"))
    world.run()

    assert carried_out == [("execute", "approve")]
    assert (_contradictions(world), _alerts(world)) == ([], [])
