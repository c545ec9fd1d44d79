"""The answer of a replay."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from interlock.learning.strata import Total
from interlock.policies.replay.breaches import Late
from interlock.policies.replay.forecast import Errors, QueueForecast
from interlock.policies.replay.known_errors import InTruth
from interlock.policies.replay.matrix import Cell, Example, QueueHour, RuleEffect


@dataclass(frozen=True)
class Replay:
    """A candidate on the decisions from `since` on and before `until`.

    `decisions`: all of them. `rerouted`: with another route. `other_reasons`: with the same route for other reasons.
    `versions`: how many decisions each policy version had routed. `ambiguous`: how many stay with people because more
    than one policy claimed their domain. `unreadable`: how many more were left out, because what the
    rules ask for is sealed under a key that is missing or erased. `queues`, `errors`, `overrides`, `breaches`: what is
    to be expected of the candidate; no `breaches` where nobody has worked, or there is too much to simulate.
    `errors_in_truth`: the errors of the candidate of all groups, corrected for what people miss; None where nobody has
    judged anything.
    """

    policy: str
    version: str
    since: datetime
    until: datetime
    domains: tuple[str, ...]
    decisions: int
    rerouted: int
    other_reasons: int
    ambiguous: int
    unreadable: int
    versions: Mapping[str, int]
    matrix: tuple[Cell, ...]
    rules: tuple[RuleEffect, ...]
    examples: tuple[Example, ...]
    reviews: tuple[QueueHour, ...]
    queues: tuple[QueueForecast, ...]
    errors: tuple[Errors, ...]
    overrides: Total
    breaches: tuple[Late, ...]
    errors_in_truth: InTruth | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)
