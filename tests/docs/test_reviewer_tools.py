"""What the page for makers of reviewer tools shows is what the desk takes and writes."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from interlock.processors.desk.desk import HANDLERS
from interlock.processors.review.times import micros
from interlock.review.desk_connection import CommandRefusedError, Reply
from interlock.schemas import catalogue, wire
from interlock.testing import Topology
from tests.docs.commands import ROOT, blocks

PAGE = (ROOT / "docs/reviewer-tools.md").read_text()

POLICY = """
name: loans
audit: {rate: 0}
domains:
  loan_approval:
    models: ['*']
    outcomes: [approve, refer, reject]
    lanes: {approve: {auto: 0.95}}
    queue: underwriting
rules:
  - {id: awaited, when: amount > 1000, route: sync, because: somebody waits}
"""

Record = dict[str, Any]


def _shown(kind: str) -> list[Record]:
    """The records of the first (commands) or second block (a reply and a task) that have one a line."""
    found = [block for block in blocks(PAGE, "json") if block.startswith('{"command_id"')]
    return [json.loads(line) for line in found[kind == "answers"].splitlines()]


COMMANDS = _shown("commands")


def test_every_kind_of_command_is_shown() -> None:
    assert {command["kind"] for command in COMMANDS} == HANDLERS.keys()


@pytest.mark.parametrize("shown", COMMANDS, ids=lambda shown: f"{shown['command_id']}-{shown['kind']}")
def test_the_desk_carries_out_the_commands_as_they_are_shown(shown: Record) -> None:
    # What is recalled is on file where it was drawn for an audit.
    world = Topology(POLICY.replace("rate: 0", "rate: 1") if shown["kind"] == "recall" else POLICY)
    for name in ("ann", "bob"):
        world.add_reviewer(name, queues=["underwriting"])
    world.add_reviewer("lea", role="lead")
    task = shown.get("task_id", "")
    _bring_about(world, shown, task)
    given = {name: value for name, value in shown.items() if name not in ("command_id", "kind", "actor", "issued_at")}
    if "payload_hash" in given:
        given["payload_hash"] = world.tasks()[task]["payload_hash"]
    if "until" in given:
        given["until"] = micros(world.time + timedelta(days=1))
    asked = world.reviewer(shown["actor"])
    if shown["kind"] == "first_opinion":  # only experiments ask for one; this is how far it gets elsewhere
        with pytest.raises(CommandRefusedError, match="no-opinion-due"):
            asked.ask(shown["kind"], **given)
    else:
        assert asked.ask(shown["kind"], **given).accepted


def _bring_about(world: Topology, shown: Record, task: str) -> Reply | None:
    """The state in which the command makes sense."""
    kind, ann = shown["kind"], world.reviewer("ann")
    if kind == "expire":
        world.submit(world.decision(task, amount=5000), caller=shown["actor"], seconds=60)
        world.run()
        return None
    world.decide(task or "loan-16", confidence=0.99 if kind == "recall" else 0.8, amount=10)
    if kind in ("on_duty", "off_duty", "claim", "reassign", "recall"):
        return None
    held = ann.claim(task)
    if kind in ("override", "appeal", "gold"):
        return ann.submit(task, held.epoch, held.payload_hash, "approve", reason_code="agree", reason_text="fine")
    return ann.escalate(task, reason_text="for a lead") if kind == "de_escalate" else held


def test_the_reply_and_the_task_have_the_fields_and_types_of_their_schemas() -> None:
    reply, task = _shown("answers")
    assert wire.decode_plain("CommandReply", wire.encode("CommandReply", reply)) == reply
    world = Topology(POLICY)
    ann = world.add_reviewer("ann")
    world.decide("loan-17", confidence=0.8, amount=10)
    ann.claim()
    whole = wire.decode_plain("Task", world.messages("reviews.tasks")[-1].value())
    assert task.keys() <= whole.keys()
    assert wire.decode_plain("Task", wire.encode("Task", whole | task)) == whole | task


def test_the_table_of_codes_has_every_code_with_which_the_desk_refuses() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "processors/desk").glob("*.py"))
    used = set(re.findall(r'Refused\(\s*"([a-z-]+)"', source))
    first_cells = [
        line.split("|")[1] for line in PAGE.partition("| code | what to do |")[2].splitlines() if "|" in line
    ]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(first_cells))) == used


def test_the_table_of_topics_has_schemas_that_the_topics_have() -> None:
    table = PAGE.partition("| topic | value | key | |\n|---|---|---|---|\n")[2].partition("\n\n")[0]
    for row in table.splitlines():
        _, topics, value, *_ = row.split("|")
        for name in re.findall(r"`([a-z.-]+)`", topics):
            assert f"`{catalogue.BY_NAME[name].schema}`" == value.strip()
