"""Faust as it must be set up here, and the things about it that have to be put right.

* It reads uncommitted records unless it is transactional itself; the desk's aborted verdicts would be learned from
  (`interlock.streams.faust_consumer`, as the next two).
* Where offsets have gaps, as after every transaction of the desk, it may commit past a record that is still being
  processed (faust-streaming issue 606). Records are acknowledged in order here, so the last one implies all before it.
* Its timers and aiokafka's keep their two event loops busy where there is nothing to do.
* A header whose name is not UTF-8 would stop aiokafka for good (`interlock.streams.tolerant_records`).
* It never asks aiokafka whether it is still a member of its group, and after some errors aiokafka waits for that
  question for ever (`Membership`).
* It and aiokafka log every attempt to reach a broker that is down, with tracebacks.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import faust
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from confluent_kafka import KafkaError
from yarl import URL

from interlock.schemas.catalogue import MAX_DERIVED_MESSAGE_BYTES
from interlock.streams.faust_consumer import Monitor, Transport
from interlock.streams.faust_settings import credentials, tuning
from interlock.streams.kafka_properties import checked
from interlock.streams.kafka_trouble import missing_right, principal
from interlock.streams.tolerant_records import tolerate_header_names

log = logging.getLogger(__name__)

# A member is missed after so many heartbeats that did not come.
HEARTBEATS_OF_SESSION = 4

# How long the broker waits for members that are alive to join again; each has at most one record to finish.
REBALANCE_SECONDS = 20.0

# Longer than a leader election; then the fold ends with an error, and its caller starts it again.
REQUEST_SECONDS = 30.0

# The longest that a healthy group takes to let a member in: its request, or a rebalance, and then some.
JOIN_SECONDS = 45.0

# The same message is logged again after this.
REPEAT_LOG_SECONDS = 60.0

_REFUSALS = (GroupAuthorizationFailedError, TopicAuthorizationFailedError)

_LOGGERS = ("faust", "mode", "aiokafka")


def make_app(
    group: str,
    bootstrap_servers: str,
    properties: Mapping[str, str],
    instance: str,
    commit_seconds: float,
    heartbeat_seconds: float,
) -> faust.App:
    """An app that is started by hand: no worker, no web server, no tables, no topics of its own.

    Raises PropertyError where `properties`, librdkafka's, ask for what aiokafka cannot do.
    """
    given = checked(properties)
    one_line_logs(bootstrap_servers)
    tolerate_header_names()
    app = faust.App(
        group,
        broker=[URL(f"kafka://{server.strip()}") for server in bootstrap_servers.split(",")],
        broker_credentials=credentials(given),
        processing_guarantee="at_least_once",
        broker_commit_interval=commit_seconds,
        broker_commit_every=1_000,
        broker_session_timeout=HEARTBEATS_OF_SESSION * heartbeat_seconds,
        broker_heartbeat_interval=heartbeat_seconds,
        broker_rebalance_timeout=REBALANCE_SECONDS,
        broker_request_timeout=REQUEST_SECONDS,
        # A static member: after a restart it is known again at once, instead of when the session of its dead
        # predecessor ends.
        consumer_group_instance_id=f"{group}-{instance}",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_DERIVED_MESSAGE_BYTES,
        producer_acks=-1,
        producer_max_request_size=MAX_DERIVED_MESSAGE_BYTES,
        producer_request_timeout=REQUEST_SECONDS,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        Monitor=Monitor,
        # Nothing is kept there: the folds' state is the log itself. By default it would be made in whatever directory
        # the process was started in.
        datadir=tempfile.gettempdir(),
        **{"producer_compression_type": "lz4", **tuning(given)},
    )
    app.transport = Transport(app.conf.broker_consumer, app)
    return app


def refusal(error: BaseException | None, group: str, topic: str, properties: Mapping[str, str]) -> KafkaError | None:
    """What aiokafka's `error` says of a right that is missing to a reader of `topic` in `group`."""
    if not isinstance(error, _REFUSALS):
        return None
    who = principal(properties)
    if isinstance(error, GroupAuthorizationFailedError):
        return KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, missing_right(who, "Read", "group", group))
    told = error.args[0] if error.args else topic
    named = [told] if isinstance(told, str) else sorted(told)
    operation = "Read" if named == [topic] else "Write"
    text = missing_right(who, operation, "topic", ", ".join(named))
    return KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, text)


class Membership:
    """Whether an app that is started takes part in its group."""

    def __init__(self, app: faust.App, topic: str) -> None:
        self._app = app
        self._topic = topic
        self._well_at: float | None = None

    def trouble(self, now: float, *, working: bool) -> str | None:
        """Why it takes no part and will not by itself; None as long as it does, or may soon. `now`: seconds of a clock
        that only goes forward. `working`: a record is being processed, which a rebalance waits for.

        Raises aiokafka's error where Kafka refuses the group or a topic."""
        coordinator = self._coordinator()
        if coordinator is not None and coordinator._pending_exception is not None:
            if isinstance(coordinator._pending_exception, _REFUSALS):
                raise coordinator._pending_exception
            return str(coordinator._pending_exception)
        if coordinator is not None and (coordination := coordinator._coordination_task).done():
            return f"its coordination ended: {'cancelled' if coordination.cancelled() else coordination.exception()}"
        if self._well_at is None or working or (coordinator is not None and self._joined(coordinator)):
            self._well_at = now
        seconds = now - self._well_at
        return f"it has tried to join for {seconds:.0f} s" if seconds > JOIN_SECONDS else None

    def _coordinator(self) -> Any | None:
        """aiokafka's part that keeps up the membership; None before it connects."""
        consumer: Any = self._app.consumer
        client = consumer._thread._consumer
        return client._coordinator if client is not None else None

    def _joined(self, coordinator: Any) -> bool:
        """A standby has joined too, with no partition. Who assigns partitions must know how many there are."""
        joining = coordinator._subscription.reassignment_in_progress
        return not joining and coordinator._metadata_snapshot.get(self._topic) != 0


def one_line_logs(servers: str, clock: Callable[[], float] = time.monotonic) -> None:
    """Lets Faust and aiokafka log each problem in one line, and not again within a minute."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [_OneLine(servers, clock)]
        logger.propagate = False
        logger.setLevel(logging.ERROR)  # their warnings are about their own internals


class _OneLine(logging.Handler):
    def __init__(self, servers: str, clock: Callable[[], float]) -> None:
        super().__init__()
        self._servers = servers
        self._clock = clock
        self._logged_at: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        # By the template, because the text may carry a counter or a port.
        template = str(record.msg)
        if now - self._logged_at.get(template, -REPEAT_LOG_SECONDS) >= REPEAT_LOG_SECONDS:
            self._logged_at[template] = now
            text = record.getMessage().strip().partition("\n")[0]
            log.warning("Kafka at %s: %s; the client goes on trying", self._servers, text)
