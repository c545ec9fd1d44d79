"""Whether a role stands still so that only a restart can help: what `/healthz` answers, for supervisors.

Asked of Kafka by a thread with consumers of its own, because the role's clients are what may be stuck.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from confluent_kafka import KafkaException

from interlock.errors import InterlockError
from interlock.operations.progress import GroupsWatch
from interlock.platform.connection import Platform
from interlock.platform.groups import watched_groups
from interlock.streams.ports import Broker
from interlock.streams.progress import Finding, WatchedGroup

log = structlog.get_logger()

# Whatever a role can mend by itself it has mended by then: on a busy machine routers needed up to half a minute after a
# kill of Kafka (measured), and there a restart takes minutes too.
RESTART_SECONDS = 120.0

# Seldom against that, because each look of every role is a request to Kafka. A restart comes so much later.
LOOK_SECONDS = 30.0


class Liveness:
    """The progress of one role's groups."""

    def __init__(
        self,
        broker: Broker,
        groups: Sequence[WatchedGroup],
        activity: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`activity`: changes while the role does, or knowingly waits for, what a restart would only begin again."""
        patient = [replace(one, stalled_seconds=max(RESTART_SECONDS, one.stalled_seconds)) for one in groups]
        self._watch = GroupsWatch(broker, patient)
        self._activity = activity
        self._active = activity()
        self._stalled: Finding | None = None

    def look(self, now: float) -> None:
        """One look at Kafka, at `now` in seconds of a clock that only goes forward."""
        activity = self._activity()
        if activity != self._active:
            self._active = activity
            self._watch.forget()
        try:
            found = self._watch.look(now)
        except (KafkaException, InterlockError):
            found = []  # without Kafka nobody can move
        # A role whose committed offset went back waits for the right one; after a restart it would not know better.
        lost = any(finding.kind == "went_back" for finding in found)
        stalled = [finding for finding in found if finding.kind == "stalled" and not lost]
        if stalled and self._stalled is None:
            log.error("stands still; asking for a restart", finding=stalled[0].text(now))
        self._stalled = stalled[0] if stalled else None

    def problem(self) -> str | None:
        """Why the process should be restarted."""
        return self._stalled.text(time.monotonic()) if self._stalled else None

    def run(self, stop: threading.Event) -> None:
        """Looks until `stop` is set."""
        while not stop.wait(LOOK_SECONDS):
            self.look(time.monotonic())
        self._watch.close()


def watch_role(
    platform: Platform, role: str, stop: threading.Event, activity: Callable[[], float] = lambda: 0.0
) -> Callable[[], str | None]:
    """Watches the groups of `role` in a thread until `stop` is set; returns what `/healthz` answers."""
    groups = [group for group in watched_groups(platform.settings) if group.role == role]
    liveness = Liveness(platform.kafka(), groups, activity)
    threading.Thread(target=liveness.run, args=(stop,), name="liveness", daemon=True).start()
    return liveness.problem
