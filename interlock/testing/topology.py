"""The whole pipeline in memory: router and desk on their runners, one clock that a test moves, everything on bytes."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from interlock.encryption.fields import Encryption
from interlock.executors import Execution, Executor, Seen
from interlock.policy.load import load, parse
from interlock.policy.model import Policy
from interlock.policy.version import resolved, version
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import FOLLOWED_TOPICS
from interlock.processors.desk.stream_clock import StreamClock
from interlock.processors.notices.words import Words
from interlock.processors.router.router import RouterSettings
from interlock.processors.router.state import RouterState
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import Reply, answers
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue, wire
from interlock.schemas.error_headers import read_error_headers
from interlock.schemas.headers import caller_headers, headers_of
from interlock.schemas.models import Decision
from interlock.services.desk_runner import desk_runner
from interlock.services.notices_runner import TABLES as NOTICE_TABLES
from interlock.services.notices_runner import notices_runner
from interlock.services.router_runner import TABLES, router_runner
from interlock.streams.clock import ManualClock
from interlock.streams.dispatch.deliveries import Schedule
from interlock.streams.memory import Crash, InlineExecutor, MemoryBroker
from interlock.streams.ports import Headers, Message, TopicSpec
from interlock.streams.runner import Runner
from interlock.streams.tables import TableReader
from interlock.testing.reviewer import SteppedConnection

# Joining a group, a batch, its commit and the next stage take a few rounds that write nothing.
QUIET_ROUNDS = 12

# A handler or processor that writes in every round would keep `run` going for ever.
MAX_ROUNDS = 10_000


class Topology:
    """One router, as many desks as are started, and the executors and reviewers of a test.

    Everything happens in the thread of the caller and in the same order every time. Time stands still until `advance`
    moves it. Records are dicts with the fields of their Avro schema, times as integers (microseconds since the epoch).
    """

    def __init__(
        self,
        *policies: Path | str,
        audit_key: bytes = bytes(16),
        start_desk: bool = True,
        encryption: Encryption | None = None,
    ) -> None:
        """`policies`: files, or the text of policies. `audit_key`: decides which decisions are audited. `encryption`:
        seals what is submitted; executors and notices have its keys.

        `start_desk`: False for tests that start desks themselves. Raises PolicyError for an invalid policy.
        """
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.broker.create_topics(
            [TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS]
        )
        self.desks: dict[str, tuple[Runner, MemoryBroker]] = {}
        """The runner and the process of every desk, by instance."""
        self._producer = self.broker.producer(None)
        self._command_ids = (f"c{number}" for number in count(1))
        self._policies: dict[str, Policy] = {}
        self._steps: list[Callable[[], object]] = []
        for policy in policies:
            self.publish(policy)
        self._audit_key = audit_key
        self._encryption = encryption
        self._keys = None if encryption is None else encryption.keys
        self.router = self._start_router()
        if start_desk:
            self.start_desk()

    # Time

    @property
    def now(self) -> int:
        """Microseconds since the epoch."""
        return self.clock.now()

    @property
    def time(self) -> datetime:
        """The same as a datetime in UTC."""
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.now)

    def run(self, quiet_rounds: int = QUIET_ROUNDS) -> None:
        """Lets router, desks and executors work until nothing has been written for `quiet_rounds` rounds."""
        written, quiet = self._written(), 0
        for _ in range(MAX_ROUNDS):
            self._round()
            before, written = written, self._written()
            quiet = quiet + 1 if written == before else 0
            if quiet >= quiet_rounds:
                return
        raise RuntimeError(f"the topology still writes records after {MAX_ROUNDS} rounds")

    def advance(self, duration: timedelta) -> None:
        """Moves the clock and lets timers fire; those within `duration` fire late, at its end."""
        self.clock.advance(duration / timedelta(seconds=1))
        self.run()

    # Policies and controls

    def publish(self, policy: Path | str) -> Policy:
        """Puts a policy in force, from a file or from its text. Raises PolicyError."""
        loaded, source = (
            (load(policy), policy.read_text()) if isinstance(policy, Path) else (parse(policy, "policy"), policy)
        )
        record = {
            "name": loaded.name,
            "version": version(loaded),
            "resolved": resolved(loaded),
            "source": source,
            "published_at": self.now,
            "published_by": "test",
            "note": "",
        }
        self.send(catalogue.POLICIES, loaded.name, record)
        self._policies[loaded.name] = loaded
        return loaded

    def halt(self, scope: str = "all", *, halted: bool = True) -> None:
        """Halts a scope (`all`, `domain:NAME`, `model:ID`, `model:ID@VERSION`), or lifts the halt."""
        record = {"scope": scope, "halted": halted, "reason": "test", "set_by": "test", "set_at": self.now}
        self.send(catalogue.CONTROLS, scope, record)

    # Decisions

    def decision(self, decision_id: str, confidence: float = 0.9, **fields: Any) -> Decision:
        """A decision. What is not given comes from the policy: its first domain, and that domain's first model and
        outcome."""
        domains = {name: domain for policy in self._policies.values() for name, domain in policy.domains.items()}
        name = fields.get("domain") or next(iter(domains), "domain")
        domain = domains.get(name)
        defaults = {
            "domain": name,
            "model_id": domain.models[0].replace("*", "model") if domain else "model",
            "model_version": "1",
            "prediction": domain.outcomes[0] if domain else "outcome",
            "created_at": self.time,
        }
        return Decision(decision_id=decision_id, confidence=confidence, **defaults | fields)

    def submit(self, decision: Decision, *, caller: str = "", seconds: float | None = None) -> None:
        """Sends a decision, as `Client.submit` does; `run` lets the pipeline have it. `caller`: who waits for it;
        `seconds`: for how long, if the caller says so."""
        headers: Headers | None = caller_headers(caller, seconds) if caller else None
        record = decision.to_record()
        (sent,) = [record] if self._encryption is None else self._encryption.sealed([record])
        self.send(catalogue.DECISIONS, decision.decision_id, sent, headers)

    def decide(self, decision_id: str, confidence: float = 0.9, **fields: Any) -> dict[str, Any]:
        """Sends a decision, runs, and returns the RoutedDecision record. Raises LookupError for a dead letter."""
        self.submit(self.decision(decision_id, confidence, **fields))
        self.run()
        return self.routed(decision_id)

    def routed(self, decision_id: str) -> dict[str, Any]:
        """The latest RoutedDecision record of a decision. Raises LookupError if it was not routed."""
        for topic in catalogue.ROUTE_TOPICS:
            records = [
                record for record in self.records(topic.name) if record["decision"]["decision_id"] == decision_id
            ]
            if records:
                return records[-1]
        reasons = [
            read_error_headers(headers_of(message)).get("message", "")
            for message in self.messages(catalogue.DEAD_LETTER.name)
            if message.key() == decision_id.encode()
        ]
        raise LookupError(f"decision {decision_id} was not routed: {'; '.join(reasons) or 'it was not submitted'}")

    # People

    def add_reviewer(self, name: str, *, on_duty: bool = True, **fields: Any) -> DeskClient:
        """Adds a person, with the fields of `Reviewer.avsc`, and returns what that person asks the desk with."""
        self.send(catalogue.REVIEWERS, name, {"id": name, "name": name} | fields)
        client = self.reviewer(name)
        if on_duty:
            client.on_duty()
        return client

    def reviewer(self, name: str) -> DeskClient:
        """The library for reviewer tools, connected to the desk of this topology; calls return at once."""
        connection = SteppedConnection(self._ask)
        return DeskClient(
            self.broker, name, connection=connection, new_id=lambda: next(self._command_ids), clock=self.clock
        )

    def review(
        self, actor: str, verdict: str = "approve", task_id: str = "", *, reason_code: str = "other", **fields: Any
    ) -> Reply:
        """Claims a task (the next best without `task_id`) and submits a verdict. Raises CommandRefusedError."""
        client = self.reviewer(actor)
        lease = client.claim(task_id)
        given = {"reason_text": "test"} | fields
        return client.submit(lease.task_id, lease.epoch, lease.payload_hash, verdict, reason_code=reason_code, **given)

    def command(self, kind: str, actor: str, command_id: str = "", **fields: Any) -> str:
        """Sends a command with the fields of `Command.avsc` and returns its id; `run` lets the desk have it."""
        command_id = command_id or next(self._command_ids)
        record = {"command_id": command_id, "kind": kind, "actor": actor, "issued_at": self.now} | fields
        self.send(catalogue.COMMANDS, actor, record)
        return command_id

    # Executors

    def start_executor(
        self,
        handler: Callable[[Execution], None],
        group: str = "executor",
        *,
        seen: Seen | None = None,
        schedule: Schedule | None = None,
    ) -> Executor:
        """Hands what takes effect to `handler`, one execution at a time; `advance` brings the next attempt of what
        failed."""
        executor = Executor(
            self.broker.process(),
            group,
            handler,
            seen=seen,
            schedule=schedule,
            clock=self.clock,
            pool=InlineExecutor(),
            keys=self._keys,
        )
        self.attach(executor.step)
        self.run()
        return executor

    def start_notices(self) -> Runner:
        """Writes the notices for which a policy has words, to `actions`."""
        process = self.broker.process()
        words = Words()
        tables = TableReader(process, NOTICE_TABLES)
        for message in tables.read_all():
            words.apply(message.key(), message.value())
        runner = notices_runner(
            process,
            words,
            tables,
            PayloadReader(process),
            "notices",
            clock=self.clock,
            stop=_NoPause(),
            executor=InlineExecutor(),
            keys=lambda: self._keys,
        )
        self.attach(runner.step)
        self.run()
        return runner

    def attach(self, step: Callable[[], object]) -> None:
        """`run` calls `step` in every round: a consumer of your own, or the `step` of a Notifier."""
        self._steps.append(step)

    # Topics

    def send(self, topic: catalogue.Topic, key: str, record: dict[str, Any], headers: Headers | None = None) -> None:
        """Writes a record to a topic."""
        if topic.schema is None:
            raise ValueError(f"records of {topic.name} have no schema")
        self._producer.produce(topic.name, wire.encode(topic.schema, record), key.encode(), headers=headers)
        self._producer.flush()

    def messages(self, topic: str) -> Sequence[Message]:
        """The committed messages of a topic, partition by partition, oldest first."""
        partitions = range(catalogue.BY_NAME[topic].partitions)
        consumer = self.broker.consumer(None)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        messages: list[Message] = []
        while batch := consumer.consume(1000, 0):
            messages += batch
        consumer.close()
        return messages

    def records(self, topic: str) -> list[dict[str, Any]]:
        """The same as records; tombstones are left out. Raises WireError for a record that cannot be read."""
        schema = catalogue.BY_NAME[topic].schema
        if schema is None:
            raise ValueError(f"records of {topic} have no schema: use `messages`")
        values = [message.value() for message in self.messages(topic)]
        return [wire.decode_plain(schema, value) for value in values if value is not None]

    def tasks(self) -> dict[str, dict[str, Any]]:
        """The Task record of every task as it stands, by task id."""
        return {record["task_id"]: record for record in self.records(catalogue.TASKS.name)}

    def resolutions(self, decision_id: str) -> list[dict[str, Any]]:
        """Every version of the resolution of a decision."""
        records = self.records(catalogue.RESOLUTIONS.name)
        return [record for record in records if record["decision_id"] == decision_id]

    def actions(self, decision_id: str) -> list[dict[str, Any]]:
        """The actions that the desk has ordered for a decision."""
        return [record for record in self.records(catalogue.ACTIONS.name) if record["decision_id"] == decision_id]

    # Processes

    def start_desk(self, instance: str = "desk-1") -> MemoryBroker:
        """Starts a desk in a process of its own and returns the process: `kill` ends it, `faults` plans crashes.

        A second desk stands by. After the death of the first one the group's session must end: `advance` by a minute.
        """
        process = self.broker.process()
        processor = DeskProcessor(StreamClock(instance), arm_key=self._audit_key)
        followed = TableReader(process, FOLLOWED_TOPICS)
        for record in followed.read_all():
            processor.follow(record)
        runner = desk_runner(
            process, processor, followed, instance, clock=self.clock, stop=_NoPause(), executor=InlineExecutor()
        )
        self.desks[instance] = (runner, process)
        return process

    def stop_desk(self, instance: str = "desk-1") -> None:
        """Stops a desk in order."""
        runner, _ = self.desks.pop(instance)
        runner.close()

    def restart_router(self) -> None:
        """Ends the router in order and starts another one, which knows nothing but what the topics say."""
        self.router.close()
        self.router = self._start_router()

    def _start_router(self) -> Runner:
        process = self.broker.process()
        state = RouterState()
        tables = TableReader(process, TABLES)
        for message in tables.read_all():
            state.apply(message.topic(), message.key(), message.value())
        return router_runner(
            process,
            state,
            RouterSettings(self._audit_key),
            tables,
            "router-1",
            clock=self.clock,
            stop=_NoPause(),
            executor=InlineExecutor(),
        )

    def _round(self) -> None:
        desks = [runner.step for runner, _ in self.desks.values()]
        for step in (self.router.step, *desks, *self._steps):
            with suppress(Crash):  # a process that is dead crashes at every step
                step()

    def _written(self) -> int:
        return sum(log.end for topic in self.broker.cluster.topics.values() for log in topic.logs)

    def _ask(self, command: dict[str, Any]) -> Reply | None:
        self.send(catalogue.COMMANDS, command.get("task_id") or command["actor"], command)
        self.run()
        key = command["command_id"].encode()
        values = [message.value() for message in self.messages(catalogue.REPLIES.name) if message.key() == key]
        replies = [Reply(**wire.decode("CommandReply", value)) for value in values]
        # The last one: the id may belong to an earlier command of other content.
        return next((reply for reply in reversed(replies) if answers(reply, command)), None)


class _NoPause(threading.Event):
    """A stop signal whose waiting takes no time, so that pauses after failures do not slow tests down."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        return self.is_set()
