"""How often the roles of a local instance, which have no other members beside them, ask the broker for something: with
the intervals for a cluster their requests cost it as much as everything else that it does at rest."""

from collections.abc import Mapping
from typing import Any

from interlock.platform.connection import Platform

# How long the broker may wait for a record before it answers that there is none; a record ends the waiting. The default
# is half a second. Partitions that a member is assigned while it reads others, and those that it seeks back in, are
# asked for only after that: a cluster, where members come and go, keeps the default.
_WAIT_MS = 2_000

# Of the desk: another one that is started beside it waits so long for its turn, instead of one second.
_HEARTBEAT_MS = 2_000

# Of folds: a member that is started again is known by its name, and waits for nobody. Four of them, a session, must be
# shorter than a request may take.
_FOLD_HEARTBEAT_SECONDS = 7.0

# Of everybody else, for whom the broker sets it: well below the session, after which a killed member is missed.
BROKER_HEARTBEATS: Mapping[str, str] = {"group.consumer.heartbeat.interval.ms": "3000"}


def fetching(platform: Platform) -> Mapping[str, Any]:
    """Properties for the consumer of a role's runner."""
    return {"fetch.wait.max.ms": _WAIT_MS} if platform.is_local else {}


def exclusive_heartbeats(platform: Platform) -> Mapping[str, Any]:
    """Properties for the consumer of a runner whose group is exclusive."""
    return {"heartbeat.interval.ms": _HEARTBEAT_MS} if platform.is_local else {}


def fold_heartbeats(platform: Platform) -> dict[str, float]:
    """Of `FoldSettings`."""
    return {"heartbeat_seconds": _FOLD_HEARTBEAT_SECONDS} if platform.is_local else {}
