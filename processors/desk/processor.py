"""The desk on a stream: batches of messages in, columns of records out."""

from collections import Counter
from collections.abc import Iterable, Sequence

from interlock.processors.desk.arms import experiments_without_key
from interlock.processors.desk.arrivals import Arrival
from interlock.processors.desk.authority import Authority
from interlock.processors.desk.command import MAX_NAME_LENGTH, Command
from interlock.processors.desk.command_reading import read_commands
from interlock.processors.desk.desk import Desk
from interlock.processors.desk.filing import forgotten_task
from interlock.processors.desk.outputs import Answer, DeskOutputs
from interlock.processors.desk.reading import read
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.replies import refused
from interlock.processors.desk.reply_cache import DIGEST_HEADER, ReplyCache, digest
from interlock.processors.desk.restore import RESTORED_TOPICS, Tables, rebuild
from interlock.processors.desk.state import RETENTION, DeskState
from interlock.processors.desk.stored_records import Unreadable
from interlock.processors.desk.stream_clock import TICK, StreamClock, Takeover, tick_record
from interlock.processors.desk.tallies import record_of
from interlock.processors.events import Event, alert
from interlock.processors.records import Headers, Message, broker_time, in_order
from interlock.schemas import catalogue
from interlock.schemas.columns import Bad
from interlock.schemas.dead_letters import Source, dead_letter
from interlock.schemas.headers import headers_of


class DeskProcessor:
    """A desk with its cache of replies. After a failure `restore` must be called before the next batch, and then
    `resume` if it has a clock."""

    def __init__(
        self,
        clock: StreamClock | None = None,
        authority: Authority | None = None,
        retention: int = RETENTION,
        arm_key: bytes = b"",
    ) -> None:
        """`retention`: how long the desk keeps a decided task, in microseconds. `arm_key`: the secret that keys the
        coins of the reliance experiment; empty: nothing takes part in it.

        `clock`: the stream's time; without one the desk goes by the time that `process` is handed. `authority`: says
        whose commands count; by default everybody's do."""
        self.clock = clock
        self._authority = authority or Authority()
        self.tables = Tables()
        self._retention = retention
        self._arm_key = arm_key
        self.desk = Desk(DeskState(retention=retention, arm_key=arm_key))
        self.unreadable: dict[str, int] = {}
        """By topic: records of the desk's own that could not be read when its state was restored, and are left out."""
        self._told: set[str] = set()
        self._about_time: list[Event] = []
        self.latest = 0
        """When something happened for the last time, by what the desk restored."""
        self._replies = ReplyCache()

    def restore(self, records: Iterable[Message], remembered: Iterable[Message]) -> None:
        """Starts again from `records` of the desk's compacted topics, oldest first; `remembered`: its latest replies,
        and what people were told, of which they are not told again."""
        # What was known before is given up first: both together may be more than the memory there is.
        self.desk, self._replies = Desk(DeskState(retention=self._retention)), ReplyCache()
        rebuilt = rebuild(self.tables, records, self._retention)
        rebuilt.state.arm_key = self._arm_key
        self.desk = Desk(rebuilt.state)
        rebuilt.state.tasks.left_out += rebuilt.unreadable
        self._about_time = []
        self._told = set()
        self.latest = rebuilt.latest
        self.unreadable = dict.fromkeys(RESTORED_TOPICS, 0) | Counter(record.topic for record in rebuilt.unreadable)
        for record in remembered:
            if record.topic() == catalogue.ALERTS.name:
                self._told.add((record.key() or b"").decode(errors="replace"))
            else:
                self._replies.restore(record)

    def follow(self, record: Message) -> None:
        """Applies a record of a policy or reviewer."""
        self.tables.apply(self.desk.state, record)

    def resume(self, takeover: Takeover, now: int) -> None:
        """Tells a desk with a clock Kafka's time; `now`: the steady time, as for `process`."""
        assert self.clock is not None
        self._about_time += self.clock.start(takeover, self.latest, now)
        self.desk.state.resumed_at = self.clock.resumed_at

    def process(self, messages: Sequence[Message], now: int) -> DeskOutputs:
        """The outputs of one batch, and of the time that has passed since the batch before.

        `now`: with a clock, the steady time of the process; else the time.
        """
        outputs = DeskOutputs()
        told_at = now if self.clock is None else self.clock.estimate(now)
        for record in self.tables.ignored.values():
            self._tell(outputs, _ignored(record, told_at))
        for told in self._about_time:
            self._tell(outputs, told)
        self._about_time = []
        for told in experiments_without_key(self.desk.state, told_at):
            self._tell(outputs, told)
        self._tell_left_out(outputs, told_at)
        if self.clock is None:
            self._write(outputs, self.desk.advance(now))
            self._take(outputs, messages, now)
            self._write(outputs, self.desk.advance(now))
            self._write(outputs, self.desk.push(now))
        else:
            asked = self.clock.tick_under_way
            self._take(outputs, in_order(messages), now)
            commanded = any(message.topic() == catalogue.COMMANDS.name for message in messages)
            self._go_on(outputs, self.clock, now, commanded=commanded, answered=asked and not self.clock.tick_under_way)
        self._tell_left_out(outputs, told_at)
        self._write_tallies(outputs, now if self.clock is None else self.clock.time)
        self._encode(outputs)
        self.desk.state.pack(outputs.written_tasks())
        return outputs

    def _go_on(self, outputs: DeskOutputs, clock: StreamClock, now: int, *, commanded: bool, answered: bool) -> None:
        """Gives out work after a command, and asks for the time where something waits for it."""
        pushed = commanded and clock.is_current(now)
        if pushed:
            self._write(outputs, self.desk.push(clock.time))
        estimate = clock.estimate(now)
        waits = self.desk.is_waiting(estimate) or (not pushed and self.desk.can_push(estimate))
        if waits and answered and not outputs.count:
            clock.pause(now)
        if clock.wants_tick(waits, now):
            outputs.add(catalogue.COMMANDS.name, TICK.encode(), tick_record(clock.tick_id, estimate))

    def _take(self, outputs: DeskOutputs, messages: Sequence[Message], now: int) -> None:
        routed = [message for message in messages if message.topic() != catalogue.COMMANDS.name]
        arrivals, bad = read(routed) if routed else ([], [])
        reasons = {problem.index: problem for problem in bad}
        commands = iter(read_commands([message for message in messages if message.topic() == catalogue.COMMANDS.name]))
        index = 0
        for message in messages:
            if message.topic() == catalogue.COMMANDS.name:
                self._command(outputs, message, next(commands), now)
                continue
            arrival = arrivals[index]
            if arrival is None:
                _dead_letter(outputs, message, reasons[index])
            else:
                arrived = now if self.clock is None else self.clock.arrival(broker_time(message), now)
                self._arrive(outputs, message, arrival, arrived)
            index += 1

    def _arrive(self, outputs: DeskOutputs, message: Message, arrival: Arrival, now: int) -> None:
        try:
            task = forgotten_task(message, arrival, self._authority, now)
        except ValueError as error:  # WireError is one
            _dead_letter(outputs, message, Bad(0, "invalid-task", str(error)))
            return
        events = self.desk.arrive(arrival, now) if task is None else self.desk.file_again(arrival, task, now)
        self._write(outputs, events)

    def _command(self, outputs: DeskOutputs, message: Message, command: Command | Bad, now: int) -> None:
        if isinstance(command, Bad):
            self._pass_time(outputs, message, "", now)
            _dead_letter(outputs, message, command)
            return
        now = self._pass_time(outputs, message, command.command_id if command.kind == TICK else "", now)
        self._replies.forget(now)
        if command.kind == TICK:
            return
        if not command.command_id or not command.actor:
            _dead_letter(outputs, message, Bad(0, "empty-id", "a command needs a command_id and an actor"))
            return
        if max(map(len, (command.command_id, command.actor, command.kind, command.task_id))) > MAX_NAME_LENGTH:
            _dead_letter(
                outputs, message, Bad(0, "oversized", f"a name in it is longer than {MAX_NAME_LENGTH} characters")
            )
            return
        not_authentic = self._authority.refusal(command, message.value(), headers_of(message), now)
        if not_authentic is not None:
            self._refuse(outputs, command, not_authentic, now)
            return
        if command.command_id in outputs.answers:
            self._encode(outputs)
        try:
            known_reply = self._replies.find(command)
        except CommandRefused as refusal:
            self._refuse(outputs, command, refusal, now)
            return
        answered = digest(command)
        key = command.command_id.encode()
        headers: Headers = [(DIGEST_HEADER, answered)]
        if known_reply is not None:
            outputs.add(catalogue.REPLIES.name, key, known_reply, headers)
            return
        *events, reply = self.desk.apply(command, now)
        self._write(outputs, events)
        assert reply.record is not None
        outputs.codes[reply.record["code"]] += 1
        place = outputs.add_event(reply, headers)
        outputs.answers[command.command_id] = Answer(place, answered, now)

    def _pass_time(self, outputs: DeskOutputs, message: Message, tick_id: str, now: int) -> int:
        """The time at which a command counts; what was due before it has fired."""
        if self.clock is None:
            return now
        self._write(outputs, self.clock.read(broker_time(message), now, tick_id))
        self.desk.state.resumed_at = self.clock.resumed_at
        self._write(outputs, self.desk.advance(self.clock.time))
        return self.clock.time

    def _refuse(self, outputs: DeskOutputs, command: Command, refusal: CommandRefused, now: int) -> None:
        """Refuses a command whose id stays free for whom it belongs to."""
        outputs.codes[refusal.code] += 1
        self._write(outputs, [refused(command, refusal, None, now)])

    def _tell_left_out(self, outputs: DeskOutputs, now: int) -> None:
        left_out = self.desk.state.tasks.left_out
        for record in left_out:
            if self._tell(outputs, _unreadable(record, now)):
                source = Source(record.topic, record.partition, record.offset, record.key, record.value, record.headers)
                outputs.add(catalogue.DEAD_LETTER.name, *dead_letter(source, "unreadable-state", record.why, "desk"))
                outputs.bad["unreadable-state"] += 1
        left_out.clear()

    def _write_tallies(self, outputs: DeskOutputs, now: int) -> None:
        state = self.desk.state
        for key in state.tallies.take_changed():
            watermarks = {
                "settled_before": state.model_settled_before(key.model_id, key.model_version, now),
                "way_settled_before": state.way_settled_before(key, now),
            }
            self._write(outputs, [record_of(key, state.tallies[key], watermarks, now)])

    def _tell(self, outputs: DeskOutputs, event: Event) -> bool:
        """Writes an alert about what lasts; False if it was told before."""
        if event.key in self._told:
            return False
        self._write(outputs, [event])
        self._told.add(event.key)
        return True

    def _write(self, outputs: DeskOutputs, events: list[Event]) -> None:
        for event in events:
            # A desk that takes over sees what its predecessor told of, and names it alike.
            if event.key not in self._told or event.topic is not catalogue.ALERTS:
                outputs.add_event(event)

    def _encode(self, outputs: DeskOutputs) -> None:
        """Encodes what there is so far, and remembers the replies in it."""
        outputs.encode()
        for command_id, answer in outputs.answers.items():
            reply = outputs.values[answer.place]
            assert reply is not None
            self._replies.put(command_id, reply, answer.digest, answer.at)
        outputs.answers.clear()


def _unreadable(record: Unreadable, now: int) -> Event:
    if record.topic == catalogue.TASKS.name:
        severity = "critical"
        remedy = (
            "No reviewer will see this task. Look the decision up with `interlock timeline`, and send it again under a "
            "new decision_id"
        )
    elif record.topic == catalogue.TALLIES.name:
        severity, remedy = "warning", "The answers of this model version are counted from now on"
    else:
        severity, remedy = "warning", "This reviewer counts as off duty, and must go on duty again"
    message = (
        f"The desk has left out a record of its own, at {record.place}: {record.why}. {remedy}. The record is in the "
        "dead letters."
    )
    return alert("unreadable", _cause(record), severity, (), message, now)


def _ignored(record: Unreadable, now: int) -> Event:
    message = (
        f"The desk ignores {record.place}: {record.why}. What was known under this key before, if anything, stays in "
        "force. Write it again as it should be."
    )
    return alert("unreadable", _cause(record), "warning", (), message, now)


def _cause(record: Unreadable) -> str:
    place = f"{record.partition}/{record.offset}" if record.offset >= 0 else record.name
    return f"{record.topic}/{place}"


def _dead_letter(outputs: DeskOutputs, message: Message, bad: Bad) -> None:
    outputs.add(catalogue.DEAD_LETTER.name, *dead_letter(Source.of(message), bad.reason, bad.message, "desk"))
    outputs.bad[bad.reason] += 1
