"""A decision that the desk had decided and has forgotten comes back with its history: versions count on, and whoever
judged it stays out."""

from dataclasses import replace
from typing import Any

import pytest

from interlock.processors.desk.outputs import DeskOutputs
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import RESTORED_TOPICS
from interlock.processors.desk.task import Task
from interlock.schemas import wire
from interlock.schemas.copy_headers import TASK_HEADER
from interlock.schemas.payload import payload_hash
from tests.processors.desk.desk_records import (
    START,
    Record,
    as_written,
    command,
    policy_record,
    records,
    reviewer_record,
    routed,
)
from tests.processors.desk.desk_world import DAY, POLICY

WORDS = {"reason_code": "other", "reason_text": "because"}
FORGETS_AFTER = 30 * DAY


class Office:
    """A desk on a stream with people on duty. `forgotten`: the last record that it wrote of each task."""

    def __init__(self, policy: str = POLICY) -> None:
        self.now = START
        self.desk = DeskProcessor(retention=FORGETS_AFTER)
        self.desk.follow(policy_record(policy))
        self.commands = 0
        self.written: list[Record] = []
        for name in ("ann", "bob", "cid", "lee"):
            self.desk.follow(reviewer_record(name, role="lead" if name == "lee" else "reviewer"))
            self.ask("on_duty", name)

    def process(self, *messages: Record) -> DeskOutputs:
        outputs = self.desk.process(messages, self.now)
        self.written += as_written(outputs)
        return outputs

    def ask(self, kind: str, actor: str, **fields: Any) -> dict[str, Any]:
        self.commands += 1
        (reply,) = records(self.process(command(self.commands, kind, actor, **fields)), "reviews.replies")
        return reply

    def decide(self, actor: str, task_id: str, outcome: str) -> dict[str, Any]:
        lease = self.ask("claim", actor, task_id=task_id)
        assert lease["accepted"], lease["message"]
        held = {name: lease[name] for name in ("task_id", "epoch", "payload_hash")}
        reply = self.ask("submit", actor, **held, verdict="choose", outcome=outcome, **WORDS)
        assert reply["accepted"], reply["message"]
        return reply

    def appeal(self, actor: str, task_id: str = "d1") -> dict[str, Any]:
        return self.ask("appeal", actor, task_id=task_id, reason_text="it was not me")

    def wait(self, micros: int) -> None:
        self.now += micros
        self.process()

    def forget(self, task_id: str = "d1") -> bytes:
        """Waits until the desk has forgotten a decided task; returns what it wrote of it last."""
        self.wait(2 * DAY)
        self.wait(FORGETS_AFTER)
        assert task_id not in self.desk.desk.state.tasks
        return self.last_record(task_id)

    def last_record(self, task_id: str = "d1") -> bytes:
        values = [record.value_bytes for record in self.written if record.key_bytes == task_id.encode()]
        return next(value for value in reversed(values) if value is not None)

    def task(self, task_id: str = "d1") -> Task:
        return self.desk.desk.state.tasks[task_id]

    def take_over(self) -> None:
        policies = self.desk.tables
        self.desk = DeskProcessor(retention=FORGETS_AFTER)
        self.desk.tables = policies
        kept = [record for record in self.written if record.name in RESTORED_TOPICS]
        self.desk.restore(kept, [])


def case(decision_id: str = "d1", **fields: Any) -> Record:
    return routed(decision_id, routed_at=START, quorum=1, outcomes=["approve", "reject"], **fields)


def copy_of(record: Record, *headers: bytes | None, place: int = 77) -> Record:
    """The same decision in `reviews.manual`, with the last record of its task."""
    sent = tuple((TASK_HEADER, header) for header in headers)
    return replace(record, name="reviews.manual", place=place, sent_headers=sent)


def events(outputs: DeskOutputs) -> list[str]:
    return [record["event"] for record in records(outputs, "reviews.tasks")]


def versions(office: Office) -> list[tuple[int, str, str]]:
    said = [
        wire.decode_plain("Resolution", one.value_bytes or b"") for one in office.written if one.name == "resolutions"
    ]
    return [(record["version"], record["outcome"], record["source"]) for record in said]


@pytest.fixture
def office() -> Office:
    return Office()


def test_what_was_forgotten_is_filed_as_it_was_and_says_nothing_new(office: Office) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    last = office.forget()
    outputs = office.process(copy_of(case(), last))
    assert outputs.topics == ["reviews.tasks"]
    (record,) = records(outputs, "reviews.tasks")
    before = wire.decode_plain("Task", last)
    told = {"event": "restored", "actor": "desk", "at": office.now, "arrived_at": office.now, "closed_at": office.now}
    place = {"topic": "reviews.manual", "partition": 0, "offset": 77}
    hashed = {"payload_hash": payload_hash(case().value_bytes or b"")}
    assert record == before | told | place | hashed


def test_an_appeal_against_it_makes_the_next_version_and_undoes_what_was_done(office: Office) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    office.process(copy_of(case(), office.forget()))
    assert office.appeal("bob")["accepted"]
    done = office.decide("cid", "d1", "approve")
    assert done["accepted"]
    assert versions(office) == [(1, "reject", "review"), (2, "reject", "review"), (3, "approve", "appeal")]
    actions = [wire.decode_plain("Action", one.value_bytes or b"") for one in office.written if one.name == "actions"]
    ids = [action["action_id"] for action in actions if action["kind"] != "notify"]
    assert ids == ["d1/1/execute", "d1/1/roll_back", "d1/3/execute"]


def test_who_judged_it_before_and_who_appeals_do_not_judge_it_again(office: Office) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    office.process(copy_of(case(), office.forget()))
    office.appeal("bob")
    refusals = [office.ask("claim", name, task_id="d1")["code"] for name in ("ann", "bob", "cid")]
    assert refusals == ["same-person", "same-person", "ok"]


def test_what_two_people_had_to_decide_needs_two_again(office: Office) -> None:
    record = routed("d1", routed_at=START, quorum=2, outcomes=["approve", "reject"])
    office.process(record)
    office.decide("ann", "d1", "reject")
    office.decide("bob", "d1", "reject")
    office.process(copy_of(record, office.forget()))
    office.appeal("lee")
    assert office.task().quorum == 2
    assert not office.decide("cid", "d1", "approve")["message"].startswith("decided")
    assert office.task().outcome == "reject"


def test_appeals_are_counted_over_what_was_forgotten() -> None:
    office = Office(POLICY.replace("on_timeout: reject", "on_timeout: reject\n    appeals: {limit: 2}"))
    office.process(case())
    office.decide("ann", "d1", "reject")
    office.process(copy_of(case(), office.forget()))
    assert office.appeal("bob")["accepted"]
    office.decide("cid", "d1", "reject")
    office.process(copy_of(case(), office.forget()))
    assert office.appeal("bob")["accepted"]
    office.decide("lee", "d1", "approve")
    office.process(copy_of(case(), office.forget()))
    assert office.appeal("bob")["code"] == "appeals-exhausted"


def test_the_time_for_an_appeal_counts_from_the_decision_and_not_from_filing(office: Office) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    last = office.forget()
    office.wait(400 * DAY)
    office.process(copy_of(case(), last))
    assert office.appeal("bob")["code"] == "appeal-late"


def test_a_stranger_is_not_told_that_a_task_is_unknown(office: Office) -> None:
    assert [office.appeal(name)["code"] for name in ("zoe", "ann")] == ["unknown-reviewer", "unknown-task"]


def test_nobody_overrides_it(office: Office) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    office.process(copy_of(case(), office.forget()))
    words = {"verdict": "choose", "outcome": "approve", "payload_hash": office.task().payload_hash}
    assert office.ask("override", "lee", task_id="d1", **words, **WORDS)["code"] == "window-closed"


def test_what_nobody_appeals_is_forgotten_again(office: Office) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    office.process(copy_of(case(), office.forget()))
    office.wait(FORGETS_AFTER - 1)
    assert "d1" in office.desk.desk.state.tasks
    office.wait(1)
    assert "d1" not in office.desk.desk.state.tasks


def test_a_desk_that_takes_over_knows_what_was_filed_again(office: Office) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    office.process(copy_of(case(), office.forget()))
    office.take_over()
    assert (office.task().version, sorted(office.task().involved)) == (2, ["ann"])


@pytest.mark.parametrize("appealed", [False, True])
def test_a_copy_of_what_the_desk_knows_is_a_repetition(office: Office, appealed: bool) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    last = office.forget()
    office.process(copy_of(case(), last))
    if appealed:
        office.appeal("bob")
    state, place = office.task().state, office.task().offset
    assert events(office.process(copy_of(case(), last, place=78))) == ["repeated"]
    assert (office.task().state, office.task().offset) == (state, place)


def test_a_decision_without_a_person_is_filed_again_after_its_appeal_was_forgotten(office: Office) -> None:
    unseen = case(route="auto")
    office.process(copy_of(unseen))
    office.appeal("bob")
    office.decide("ann", "d1", "reject")
    office.process(copy_of(unseen, office.forget()))
    assert (office.task().appeals, office.task().version) == (1, 3)


UNUSABLE: dict[str, dict[str, Any]] = {
    "is open": {"state": "waiting"},
    "has no version": {"version": 0},
    "is not final": {"final_at": START + 400 * DAY},
    "can be overridden": {"override_until": START + 400 * DAY},
    "is of gold": {"kind": "gold"},
    "is of another task": {"task_id": "d2"},
    "is planted": {"decision_id": "d2"},
    "is of another model": {"model_id": "other"},
    "is of another amount": {"amount": 11.0},
    "is of another confidence": {"raw_confidence": 0.5},
}


@pytest.mark.parametrize("why", [*UNUSABLE, "is junk", "is empty"])
def test_a_header_that_no_desk_wrote_last_of_the_decision_makes_a_dead_letter(office: Office, why: str) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    last = wire.decode_plain("Task", office.forget())
    header = {"is junk": b"junk", "is empty": None}.get(why, wire.encode("Task", last | UNUSABLE.get(why, {})))
    outputs = office.process(copy_of(case(), header))
    assert outputs.topics == ["dead-letter"]
    assert outputs.bad == {"invalid-task": 1}
    assert not office.desk.desk.state.tasks


def test_only_reviews_manual_brings_tasks_along(office: Office) -> None:
    office.process(case())
    office.decide("ann", "d1", "reject")
    copy = replace(copy_of(case(), office.forget()), name="reviews.async")
    assert events(office.process(copy))[0] == "arrived"


def test_a_decision_whose_amount_is_no_number_is_the_same_decision(office: Office) -> None:
    record = case(decision={"amount": float("nan")})
    office.process(record)
    assert office.process(record).topics == ["reviews.tasks"]
    office.decide("ann", "d1", "reject")
    assert events(office.process(copy_of(record, office.forget()))) == ["restored"]
