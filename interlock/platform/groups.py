"""The consumer groups of all roles, for whoever watches their progress."""

from typing import Any

from interlock.platform.settings import Settings
from interlock.schemas import catalogue
from interlock.schemas.catalogue import Topic
from interlock.streams.progress import WatchedGroup

# Routers, desks and sinks commit many times a minute, and are back within 21 s of the kill of any process (measured on
# a loaded machine). People should know within half a minute; looking takes up to five seconds of that.
STALLED_SECONDS = 25.0

# A fold is missed by its group after 8 s, may wait 20 s for the others, and reads its state back.
FOLD_STALLED_SECONDS = 60.0

# An executor's offset waits for the slowest of its receivers, which is tried again after pauses of up to five minutes.
EXECUTOR_STALLED_SECONDS = 60.0


def watched_groups(settings: Settings) -> list[WatchedGroup]:
    """Every group that the roles under these settings are members of; none of a role that is left out, whose records
    wait until it is started."""

    def group(name: str, role: str, topics: tuple[Topic, ...], seconds: float, **more: Any) -> WatchedGroup:
        return WatchedGroup(name, role, tuple(topic.name for topic in topics), seconds, **more)

    # Alerts are committed when they were sent, those of a quiet weekend after it.
    held = settings.alerts.digest_seconds + settings.alerts.quiet_seconds
    # A sampler reads in runs, and commits at the end of each.
    sampler_seconds = 2 * settings.sampler.round_seconds + STALLED_SECONDS
    groups = [
        group(catalogue.ROUTER_GROUP, "router", (catalogue.DECISIONS,), STALLED_SECONDS),
        group(catalogue.DESK_GROUP, "desk", catalogue.DESK_INPUTS, STALLED_SECONDS),
        group(catalogue.SINK_GROUP, "sink", catalogue.STORED_TOPICS, STALLED_SECONDS),
        group(settings.feedback.group, "feedback", (catalogue.OUTCOMES,), FOLD_STALLED_SECONDS),
        *(
            group(f"{settings.calibration.group}-{name}", "calibration", (topic,), FOLD_STALLED_SECONDS)
            for name, topic in catalogue.CALIBRATION_FOLDS.items()
        ),
        group(catalogue.SAMPLER_GROUP, "sampler", (catalogue.AUTO_APPROVED,), sampler_seconds, joins=False),
        group(catalogue.NOTICES_GROUP, "notices", (catalogue.AUTO_APPROVED, catalogue.ACTIONS), STALLED_SECONDS),
        group(
            settings.webhooks.group,
            "webhooks",
            (catalogue.AUTO_APPROVED, catalogue.ACTIONS),
            EXECUTOR_STALLED_SECONDS,
            optional=True,
        ),
        group(
            settings.alerts.group,
            "notifier",
            (catalogue.ALERTS,),
            EXECUTOR_STALLED_SECONDS,
            optional=True,
            holds_seconds=held,
        ),
    ]
    return [each for each in groups if each.role not in settings.without]
