"""An explanation, as data: each part has a sentence for a person (`text`) and the facts that it was made of."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Person:
    """Who did something: `name` as the roster had it then. `id` is empty for the system itself."""

    id: str
    name: str


@dataclass(frozen=True)
class Factor:
    """What weighed in the model's answer, by its own account. `importance`: negative where it counted against."""

    feature: str
    value: str
    importance: float


@dataclass(frozen=True)
class Alternative:
    """Another outcome that the model weighed."""

    option: str
    confidence: float
    pros: tuple[str, ...]
    cons: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What the model said. `raw_confidence` is its own, `confidence` the one that rules looked at."""

    text: str
    model_id: str
    model_version: str
    prediction: str
    raw_confidence: float
    confidence: float
    reasoning: str
    factors: tuple[Factor, ...]
    alternatives: tuple[Alternative, ...]
    decided_at: str


@dataclass(frozen=True)
class PolicyUsed:
    """The version of the policy that chose the route."""

    text: str
    name: str
    version: str
    published_at: str
    published_by: Person
    note: str
    signed_by: tuple[Person, ...]


@dataclass(frozen=True)
class Thresholds:
    """From which confidence on a decision for this outcome may take each route: auto, async, sync.

    `own_lane`: the policy lists the outcome; one that it does not list never takes effect without a person. `raw`: auto
    is compared with the model's own confidence."""

    text: str
    at_least: dict[str, float]
    own_lane: bool
    raw: bool = False


@dataclass(frozen=True)
class Reason:
    """One thing that led to the route. `kind`: that of `schemas/reasons.py`, or `rule`.

    `because`, `condition`, `regulation`, `pack`: as the policy has them. `values`: what made the condition hold, for
    example "amount 12,000 > 10,000". `demands`: the route that this reason alone would have led to, where it says so.
    """

    text: str
    code: str
    kind: str
    because: str = ""
    condition: str = ""
    values: str = ""
    regulation: tuple[str, ...] = ()
    pack: str = ""
    demands: str = ""


@dataclass(frozen=True)
class CalibrationUsed:
    """How the model's own confidence was corrected: p' = 1 / (1 + exp(-(intercept + slope · ln(p / (1 - p)))))."""

    text: str
    version: str
    intercept: float | None = None
    slope: float | None = None
    labels: int | None = None
    fitted_at: str = ""


@dataclass(frozen=True)
class Control:
    """A stop (kill switch) that concerned the decision when it was routed."""

    text: str
    scope: str
    reason: str
    set_by: Person
    set_at: str


@dataclass(frozen=True)
class Rules:
    """Which rules decided where the decision went.

    `trial_text`: what a change of the policy that was being tried had to do with it, or empty."""

    text: str
    route: str
    workflow: str
    workflow_text: str
    routed_at: str
    policy: PolicyUsed
    thresholds: Thresholds | None
    reasons: tuple[Reason, ...]
    calibration: CalibrationUsed
    controls_text: str
    controls: tuple[Control, ...]
    trial_text: str
    sampling_text: str
    propensity: float
    duties_text: str


@dataclass(frozen=True)
class Look:
    """One person had the case in hand. `until`: empty while it is so. `withheld`: what the person was not shown.

    `payload_hash`: of the record that was shown; a verdict is accepted with this hash only.
    """

    text: str
    person: Person
    since: str
    until: str
    ended: str
    shown: str
    withheld: str
    payload_hash: str


@dataclass(frozen=True)
class Verdict:
    """What one person decided. `decisive`: it gave the decision its outcome. `attestations`: what the person declared
    with it, where the policy asks for that; `evidence_opened_at`: when the person opened the evidence, or empty.
    `first_opinion`: what the person thought before the model's answer was shown, where that was asked, or empty."""

    text: str
    person: Person
    verdict: str
    outcome: str
    overridden: bool
    decisive: bool
    blind: bool
    reason_code: str
    reason_text: str
    modifications: str
    kind: str
    round: int
    at: str
    attestations: tuple[str, ...]
    evidence_opened_at: str
    first_opinion: str


@dataclass(frozen=True)
class Word:
    """One version of what holds. `version` 0: the model's answer itself, which took effect without another record."""

    text: str
    version: int
    outcome: str
    source: str
    decided_by: tuple[Person, ...]
    decided_at: str
    final: bool
    override_until: str
    reason_code: str
    reason_text: str
    modifications: str


@dataclass(frozen=True)
class Effect:
    """What the outside world was told to do. `letter`: the text of a notice, as it is sent; empty elsewhere."""

    text: str
    kind: str
    version: int
    outcome: str
    notices: tuple[str, ...]
    at: str
    letter: str = ""


@dataclass(frozen=True)
class Deadline:
    """By when people had to decide. `kept`: None while that is open, and where it ended without a verdict."""

    text: str
    due_from: str
    due: str
    priority: str
    kept: bool | None


@dataclass(frozen=True)
class Contest:
    """How the outcome can be contested, by the policy that chose the route. `until`: empty where nothing holds yet."""

    text: str
    appeals_filed: int
    appeals_possible: int
    until: str


@dataclass(frozen=True)
class Happening:
    """A line of the timeline. `later`: how long after the router had it. `record`: where Kafka has the record."""

    at: str
    later: str
    text: str
    record: str


@dataclass(frozen=True)
class Term:
    """A word, explained."""

    word: str
    meaning: str


@dataclass(frozen=True)
class Explanation:
    """The whole of it. `as_of`: Kafka's time of the latest record that it rests on.

    `status`: decided, open, tried (a challenger made it, without effect) or unreadable. `content_lost`: what the model
    was told, and why it answered as it did, cannot be read any more.
    """

    decision_id: str
    domain: str
    subject_id: str
    status: str
    as_of: str
    summary: tuple[str, ...]
    answer: Answer | None
    rules: Rules | None
    looks: tuple[Look, ...]
    verdicts: tuple[Verdict, ...]
    words: tuple[Word, ...]
    effects: tuple[Effect, ...]
    deadlines: tuple[Deadline, ...]
    contest: Contest | None
    timeline: tuple[Happening, ...]
    content_lost: bool
    missing: tuple[str, ...]
    glossary: tuple[Term, ...] = field(default=())

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
