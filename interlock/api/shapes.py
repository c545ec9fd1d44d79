"""The shapes of answers, for the OpenAPI document: what a caller may rely on."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.processors.review.context import ReviewContext
from interlock.processors.review.similar import SimilarCases
from interlock.processors.review.view import TaskView


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class FieldProblem(_Shape):
    """One entry that is wrong."""

    field: str
    message: str


class ProblemDetails(_Shape):
    """Problem details (RFC 9457). `code` is stable and for programs, `detail` a sentence for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] = Field(default_factory=list, description="Every entry that is wrong.")


class Accepted(_Shape):
    """Kafka has the decisions."""

    accepted: int
    decision_id: str = Field("", description="Of a single decision.")


class Pending(_Shape):
    """There is no resolution yet."""

    decision_id: str
    status: Literal["pending"]
    retry_after: int = Field(description="Seconds after which to ask again.")


class Story(_Shape):
    """Everything that is known of a decision."""

    decision_id: str
    resolution: dict[str, Any] | None
    timeline: list[dict[str, Any]]
    task: dict[str, Any] | None
    unavailable: dict[str, str] = Field(description="What cannot be read at present, and why.")


class Explained(_Shape):
    """A decision in words: each part has a sentence (`text`), and the facts that it was made of."""

    decision_id: str
    domain: str
    subject_id: str
    status: Literal["decided", "open", "tried", "unreadable"]
    as_of: str = Field(description="Kafka's time of the latest record that it rests on.")
    summary: list[str]
    answer: dict[str, Any] | None = Field(description="What the model said, and why.")
    rules: dict[str, Any] | None = Field(description="Policy, thresholds, reasons, calibration, controls, sampling.")
    looks: list[dict[str, Any]] = Field(description="Who had the case, what they were shown and what was withheld.")
    verdicts: list[dict[str, Any]]
    words: list[dict[str, Any]] = Field(description="Every version of what held.")
    effects: list[dict[str, Any]]
    deadlines: list[dict[str, Any]]
    contest: dict[str, Any] | None = Field(description="How the outcome can be contested.")
    timeline: list[dict[str, Any]]
    missing: list[str] = Field(description="What cannot be read at present, or not any more.")
    glossary: list[dict[str, Any]]


class ExplainedToSubject(_Shape):
    """A decision in words for the person concerned, without names of reviewers."""

    reference: str
    about: str
    status: Literal["decided", "open", "tried", "unreadable"]
    outcome: str
    decided_on: str
    by_person: bool
    sections: list[dict[str, Any]]
    factors: list[dict[str, Any]]


class ListedTask(_Shape):
    """An open task, without what a blind review hides."""

    task_id: str
    decision_id: str
    queue: str
    domain: str
    priority: str
    state: str
    route: str
    deadline: datetime
    arrived_at: datetime
    due_seconds: int
    holder: str
    epoch: int
    breached: bool
    escalation: int
    with_team: bool = Field(description="It went up, and its team may decide it as well as the leads.")
    stuck: bool


class TaskPage(_Shape):
    """`next`: the cursor of the next page, null on the last one."""

    tasks: list[ListedTask]
    next: str | None


class ShownTask(_Shape):
    """A task with everything it takes to judge it."""

    context: ReviewContext
    task: TaskView
    similar: SimilarCases | None
    similar_problem: str


class BulkResult(_Shape):
    """What became of one task."""

    task_id: str
    accepted: bool
    code: str
    message: str


class BulkReply(_Shape):
    """What became of each task."""

    accepted: int
    refused: int
    results: list[BulkResult]


class Notice(_Shape):
    """One notice to the subject, as it was sent. `again`: whether the record gives the same bytes, and `why` not."""

    action_id: str
    name: str
    withdrawn: bool
    version: int
    corrects: int
    at: datetime
    language: str
    text: str
    written_under: str
    readable: bool
    again: Literal["same", "differs", "unknown"]
    why: str


class Notices(_Shape):
    """What the subject was told; `unwritten`: what is due and has no text."""

    decision_id: str
    sent: list[Notice]
    unwritten: list[str]


class Viewers(_Shape):
    """Who looks at a task."""

    viewers: list[str]


class Role(_Shape):
    """One role of the local instance."""

    role: str
    state: str
    pid: int
    restarts: int
    problem: str | None


class Probe(_Shape):
    """Whether a server answers."""

    ok: bool
    problem: str
    milliseconds: float


class TrailState(_Shape):
    """The newest signature of the audit trail; null where nothing is signed, or Kafka does not tell."""

    signed_at: datetime | None
    key_id: str | None


class SystemState(_Shape):
    """How the platform stands; roles and findings are known of a local instance only."""

    kafka: Probe
    clickhouse: Probe
    roles: list[Role]
    findings: list[dict[str, Any]] | None
    audit_trail: TrailState


class ChainBreak(_Shape):
    """The first broken link of a chain: the link that follows from the rows, and the one that stands there, in hex."""

    offset: int
    problem: str
    meaning: str
    expected: str
    found: str


class SignedUntil(_Shape):
    """The last row of a chain that an anchor signed."""

    offset: int
    at: datetime


class ChainProof(_Shape):
    """One partition of the audit trail. `not_linked`: rows of before the trail; `behind`: linked, not signed yet."""

    table: str
    stream: str
    topic: str
    partition: int
    rows: int
    not_linked: int
    begins_at: int | None
    signed_until: SignedUntil | None
    behind: int
    verdict: str
    breaks: int
    first_break: ChainBreak | None


class AnchorsProof(_Shape):
    """The signatures. `refused`: why an anchor proves nothing; `missing`: named by a later one, and not there."""

    proved: int
    latest: datetime | None
    keys: list[str]
    refused: dict[str, str]
    missing: list[str]


class TrailProof(_Shape):
    """What the chains prove. `not_asked`: what could not be looked at."""

    ok: bool
    behind: int
    chains: list[ChainProof]
    anchors: AnchorsProof
    not_asked: list[str]


class DecisionProof(_Shape):
    """What the records about one decision prove; `unsigned`: of them, those that are not signed yet."""

    ok: bool
    about: dict[str, str]
    records: int
    unsigned: int
    latest_anchor: datetime | None
    keys: list[str]
    problems: list[str]
