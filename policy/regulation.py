"""The packs that come with Interlock: what each makes a pipeline do, for which duty, and where that is tested.

A pack is a YAML file in `policy/packs`: the fields of `Pack`, which travel with every policy that uses it, and beside
them `title`, `sources` and `duties` for people. The latter are no part of a policy: its version does not change when a
sentence about a law is put better.
"""

from enum import StrEnum
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from interlock.policy.model import Pack
from interlock.policy.parts import Name
from interlock.policy.source_map import Document

NO_ADVICE = (
    "This is no legal advice. Packs are a start for your lawyers: they say what Interlock does, not that you comply."
)


class Feature(StrEnum):
    """What Interlock does by which a duty can be fulfilled; a duty names one of these and nothing else."""

    EVENT_LOG = "event-log"
    RETENTION = "retention"
    HUMAN_REVIEW = "human-review"
    FOUR_EYES = "four-eyes"
    QUALIFICATIONS = "qualifications"
    OVERRIDE = "override"
    STOP_SWITCH = "stop-switch"
    BLIND_REVIEW = "blind-review"
    GOLD_ITEMS = "gold-items"
    APPEALS = "appeals"
    NOTICES = "notices"
    NOTICE_DEADLINE = "notice-deadline"
    REASON_CODES = "reason-codes"
    ATTESTATIONS = "attestations"
    EVIDENCE_OPENED = "evidence-opened"
    SIMILAR_CASES = "similar-cases"
    OVERRIDE_RATE = "override-rate"
    EXPLANATIONS = "explanations"


# What each does, and the page that says more, from `docs/`.
FEATURES: dict[Feature, tuple[str, str]] = {
    Feature.EVENT_LOG: (
        "every decision, change of a task, verdict and resolution is a row with its actor, time, policy and model",
        "contracts.md",
    ),
    Feature.RETENTION: (
        "records are kept for as long as the strictest pack in force demands, and less is refused",
        "operating.md",
    ),
    Feature.HUMAN_REVIEW: ("a rule sends the decision to a person before it takes effect", "policies.md"),
    Feature.FOUR_EYES: ("two different people must agree", "policies.md"),
    Feature.QUALIFICATIONS: (
        "only who has the qualification, and only until it expires, is handed the task or can decide it",
        "tasks.md",
    ),
    Feature.OVERRIDE: ("a person puts another outcome in force, and what took effect is rolled back", "workflows.md"),
    Feature.STOP_SWITCH: ("from the next batch on nothing takes effect without a person", "policies.md"),
    Feature.BLIND_REVIEW: ("audits are judged without the AI's answer", "tasks.md"),
    Feature.GOLD_ITEMS: ("planted cases with known answers tell who follows the AI where it is wrong", "tasks.md"),
    Feature.APPEALS: ("a contested decision is judged again by somebody else, with the statement", "tasks.md"),
    Feature.NOTICES: (
        "the notice of an adverse outcome is due with the outcome, gives its real reasons, and is withdrawn with it",
        "notices.md",
    ),
    Feature.NOTICE_DEADLINE: (
        "no deadline is behind the day by which the subject must be told, and a breach is a critical alert",
        "tasks.md",
    ),
    Feature.REASON_CODES: (
        "an adverse outcome needs a reason of the policy's list and a sentence, and an internal policy is none",
        "policies.md",
    ),
    Feature.ATTESTATIONS: ("whoever decides declares what the pack asks for, each time, on record", "policies.md"),
    Feature.EVIDENCE_OPENED: ("a verdict is refused until whoever gives it has opened the evidence", "policies.md"),
    Feature.SIMILAR_CASES: (
        "a case is shown with cases like it, and how often people agreed with the model",
        "console.md",
    ),
    Feature.OVERRIDE_RATE: ("who overrides far less often than the model errs is named in an alert", "reliance.md"),
    Feature.EXPLANATIONS: ("what was decided, how and why is told in words, from the record alone", "explanations.md"),
}


class _Readable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Readable):
    """A text of law, and where it can be read."""

    name: str = Field(min_length=1)
    url: str = Field(pattern=r"^https://")


class Duty(_Readable):
    """What a source demands. `source`: the article. `test`: `file::name` of a test of this repository that shows it."""

    id: Name
    source: str = Field(min_length=1)
    text: str = Field(min_length=1)
    enforced_by: Feature
    test: str = Field(pattern=r"^tests/[\w/]+\.py::test_\w+$")


class Regulation(_Readable):
    """A pack with what people read of it. `title`: its name in words."""

    title: str = Field(min_length=1)
    sources: tuple[Source, ...] = ()
    duties: tuple[Duty, ...] = ()
    pack: Pack


@cache
def pack_names() -> tuple[str, ...]:
    """The packs that come with Interlock."""
    entries = files("interlock.policy").joinpath("packs").iterdir()
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml")))


@cache
def regulation(name: str) -> Regulation:
    """A pack by name, as its file has it."""
    text = files("interlock.policy").joinpath("packs", f"{name}.yaml").read_text(encoding="utf-8")
    fields = Document(text, f"packs/{name}.yaml").data
    readable = {key: fields.pop(key) for key in ("title", "sources", "duties") if key in fields}
    return Regulation.model_validate({**readable, "pack": fields})


def pack(name: str) -> Pack:
    """What a policy has of a pack."""
    return regulation(name).pack
