"""The kinds of rows that a policy tells apart, each as one integer: the same layout and meaning for every engine.

A batch in the stream and history in ClickHouse compute the same integer for the same row; what it means for the row is
worked out here, once for every kind.
"""

from collections.abc import Sequence
from typing import TypeVar

from interlock.policy.conditions.ast import Condition
from interlock.policy.conditions.parser import parse_condition
from interlock.policy.model import Policy
from interlock.policy.routing import ExtraRoute, LaneKey, Treatment, derive_treatment
from interlock.policy.vocabulary import ROUTING_COLUMNS

_Item = TypeVar("_Item")

# What a policy says of the model of a row: it may not decide here, it may, it is a challenger.
UNKNOWN, KNOWN, CHALLENGER = 0, 1, 2

# The key of a kind, from its lowest bits: lane, level of confidence, standing of the model, one bit for every
# condition. Five levels and three standings.
LEVEL_BITS = 3
STANDING_BITS = 2


class Kinds:
    """`domains`, `outcomes`, `models`: the names that the policy knows, sorted; a row has the index of its name, or the
    number of names where the policy does not know it. `lanes`: by domain and then outcome, both with a last place for
    what is not known. `raw_thresholds`: index of the lane, model id, model version, and from which confidence of its
    own that model is automatic there. `challengers`: domain, model id and model version of each. `conditions`: those of
    all rules, of priorities and of safe rules, each with what it counts as where it is unknown.

    Raises ConditionError if a rule is not understood.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.columns = {**ROUTING_COLUMNS, **policy.attribute_types()}
        self._rules = policy.every_rule()
        # In doubt a person decides: a condition that cannot be evaluated counts as met, but for a safe rule.
        in_doubt_met = [*(rule.when for rule in self._rules), *(rule.when for rule in policy.priority)]
        self.conditions: list[tuple[Condition, bool]] = [
            *((parse_condition(text, self.columns), True) for text in in_doubt_met),
            *((parse_condition(rule.when, self.columns), False) for rule in policy.safe_rules),
        ]
        self.domains = sorted(policy.domains)
        self.outcomes = sorted({outcome for domain in policy.domains.values() for outcome in domain.outcomes})
        self.challengers = [
            (name, *model.rsplit("@", 1)) for name, domain in policy.domains.items() for model in domain.shadow
        ]
        self.models = sorted(
            {
                *(model for domain in policy.domains.values() for model in domain.models),
                *(model_id for _, model_id, _ in self.challengers),
            }
        )
        self.lanes = self._lay_out_lanes()
        self.lane_bits = len(self.lanes).bit_length()
        self.raw_thresholds: list[tuple[int, str, str, float]] = [
            (index, named.rpartition("@")[0], named.rpartition("@")[2], threshold)
            for index, key in enumerate(self.lanes)
            if key.lane is not None
            for named, threshold in sorted(key.lane.auto_raw.items())
        ]

    @property
    def bits(self) -> int:
        """How many bits the key of a kind has."""
        return self.lane_bits + LEVEL_BITS + STANDING_BITS + len(self.conditions)

    def key(self, lane: int, level: int, standing: int, met: int) -> int:
        """The key of a kind; `met`: the lowest bit for the first condition."""
        return lane | (level | (standing | met << STANDING_BITS) << LEVEL_BITS) << self.lane_bits

    def lane_of(self, key: int) -> LaneKey:
        """The lane of a kind."""
        return self.lanes[split(key, self.lane_bits)[0]]

    def treatment(self, key: int, extra: Sequence[ExtraRoute]) -> Treatment:
        """The treatment of rows of a kind. `extra`: what something outside the policy demands besides."""
        lane_index, key = split(key, self.lane_bits)
        level, key = split(key, LEVEL_BITS)
        standing, key = split(key, STANDING_BITS)
        rule_bits, key = split(key, len(self._rules))
        priority_bits, safe_rule_bits = split(key, len(self.policy.priority))
        lane = self.lanes[lane_index]
        return derive_treatment(
            self.policy,
            lane,
            level=level,
            knows_model=standing != UNKNOWN,
            shadow=standing == CHALLENGER,
            rules=selected(self._rules, rule_bits),
            safe_rules=[
                rule
                for rule in selected(self.policy.safe_rules, safe_rule_bits)
                if lane.domain is self.policy.domains[rule.domain] and lane.outcome == rule.prediction
            ],
            priority=next((rule.set for rule in selected(self.policy.priority, priority_bits)), None),
            extra=extra,
        )

    def _lay_out_lanes(self) -> list[LaneKey]:
        lanes = []
        for name in self.domains:
            domain = self.policy.domains[name]
            for outcome in self.outcomes:
                if outcome in domain.outcomes:
                    lanes.append(LaneKey(f"{name}/{outcome}", domain, outcome, domain.lanes.get(outcome)))
                else:
                    lanes.append(LaneKey(name, domain))
            lanes.append(LaneKey(name, domain))
        return lanes + [LaneKey()] * (len(self.outcomes) + 1)


def split(key: int, bits: int) -> tuple[int, int]:
    """The lowest bits of a key, and the rest."""
    return key & (1 << bits) - 1, key >> bits


def selected(items: Sequence[_Item], bits: int) -> list[_Item]:
    """The items whose bits are set, the first item at the lowest bit."""
    return [item for index, item in enumerate(items) if bits >> index & 1]
