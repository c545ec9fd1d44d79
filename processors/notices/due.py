"""The notices that are due, as the router and the desk name them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from interlock.processors.records import Message

# What follows the name of a notice that is taken back, as the desk writes it.
WITHDRAWN = ":withdrawn"


@dataclass(frozen=True, slots=True)
class Due:
    """One notice of one version of a resolution.

    `withdrawn`: that it holds no longer is what must be said. `corrects`: the version whose notices it replaces or
    takes back; 0: none. `at`: microseconds since the epoch, of the decision. `automated`: only the policy decided.
    `topic`, `partition`, `offset`: of the routed decision.
    """

    decision_id: str
    version: int
    name: str
    withdrawn: bool
    corrects: int
    outcome: str
    reason_code: str
    reason_text: str
    domain: str
    at: int
    automated: bool
    topic: str
    partition: int
    offset: int

    @property
    def action_id(self) -> str:
        """Of the action that has its text."""
        return f"{self.decision_id}/{self.version}/notice/{self.name}"


def of_action(record: Mapping[str, Any]) -> Iterator[Due]:
    """Those of an `Action` record; none of one that is no `notify`."""
    if record["kind"] != "notify":
        return
    same = ("decision_id", "version", "outcome", "reason_code", "reason_text", "domain", "at")
    place = ("topic", "partition", "offset", "corrects")
    for notice in record["notices"]:
        yield Due(
            name=notice.removesuffix(WITHDRAWN),
            withdrawn=notice.endswith(WITHDRAWN),
            automated=False,
            **{field: record[field] for field in (*same, *place)},
        )


def of_automatic(routed: Mapping[str, Any], message: Message) -> Iterator[Due]:
    """Those of a `RoutedDecision` record that took effect by itself, which was read from `message`."""
    decision = routed["decision"]
    for notice in routed["notices"]:
        yield Due(
            decision_id=decision["decision_id"],
            version=1,
            name=notice,
            withdrawn=False,
            corrects=0,
            outcome=decision["prediction"],
            reason_code="",
            reason_text="",
            domain=decision["domain"],
            at=routed["routed_at"],
            automated=True,
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
        )
