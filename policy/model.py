"""The policy as a person writes it, validated and frozen."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from interlock.policy.limits import excesses
from interlock.policy.notices.terms import Notice
from interlock.policy.parts import Name, Switch, sorted_set
from interlock.policy.parts import Part as _Part
from interlock.policy.vocabulary import ColumnType, Priority, Workflow
from interlock.policy.working_hours import Calendar, Date

# Strict: `true` is no probability, although Python would read it as 1.
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
# A sentence that a person reads before each verdict and that every record of it repeats.
Attestation = Annotated[str, Field(pattern=r"^\S[^\r\n]*$", max_length=300)]
# A share of decisions that neither nothing nor everything keeps to.
Limit = Annotated[Probability, Field(gt=0, lt=1)]
HumanRoute = Literal["async", "sync", "manual"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(text: Any) -> Any:
    if isinstance(text, str) and (match := re.fullmatch(r"([0-9]+)\s*([smhd])", text.strip())):
        return int(match[1]) * _UNITS[match[2]]
    if isinstance(text, bool) or not isinstance(text, int):
        raise ValueError("write a duration such as 30m, 4h or 3d")
    return text


# Ten years, far beyond any service level: a longer duration has the wrong unit.
_MAX_SECONDS = 3650 * 86_400


def _model_version(text: str) -> str:
    model_id, _, model_version = text.rpartition("@")
    if not model_id or not model_version:
        raise ValueError("write model_id@model_version, such as credit-scorer@7")
    return text


Seconds = Annotated[int, BeforeValidator(_seconds), Field(gt=0, le=_MAX_SECONDS)]
ModelVersion = Annotated[str, AfterValidator(_model_version)]
ModelVersions = Annotated[tuple[ModelVersion, ...], AfterValidator(sorted_set)]


class Thresholds(_Part):
    """At least this confident for each route; below `sync`: manual."""

    auto: Probability = 0.95
    async_: Probability = Field(0.80, alias="async")
    sync: Probability = 0.60


class Lane(_Part):
    """Thresholds of one outcome; those not given come from the policy's defaults.

    `auto_raw`: by model_id@model_version, from which confidence of its own such a model is automatic, instead of
    `auto`. Recalibration does not move what that accepts. `audit_rate`: that of this lane; None: the policy's.
    """

    auto: Probability | None = None
    auto_raw: dict[ModelVersion, Probability] = Field(default_factory=dict)
    async_: Probability | None = Field(None, alias="async")
    sync: Probability | None = None
    notice: Name | None = None
    audit_rate: Annotated[Probability, Field(gt=0)] | None = None


def filled(defaults: Thresholds, lane: Lane | None) -> tuple[float, float, float]:
    """The thresholds of a lane for auto, async and sync, those not given from the defaults.

    A default yields where it contradicts what the lane gives: under `{auto: 0.60}` a default of 0.80 for async could
    never apply, so it counts as 0.60. This never makes a route more automatic than what is written.
    """
    if lane is None:
        return defaults.auto, defaults.async_, defaults.sync
    given = [value for value in (lane.auto, lane.async_, lane.sync) if value is not None]
    auto = max([defaults.auto, *given]) if lane.auto is None else lane.auto
    sync = min([defaults.sync, *given]) if lane.sync is None else lane.sync
    return auto, max(sync, min(auto, defaults.async_)) if lane.async_ is None else lane.async_, sync


# Where groups by a number begin. As many groups as a person compares; the order of the numbers has no meaning.
Cuts = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(max_length=20), AfterValidator(sorted_set)
]


# Two forms; told apart beforehand, so that a mistake is reported once and in terms of the form that was meant.
Groups = Annotated[
    Annotated[tuple[str, ...], AfterValidator(sorted_set), Tag("[names]")]
    | Annotated[dict[str, Cuts], Tag("[ranges]")],
    Discriminator(lambda given: "[ranges]" if isinstance(given, dict) else "[names]"),
]


class Appeals(_Part):
    """Appeals against decisions of a domain.

    `filed_by`: who may file one, among the people who work its queue. `on_behalf_of`: whether a name is required: of
    the subject, or none. `limit`: how many for each case. `within`: seconds from the outcome that is appealed.
    `service_level`: seconds until an appeal must be decided; None: those of its priority.
    """

    filed_by: Annotated[tuple[Literal["lead", "reviewer"], ...], AfterValidator(sorted_set)] = Field(
        ("lead", "reviewer"), min_length=1
    )
    on_behalf_of: Literal["subject", "none"] = "none"
    # One, so that nobody is asked about one case without end; ten rounds are more than any procedure has.
    limit: int = Field(1, ge=0, le=10, strict=True)
    # Six months, as article 20 of the Digital Services Act has it.
    within: Seconds = 183 * 86_400
    priority: Priority = Priority.HIGH
    service_level: Seconds | None = None


class Reliance(_Part):
    """An experiment on how people rely on the AI's answer.

    `rate`: the share of reviews that take part. `decide_first`: of these, the share in which the answer is shown only
    after a first opinion. `wrong_answers`: the share of planted gold items that show a wrong answer. `from`, `until`:
    its first and its last day, in UTC; None: from now on, without end.
    """

    rate: Annotated[Probability, Field(gt=0)] = 0.1
    # Halves differ most clearly.
    decide_first: Probability = 0.5
    # Of gold items, whose truth is known, and of nothing else: half, so that both kinds of reliance can be told.
    wrong_answers: Probability = 0.5
    from_: Date | None = Field(None, alias="from")
    until: Date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Reliance":
        if self.from_ and self.until and self.from_ > self.until:
            raise ValueError(f"it ends on {self.until}, before it begins on {self.from_}")
        return self

    def runs_at(self, now: int) -> bool:
        """Whether it runs at `now`, in microseconds since the epoch."""
        today = datetime.fromtimestamp(now / 1e6, UTC).date()
        return (self.from_ is None or self.from_ <= today) and (self.until is None or today <= self.until)


class Domain(_Part):
    """One kind of decision.

    `models`: which models may decide here; ['*'] accepts any, explicitly. `shadow`: model_id@model_version of
    challengers: their decisions are routed and logged, without effect. `outcomes`: the predictions that are known.
    `options`: how many a reviewer chooses from in the hybrid workflow. `override_window`: seconds from the decision in
    which it can be overridden after it took effect. `on_timeout`: what happens when a caller has waited in vain:
    `escalate`, or the outcome that is safe. `reason_codes`: what a verdict may give as its reason.
    `adverse`: the outcomes that go against the person concerned; None: those whose lanes give a notice.
    `appeals`: who may appeal, how often and for how long. `groups`: by which attributes replays, proposals and the
    fairness report tell people apart; with numbers, where one group ends and the next begins. `certify_by`: one of
    these; a certificate then holds for each of its groups. `reliance`: an experiment on how people rely on the answer.
    `override_limit`: the share of all decisions that people may override before drift is told and retraining requested;
    None: as set for the platform. `override_limits`: the same for single models, by model_id@model_version or model_id.
    """

    workflow: Workflow = Workflow.ESCALATION
    models: Annotated[tuple[str, ...], AfterValidator(sorted_set)] = Field(min_length=1)
    shadow: ModelVersions = ()
    outcomes: tuple[Name, ...] = Field(min_length=1)
    adverse: Annotated[tuple[Name, ...], AfterValidator(sorted_set)] | None = None
    lanes: dict[str, Lane] = Field(default_factory=dict)
    attributes: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ColumnType] = Field(default_factory=dict)
    groups: Groups = ()
    certify_by: str | None = None
    queue: Name = "general"
    options: int = Field(3, ge=2, le=10, strict=True)
    override_window: Seconds = 86_400
    on_timeout: Name = "escalate"
    reason_codes: tuple[Name, ...] = ()
    appeals: Appeals = Appeals()
    reliance: Reliance | None = None
    override_limit: Limit | None = None
    override_limits: dict[str, Limit] = Field(default_factory=dict)

    def limit_of(self, model_id: str, model_version: str) -> float | None:
        """The override limit of a model version, the most special one that is given."""
        of_model = self.override_limits.get(model_id, self.override_limit)
        return self.override_limits.get(f"{model_id}@{model_version}", of_model)

    @property
    def group_cuts(self) -> dict[str, tuple[float, ...]]:
        """Where the groups by each attribute of `groups` begin; no numbers: every value is a group."""
        return dict(self.groups) if isinstance(self.groups, dict) else dict.fromkeys(self.groups, ())

    @property
    def adverse_outcomes(self) -> tuple[str, ...]:
        """The outcomes that go against the person concerned."""
        if self.adverse is not None:
            return self.adverse
        return tuple(sorted(outcome for outcome, lane in self.lanes.items() if lane.notice is not None))


class Queue(_Part):
    """How the tasks of one queue are worked.

    `order`: by deadline, or by the weighted score. `assign`: reviewers pull, or tasks are pushed to them. `picking`:
    people may claim a task by its name, and not only the one whose turn it is. `lease`: how long a reviewer holds a
    task. `lease_limit`: how long at most with all extensions; None: see `lease_limit_seconds`. `start_within`: a pushed
    task that is not begun by then goes to another reviewer. `on_breach`: what a missed deadline leads to: `escalate`,
    `raise_priority`, or the outcome that is safe. `calendar`: when service levels run; None: always. `qualifications`:
    what a reviewer must have. `floors`: which share of what is handed out each priority gets at least, however much of
    the others waits. `escalations`: people send tasks here, no domain has to.
    """

    order: Literal["deadline", "score"] = "deadline"
    assign: Literal["pull", "push"] = "pull"
    picking: Switch = True
    lease: Seconds = 15 * 60
    lease_limit: Seconds | None = None
    start_within: Seconds = 15 * 60
    on_breach: Name = "escalate"
    calendar: Calendar | None = None
    qualifications: Annotated[tuple[Name, ...], AfterValidator(sorted_set)] = ()
    floors: dict[Priority, Probability] = Field(default_factory=dict)
    escalations: Switch = False

    @property
    def lease_limit_seconds(self) -> int:
        """The longest hold of one person. Eight hours unless the policy says otherwise: a working day. Who needs longer
        puts the task aside, so that the desk knows when it comes back."""
        return self.lease_limit or max(self.lease, 8 * 3600)


class Rule(_Part):
    """When `when` holds, or cannot be evaluated, at least `route`. `four_eyes`: two different persons must agree."""

    id: Name
    when: str
    route: HumanRoute
    because: str = ""
    regulation: tuple[Name, ...] = ()
    four_eyes: Switch = False


class SafeRule(_Part):
    """Where `when` holds for certain, decisions for `prediction` need no confidence to be automatic.

    It lifts what the lane says and nothing else: rules, workflow, controls, unknown models and implausible values
    demand a person all the same. `proposal`: whose certificate it rests on; empty where a person wrote it.
    """

    id: Name
    domain: Name
    prediction: Name
    when: str
    because: str = ""
    proposal: str = ""


class PriorityRule(_Part):
    """The first priority rule that holds sets the priority."""

    when: str
    set: Priority


class Active(_Part):
    """Active learning: the sampler audits a share `pool` of the auto decisions instead of the router.

    It audits them at the same rate, and besides the audits `budget_per_day` of them that teach the most: those with the
    highest score, of which `uncertainty` is the share of doubt and the rest that of distance from earlier samples. A
    share `explore` of the budget, at least one decision, is drawn at random.
    """

    budget_per_day: int = Field(ge=1, strict=True)
    # Half: the audits of the other half never depend on a second process.
    pool: Annotated[Probability, Field(gt=0)] = 0.5
    # What the first version of the pipeline used; on tabular data the mixture matters little.
    uncertainty: Probability = 0.6
    # Chance shows what neither doubt nor distance sees; a tenth costs a tenth of what the greedy picks teach.
    explore: Probability = 0.1


class Audit(_Part):
    """Share of auto decisions that a person sees as well.

    `expires`: after how long an audit that nobody did ends, not judged; a gold item too.
    """

    rate: Probability = 0.05
    # Two weeks: a team that is behind by then judges too few of them ever to catch up, and the model is another one.
    expires: Seconds = 14 * 86_400
    active: Active | None = None


class Risk(_Part):
    """`per_year`: with which probability any certificate given in a year may be false, all lanes, kinds and starts of
    evidence together; None: each has the risk of its own that `calibration.delta` sets."""

    per_year: Annotated[Probability, Field(gt=0, lt=1)] | None = None


class CalibrationUse(_Part):
    """Whether lanes compare the calibrated confidence."""

    use: Switch = True


class ServiceLevels(_Part):
    """Seconds until a task of each priority must be decided."""

    critical: Seconds = 3600
    high: Seconds = 4 * 3600
    medium: Seconds = 24 * 3600
    low: Seconds = 3 * 86_400


class Pack(_Part):
    """Rules and duties that come together, such as those of a regulation.

    `qualifications`: what a reviewer must have. `retention_days`: how long records are kept at least. `appeal_days`:
    for how long an outcome can be appealed at least. `reason_codes`: what a verdict may give as its reason, besides
    those of the domain; with any, an adverse outcome needs one. `notices`: what each adverse outcome owes the person
    concerned. `attestations`: sentences that whoever gives a verdict declares to be true, each time.
    `evidence_opened`: a verdict counts only from somebody who has opened the case's evidence.
    `notify_within_days`: within how many days from the decision the person concerned must have been told; 0: no limit.
    """

    name: Name
    because: str = ""
    rules: tuple[Rule, ...] = ()
    qualifications: tuple[Name, ...] = ()
    retention_days: int = Field(0, ge=0, strict=True)
    appeal_days: int = Field(0, ge=0, strict=True)
    notify_within_days: int = Field(0, ge=0, le=365, strict=True)
    reason_codes: tuple[Name, ...] = ()
    notices: tuple[Name, ...] = ()
    # Each is read and ticked for every verdict: more than a handful is read by nobody.
    attestations: tuple[Attestation, ...] = Field((), max_length=5)
    evidence_opened: Switch = False


class Publishing(_Part):
    """What it takes to change the policy, as long as this version is in force.

    `four_eyes`: two people. `shadow_for`: for how many seconds at least a change is tried beside the version in force
    before it decides anything; None: not at all. `shadow_decisions`: and on how many decisions.
    """

    four_eyes: Switch = False
    shadow_for: Seconds | None = None
    shadow_decisions: int = Field(0, ge=0, strict=True)

    @property
    def demands_trial(self) -> bool:
        """Whether a change must be tried before it is in force."""
        return self.shadow_for is not None or self.shadow_decisions > 0


class Policy(_Part):
    """A whole policy with its packs written out."""

    name: Name
    defaults: Thresholds = Field(default_factory=lambda: Thresholds.model_validate({}))
    domains: dict[Name, Domain] = Field(default_factory=dict)
    queues: dict[Name, Queue] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    safe_rules: tuple[SafeRule, ...] = ()
    audit: Audit = Audit()
    risk: Risk = Risk()
    calibration: CalibrationUse = CalibrationUse()
    service_levels: ServiceLevels = ServiceLevels()
    priority: tuple[PriorityRule, ...] = ()
    notices: dict[Name, Notice] = Field(default_factory=dict)
    packs: tuple[Pack, ...] = ()
    publishing: Publishing = Publishing()

    @model_validator(mode="after")
    def _within_limits(self) -> "Policy":
        conditions = [rule.when for rule in self.every_rule()]
        conditions += [rule.when for rule in self.priority]
        conditions += [rule.when for rule in self.safe_rules]
        domains = self.domains.values()
        problems = list(
            excesses(
                len(conditions),
                sum(map(len, conditions)),
                len(domains),
                sum(len(domain.outcomes) for domain in domains),
                sum(len(domain.models) + len(domain.shadow) for domain in domains),
                sum(len(domain.attributes) for domain in domains),
                len(self.queues),
            )
        )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def thresholds(self, lane: Lane | None) -> tuple[float, float, float]:
        """The thresholds of a lane for auto, async and sync; None: of an outcome without a lane."""
        return filled(self.defaults, lane)

    def audit_rate(self, lane: Lane | None) -> float:
        """The share of what a lane lets pass that a person sees as well; None: of an outcome without a lane."""
        return self.audit.rate if lane is None or lane.audit_rate is None else lane.audit_rate

    def every_rule(self) -> tuple[Rule, ...]:
        """The policy's own rules, then those of its packs, in order."""
        return (*self.rules, *(rule for pack in self.packs for rule in pack.rules))

    def attribute_types(self) -> dict[str, ColumnType]:
        """Every declared attribute; loading made sure that domains agree on its type."""
        return {name: kind for domain in self.domains.values() for name, kind in domain.attributes.items()}
