"""A task: a decision that waits for a person, as the desk remembers it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from interlock.policy.duties import Duties
from interlock.processors import task_kinds
from interlock.processors.desk.tallies import TallyKey
from interlock.schemas.payload import planted_hash

# Values that thousands of tasks share: kept once in memory.
_SHARED = (
    "kind",
    "state",
    "queue",
    "priority",
    "route",
    "workflow",
    "domain",
    "model_id",
    "model_version",
    "prediction",
    "policy_version",
    "deadline_policy",
    "topic",
    "outcome",
    "routed_queue",
    "routed_calendar",
    "routed_service_levels",
    "routed_notices",
    "caller",
    "arm",
)
_LISTS = ("options", "excluded", "skipped", "parties", "notices", "verdicts", "evidence_opened", "first_opinions")
_SHARED_LISTS = ("qualifications", "reasons", "routed_qualifications", "routed_outcomes", "routed_attestations")

# Lists of names differ as policies and the rules that hold do: a few hundred, and stale ones of earlier policies.
_MAX_SHARED_LISTS = 10_000

Verdict = dict[str, Any]

# The year 9000: no calendar holds dates beyond it. Nothing was routed before 1970.
END_OF_TIME = 221_845_392_000_000_000

# Kinds of tasks that are about a decision that somebody contests.
CONTESTED = ("appeal", "override")

# In `decided_by`: it took effect without a person.
POLICY = "policy"

# The actor of what no person does.
DESK = "desk"


@dataclass(slots=True)
class Task:
    """The fields of `Task.avsc` but for those that tell of one event. Times in microseconds since the epoch.

    The last six are not recorded. Five follow from the rest and the policy: `deciding_verdict`, the number from 1 of
    the verdict that made the resolution in force, 0 if no person's did; `due`, when the clock next changes something
    about it, None if never; `warn_at`, when 75 % of its service level is over; `ends_at`, when a measurement ends that
    nobody did; `lease_warn_at`, when its holder is told that the lease ends. `passed_over` had it assigned last and
    did not begin it.
    """

    task_id: str
    decision_id: str
    kind: str
    state: str
    queue: str
    priority: str
    route: str
    workflow: str
    domain: str
    model_id: str
    model_version: str
    prediction: str
    confidence: float
    raw_confidence: float
    propensity: float
    amount: float | None
    impact: float
    compliance_review: bool
    policy_version: str
    deadline_policy: str
    routed_at: int
    arrived_at: int
    due_from: int
    deadline: int
    score: float
    blind: bool
    quorum: int
    payload_hash: str
    topic: str
    partition: int
    offset: int
    warned: bool = False
    breached: bool = False
    raised_at: int | None = None
    stuck: bool = False
    gold_outcome: str = ""
    caller: str = ""
    caller_until: int | None = None
    caller_left: bool = False
    options: tuple[str, ...] = ()
    qualifications: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    routed_queue: str = ""
    routed_qualifications: tuple[str, ...] = ()
    routed_outcomes: tuple[str, ...] = ()
    routed_calendar: str = ""
    routed_service_levels: str = ""
    routed_notices: str = ""
    routed_attestations: tuple[str, ...] = ()
    routed_evidence_opened: bool = False
    evidence_opened: tuple[dict[str, Any], ...] = ()
    arm: str = ""
    seeded: bool = False
    first_opinions: tuple[dict[str, Any], ...] = ()
    excluded: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    assigned_to: str = ""
    assigned_until: int | None = None
    lease_holder: str = ""
    lease_epoch: int = 0
    lease_since: int | None = None
    lease_until: int | None = None
    lease_warned: bool = False
    snoozed_until: int | None = None
    escalation: int = 0
    with_team: bool = False
    escalation_note: str = ""
    round: int = 0
    statement: str = ""
    on_behalf_of: str = ""
    parties: tuple[str, ...] = ()
    appeals: int = 0
    measures: str = ""
    notices: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    version: int = 0
    outcome: str = ""
    effect: int = 0
    source: str = ""
    decided_by: str = ""
    decided_at: int | None = None
    override_until: int | None = None
    final_at: int | None = None
    closed_at: int | None = None
    routed_notify_within_days: int = 0
    created_at: int | None = None
    deciding_verdict: int = 0
    due: int | None = None
    warn_at: int = 0
    ends_at: int | None = None
    lease_warn_at: int = 0
    passed_over: str = ""

    @property
    def holder(self) -> str:
        """Who leases it or was assigned it; empty if no one."""
        return self.lease_holder or self.assigned_to

    @property
    def took_effect(self) -> bool:
        """Its outcome is in force; a verdict can only confirm or override it."""
        return self.version > 0

    @property
    def came_at(self) -> int:
        """When it came to be known, by the earlier of two clocks: orders the tasks of a model version."""
        return min(self.routed_at, self.arrived_at)

    @property
    def is_sample(self) -> bool:
        """Its verdict measures the model: the task was neither planted nor contested."""
        return self.kind in ("review", "audit") and self.round == 0

    @property
    def is_late(self) -> bool:
        """It is past a deadline, also where it was given another one because of that."""
        return self.breached or self.raised_at is not None

    @property
    def tally_key(self) -> TallyKey:
        """Under which it is counted. What took effect is chosen by chance alone."""
        way = "audit" if self.route == "auto" else self.route
        return TallyKey(self.domain, self.model_id, self.model_version, way)

    @property
    def is_optional(self) -> bool:
        """It checks what has taken effect already: nobody waits for the verdict."""
        return self.kind in ("audit", "post_approval")

    @property
    def counted_as(self) -> str:
        """The kind under which its verdict is counted: an appeal may stand for the review that it has replaced."""
        return self.measures if self.kind == "appeal" and self.measures else self.kind

    @property
    def has_caller(self) -> bool:
        """A caller waits for its first resolution."""
        return self.route == "sync" and self.kind == "review" and not self.took_effect

    @property
    def is_urgent(self) -> bool:
        """Its caller still waits, as far as is known: nobody waits for longer than the service level."""
        return self.has_caller and not self.caller_left and not self.leads_only and not self.is_late

    @property
    def caller_leaves_at(self) -> int | None:
        """When its caller stops waiting; None if it has, or has not said when."""
        return self.caller_until if self.has_caller and not self.caller_left else None

    @property
    def leads_only(self) -> bool:
        """It was escalated away from its team, or is an override that a second lead answers."""
        return self.kind == "override" or (self.escalation > 0 and not self.with_team)

    @property
    def apparent_kind(self) -> str:
        """The kind that people see."""
        return task_kinds.apparent_kind(self.kind, self.appeals)

    @property
    def is_measurement(self) -> bool:
        """It measures a model or a person, and nobody waits for it."""
        return self.apparent_kind in ("audit", "gold")

    @property
    def goes_first(self) -> bool:
        """Its deadline has raised its priority as far as there is, and has passed again."""
        return self.breached and self.raised_at is not None

    @property
    def window_open_until(self) -> int | None:
        """When the present review is over unless a person decides: nobody objects to a post_approval decision any more,
        a proposed override lapses. None where nothing ends by itself."""
        if self.kind == "override":
            return self.override_until if self.state != "done" else None
        return self.override_until if self.kind == "post_approval" and self.version == 1 else None

    @property
    def involved(self) -> frozenset[str]:
        """Who judges it no more: whoever gave a verdict, and the parties to an appeal."""
        return frozenset((*self.parties, *(verdict["reviewer"] for verdict in self.verdicts)))

    @property
    def duties(self) -> Duties:
        """What it demands of people as it was routed; its quorum has never become smaller since."""
        return Duties(
            self.quorum,
            self.routed_qualifications,
            self.routed_outcomes,
            self.routed_calendar,
            self.routed_service_levels,
            self.routed_notices,
            self.routed_attestations,
            self.routed_evidence_opened,
            self.routed_notify_within_days,
        )

    def evidence_opened_by(self, person: str) -> int | None:
        """When `person` first opened the evidence; None if never."""
        return next((opened["at"] for opened in self.evidence_opened if opened["reviewer"] == person), None)

    @property
    def decides_first(self) -> bool:
        """Whoever gets it now says what they think before the AI's answer is shown: `blind` is true until then."""
        first_review = self.kind in ("review", "gold") and not self.appeals and not self.took_effect
        return self.arm == task_kinds.DECIDE_FIRST and first_review

    def first_opinion_of(self, person: str) -> dict[str, Any] | None:
        """What `person` thought before the AI's answer was shown; None if the person has not said."""
        return next((opinion for opinion in self.first_opinions if opinion["reviewer"] == person), None)

    @property
    def last_judged_at(self) -> int:
        """When it was decided last, or judged all the same; its arrival where it never was."""
        last = self.verdicts[-1]["at"] if self.verdicts else self.arrived_at
        return max(last, self.arrived_at, self.decided_at or 0)

    def this_round(self) -> list[Verdict]:
        """The verdicts of the present round, oldest first."""
        return [verdict for verdict in self.verdicts if verdict["round"] == self.round]

    def exclude(self, *people: str) -> None:
        """Keeps the task away from `people` for good."""
        self.excluded = tuple(dict.fromkeys((*self.excluded, *people)))
        self.skipped = tuple(name for name in self.skipped if name not in people)

    def skip(self, person: str) -> None:
        """Keeps the task away from a person who passes it on, as long as somebody else may decide it."""
        if person not in self.excluded:
            self.excluded = (*self.excluded, person)
            self.skipped = (*self.skipped, person)

    def readmit(self, person: str) -> None:
        """Takes back what `skip` did."""
        self.excluded = tuple(name for name in self.excluded if name != person)
        self.skipped = tuple(name for name in self.skipped if name != person)

    def give_back(self) -> None:
        """Takes it from its holder."""
        self.lease_holder = self.assigned_to = ""
        self.lease_since = self.lease_until = self.assigned_until = self.snoozed_until = None
        self.lease_warned = False
        # The next one must not know the answer.
        self.blind = self.blind or self.decides_first

    def copy_as_gold(self, task_id: str, outcome: str, now: int) -> "Task":
        """The same case as a new task whose right answer is known.

        It looks like the others of its kind: blind like an audit where the case took effect by itself, else with the
        AI's answer. Its hash is its own, because the case's would lead to the case.
        """
        case = {name: getattr(self, name) for name in _CASE}
        blind = self.route == "auto"
        return Task(
            task_id=task_id,
            kind="gold",
            state="waiting",
            routed_at=now,
            arrived_at=now,
            due_from=now,
            deadline=0,
            blind=blind,
            quorum=1 if blind else self.quorum,
            payload_hash=planted_hash(task_id, self.payload_hash),
            gold_outcome=outcome,
            # As old as the case was when it came, as its reviewer sees it.
            created_at=None if self.created_at is None else now - (self.routed_at - self.created_at),
            # Who judges it sees for how long a caller waits.
            caller_until=None if self.caller_until is None else now + self.caller_until - self.arrived_at,
            **case,
        )


# What a task says of the decision and not of its review.
_CASE = (
    "decision_id",
    "queue",
    "priority",
    "route",
    "workflow",
    "domain",
    "model_id",
    "model_version",
    "prediction",
    "confidence",
    "raw_confidence",
    "propensity",
    "amount",
    "impact",
    "compliance_review",
    "policy_version",
    "deadline_policy",
    "score",
    "topic",
    "partition",
    "offset",
    "qualifications",
    "reasons",
    "routed_queue",
    "routed_qualifications",
    "routed_outcomes",
    "routed_calendar",
    "routed_service_levels",
    "routed_notices",
    "routed_attestations",
    "routed_evidence_opened",
    "routed_notify_within_days",
)

_DERIVED = ("deciding_verdict", "due", "warn_at", "ends_at", "lease_warn_at", "passed_over")

RECORDED = tuple(field.name for field in fields(Task) if field.name not in _DERIVED)

_read: Callable[[Task], tuple[Any, ...]] = attrgetter(*RECORDED)
_recorded: Callable[[dict[str, Any]], tuple[Any, ...]] = itemgetter(*RECORDED)


@lru_cache(_MAX_SHARED_LISTS)
def one_for_all(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same tuple for equal ones: thousands of tasks have the same names, which are kept once in memory."""
    return names


def to_record(task: Task) -> dict[str, Any]:
    """The recorded fields."""
    return dict(zip(RECORDED, _read(task), strict=True))


def from_record(record: dict[str, Any]) -> Task:
    """The task in a decoded record whose times are integers."""
    (task,) = from_columns([[value] for value in _recorded(record)])
    return task


def from_columns(columns: Sequence[Sequence[Any]]) -> list[Task]:
    """The tasks whose recorded fields, in their order, stand in these columns."""
    values = dict(zip(RECORDED, columns, strict=True))
    for name in _SHARED:
        values[name] = list(map(sys.intern, values[name]))
    for name in _LISTS:
        values[name] = list(map(tuple, values[name]))
    for name in _SHARED_LISTS:
        values[name] = list(map(one_for_all, map(tuple, values[name])))
    # The recorded fields of a task are its first ones.
    return [_completed(Task(*row)) for row in zip(*values.values(), strict=True)]


def _completed(task: Task) -> Task:
    """The task with what follows from its record, and with what earlier versions did not write."""
    if task.decision_id == task.task_id:
        task.decision_id = task.task_id
    # Every round but the first was an appeal.
    task.appeals = max(task.appeals, task.round)
    if task.verdicts:
        task.deciding_verdict = _deciding_verdict(task)
    if task.state != "done" and task.window_open_until is not None:
        # They called everything else final.
        task.final_at = task.window_open_until
    return task


def _deciding_verdict(task: Task) -> int:
    """The number of the verdict that made the resolution in force, from what the record says of both.

    It was given when the resolution was made, for its outcome, and by the one who is named last: those who agreed
    before come first. At the same instant that person may have proposed another outcome.
    """
    # What is only proposed may come from the same person in the same instant.
    decided = len(task.verdicts) - (task.kind == "override" and task.state != "done")
    for number in range(decided, 0, -1):
        verdict = task.verdicts[number - 1]
        reviewer = verdict["reviewer"]
        named_last = task.decided_by == reviewer or task.decided_by.endswith(f", {reviewer}")
        if named_last and verdict["at"] == task.decided_at and verdict["outcome"] == task.outcome:
            return number
    return 0
