"""The role that calibrates, watches for drift, and proposes: five folds, each with a topic and a group of its own."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from interlock.platform.connection import Platform
from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.fold import CalibrationSettings
from interlock.processors.proposals.fold import ProposalSettings
from interlock.schemas import catalogue
from interlock.schemas.catalogue import Topic
from interlock.services import calibration_folds as folds
from interlock.services.common import serve_metrics, stop_on_signals
from interlock.services.folds import follow
from interlock.streams.folding import Fold
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker

# ADWIN forgets what is older than its window; so many decisions of a partition are read again at a start at most.
MAX_REPLAYED_DECISIONS = 200_000

_Make = Callable[[Broker], AbstractContextManager[Fold]]


def run(platform: Platform) -> None:
    """Calibrates confidence, watches for drift, and proposes thresholds, rules, retraining and coaching."""
    configured = platform.settings.calibration
    calibrating = CalibrationSettings(CalibratorSettings(configured.every), configured.override_limit)
    proposing = ProposalSettings(configured.alpha, configured.delta, configured.propose_every)
    proposals = (catalogue.PROPOSALS, catalogue.ALERTS)
    signals = (*proposals, catalogue.DRIFT_SIGNALS)
    work: list[tuple[str, Topic, tuple[Topic, ...], _Make]] = [
        (
            "calibration",
            catalogue.OUTCOMES,
            (*signals, catalogue.CALIBRATION_REPORTS, catalogue.CALIBRATION_MODELS),
            lambda broker: folds.outcomes(broker, calibrating),
        ),
        ("drift", catalogue.DECISIONS, signals, lambda broker: folds.decisions(broker, configured.every_decision)),
        (
            "proposals",
            catalogue.TRAINING_EXAMPLES,
            (*signals, catalogue.POLICIES, catalogue.DEAD_LETTER),
            lambda broker: folds.examples(broker, proposing),
        ),
        (
            "revocations",
            catalogue.DRIFT_SIGNALS,
            (*proposals, catalogue.CONTROLS, catalogue.DEAD_LETTER),
            folds.signals,
        ),
        ("retraining", catalogue.RETRAINING_REQUESTS, (*proposals, catalogue.DEAD_LETTER), folds.requests),
    ]
    stop = stop_on_signals()
    metrics = Metrics("calibration")
    serve_metrics(metrics, platform.settings.metrics_port)
    failures: list[BaseException] = []

    def run_fold_of(name: str, topic: Topic, outputs: tuple[Topic, ...], make: _Make) -> None:
        try:
            names = [output.name for output in outputs]
            group = f"{configured.group}-{name}"
            max_replay = MAX_REPLAYED_DECISIONS if topic is catalogue.DECISIONS else None
            follow(platform, group, topic.name, names, make, metrics, stop, max_replay_offsets=max_replay)
        except BaseException as error:
            failures.append(error)
            stop.set()  # the others as well: a supervisor starts all of them again, or asks a person

    threads = [threading.Thread(target=run_fold_of, args=task, name=task[0]) for task in work]
    for thread in threads:
        thread.start()
    # In pieces, so that signals are handled meanwhile.
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(0.2)
    if failures:
        raise failures[0]
