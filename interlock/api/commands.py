"""The bodies of what reviewers, leads and callers ask of the desk; the desk checks what they say."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.schemas.models import MAX_ID_BYTES

# The desk refuses longer texts by name; this only bounds what is carried to it.
_MAX_TEXT = 32 * 1024

Text = Annotated[str, Field(max_length=_MAX_TEXT)]
Name = Annotated[str, Field(max_length=MAX_ID_BYTES)]
# What a 64-bit number of Avro takes.
Epoch = Annotated[int, Field(ge=0, lt=2**63)]
Verdict = Literal["approve", "reject", "modify", "choose"]


# A few sentences are due; more cannot be.
Attestations = Annotated[
    tuple[Text, ...],
    Field(max_length=100, description="What the person declares, of the view's `attestations`."),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClaimNext(_Body):
    """The best task for the person; `queue`: of that queue only."""

    queue: Name = ""


class Lease(_Body):
    """Which lease is meant: the epoch that the claim was answered with."""

    epoch: Epoch


class Release(Lease):
    """With a reason the task does not come to this person again."""

    reason_code: Name = ""
    reason_text: Text = ""


class Submit(Lease):
    """A verdict on what was shown: its `payload_hash` stands in the view."""

    payload_hash: Name
    verdict: Verdict
    outcome: Text = ""
    modifications: dict[str, Any] = Field(default_factory=dict)
    reason_code: Name
    reason_text: Text
    attestations: Attestations = ()

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "epoch": 1,
                "payload_hash": "9f86d081884c7d659a2feaa0c55ad015",
                "verdict": "approve",
                "reason_code": "agree",
                "reason_text": "income is documented",
            }
        },
    )


class Override(_Body):
    """Replaces the resolution in force."""

    payload_hash: Name
    verdict: Verdict
    outcome: Text
    modifications: dict[str, Any] = Field(default_factory=dict)
    reason_code: Name
    reason_text: Text
    attestations: Attestations = ()


class OpenEvidence(_Body):
    """Which task was shown, and under which lease; `epoch` 0 where it is not held."""

    epoch: Epoch = 0
    payload_hash: Name


class FirstOpinion(Lease):
    """What the person thinks before the AI's answer is shown."""

    payload_hash: Name
    outcome: Text


class Escalate(_Body):
    """To the leads, or to a queue or a person; `reason_text` is the note they read."""

    queue: Name = ""
    to_reviewer: Name = ""
    reason_code: Name = ""
    reason_text: Text


class DeEscalate(_Body):
    """Back to the team, or to a person of it; `reason_text` is the note they read."""

    to_reviewer: Name = ""
    reason_text: Text


class Reassign(_Body):
    """To a person."""

    to_reviewer: Name


class Snooze(Lease):
    """Until a moment in microseconds since the epoch."""

    until: Epoch
    reason_code: Name
    reason_text: Text


class Appeal(_Body):
    """What the person concerned says, and who that is where the policy wants the name."""

    statement: Text
    on_behalf_of: Name = ""


class Gold(_Body):
    """The known right outcome."""

    outcome: Text
