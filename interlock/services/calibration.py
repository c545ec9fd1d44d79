"""The calibration role: calibrates, monitors drift, and proposes, in five folds with a topic and a group each."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from interlock.platform.connection import Platform
from interlock.processors.calibration.calibrator import CalibratorSettings
from interlock.processors.calibration.confidence import ConfidenceSettings
from interlock.processors.calibration.fold import CalibrationSettings
from interlock.processors.proposals.fold import ProposalSettings
from interlock.schemas import catalogue
from interlock.schemas.catalogue import Topic
from interlock.services import calibration_folds as folds
from interlock.services.endpoint import serve
from interlock.services.folds import DAY, follow, watch_fold
from interlock.services.together import run_in_threads
from interlock.streams.folding import Fold
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker

# Decisions of a partition that a start reads again at most, which takes minutes. The confidence monitor knows as many
# days as they cover; with less than two it says nothing until it has seen others.
MAX_REPLAYED_DECISIONS = 200_000

_Make = Callable[[Broker], AbstractContextManager[Fold]]


def run(platform: Platform, stop: threading.Event) -> None:
    """Calibrates confidence, monitors drift, and proposes thresholds, rules, retraining and coaching."""
    role = platform.settings.calibration
    longest_wait = round(role.longest_wait_days * DAY)
    settings = CalibrationSettings(
        CalibratorSettings(role.every, role.window, role.gap, role.gap_window),
        platform.settings.override_limit,
        role.min_answered,
        longest_wait,
    )
    proposing = ProposalSettings(
        role.alpha,
        role.delta,
        role.propose_every,
        role.min_answered,
        role.false_alarms_per_year,
        role.gold_is_typical,
        longest_wait,
    )
    watching = ConfidenceSettings(role.min_shift, role.every_decision)
    proposals = (catalogue.PROPOSALS, catalogue.ALERTS)
    drift = (*proposals, catalogue.DRIFT_SIGNALS)
    fold_specs: list[tuple[str, tuple[Topic, ...], _Make]] = [
        (
            "calibration",
            (*drift, catalogue.CALIBRATION_REPORTS, catalogue.CALIBRATION_MODELS),
            lambda broker: folds.outcomes(broker, settings),
        ),
        ("drift", drift, lambda broker: folds.decisions(broker, watching)),
        (
            "proposals",
            (*drift, catalogue.LANE_PROGRESS, catalogue.POLICIES, catalogue.DEAD_LETTER),
            lambda broker: folds.examples(broker, proposing),
        ),
        (
            "revocations",
            (*proposals, catalogue.CONTROLS, catalogue.DEAD_LETTER),
            folds.signals,
        ),
        ("retraining", (*proposals, catalogue.DEAD_LETTER), folds.requests),
    ]
    metrics = Metrics("calibration")
    for monitor in ("confidence", "overrides", "certificate"):
        metrics.expose("drift_signals", monitor=monitor)
    serve(metrics, platform.settings, health=watch_fold(platform, "calibration", metrics, stop))

    def run_fold(name: str, outputs: tuple[Topic, ...], make: _Make, stop: threading.Event) -> None:
        topic = catalogue.CALIBRATION_FOLDS[name]
        names = [output.name for output in outputs]
        group = f"{role.group}-{name}"
        max_replay = MAX_REPLAYED_DECISIONS if topic is catalogue.DECISIONS else None
        follow(platform, group, topic.name, names, make, metrics, stop, max_replay_offsets=max_replay)

    # When one fails the others stop too: the supervisor restarts the whole role, or asks a person.
    run_in_threads({spec[0]: partial(run_fold, *spec) for spec in fold_specs}, stop)
