"""The treatment of rows of one kind: from lane, level of confidence, rules and extra routes to route and reasons.

Plain Python; it runs once for every kind of row, not once for every row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.policy.duties import NO_DUTIES, Duties, duties
from interlock.policy.model import Domain, Lane, Policy, Rule, SafeRule
from interlock.policy.vocabulary import Priority, Route, Workflow
from interlock.schemas.reasons import (
    IMPLAUSIBLE_CONFIDENCE,
    LANE,
    SAFE,
    SHADOW,
    UNKNOWN_DOMAIN,
    UNKNOWN_MODEL,
    UNKNOWN_PREDICTION,
    WORKFLOW,
)

# The level of a confidence that is missing or no probability; the other levels are the values of Route.
IMPLAUSIBLE = 4

_PRIORITY_OF_ROUTE = {
    Route.AUTO: Priority.LOW,  # only audits and post-approval reviews of them ever become tasks
    Route.ASYNC: Priority.MEDIUM,
    Route.SYNC: Priority.CRITICAL,
    Route.MANUAL: Priority.HIGH,
}

_FLOOR = {
    Workflow.ESCALATION: Route.AUTO,
    Workflow.PRE_APPROVAL: Route.ASYNC,
    Workflow.POST_APPROVAL: Route.AUTO,
    Workflow.HYBRID: Route.ASYNC,
}


@dataclass(frozen=True, slots=True)
class Treatment:
    """What rows with the same treatment share.

    `reasons`: that of the lane first, then matching rules in the order of the policy, then those of the extra routes.
    `override_seconds`: for how long a post_approval decision that takes effect at once can be overridden, else None.
    `audit_rate`: the probability that a person must judge it although nothing demands one; 0 where one must anyway.
    `pool`: the share of such decisions that is left to the sampler. `shadow`: nothing comes of the decision; `route` is
    the one that it would have had. `duties`: what is demanded of the people who decide it.
    """

    route: Route
    reasons: tuple[str, ...]
    workflow: Workflow
    priority: Priority
    queue: str
    notices: tuple[str, ...]
    audit_rate: float
    override_seconds: int | None
    pool: float = 0.0
    shadow: bool = False
    duties: Duties = NO_DUTIES


@dataclass(frozen=True, slots=True)
class LaneKey:
    """One (domain, prediction): `domain` and `outcome` are None where the policy does not know them.

    `lane` is None for an outcome without a lane of its own. Such an outcome uses the default thresholds but is never
    `auto`, at best `async`, unless a safe rule says so: a policy must write down what takes effect without a person, a
    rejection above all.
    """

    name: str = ""
    domain: Domain | None = None
    outcome: str | None = None
    lane: Lane | None = None


# Reason and route of something outside the policy, such as a kill switch.
ExtraRoute = tuple[str, Route]


def derive_treatment(
    policy: Policy,
    key: LaneKey,
    *,
    level: int,
    knows_model: bool,
    shadow: bool,
    rules: Sequence[Rule],
    safe_rules: Sequence[SafeRule],
    priority: Priority | None,
    extra: Sequence[ExtraRoute],
) -> Treatment:
    """The treatment of rows in the lane `key`.

    `level`: the route that the confidence alone allows, or IMPLAUSIBLE. `shadow`: a challenger. `rules`: those
    that hold or cannot be evaluated. `safe_rules`: those of the lane that hold for certain. `priority`: by the first
    matching priority rule, None: by route. `extra`: what the router adds.
    """
    by_lane, reasons = _by_lane(key, level, knows_model)
    lifted = bool(safe_rules) and knows_model and key.outcome is not None and level != IMPLAUSIBLE
    if lifted and by_lane is not Route.AUTO:
        by_lane = Route.AUTO
        reasons += [f"{SAFE}{rule.id}" for rule in safe_rules]
    workflow = key.domain.workflow if key.domain else Workflow.ESCALATION
    demanded = [Route[rule.route.upper()] for rule in rules] + [route for _, route in extra]
    before_workflow = max([by_lane, *demanded])
    window = None
    if (
        workflow is Workflow.POST_APPROVAL
        and key.domain is not None
        and (key.lane is not None or lifted)
        and by_lane <= Route.ASYNC
        and max(demanded, default=Route.AUTO) is Route.AUTO
    ):
        window = key.domain.override_window
        route = Route.AUTO
    else:
        route = max(before_workflow, _FLOOR[workflow])
        if route > before_workflow:
            reasons.append(f"{WORKFLOW}{workflow}")
    reasons += [rule.id for rule in rules]
    reasons += [reason for reason, _ in extra]
    if shadow:
        reasons.append(SHADOW)
    audited = route is Route.AUTO and not shadow
    # Not where people may object at once: what they overrode before the sampler came would be missing from its picks.
    active = policy.audit.active if window is None else None
    queue = key.domain.queue if key.domain else "unassigned"
    return Treatment(
        route=route,
        # An extra route may give a reason that is there already, such as an implausible confidence.
        reasons=tuple(dict.fromkeys(reasons)),
        workflow=workflow,
        priority=priority or _PRIORITY_OF_ROUTE[route],
        queue=queue,
        notices=(key.lane.notice,) if key.lane and key.lane.notice else (),
        audit_rate=policy.audit_rate(key.lane) if audited else 0.0,
        override_seconds=None if shadow else window,
        pool=active.pool if audited and active else 0.0,
        shadow=shadow,
        duties=duties(policy, key.domain, queue, reasons),
    )


def _by_lane(key: LaneKey, level: int, knows_model: bool) -> tuple[Route, list[str]]:
    """The route before rules and workflow, with its reasons."""
    if key.domain is None:
        return Route.MANUAL, [UNKNOWN_DOMAIN]
    if key.outcome is None:
        route, reason = Route.MANUAL, UNKNOWN_PREDICTION
    elif level == IMPLAUSIBLE:
        route, reason = Route.MANUAL, IMPLAUSIBLE_CONFIDENCE
    else:
        route = Route(level) if key.lane else max(Route(level), Route.ASYNC)
        reason = f"{LANE}{key.name}:{route.label}"
    return (route, [reason]) if knows_model else (Route.MANUAL, [reason, UNKNOWN_MODEL])
