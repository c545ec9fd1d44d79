"""How long Kafka may keep back the answer to a role that asks for records."""

from collections.abc import Mapping
from typing import Any

from interlock.platform.connection import Platform

# How long the broker of a local instance may wait for a record before it answers that there is none; a record ends the
# waiting. With librdkafka's default, twice a second, three roles at rest cost it as much as everything else that they
# ask. Partitions that a member is assigned while it reads others, and those that it seeks back in, are asked for only
# after that, which is as late as a heartbeat may tell of them: a cluster, where members come and go, keeps the default.
_LOCAL_WAIT_MS = 2_000


def fetching(platform: Platform) -> Mapping[str, Any]:
    """Properties for the consumer of a role's runner."""
    return {"fetch.wait.max.ms": _LOCAL_WAIT_MS} if platform.is_local else {}
