"""Alerts of what is wrong with the progress of consumer groups."""

import time
from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import KafkaException

from interlock.platform.groups import STALLED_SECONDS
from interlock.processors.events import Event, alert
from interlock.schemas import wire
from interlock.streams.expired import Expired
from interlock.streams.ports import Broker
from interlock.streams.progress import Finding, WatchedGroup
from interlock.streams.sending import Outgoing, send_and_wait

log = structlog.get_logger()

SEND_SECONDS = 10.0


def finding_alert(finding: Finding, now: float, time_us: int) -> Event:
    """`now`: as for the finding. `time_us`: microseconds since the epoch."""
    # Decisions wait, are about to be routed twice, or are lost. An executor may just wait for somebody's server.
    severity = "warning" if finding.group.optional else "critical"
    return alert(finding.kind, finding.cause, severity, (), finding.text(now), time_us)


def outgoing(event: Event) -> Outgoing:
    """That alert as a record."""
    return Outgoing(event.topic.name, event.key.encode(), wire.encode("Alert", event.record or {}))


def send_alerts(broker: Broker, events: Iterable[Event]) -> None:
    """Returns when Kafka has them, or raises KafkaException. Alerts are rare: a producer that waits for them would cost
    more than one for each time."""
    producer = broker.producer(None, {"message.timeout.ms": int(SEND_SECONDS * 1000)})
    send_and_wait(producer, map(outgoing, events), SEND_SECONDS)


def alert_teller(broker: Broker) -> Callable[[list[Event]], None]:
    """What a role calls with alerts that follow from no batch; where Kafka does not take them the log has them."""

    def tell(events: list[Event]) -> None:
        for event in events:
            log.error((event.record or {})["message"])
        try:
            send_alerts(broker, events)
        except KafkaException as error:
            log.error("the alert could not be given", reason=error.args[0].str())

    return tell


def expired_teller(broker: Broker, role: str, group: str) -> Callable[[list[Expired]], None]:
    """What a member of `group` calls when it finds records missing: each loss becomes an alert. The alert has the id
    that the watch would give it."""
    watched = WatchedGroup(group, role, (), STALLED_SECONDS)

    def tell(expired: list[Expired]) -> None:
        findings = [Finding("expired", watched, one.partition, 0, one.committed, one.count) for one in expired]
        events = [finding_alert(finding, 0, time.time_ns() // 1000) for finding in findings]
        try:
            send_alerts(broker, events)
        except KafkaException as error:
            log.error("no alert could be given of records that expired unread", reason=error.args[0].str())

    return tell
