"""What the desk may and must do, told a second time from its contract, in plain dicts.

The model hears what went into the desk and what came out, in order. It works out by itself whether a command may be
carried out and what every record must say; it takes over from the desk only what the contract leaves open: which of
the possible tasks a claim gets, and who of the possible people is pushed one.
"""

import json
from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any

from tests.processors.desk.model_actions import Actions
from tests.processors.desk.model_permissions import Permissions
from tests.processors.desk.model_rules import DAY, SECOND, Named
from tests.processors.desk.model_state import holder, opened_at

# What a record of the task must say after every event.
RECORDED = [
    "task_id",
    "decision_id",
    "kind",
    "state",
    "queue",
    "routed_queue",
    "priority",
    "domain",
    "prediction",
    "route",
    "deadline",
    "due_from",
    "created_at",
    "warned",
    "breached",
    "raised_at",
    "stuck",
    "blind",
    "arm",
    "seeded",
    "gold_outcome",
    "caller",
    "caller_until",
    "caller_left",
    "quorum",
    "assigned_to",
    "assigned_until",
    "lease_holder",
    "lease_epoch",
    "lease_since",
    "lease_until",
    "snoozed_until",
    "escalation",
    "with_team",
    "round",
    "statement",
    "on_behalf_of",
    "appeals",
    "measures",
    "version",
    "effect",
    "outcome",
    "decided_at",
    "override_until",
    "final_at",
    "source",
    "payload_hash",
]


class Model(Actions, Permissions):
    """Everything that is known of the desk from outside. Times in microseconds. `ignored`: who is no reviewer although
    a record says so."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, tuple[Named, bytes, int]] = {}
        self._inputs: deque[Named] = deque()
        self._alerts: list[tuple[str, str, tuple[str, ...]]] = []
        self._events = 0
        self._objections: set[str] | None = None
        self._mine = False
        self.ignored: set[str] = set()
        self._told_ignored: set[str] = set()
        self._told_at: dict[str, int] = {}

    def crash(self, now: int) -> None:
        """The desk begins anew, at `now`, from what it wrote: it looks at everything again."""
        self.resumed_at = now
        self.looks_again = True
        for task in self.tasks.values():
            task["rules"] = task["written_rules"]
        # The next desk finds the same callers alone, and does not say so again.
        self._told_before |= {
            ("nobody_on_duty", task["task_id"], self.leads(queue)) for queue, task in self.unattended.items()
        }
        self.unattended = {}

    def observe(self, inputs: list[Named], outputs: list[tuple[str, str, Any, bytes | None]], now: int) -> None:
        """One step: `inputs` as this file describes them, `outputs` as (topic, key, record, bytes)."""
        self.now, self._inputs = now, deque(inputs)
        self.replies = {name: reply for name, reply in self.replies.items() if now < reply[2] + DAY}
        self._alerts, self.alerts_due = [], []
        self.alerts_due += [("unreadable", "", ()) for _ in self.ignored - self._told_ignored]
        self._told_ignored |= self.ignored
        if self.looks_again:
            self.look_again()
        for topic, key, record, value in outputs:
            match topic:
                case "reviews.tasks":
                    self._task(key, record)
                case "reviews.replies":
                    self._reply(record, value)
                case "reviews.presence":
                    self._presence(record)
                case "alerts":
                    self._alert(record)
                case "dead-letter":
                    assert self._inputs.popleft()["what"] == "junk"
                case _:
                    self.said.append((topic, record))
        assert not self._inputs, "every input has its answer"
        assert not self.said, "every word belongs to a task"
        assert not self.must, f"left undone: {self.must}"
        self.tell_of_callers_without_anybody()
        untold = Counter(self.alerts_due) - Counter(self._alerts)
        assert set(untold) <= self._told_before, "an alert is missing"
        self._told_before -= set(untold)
        assert Counter(self._alerts) <= Counter(self.alerts_due), "more alerts than there should be"
        self.nothing_is_overdue()

    def _task(self, key: str, record: Named | None) -> None:
        if record is None:
            task = self.tasks.pop(key)
            assert task["state"] == "done", "forgotten before it was done"
            assert self.now >= task["forget_at"], "forgotten too early"
            # Should the same decision come once more, nothing is known of it.
            self.told = {mark for mark in self.told if mark[1] != key}
            if task["kind"] != "gold":
                self.forgotten[key] = task
            return
        assert key == record["task_id"]
        assert record["at"] == self.now
        event, command_id = record["event"], record["command_id"]
        self.drawn = record
        if event in ("arrived", "repeated", "taken_over", "restored") and not command_id:
            arrival = self._inputs.popleft()
            assert arrival["what"] == "arrival"
            assert arrival["decision_id"] == key
            assert event == self.arrive(arrival)
        elif command_id:
            command = self._inputs[0]
            assert command["what"] == "command"
            assert command["command_id"] == command_id
            assert command_id not in self.replies, "carried out twice"
            assert record["actor"] == command["actor"]
            assert not self._judged(command), f"carried out in spite of {self._objections}"
            self._events += 1
            assert event in self.carry_out(command, key)
        else:
            assert record["actor"] == "desk"
            self.clock(event, self.tasks[key], record)
        assert not self.said, "said without need"
        self._compare(self.tasks[key], record)

    def _compare(self, task: Named, record: Named) -> None:
        for name in RECORDED:
            assert task[name] == record[name], f"{name} of {task['task_id']}: {record[name]!r}, not {task[name]!r}"
        assert set(task["excluded"]) == set(record["excluded"])
        assert len(set(record["excluded"])) == len(record["excluded"])
        assert task["parties"] == set(record["parties"])
        assert task["notices"] == list(record["notices"])
        assert len(set(record["parties"])) == len(record["parties"])
        assert task["skipped"] == record["skipped"]
        assert list(task["options"]) == list(record["options"])
        assert list(task["qualifications"]) == list(record["qualifications"])
        assert task["verdicts"] == record["verdicts"]
        assert task["opinions"] == list(record["first_opinions"])
        assert task["evidence"] == list(record["evidence_opened"])
        assert task["owed_attestations"] == tuple(record["routed_attestations"])
        assert task["owed_evidence"] == record["routed_evidence_opened"]
        assert task["owed_told_days"] == record["routed_notify_within_days"]
        levels, notices = record["routed_service_levels"], record["routed_notices"]
        assert (json.loads(notices) if notices else {}) == task["owed_notices"]
        seconds = json.loads(levels) if levels else None
        assert (seconds and {name: each * SECOND for name, each in seconds.items()}) == task["owed_levels"]
        owed = (task["owed_qualifications"], task["owed_outcomes"], task["reasons"])
        told = tuple(tuple(record[name]) for name in ("routed_qualifications", "routed_outcomes", "reasons"))
        assert owed == told, "what it was routed with"
        task["written_rules"] = task["rules"]
        if task["decided_by"]:
            assert record["decided_by"] == task["decided_by"]

    def _reply(self, record: Named, value: bytes | None) -> None:
        command = self._inputs.popleft()
        assert command["what"] == "command"
        assert record["command_id"] == command["command_id"]
        if command["command_id"] in self.replies:
            first, answer, _ = self.replies[command["command_id"]]
            if first == command:
                assert value == answer, "a repeated command has another reply"
            else:
                assert (record["accepted"], record["code"]) == (False, "command-id-used")
                assert (record["kind"], record["actor"]) == (command["kind"], command["actor"])
                assert f"the command {first['kind']}" in record["message"]
                assert f" of {first['actor']} at " in record["message"]
            assert self._events == 0, "a known id has changed something"
            return
        assert value is not None
        self.replies[command["command_id"]] = command, value, self.now
        objections = self._judged(command)
        assert record["accepted"] == (not objections), f"{record['code']}, expected {objections or 'ok'}"
        assert (record["kind"], record["actor"], record["at"]) == (command["kind"], command["actor"], self.now)
        task = self.tasks.get(record["task_id"])
        if objections:
            assert record["code"] in objections, f"{record['code']}, expected {objections}"
            assert self._events == 0, "a refused command has changed something"
            assert record["task_id"] == command["task_id"]
            told = task and self.posed(task)
            if record["code"] == "already-decided" and told and told["decided_by"]:
                at = datetime.fromtimestamp(told["decided_at"] / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                assert f"{told['outcome']} by {told['decided_by']} at {at}" in record["message"]
        else:
            self._accepted(command, record, task)
        if task is not None:
            mine = task["lease_holder"] == command["actor"]
            assert record["epoch"] == (task["lease_epoch"] if mine else 0)
            assert record["lease_until"] == (task["lease_until"] if mine else None)
            assert record["payload_hash"] == task["payload_hash"]
        assert not self.must, f"left undone by a command: {self.must}"
        self._events, self._objections = 0, None

    def _accepted(self, command: Named, record: Named, task: Named | None) -> None:
        me = command["actor"]
        match command["kind"]:
            case "off_duty":
                assert me not in self.duty
                assert all(task["state"] == "snoozed" for task in self.open() if holder(task) == me)
            case "on_duty":
                assert me in self.duty
                assert me not in self.paused
                assert self._events == 0
            case "claim":
                assert task is not None
                assert task["lease_holder"] == me
                assert self._events == (not self._mine)
                assert me not in self.paused
            case "override" if self._events == 0:
                assert task is not None
                asked = self.owed_again(self.posed(task))
                assert (task["kind"], asked["quorum"]) == ("gold", 2), "only a gold item makes believe"
            case "recall" if self._events == 0:
                assert task is not None
                assert task["kind"] == "gold" or self.with_people(task)
            case "open_evidence" if self._events == 0:
                assert task is not None
                assert opened_at(task, me) is not None, "once"
            case "expire" if self._events == 0:
                assert task is not None
                assert task["caller_left"]
                assert record["code"] == "escalated"
            case _:
                assert self._events == 1
        if command["kind"] != "expire":
            assert record["code"] == "ok"

    def _judged(self, command: Named) -> set[str]:
        if self._objections is None:
            self._objections = self.objections(command)
            task = self.tasks.get(command["task_id"])
            self._mine = task is not None and task["lease_holder"] == command["actor"]
        return self._objections

    def _presence(self, record: Named) -> None:
        name = record["reviewer"]
        if record["on_duty"] and name in self.duty:
            assert record["since"] == self.duty[name]
            if record["paused_since"] is None:
                assert self._asks(name, "on_duty", "claim")
                self.paused.remove(name)
            else:
                assert record["paused_since"] == self.now
                assert record["pause_reason"]
                self.must.remove(("paused", name))
                self.paused.add(name)
            return
        assert record["since"] == self.now
        assert (record["paused_since"], record["pause_reason"]) == (None, "")
        if record["on_duty"]:
            assert self._asks(name, "on_duty")
            self.duty[name] = self.now
            return
        removed = ("absent", name) in self.must
        assert removed or self._asks(name, "off_duty"), f"{name} went off duty by nobody's doing"
        self.must.discard(("absent", name))
        del self.duty[name]
        self.paused.discard(name)
        held = [task for task in self.open() if holder(task) == name and (removed or task["state"] != "snoozed")]
        self.must |= {("unassigned", task["task_id"]) for task in held}

    def _asks(self, name: str, *kinds: str) -> bool:
        """Whether the next input is a new command of that person, of one of those kinds, that may be carried out."""
        if not self._inputs or self._inputs[0]["what"] != "command":
            return False
        asked = self._inputs[0]
        new = asked["command_id"] not in self.replies
        return new and asked["actor"] == name and asked["kind"] in kinds and not self._judged(asked)

    def _alert(self, record: Named) -> None:
        kind, to = record["kind"], tuple(record["to"])
        before = self._told_at.get(record["alert_id"])
        # Given back and given to the same person again in the same instant, a task has the same alert.
        assert before is None or before == self.now or self.now - before > DAY, "told twice"
        self._told_at[record["alert_id"]] = self.now
        self._alerts.append((kind, record["task_id"], to))
