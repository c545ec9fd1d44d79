"""Trials of policies that nobody promotes or withdraws: people are told of each, and again when it has ended."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from interlock.policies.trials import candidates, forgotten
from interlock.processors.events import Event, alert
from interlock.schemas import catalogue
from interlock.schemas.times import moment
from interlock.services.finding_alerts import send_alerts
from interlock.streams.ports import Broker
from interlock.streams.tables import TableReader

_FORGOTTEN, _ENDED = "trial_forgotten", "trial_ended"

# Days count, and the topic is read as a whole.
_LOOK_MICROS = 60 * 1_000_000


class ForgottenTrials:
    """Looks at the candidates of policies. `days`: after how many without a command a trial counts as forgotten."""

    def __init__(self, broker: Broker, days: float, told: set[str]) -> None:
        """`told`: ids of the alerts that were given before."""
        self._broker = broker
        self._days = days
        self._told = told
        self._looked_at = 0

    def step(self, now: int) -> list[Event]:
        """The alerts given at `now`, microseconds since the epoch; looks once a minute. Raises KafkaException."""
        if now - self._looked_at < _LOOK_MICROS:
            return []
        tried = candidates(self._broker)
        late = forgotten(tried, now, self._days)
        events = [_forgotten(name, trial, now) for name, trial in late.items()]
        standing = {event.key for event in events}
        events += [_ended(cause, now) for cause in sorted(_causes(self._told) - _causes(standing))]
        new = [event for event in events if event.key not in self._told]
        if new:  # if Kafka does not take them, the next look tries again
            send_alerts(self._broker, new)
        self._told.update(event.key for event in new)
        self._looked_at = now
        return new


def told_before(broker: Broker) -> set[str]:
    """The ids of such alerts that Kafka still has. Raises KafkaException."""
    with closing(TableReader(broker, [catalogue.ALERTS.name], once=True)) as reader:
        ids = {(record.key() or b"").decode(errors="replace") for record in reader.read_all()}
    return {one for one in ids if one.startswith((f"{_FORGOTTEN}/", f"{_ENDED}/"))}


def _causes(ids: set[str]) -> set[str]:
    return {one.removeprefix(f"{_FORGOTTEN}/") for one in ids if one.startswith(f"{_FORGOTTEN}/")}


def _forgotten(name: str, trial: Mapping[str, Any], now: int) -> Event:
    share = f"decides {trial['share']:.0%}" if trial["share"] else "runs in shadow"
    message = (
        f"Version {trial['version']} of policy {name}, tried by {trial['published_by']}, {share} since "
        f"{moment(trial['started_at']):%Y-%m-%d}, and nobody has promoted or withdrawn it: `interlock policy candidate "
        f"{name}` shows what it has shown. It costs routers a second evaluation of every decision"
    )
    return alert(_FORGOTTEN, f"{name}/{trial['version']}/{trial['started_at']}", "warning", (), message, now)


def _ended(cause: str, now: int) -> Event:
    name, version, _ = cause.rsplit("/", 2)
    message = f"Version {version} of policy {name} is not forgotten any more: it was promoted or withdrawn, or goes on"
    return alert(_ENDED, cause, "info", (), message, now)
