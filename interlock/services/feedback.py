"""The feedback role: training examples of what people decided, and retraining requests."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from interlock.platform.connection import Platform
from interlock.processors.answered import TallyTable
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import RetrainingTerms
from interlock.processors.learning_terms import LearningTerms
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue
from interlock.services.endpoint import serve
from interlock.services.feedback_fold import FeedbackFold, WrittenExamples, fetcher
from interlock.services.folds import DAY, follow, microseconds, watch_fold
from interlock.services.followed import followed
from interlock.streams.folding import Fold, TickingFold
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message

_OUTPUTS = [
    topic.name
    for topic in (
        catalogue.TRAINING_EXAMPLES,
        catalogue.RETRAINING_REQUESTS,
        catalogue.ALERTS,
        catalogue.DEAD_LETTER,
    )
]

_TABLES = (catalogue.POLICIES.name, catalogue.TALLIES.name)


def run(platform: Platform, stop: threading.Event) -> None:
    """Makes training examples of what people decided, and requests retraining."""
    settings = platform.settings.feedback
    terms = RetrainingTerms(
        limit=platform.settings.override_limit,
        every=settings.every,
        renew=settings.renew,
        window=settings.window,
        min_answered=settings.min_answered,
        min_support=settings.min_support,
        alpha=settings.alpha,
        run_length=settings.run_length,
        level=settings.level,
        longest_wait=round(settings.longest_wait_days * DAY),
    )
    has_clickhouse = platform.settings.clickhouse.url is not None or platform.instance is not None

    @contextmanager
    def make(broker: Broker) -> Iterator[Fold]:
        tallies, policies = TallyTable(), LearningTerms()

        def apply(message: Message) -> None:
            if message.topic() == catalogue.TALLIES.name:
                tallies.apply(message.value())
            else:
                policies.apply(message.key(), message.value())

        with (
            followed(broker, _TABLES, apply) as refresh,
            closing(
                PayloadReader(broker, platform.clickhouse if has_clickhouse else None, lambda: platform.keys_to_read)
            ) as payloads,
            closing(WrittenExamples(broker)) as written,
        ):
            fold = FeedbackFold(Feedback(terms, tallies, policies), written, fetcher(payloads), refresh)
            yield TickingFold(fold, lambda: fold.tick(microseconds()))

    metrics = Metrics("feedback")
    serve(metrics, platform.settings, health=watch_fold(platform, "feedback", metrics, stop))
    follow(platform, settings.group, catalogue.OUTCOMES.name, _OUTPUTS, make, metrics, stop)
