"""A desk with the stream's time: inputs in a log with the broker's times, a process that may be down or have a wrong
clock, and what it wrote."""

from dataclasses import replace
from itertools import count
from typing import Any

from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import RESTORED_TOPICS
from interlock.processors.desk.stream_clock import StreamClock, Takeover, tick_id
from interlock.processors.desk.task import Task
from interlock.schemas import catalogue, wire
from interlock.schemas.payload import payload_hash
from tests.processors.desk.desk_records import (
    START,
    Record,
    as_written,
    command,
    policy_record,
    reviewer_record,
    routed,
)
from tests.processors.desk.desk_world import POLICY, SECOND

# A desk that has nothing to do is called that often (`interlock.services.desk_runner.TICK_SECONDS`).
TICK = SECOND // 2

MOST_ROUNDS = 100


class DeskStream:
    """`kafka`: the broker's time. `skew`: of the process's clock against it."""

    def __init__(self, policy: str = POLICY, skew: int = 0) -> None:
        self.kafka = START
        self.skew = skew
        self.log: list[Record] = []
        self.written: list[Record] = []
        self.followed = [policy_record(policy)]
        self._numbers = count(1)
        self._names = (f"process-{number}" for number in count(1))
        self.start()

    # Processes

    def start(self) -> None:
        """A desk takes over; it has read what the one before committed."""
        self.is_up = True
        self.desk = DeskProcessor(StreamClock("1"))
        for record in self.followed:
            self.desk.follow(record)
        self.desk.restore(self._of(*RESTORED_TOPICS), self._of("reviews.replies", "alerts"))
        name, now = next(self._names), self.steady
        kafka = self._append(Record("reviews.commands", b"tick", self._tick(tick_id(name, 0))))
        self.desk.resume(Takeover(name, now, now, kafka), now)
        self.run()

    def stop(self) -> None:
        self.is_up = False

    @property
    def steady(self) -> int:
        return self.kafka + self.skew

    def run(self) -> None:
        """The desk works until it has nothing to say."""
        for _ in range(MOST_ROUNDS):
            if not self.is_up or not self.step():
                return
        raise AssertionError("the desk never has enough")

    def step(self, most: int = 1000) -> bool:
        """One batch; whether anything came in or out."""
        batch = self.log[self._read : self._read + most]
        outputs = self.desk.process(batch, self.steady)
        self._read += len(batch)
        for record in as_written(outputs):
            if record.name == catalogue.COMMANDS.name:
                self._append(record)
            self.written.append(record)
        return bool(batch or outputs.count)

    _read = 0

    # Time

    def wait(self, micros: int) -> None:
        """Time passes at once, and then the desk works."""
        self.kafka += micros
        self.run()

    def pass_slowly(self, micros: int, step: int = TICK) -> None:
        """Time passes as it does for an idle desk."""
        end = self.kafka + micros
        while self.kafka < end:
            self.kafka = min(end, self.kafka + step)
            self.run()

    # What goes in

    def follow(self, record: Record) -> None:
        self.followed.append(record)
        self.desk.follow(record)

    def hire(self, *names: str, **fields: Any) -> None:
        for name in names:
            self.follow(reviewer_record(name, **fields))
            self.send("on_duty", name)

    def arrive(self, decision_id: str, **fields: Any) -> None:
        self._append(routed(decision_id, len(self.log), **{"routed_at": self.kafka} | fields))
        self.run()

    def send(self, kind: str, actor: str, **fields: Any) -> str:
        """Sends a command, which waits in Kafka while the desk is down; returns its id."""
        record = command(next(self._numbers), kind, actor, **fields)
        self._append(record)
        self.run()
        assert record.value_bytes is not None
        return str(wire.decode_plain("Command", record.value_bytes)["command_id"])

    def decide(self, actor: str, task_id: str, verdict: str = "approve", **fields: Any) -> str:
        """Sends the verdict on a task as it was claimed last."""
        task = self.task(task_id)
        words = {"verdict": verdict, "reason_code": "other", "reason_text": "because"} | fields
        kind = words.pop("kind", "submit")
        return self.send(kind, actor, task_id=task_id, epoch=task.lease_epoch, payload_hash=task.payload_hash, **words)

    # What came out

    def task(self, task_id: str) -> Task:
        return self.desk.desk.state.tasks[task_id]

    def reply(self, command_id: str) -> dict[str, Any]:
        (reply,) = [reply for reply in self.said("reviews.replies") if reply["command_id"] == command_id]
        return reply

    def said(self, topic: str) -> list[dict[str, Any]]:
        schema = catalogue.BY_NAME[topic].schema
        assert schema is not None
        return [
            wire.decode_plain(schema, record.value_bytes)
            for record in self.written
            if record.name == topic and record.value_bytes is not None
        ]

    def events(self, task_id: str) -> list[str]:
        return [record["event"] for record in self.said("reviews.tasks") if record["task_id"] == task_id]

    def alerts(self) -> list[str]:
        return [record["kind"] for record in self.said("alerts")]

    @property
    def hashes(self) -> dict[str, str]:
        """Of every decision that came, what a person would be shown."""
        return {
            (record.key_bytes or b"").decode(): payload_hash(record.value_bytes or b"")
            for record in self.log
            if record.name != catalogue.COMMANDS.name
        }

    @property
    def ticks(self) -> int:
        """How many the desk has written since it began, without those of takeovers."""
        return sum(record.name == catalogue.COMMANDS.name for record in self.written)

    def _of(self, *topics: str) -> list[Record]:
        return [record for record in self.written if record.name in topics]

    def _append(self, record: Record) -> int:
        self.log.append(replace(record, place=len(self.log), appended_at=self.kafka))
        return self.kafka

    def _tick(self, name: str) -> bytes:
        return wire.encode("Command", {"command_id": name, "kind": "tick", "actor": "desk", "issued_at": self.steady})
