"""A policy in force on an in-memory broker, and changes of it."""

from typing import Any

from interlock.policies import publishing, trials
from interlock.policies.observed import Cell, Observed
from interlock.policies.requests import publish_source
from interlock.schemas import catalogue
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec

NOW = 1_767_225_600_000_000
HOUR = 3_600_000_000

_TEXT = """
name: lending
domains:
  loan:
    models: [m]
    outcomes: [approve, reject]
    lanes: {{approve: {{auto: {auto}}}}}
    queue: underwriting
{more}
"""


def text(auto: float = 0.9, more: str = "") -> str:
    """The text of a version."""
    return _TEXT.format(auto=auto, more=more)


def seen(decisions: int, since: int = NOW) -> Observed:
    """A trial that was asked about so many decisions, a tenth of which differ."""
    differing = decisions // 10
    return Observed(since, (Cell("auto", "auto", decisions - differing, 0), Cell("async", "auto", differing, 0)))


class Owner:
    """What a policy owner does, on a broker of its own."""

    def __init__(self, in_force: str) -> None:
        self.broker: Any = MemoryBroker(SystemClock())
        self.broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
        publish_source(self.broker, in_force, "", "ann", "the first")

    @property
    def policy(self) -> dict[str, Any]:
        """The record in force."""
        return publishing.published_policies(self.broker)["lending"]

    @property
    def version(self) -> str:
        """The version in force."""
        return str(self.policy["version"])

    def begin(self, source: str, by: str = "ann", now: int = NOW, **told: Any) -> dict[str, Any]:
        """Tries a change."""
        return trials.begin(self.broker, source, self.version, by, "fewer reviews", now, **told)

    def promote(self, observed: Observed, by: str = "ben", now: int = NOW + HOUR, **how: Any) -> dict[str, Any]:
        """Promotes the change that is tried."""
        named = trials.candidate(self.broker, "lending")["version"]
        return trials.promote(self.broker, "lending", named, by, "as forecast", now, observed, **how)

    def share(self, share: float, observed: Observed, by: str = "ben", now: int = NOW + HOUR) -> dict[str, Any]:
        """Gives the change that is tried a share."""
        named = trials.candidate(self.broker, "lending")["version"]
        return trials.give_share(self.broker, "lending", named, share, by, now, observed)
