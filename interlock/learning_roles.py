"""The roles that learn from people: feedback."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager

import structlog
from confluent_kafka import KafkaError, KafkaException

from interlock.connect import Platform
from interlock.errors import Exit, UserError
from interlock.patience import PAUSE_SECONDS
from interlock.roles import serve_metrics, stop_on_signals
from schemas import catalogue
from schemas.error_headers import read_error_headers
from streams.errors import HOPELESS
from streams.folding import Fold, Folded, FoldSettings, Output, run_fold
from streams.metrics import Metrics
from streams.ports import Broker

log = structlog.get_logger()

_SAID = [
    topic.name
    for topic in (
        catalogue.TRAINING_EXAMPLES,
        catalogue.RETRAINING_REQUESTS,
        catalogue.ALERTS,
        catalogue.DEAD_LETTER,
    )
]


def feedback(platform: Platform) -> None:
    """Makes training examples of what people decided, and asks for retraining."""
    from interlock.feedback_fold import FeedbackFold, Written, fetcher
    from interlock.reviewing.payload import PayloadReader
    from processors.feedback.feedback import Feedback
    from processors.feedback.judged import Terms

    chosen = platform.settings.feedback
    terms = Terms(
        limit=chosen.limit,
        smallest_propensity=chosen.smallest_propensity,
        every=chosen.every,
        renew=chosen.renew,
        window=chosen.window,
    )
    known = platform.settings.clickhouse.url is not None or platform.instance is not None

    @contextmanager
    def make(broker: Broker) -> Iterator[Fold]:
        with (
            closing(PayloadReader(broker, platform.clickhouse if known else None)) as payloads,
            closing(Written(broker)) as written,
        ):
            yield FeedbackFold(Feedback(terms), written, fetcher(payloads))

    metrics = Metrics("feedback")
    stop = stop_on_signals()
    serve_metrics(metrics, platform.settings.metrics_port)
    follow(platform, chosen.group, catalogue.OUTCOMES.name, _SAID, make, metrics, stop)


def follow(
    platform: Platform,
    group: str,
    topic: str,
    outputs: Sequence[str],
    make: Callable[[Broker], AbstractContextManager[Fold]],
    metrics: Metrics,
    stop: threading.Event,
    reach: int | None = None,
) -> None:
    """Runs a fold of `topic` until `stop` is set. After trouble with Kafka or ClickHouse it begins anew with a new one.

    `reach`: as in FoldSettings. Raises UserError where only a person can help.
    """
    said = ""
    while not stop.is_set():
        try:
            broker = platform.serving_kafka()
            settings = FoldSettings(
                group,
                topic,
                platform.bootstrap_servers,
                platform.settings.kafka.properties,
                platform.settings.instance_id,
                reach=reach,
            )
            if missing := {topic, *outputs} - broker.topic_states([topic, *outputs]).keys():
                absent = f"topic {', '.join(sorted(missing))} does not exist: create the topics first"
                raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
            with make(broker) as fold:
                log.info("follows", topic=topic, group=group, kafka=platform.bootstrap_servers)
                run_fold(settings, broker, counted(fold, metrics), stop)
        except (KafkaException, UserError) as error:
            if isinstance(error, KafkaException):
                reason = error.args[0].str()
                if error.args[0].code() in HOPELESS:
                    raise UserError(f"{group} stops: {reason}", Exit.NEEDS_A_PERSON) from error
            elif error.code != Exit.UNAVAILABLE:
                raise
            else:
                reason = str(error)
            metrics.add("unavailable")
            if reason != said:
                log.warning("waiting", reason=reason, trying_again_every=f"{PAUSE_SECONDS:g} s")
            said = reason
            stop.wait(PAUSE_SECONDS)
    log.info("stopped", topic=topic, group=group)


def counted(fold: Fold, metrics: Metrics) -> Fold:
    """`fold`, with what it takes and says counted."""

    def take(record: Folded) -> list[Output]:
        made = [Output(*one) for one in fold(record)]
        if not record.replayed:
            metrics.add("messages_in")
            metrics.add("messages_out", len(made))
            for one in made:
                if one.topic == catalogue.DEAD_LETTER.name:
                    metrics.add("dead_letters", reason=read_error_headers(one.headers).get("exception", ""))
        return made

    return take
