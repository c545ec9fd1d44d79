"""Sends alerts to people: by mail, chat, pager or anything else that apprise has a URL for."""

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor as Pool
from contextlib import closing
from dataclasses import dataclass

import apprise

from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key
from interlock.streams.clock import Clock, SystemClock
from interlock.streams.dispatch.deliveries import Job, PermanentError, RetryLater, Schedule
from interlock.streams.dispatch.dispatcher import Dispatcher
from interlock.streams.dispatch.seen import MemorySeen, Seen
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader

log = logging.getLogger(__name__)

# An alert calls for something to be done now. After a weekend without a notifier, or at its first start, people are not
# flooded with alerts that are over.
STALE_SECONDS = 24 * 3600

# Some four minutes: after that the alert has lost its point, and the log has it.
SCHEDULE = Schedule(attempts=8, first_seconds=2.0, longest_seconds=60.0)

# Mail servers take seconds, others less.
_SEND_TIMEOUT_SECONDS = 30.0

_KINDS: Mapping[str, apprise.NotifyType] = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}


@dataclass(frozen=True, slots=True)
class Note:
    """An alert on its way to one channel. `channel`: its name, as URLs hold passwords."""

    url: str
    channel: str
    severity: str
    title: str
    body: str


class Notifier:
    """Reads `alerts` as one member of a group, and `reviewers` for where people are reached.

    An alert goes to all people it names who have a `contact`. Alerts that name no one go to the operators, and so do
    alerts above severity info that would reach no one. Each channel gets each alert once and in order; a channel that
    fails is tried again without the others.
    """

    def __init__(
        self,
        broker: Broker,
        group: str,
        operators: Sequence[str],
        *,
        seen: Seen | None = None,
        schedule: Schedule = SCHEDULE,
        concurrency: int = 8,
        clock: Clock | None = None,
        pool: Pool | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`operators`: apprise URLs. Raises KafkaException if a topic does not exist or cannot be read."""
        self._operators = [(f"operators #{number}", url) for number, url in enumerate(operators, 1)]
        self._clock = clock or SystemClock()
        self._contacts: dict[str, str] = {}
        self._table = TableReader(broker, [catalogue.REVIEWERS.name])
        try:
            self._update_contacts(self._table.read_all())
            self._engine = Dispatcher(
                broker,
                group,
                [catalogue.ALERTS.name],
                self._jobs,
                send,
                None,
                seen=seen if seen is not None else MemorySeen(),
                schedule=schedule,
                concurrency=concurrency,
                clock=clock,
                pool=pool,
                metrics=metrics,
            )
        except BaseException:
            self._table.close()
            raise

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; raises KafkaException where only a person can help."""
        with closing(self._table):
            self._engine.run(stop)

    def step(self) -> None:
        """One turn."""
        self._engine.step()

    def close(self) -> None:
        """Leaves the group; `run` does it by itself."""
        self._engine.close()
        self._table.close()

    def _jobs(self, message: Message) -> Sequence[Job[Note]]:
        alert = wire.decode("Alert", message.value())
        age = self._clock.now() / 1e6 - alert["at"].timestamp()
        if age > STALE_SECONDS:
            log.info("alert %s is %.0f hours old and not sent any more", alert["alert_id"], age / 3600)
            return []
        about = " · ".join(filter(None, (alert["queue"], alert["task_id"])))
        title = f"{alert['severity']}: {alert['kind'].replace('_', ' ')}" + (f" ({about})" if about else "")
        return [
            Job(
                f"{alert['alert_id']} {hashlib.sha256(url.encode()).hexdigest()[:16]}",
                url,
                Note(url, channel, alert["severity"], title, alert["message"]),
            )
            for url, channel in self._channels(alert["to"], alert["severity"]).items()
        ]

    def _channels(self, people: Sequence[str], severity: str) -> dict[str, str]:
        """Name by URL: no channel gets an alert twice."""
        self._update_contacts(self._table.poll())
        reached = [(name, self._contacts[name]) for name in people if name in self._contacts]
        if not reached and (not people or severity != "info"):
            reached = self._operators
        return {url: name for name, url in reached}

    def _update_contacts(self, records: Sequence[Message]) -> None:
        for record in records:
            name = (record.key() or b"").decode(errors="replace")
            contact = ""
            if record.value() is not None:
                try:
                    reviewer = wire.decode("Reviewer", record.value())
                    check_key(name, reviewer["id"])
                except ValueError as error:  # as the desk does: the record before stays in force
                    log.warning("reviewer %s cannot be used: %s", name, error)
                    continue
                contact = reviewer["contact"]
            if contact:
                self._contacts[name] = contact
            else:
                self._contacts.pop(name, None)


def send(note: Note) -> None:
    """Returns when the channel has taken the note. Raises PermanentError or RetryLater."""
    channel = apprise.Apprise()
    if not channel.add(note.url):
        raise PermanentError(f"the contact of {note.channel} is not an apprise URL")
    kind = _KINDS.get(note.severity, apprise.NotifyType.WARNING)
    result = channel.notify(body=note.body, title=note.title, notify_type=kind, timeout=_SEND_TIMEOUT_SECONDS)
    if not result:
        raise RetryLater(f"the channel of {note.channel} did not take it")
