"""Sends alerts to people: by mail, chat, pager or anything else that apprise has a URL for."""

import hashlib
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor as Pool
from contextlib import closing
from typing import Any

import apprise

from interlock.executors.digests import Digests, Note, joined
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

# An alert calls for something to be done soon. After a weekend without a notifier, or at its first start, people are
# not flooded with alerts that are over. It counts from when they were to be told.
STALE_SECONDS = 24 * 3600

# Some four minutes: after that the alert has lost its point, and the log has it.
SCHEDULE = Schedule(attempts=8, first_seconds=2.0, longest_seconds=60.0)

# What is held back over a weekend must not keep a critical alert behind it from being read. Some 20 MB.
MAX_HELD = 20_000

# Mail servers take seconds, others less.
_SEND_TIMEOUT_SECONDS = 30.0

_KINDS: Mapping[str, apprise.NotifyType] = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}


class Notifier:
    """Reads `alerts` as one member of a group, and `reviewers` for where people are reached.

    An alert goes to all people it names who have a `contact`. Alerts that name no one go to the operators, and so do
    alerts above severity info that would reach no one. Each channel gets each alert once; a channel that fails is tried
    again without the others.

    What can wait is held back for a digest, see Digests, and is not lost with the process: its offset is committed when
    it was sent, so that it is read again, and what was sent meanwhile is known by its id.
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
        digests: Digests | None = None,
        contact_schemes: Collection[str] | None = None,
    ) -> None:
        """`operators`: apprise URLs. `contact_schemes`: of reviewers' contacts that may be opened; None: all.

        Raises KafkaException if a topic does not exist or cannot be read."""
        self._operators = [(f"operators #{number}", url) for number, url in enumerate(operators, 1)]
        self._clock = clock or SystemClock()
        self._digests = digests or Digests()
        self._contact_schemes = contact_schemes
        self._reviewers: dict[str, dict[str, Any]] = {}
        self._table = TableReader(broker, [catalogue.REVIEWERS.name])
        try:
            self._update_reviewers(self._table.read_all())
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
                joined=joined,
                max_unfinished=MAX_HELD,
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
        alert = wire.decode_plain("Alert", message.value())
        about = " · ".join(filter(None, (alert["queue"], alert["task_id"])))
        title = f"{alert['severity']}: {alert['kind'].replace('_', ' ')}" + (f" ({about})" if about else "")
        is_held = self._digests.is_held(alert)
        return [
            Job(
                f"{alert['alert_id']} {hashlib.sha256(url.encode()).hexdigest()[:16]}",
                # What goes at once must not wait behind a digest.
                f"{url} digest" if is_held else url,
                Note(url, channel, alert["severity"], title, alert["message"]),
                not_before=due if is_held else 0,
                joins=is_held,
            )
            for url, (channel, due) in self._channels(alert).items()
            if not self._is_stale(alert, due)
        ]

    def _is_stale(self, alert: Mapping[str, Any], due: int) -> bool:
        age = (self._clock.now() - due) / 1e6
        if age > STALE_SECONDS:
            log.info("alert %s is %.0f hours old and not sent any more", alert["alert_id"], age / 3600)
        return age > STALE_SECONDS

    def _channels(self, alert: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
        """Name and when to tell it by URL: no channel gets an alert twice, and where several people share one, it gets
        the alert when the first of them is to be told."""
        self._update_reviewers(self._table.poll())
        people = [self._reviewers[name] for name in alert["to"] if name in self._reviewers]
        reached = [(one["contact"], one["id"], self._digests.due(alert, one)) for one in people]
        if not reached and (not alert["to"] or alert["severity"] != "info"):
            reached = [(url, name, self._digests.due(alert, None)) for name, url in self._operators]
        return {url: (name, due) for url, name, due in sorted(reached, key=lambda one: -one[2])}

    def _update_reviewers(self, records: Sequence[Message]) -> None:
        """Keeps those who have a contact."""
        for record in records:
            name = (record.key() or b"").decode(errors="replace")
            reviewer = None
            if record.value() is not None:
                try:
                    reviewer = wire.decode_plain("Reviewer", record.value())
                    check_key(name, reviewer["id"])
                except ValueError as error:  # as the desk does: the record before stays in force
                    log.warning("reviewer %s cannot be used: %s", name, error)
                    continue
            if reviewer is not None and reviewer["contact"] and self._may_open(name, reviewer["contact"]):
                self._reviewers[name] = reviewer
            else:
                self._reviewers.pop(name, None)

    def _may_open(self, name: str, contact: str) -> bool:
        scheme = contact.partition("://")[0].lower()
        may = self._contact_schemes is None or scheme in self._contact_schemes
        if not may:
            log.warning(
                "the contact of %s is %s://, which INTERLOCK_ALERTS__CONTACT_SCHEMES does not allow", name, scheme
            )
        return may


def send(note: Note) -> None:
    """Returns when the channel has taken the note. Raises PermanentError or RetryLater."""
    channel = apprise.Apprise()
    if not channel.add(note.url):
        raise PermanentError(f"the contact of {note.channel} is not an apprise URL")
    kind = _KINDS.get(note.severity, apprise.NotifyType.WARNING)
    result = channel.notify(body=note.body, title=note.title, notify_type=kind, timeout=_SEND_TIMEOUT_SECONDS)
    if not result:
        raise RetryLater(f"the channel of {note.channel} did not take it")
