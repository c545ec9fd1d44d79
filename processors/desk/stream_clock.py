"""The desk's time: that of Kafka's broker, as the records of `reviews.commands` tell it."""

from dataclasses import dataclass

from interlock.processors.desk.task import DESK
from interlock.processors.events import Event, alert
from interlock.schemas import wire

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND

# Clocks that are kept by NTP differ by milliseconds, and a batch waits some seconds for its turn. A minute is more than
# either, and less than any lease, service level or window lasts.
MAX_JUMP = 60 * _SECOND

# A clock that was set wrong is put right at once or stays wrong. While Kafka's time is not believed timers stand still,
# for which people do not wait long.
CONFIRMATION = 20 * _SECOND
_CONFIRMATION_TICKS = 5 * _SECOND

# While Kafka's time has gone back the desk's stands, and timers with it. A desk that takes over does not wait longer
# than that: its predecessor's records may tell a time that is days ahead.
_LONGEST_STAND = 3_600 * _SECOND

# Work is given to people at a time that is hardly over: whoever must start it within a minute would have less of it.
_CURRENT = 5 * _SECOND

# A tick that brought about nothing is not written again before that long: whatever waits for it, waits in vain.
_PAUSE = 1 * _SECOND

# A tick comes back within a transaction, or behind a backlog. After that long it counts as lost.
_LOST = 60 * _SECOND

TICK = "tick"


def tick_id(name: str, number: int) -> str:
    """The id of a tick of the desk `name`, a name that no other desk has."""
    return f"{TICK}/{name}/{number}"


def tick_record(name: str, at: int) -> bytes:
    """A command that asks for nothing but to be read at the time that the broker gives it."""
    return wire.encode("Command", {"command_id": name, "kind": TICK, "actor": DESK, "issued_at": at})


@dataclass(frozen=True, slots=True)
class Takeover:
    """A desk called `name`, as no other is, wrote its tick 0 at `written` and was told at `heard`, both steady, that
    the broker gave it the time `kafka`."""

    name: str
    written: int
    heard: int
    kafka: int


@dataclass(frozen=True, slots=True)
class _Jump:
    """What Kafka said its time was, when the process's clock said `steady`."""

    kafka: int
    steady: int


@dataclass(frozen=True, slots=True)
class _Tick:
    tick_id: str
    written: int


class StreamClock:
    """Time goes on with the commands, by the time that the broker gave to each, and never back. Before a command is
    carried out everything fires that was due before it, and nothing else: a timer overtakes no command.

    Between commands nobody tells the time. Where something waits for it, the desk writes a command of its own, a tick,
    and reads it back; all that people sent before has then been read. From its ticks the desk estimates Kafka's time.
    It refuses a time that is a minute or more beyond its estimate until Kafka has kept to it for a while.

    Times in microseconds. `steady` is the time of the process's clock, which may be wrong, but must not jump.
    """

    def __init__(self, instance: str) -> None:
        """`instance`: of the desk, for alerts about the clock of its machine."""
        self.time = 0
        self.resumed_at = 0
        """Until then no desk served anybody, or time stood still."""
        self._instance = instance
        self._name = ""
        self._ticks = 0
        self._waiting_for: _Tick | None = None
        self._last_written = 0
        self._paused_until = 0
        self._lead = 0  # of Kafka's time over the process's
        self._refused: _Jump | None = None
        self._stands = False

    def start(self, takeover: Takeover, latest: int, steady: int) -> list[Event]:
        """Begins after a takeover; `latest`: the latest time in the desk's own records."""
        kafka, heard = takeover.kafka, takeover.heard
        self._name, self._ticks = takeover.name, 0
        self._waiting_for = _Tick(self.tick_id, takeover.written)
        self._paused_until = 0
        events = self._hear(kafka, takeover.written, heard)
        if latest <= max(kafka, heard + self._lead) + _LONGEST_STAND:
            self.time = max(self.time, latest)
        else:
            message = (
                f"The desk's own records are {_seconds(latest - kafka)} ahead of Kafka's time: an earlier desk had a "
                "wrong clock. The desk goes on by Kafka's time; leases and deadlines in these records may be too late"
            )
            events.append(self._alert("clock_refused", f"records/{latest}", "critical", message, heard))
        if abs(kafka - heard) > MAX_JUMP:
            ahead = "behind" if kafka > heard else "ahead of"
            message = (
                f"The clock of the machine of desk {self._instance} is {_seconds(kafka - heard)} {ahead} Kafka's. The "
                "desk goes by Kafka's; set the machine's clock (NTP)"
            )
            cause = f"{self._instance}/{max(kafka, 0) // _DAY}"
            events.append(self._alert("clock_differs", cause, "warning", message, heard))
        self.resumed_at = self.estimate(steady)
        return events

    @property
    def tick_id(self) -> str:
        """The id of the latest tick."""
        return tick_id(self._name, self._ticks)

    def estimate(self, steady: int) -> int:
        """Kafka's time now, or a little less."""
        return max(self.time, steady + self._lead)

    def is_current(self, steady: int) -> bool:
        """Whether the time is hardly over: no backlog is being read."""
        return steady + self._lead - self.time <= _CURRENT

    def arrival(self, kafka: int | None, steady: int) -> int:
        """When something came that is not a command: the clock stands, as earlier commands may not have been read."""
        believable = steady + self._lead
        return max(self.time, believable if kafka is None else min(kafka, believable))

    def read(self, kafka: int | None, steady: int, tick: str = "") -> list[Event]:
        """Moves on to a command to which the broker gave the time `kafka`; None if the topic does not tell it.

        `tick`: its id if it is a tick, perhaps of another desk.
        """
        events: list[Event] = []
        mine = self._waiting_for
        if mine is not None and mine.tick_id == tick:
            self._waiting_for = None
            events = [] if kafka is None else self._hear(kafka, mine.written, steady)
        believable = steady + self._lead
        if kafka is None:
            kafka = believable
        elif kafka > believable + MAX_JUMP:
            if self._refused is None:
                events = self._refuse(kafka, steady)
            kafka = believable
        else:
            self._lead = max(self._lead, kafka - steady)
        stood, self._stands = self._stands, kafka < self.time - MAX_JUMP
        if self._stands and not stood:
            message = (
                f"Kafka's time has gone back by {_seconds(self.time - kafka)}. The desk's stands until Kafka's has "
                "caught up, and no timer fires. Look at the clocks of the brokers (NTP)"
            )
            events.append(self._alert("clock_refused", f"back/{self.time}", "critical", message, steady))
        self.time = max(self.time, kafka)
        return events

    @property
    def tick_under_way(self) -> bool:
        """Whether a tick of this desk has not come back yet."""
        return self._waiting_for is not None

    def wants_tick(self, something_waits: bool, steady: int) -> bool:
        """Whether a tick should be written now, which then is under way; `something_waits`: for the time to go on."""
        tick = self._waiting_for
        if tick is not None and steady - tick.written < _LOST:
            return False
        unconfirmed = self._refused is not None and steady - self._last_written >= _CONFIRMATION_TICKS
        if not unconfirmed and (not something_waits or steady < self._paused_until):
            return False
        self._ticks += 1
        self._waiting_for = _Tick(self.tick_id, steady)
        self._last_written = steady
        return True

    def pause(self, steady: int) -> None:
        """Something waited for a tick, the tick came, and it still waits."""
        self._paused_until = steady + _PAUSE

    def _hear(self, kafka: int, written: int, heard: int) -> list[Event]:
        """Kafka's time was `kafka` at some moment between `written` and `heard`."""
        if kafka - (heard + self._lead) <= MAX_JUMP:
            self._lead = min(max(self._lead, kafka - heard), kafka - written)
            return self._back_to_normal(heard)
        refused = self._refused
        if refused is None or abs((kafka - refused.kafka) - (heard - refused.steady)) > MAX_JUMP:
            return self._refuse(kafka, heard)
        if heard - refused.steady < CONFIRMATION:
            return []
        jump = kafka - (heard + self._lead)
        self._lead = kafka - heard
        self._refused = None
        self.resumed_at = kafka
        message = f"Kafka's time keeps to its jump of {_seconds(jump)}: the desk goes on by it"
        return [self._alert("clock_confirmed", str(refused.kafka), "warning", message, heard)]

    def _back_to_normal(self, heard: int) -> list[Event]:
        refused, self._refused = self._refused, None
        if refused is None:
            return []
        message = "Kafka's time is as before its jump, and nothing has come of it"
        return [self._alert("clock_confirmed", str(refused.kafka), "info", message, heard)]

    def _refuse(self, kafka: int, heard: int) -> list[Event]:
        self._refused = _Jump(kafka, heard)
        message = (
            f"Kafka's time is {_seconds(kafka - heard - self._lead)} ahead of what the desk expects. Until Kafka has "
            f"kept to it for {CONFIRMATION // _SECOND} s no timer goes by it. Look at the clocks of the brokers and of "
            f"the machine of desk {self._instance} (NTP)"
        )
        return [self._alert("clock_refused", str(kafka), "critical", message, heard)]

    def _alert(self, kind: str, cause: str, severity: str, message: str, heard: int) -> Event:
        return alert(kind, cause, severity, (), message, self.estimate(heard))


def _seconds(micros: int) -> str:
    return f"{abs(micros) // _SECOND:,} s"
