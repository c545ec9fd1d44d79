"""Simulated reviewers: how they judge, and that they get through the work."""

import math
import statistics
from collections.abc import Mapping
from typing import Any

import pytest

from examples import loan_approval
from interlock.demo import survey
from interlock.errors import UsageError
from interlock.policy.load import parse
from interlock.processors.review.payload import Payload
from interlock.processors.review.times import micros
from interlock.processors.review.view import TaskView, build_view
from interlock.review.board import Board
from interlock.review.payload import PayloadReader
from interlock.simulation.personas import Persona, absence_seconds, generator, handling_seconds, judge, personas
from interlock.simulation.simulation import Simulation, qualifications, summary
from interlock.simulation.truth import load_truth
from interlock.streams.clock import SystemClock
from tests.interlock.review.review_world import POLICY, World, decision, routed, task_record

LENDING = parse(POLICY, "lending")


def someone(**changes: Any) -> Persona:
    fields: dict[str, Any] = {
        "id": "p",
        "name": "P",
        "role": "reviewer",
        "median_seconds": 100.0,
        "spread": 0.5,
        "accuracy": 1.0,
        "deference": 0.0,
        "absence": 0.0,
        "break_seconds": 600.0,
    }
    return Persona(**{**fields, **changes})


def seen(route: str = "async", **changes: Any) -> TaskView:
    envelope = routed(decision("d-1"), route, **changes)
    record = task_record(envelope)
    return build_view(record, Payload(envelope, verified=True), micros(record["arrived_at"]), in_force=LENDING)


def shares(shown: TaskView, truth: str | None, persona: Persona, tasks: int = 2000) -> dict[str, float]:
    outcomes = [judge(shown, truth, persona, generator(0, persona, f"t-{n}")).outcome for n in range(tasks)]
    return {name: outcomes.count(name) / tasks for name in set(outcomes)}


def test_the_same_person_says_the_same_of_the_same_task() -> None:
    one = personas(3, seed=5)[2]
    assert one == personas(9, seed=5)[2]
    judged = [judge(seen(), "approve", one, generator(5, one, "d-1")) for _ in range(2)]
    assert judged[0] == judged[1]
    assert personas(1, seed=6) != personas(1, seed=5)


def test_the_first_person_is_a_lead_and_ids_are_unique() -> None:
    people = personas(20, seed=0)
    assert [person.role for person in people] == ["lead"] + ["reviewer"] * 19
    assert len({person.id for person in people}) == 20


def test_who_is_always_right_approves_the_right_answer_and_rejects_the_wrong_one() -> None:
    agreed = judge(seen(), "reject", someone(), generator(0, someone(), "d"))
    assert (agreed.verdict, agreed.outcome, agreed.reason_code) == ("approve", "reject", "agree")
    overrode = judge(seen(), "approve", someone(), generator(0, someone(), "d"))
    assert (overrode.verdict, overrode.outcome, overrode.reason_code) == ("reject", "approve", "income")


def test_accuracy_is_the_share_of_right_opinions() -> None:
    found = shares(seen("auto", audit=True), "refer", someone(accuracy=0.9))
    assert found["refer"] == pytest.approx(0.9, abs=0.03)
    assert found["approve"] == pytest.approx(found["reject"], abs=0.03)


def test_deference_gives_way_to_an_answer_on_the_screen_and_only_there() -> None:
    deferent = someone(deference=0.4)
    assert shares(seen(), "approve", deferent)["reject"] == pytest.approx(0.4, abs=0.04)
    assert shares(seen("auto", audit=True), "approve", deferent) == {"approve": 1.0}
    assert shares(seen("manual"), "approve", deferent) == {"approve": 1.0}


def test_where_the_answer_is_hidden_the_verdict_is_a_choice() -> None:
    assert judge(seen("auto", audit=True), "approve", someone(), generator(0, someone(), "d")).verdict == "choose"


def test_where_nobody_knows_the_truth_the_person_knows_no_better_than_the_ai() -> None:
    assert shares(seen(), None, someone()) == {"reject": 1.0}
    assert set(shares(seen("auto", audit=True), None, someone())) == {"approve", "reject", "refer"}


def test_handling_times_are_lognormal_about_the_median() -> None:
    logs = [math.log(handling_seconds(someone(), generator(0, someone(), f"t-{n}"))) for n in range(4000)]
    assert math.exp(statistics.median(logs)) == pytest.approx(100, rel=0.05)
    assert statistics.stdev(logs) == pytest.approx(0.5, rel=0.05)


def test_absences_come_as_often_and_last_as_long_as_the_person_has_them() -> None:
    away = [absence_seconds(someone(absence=0.2), generator(0, someone(), f"t-{n}")) for n in range(4000)]
    breaks = [item for item in away if item]
    assert len(breaks) / len(away) == pytest.approx(0.2, abs=0.02)
    assert statistics.mean(breaks) == pytest.approx(600, rel=0.1)


def test_the_truth_of_an_example_is_known_by_the_decision_alone() -> None:
    for number, record in enumerate(survey.decisions(200, run="any", seed=3)):
        assert survey.truth_of(record.to_record()) == survey.truth(3, number)
    loans = [loan_approval.truth_of(record.to_record()) for record in loan_approval.decisions(400, run="any", seed=3)]
    assert set(loans) == {"approve", "reject"}
    right = sum(
        truth == loan.prediction
        for truth, loan in zip(loans, loan_approval.decisions(400, run="other", seed=3), strict=True)
    )
    assert 0.6 < right / 400 < 0.9  # the model is better than a coin, and not perfect
    assert survey.truth_of(decision("d-1")) is None
    assert loan_approval.truth_of(decision("d-1")) is None


def test_the_truth_is_named_as_module_and_function() -> None:
    assert load_truth("examples.loan_approval:truth_of") is loan_approval.truth_of
    with pytest.raises(UsageError, match="module:function"):
        load_truth("examples.loan_approval:nothing")
    with pytest.raises(UsageError, match="module:function"):
        load_truth("no-such-module")


def test_everything_a_policy_may_ask_for_is_among_the_qualifications() -> None:
    text = "packs: [eu-ai-act, medical-device]\nqueues: {underwriting: {qualifications: [underwriter]}}"
    assert qualifications([parse(POLICY + text, "lending")]) == {"ai-oversight", "physician", "underwriter"}


def _truth(record: Mapping[str, Any]) -> str:
    return "approve" if int(record["decision_id"].split("-")[1]) % 2 else "reject"


def _simulation(world: World, count: int, **options: Any) -> Simulation:
    people = personas(count, seed=1)
    return Simulation(
        world.broker,
        people,
        truth=_truth,
        clock=SystemClock(),
        payloads=PayloadReader(world.broker),
        seed=1,
        speedup=1e6,
        **options,
    )


def test_a_team_decides_every_task_once_and_goes_home(world: World) -> None:
    for number in range(40):
        route = ("async", "manual", "auto")[number % 3]
        topic = "reviews.async" if route == "auto" else ""
        world.arrive(decision(f"d-{number}"), route, topic, audit=route == "auto")
    simulation = _simulation(world, 4, decisions=40)
    simulation.register()
    simulation.run()
    assert simulation.decided == 40
    assert simulation.failure is None
    rows = summary(personas(4, seed=1), simulation.tallies)
    assert sum(row["decided"] for row in rows) == 40
    assert sum(row["blind"] for row in rows) == 26
    assert all(0.5 <= row["accuracy"] <= 1 for row in rows if row["decided"] > 5)
    with Board(world.broker) as board:
        assert board.open_tasks == []
        assert not any(board.on_duty(name) for name in board.reviewers)
        assert {task["verdicts"][0]["reviewer"] for task in board.tasks.values()} <= set(board.reviewers)
    assert world.desk.dead_letters == 0


def test_a_team_takes_no_more_than_it_was_told_to(world: World) -> None:
    for number in range(30):
        world.arrive(decision(f"d-{number}"))
    simulation = _simulation(world, 5, decisions=12)
    simulation.register()
    simulation.run()
    assert simulation.decided == 12
    with Board(world.broker) as board:
        assert len(board.open_tasks) == 18
        assert {task["state"] for task in board.open_tasks} == {"waiting"}


def test_what_a_person_puts_aside_stays_open_however_much_it_is(world: World) -> None:
    for number in range(8):
        world.arrive(decision(f"d-{number}"))
    # One more than the roster lets people hold, unless it says otherwise.
    aside = {f"d-{number}" for number in range(6)}
    simulation = _simulation(world, 1, decisions=2, puts_aside=aside.__contains__)
    simulation.register()
    simulation.run()
    assert simulation.failure is None
    with Board(world.broker) as board:
        states = {name: task["state"] for name, task in board.tasks.items()}
    assert simulation.aside == {name for name, state in states.items() if state == "snoozed"}
    assert {name for name, state in states.items() if state == "done"} == {"d-6", "d-7"}
    assert simulation.aside == aside
