"""The reasons that the pipeline itself gives a route, besides the ids of a policy's rules.

The only table of them. The router, the sampler and the route check take the codes from here, policies refuse them as
names of rules, and reviewers read the sentences.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ReasonKind(StrEnum):
    """Which part of the pipeline gives a reason, and about what."""

    LANE = "lane"  # what the confidence alone led to
    SAFE_RULE = "safe_rule"  # a safe rule lifted the lane
    WORKFLOW = "workflow"  # the workflow of the domain asks for a person
    UNKNOWN = "unknown"  # no policy, or not exactly one, knows a value of the decision
    IMPLAUSIBLE = "implausible"  # a value that can be read and cannot be right
    CONTROL = "control"  # a kill switch
    SAMPLING = "sampling"  # active learning
    SHADOW = "shadow"  # a challenger


# What stands behind the colon of a prefix: domain/outcome:route, id of the safe rule, workflow, scope, way of picking.
LANE: Final = "lane:"
SAFE: Final = "safe:"
WORKFLOW: Final = "workflow:"
HALTED: Final = "halted:"
PICKED: Final = "picked:"

UNKNOWN_DOMAIN: Final = "unknown-domain"
AMBIGUOUS_DOMAIN: Final = "ambiguous-domain"
UNKNOWN_PREDICTION: Final = "unknown-prediction"
UNKNOWN_MODEL: Final = "unknown-model"
IMPLAUSIBLE_CONFIDENCE: Final = "implausible-confidence"
IMPLAUSIBLE_TIMESTAMP: Final = "implausible-timestamp"
IMPLAUSIBLE_AMOUNT: Final = "implausible-amount"

# These say why a record is in its topic, not why it has its route: a challenger decided it, the router left it to the
# sampler, or the sampler sent it to a person.
SHADOW: Final = "shadow"
ACTIVE_POOL: Final = "active-pool"
PICKED_AUDIT: Final = "picked:audit"
PICKED_GREEDY: Final = "picked:greedy"
PICKED_CHANCE: Final = "picked:chance"


@dataclass(frozen=True, slots=True)
class PipelineReason:
    """`code`: the whole reason, or its beginning where it ends with a colon.

    `sentence`: what a reviewer reads, a format string; it may name `detail` (what follows a prefix), `prediction` and
    `confidence`. `reveals_prediction`: the sentence lets its reader know or guess what the AI said, or how sure it was.
    """

    code: str
    kind: ReasonKind
    sentence: str
    reveals_prediction: bool

    @property
    def is_prefix(self) -> bool:
        return self.code.endswith(":")

    def matches(self, reason: str) -> bool:
        """Whether `reason` is this one."""
        return reason.startswith(self.code) if self.is_prefix else reason == self.code


# Whole codes stand before the prefix that they begin with.
PIPELINE_REASONS: Final = (
    PipelineReason(LANE, ReasonKind.LANE, "confidence {confidence:.2f} in {prediction} falls in lane {detail}", True),
    PipelineReason(SAFE, ReasonKind.SAFE_RULE, "safe rule {detail} lets it take effect whatever the confidence", True),
    PipelineReason(
        WORKFLOW,
        ReasonKind.WORKFLOW,
        "every decision of this kind waits for a person before it takes effect",
        False,
    ),
    PipelineReason(UNKNOWN_DOMAIN, ReasonKind.UNKNOWN, "no policy is in force for this kind of decision", False),
    PipelineReason(
        AMBIGUOUS_DOMAIN,
        ReasonKind.UNKNOWN,
        "more than one policy claims this kind of decision, so none of them decides it",
        False,
    ),
    PipelineReason(UNKNOWN_PREDICTION, ReasonKind.UNKNOWN, "the policy does not know what the model proposed", True),
    PipelineReason(UNKNOWN_MODEL, ReasonKind.UNKNOWN, "the policy does not know this model", False),
    PipelineReason(IMPLAUSIBLE_CONFIDENCE, ReasonKind.IMPLAUSIBLE, "the model's confidence is not a probability", True),
    PipelineReason(
        IMPLAUSIBLE_TIMESTAMP,
        ReasonKind.IMPLAUSIBLE,
        "the time at which the model decided cannot be right",
        False,
    ),
    PipelineReason(IMPLAUSIBLE_AMOUNT, ReasonKind.IMPLAUSIBLE, "the amount is not a number", False),
    PipelineReason(HALTED, ReasonKind.CONTROL, "the kill switch was on for {detail}", False),
    PipelineReason(SHADOW, ReasonKind.SHADOW, "a challenger decided this: it has no effect", False),
    # Sampling reveals the prediction: only what the AI was sure of takes effect, and often only one of its answers can.
    PipelineReason(
        ACTIVE_POOL, ReasonKind.SAMPLING, "it took effect without a person, and active learning could pick it", True
    ),
    PipelineReason(
        PICKED_AUDIT, ReasonKind.SAMPLING, "it took effect without a person and was drawn for an audit", True
    ),
    PipelineReason(
        PICKED_GREEDY,
        ReasonKind.SAMPLING,
        "it took effect without a person, and a verdict on it should teach the model the most",
        True,
    ),
    PipelineReason(
        PICKED_CHANCE,
        ReasonKind.SAMPLING,
        "it took effect without a person, and active learning drew it by chance",
        True,
    ),
    PipelineReason(
        PICKED, ReasonKind.SAMPLING, "it took effect without a person, and active learning picked it ({detail})", True
    ),
)


def find(reason: str) -> PipelineReason | None:
    """The entry of a reason; None if the pipeline gives no such reason, so that it is the id of a rule."""
    return next((entry for entry in PIPELINE_REASONS if entry.matches(reason)), None)
