"""How far every consumer group has come."""

from contextlib import closing
from typing import Any

from interlock.api.backend import Backend
from interlock.platform.groups import watched_groups
from interlock.streams.progress_reader import ProgressReader


def group_lags(backend: Backend) -> list[dict[str, Any]]:
    """By group: the role, and how many records wait; `started` is false for one that has never read anything.

    Takes some hundredths of a second for each group. Raises KafkaException.
    """
    rows = []
    with closing(ProgressReader(backend.broker)) as reader:
        for group in watched_groups(backend.platform.settings):
            places = reader.observe(group)
            rows.append(
                {
                    "role": group.role,
                    "group": group.group,
                    "topics": list(group.topics),
                    "waiting": sum(progress.lag for progress in places.values()),
                    "started": any(progress.committed is not None for progress in places.values()),
                }
            )
    return rows
