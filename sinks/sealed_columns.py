"""Which columns of the raw tables are sealed under the key of a subject, and which everybody who may ask can read.

Every column of every raw table is decided here; a test fails where one is not. Sealed is what can identify a person or
was written in free words: what a decision rests on, statements, reasons in words, changed fields, and the bytes and
errors of records that cannot be read. Plain stays what analysts count by. Ids of decisions are plain: they link the
records, so producers must not make them of personal data. Names of reviewers are plain too: their work is what the
views are about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

# What the columns of a row are sealed into; the key's id is in hexadecimal digits, empty where nothing is sealed.
KEY_COLUMN, SEALED_COLUMN, FACTS_COLUMN = "subject_key", "sealed", "sealed_facts"

# What a query asks for so that its rows can be opened: hexadecimal digits, because clients take a String for UTF-8.
OPENING = f"{KEY_COLUMN}, hex({SEALED_COLUMN}) AS sealed_digits"
OPENING_FACTS = f"hex({FACTS_COLUMN}) AS facts_digits"

# The key of a row whose decision was erased before: its content was not stored.
ERASED = "erased"

# Of every raw table.
KAFKA_COLUMNS = frozenset(
    {
        "kafka_stream",
        "kafka_topic",
        "kafka_partition",
        "kafka_offset",
        "kafka_timestamp",
        "kafka_chunk_first",
        "kafka_chunk_last",
        "inserted_at",
        "link",
    }
)


@dataclass(frozen=True, slots=True)
class TableColumns:
    """`plain`: everything that is not sealed. `decision`: the column with the id of the decision, under whose key a row
    is sealed; `subject`: the column with that of its subject, whose key goes before. `facts`: what rules may use, which
    has a ciphertext of its own, because rules on history need nothing else. `content`: what else is sealed."""

    plain: frozenset[str]
    decision: str = ""
    content: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    subject: str = ""

    @property
    def sealed(self) -> tuple[str, ...]:
        return self.content + self.facts

    @property
    def every(self) -> frozenset[str]:
        """All columns of the table."""
        added = [name for name, used in ((SEALED_COLUMN, self.content), (FACTS_COLUMN, self.facts)) if used]
        return self.plain | KAFKA_COLUMNS | {*self.sealed, *added, *([KEY_COLUMN] if added else [])}


def as_id(value: object) -> str:
    """The id of a decision as it stands in the column for it, which has bytes where it is the key of a dead letter."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value or "")


def place(table: str, decision_id: str) -> bytes:
    """The associated data of a row's content: it opens in no other table, and for no other decision."""
    return f"{table}/{decision_id}".encode(errors="surrogatepass")


def facts_place(table: str, decision_id: str) -> bytes:
    """The associated data of a row's facts."""
    return f"{table}.facts/{decision_id}".encode(errors="surrogatepass")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Both tables of routed decisions.
_ROUTED = TableColumns(
    plain=_names(
        "error routed_at route reasons calibrated_confidence policy_version calibration_version workflow "
        "priority queue audit propensity override_until notices quorum qualifications outcomes calendar "
        "service_levels outcome_notices decision_id domain model_id model_version prediction confidence "
        "created_at amount novel compliance_review jurisdiction "
        "candidate_version candidate_route live_route "
        "attestations evidence_opened notify_within_days"
    ),
    decision="decision_id",
    content=(
        "input",
        "alternatives",
        "explanation",
        "history",
        "vector",
        "error_message",
        "raw",
    ),
    subject="subject_id",
    facts=("subject_id", "impact", "attributes"),
)

COLUMNS: Mapping[str, TableColumns] = {
    "action_retries": TableColumns(
        plain=_names("executor_group request source_topic source_partition source_offset original_key"),
        decision="original_key",
        content=("original_value",),
    ),
    "action_sequences": TableColumns(
        plain=_names("error error_message raw key tombstone group decision_id actions at"),
    ),
    "actions": TableColumns(
        plain=_names(
            "error action_id decision_id kind version outcome notices reason_code domain at topic partition offset "
            "corrects language written_under"
        ),
        decision="decision_id",
        content=(
            "reason_text",
            "text",
            "modifications",
            "error_message",
            "raw",
        ),
    ),
    "alerts": TableColumns(
        plain=_names("error alert_id kind severity to task_id queue at"),
        decision="task_id",
        content=(
            "message",
            "error_message",
            "raw",
        ),
    ),
    "audit_anchors": TableColumns(
        plain=_names("error error_message raw anchor_id previous signed_at signer public_key next_key heads signature"),
    ),
    "calibration_models": TableColumns(
        plain=_names(
            "error error_message raw key tombstone model_id model_version version intercept slope labels fitted_at"
        ),
    ),
    "calibration_reports": TableColumns(
        plain=_names(
            "error error_message raw report_id model_id model_version at reviewed effective bins ece ece_by_chance "
            "smooth_ece brier log_loss_before log_loss_after method intercept slope published refusal"
        ),
    ),
    "command_replies": TableColumns(
        plain=_names(
            "error command_id kind actor task_id accepted code at epoch lease_until payload_hash topic partition offset"
        ),
        decision="task_id",
        content=(
            "message",
            "error_message",
            "raw",
        ),
    ),
    "commands": TableColumns(
        plain=_names(
            "error command_id kind actor issued_at task_id queue epoch payload_hash verdict outcome reason_code "
            "to_reviewer until "
            "attestations"
        ),
        decision="task_id",
        content=(
            "modifications",
            "reason_text",
            "on_behalf_of",
            "error_message",
            "raw",
        ),
    ),
    "controls": TableColumns(
        plain=_names("error error_message raw key tombstone scope halted reason set_by set_at"),
    ),
    "dead_letters": TableColumns(
        plain=_names("reason source_topic source_partition source_offset original_key"),
        decision="original_key",
        content=(
            "message",
            "original_value",
            "original_headers",
        ),
    ),
    "decisions": TableColumns(
        plain=_names(
            "error decision_id domain model_id model_version prediction confidence created_at amount novel "
            "compliance_review jurisdiction"
        ),
        decision="decision_id",
        content=("error_message",),
        subject="subject_id",
        facts=("subject_id", "impact", "attributes"),
    ),
    "drift_signals": TableColumns(
        plain=_names(
            "error error_message raw signal_id monitor model_id model_version domain statistic threshold seen "
            "message revokes at"
        ),
    ),
    "key_events": TableColumns(
        plain=_names("error error_message raw event_id kind key_ids decisions by at reason"),
    ),
    "outcomes": TableColumns(
        plain=_names(
            "error outcome_id task_id decision_id kind reviewer verdict outcome prediction overridden resolves "
            "gold_outcome reason_code options at arrived_at claimed_at deadline within_sla queue priority route "
            "workflow domain model_id model_version confidence raw_confidence propensity audit blind round "
            "policy_version payload_hash topic partition offset settled_before way_settled way_judged "
            "way_settled_before open_audits open_reviews reviewed "
            "attestations evidence_opened_at "
            "arm seeded first_opinion first_opinion_at"
        ),
        decision="decision_id",
        content=(
            "reason_text",
            "modifications",
            "error_message",
            "raw",
        ),
    ),
    "policies": TableColumns(
        plain=_names(
            "error error_message raw key tombstone name version resolved source published_at published_by note "
            "base_version stage signed_by forecast observed roll_back_of"
        ),
    ),
    "policy_candidates": TableColumns(
        plain=_names(
            "error error_message raw key tombstone name version resolved source base_version stage share "
            "published_at published_by note signed_by started_at forecast roll_back_of"
        ),
    ),
    "presence": TableColumns(
        plain=_names("error error_message raw key tombstone reviewer on_duty since paused_since pause_reason"),
    ),
    "proposals": TableColumns(
        plain=_names(
            "error error_message raw key tombstone proposal_id kind state domain model_id model_version title "
            "change evidence claim workload_estimate workload_lower workload_upper error_estimate error_lower "
            "error_upper policy policy_version proposed_at decided_at decided_by reason"
        ),
    ),
    "resolutions": TableColumns(
        plain=_names(
            "error key tombstone decision_id version outcome prediction verdict source decided_by decided_at final "
            "override_until reason_code notices domain model_id model_version policy_version"
        ),
        decision="decision_id",
        content=(
            "reason_text",
            "modifications",
            "error_message",
            "raw",
        ),
    ),
    "retraining_requests": TableColumns(
        plain=_names(
            "error error_message raw request_id model_id model_version domain limit override_rate_estimate "
            "override_rate_lower override_rate_upper reviewed reviewed_override_rate slices first_example "
            "last_example reason at kind changed_at rate_since_change rate_since_change_lower "
            "rate_since_change_upper reviewed_since_change slices_since_change open_since_change answered"
        ),
    ),
    "reviewers": TableColumns(
        plain=_names(
            "error error_message raw key tombstone id name role manager queues qualifications capacity time_zone "
            "hours time_off contact"
        ),
    ),
    "routed_decisions": replace(_ROUTED, plain=_ROUTED.plain | {"review_copy"}),
    "schema_versions": TableColumns(
        plain=_names("error error_message raw key tombstone id name version schema origin recorded_at"),
    ),
    "shadow_decisions": _ROUTED,
    "tasks": TableColumns(
        plain=_names(
            "error key tombstone task_id decision_id kind state event actor at command_id queue priority route "
            "workflow domain model_id model_version prediction confidence raw_confidence propensity amount impact "
            "compliance_review policy_version deadline_policy routed_at arrived_at due_from deadline warned "
            "breached raised_at stuck score blind gold_outcome quorum options qualifications reasons routed_queue "
            "routed_qualifications routed_outcomes routed_calendar routed_service_levels routed_notices excluded "
            "skipped assigned_to assigned_until lease_holder lease_epoch lease_since lease_until lease_warned "
            "snoozed_until escalation with_team round version outcome effect decided_by decided_at override_until "
            "payload_hash topic partition offset caller final_at closed_at source appeals measures notices "
            "caller_until caller_left "
            "routed_attestations routed_evidence_opened evidence_opened "
            "arm seeded first_opinions routed_notify_within_days created_at"
        ),
        decision="decision_id",
        content=(
            "escalation_note",
            "statement",
            "on_behalf_of",
            "parties",
            "verdicts",
            "error_message",
            "raw",
        ),
    ),
    "training_examples": TableColumns(
        plain=_names(
            "error example_id decision_id domain model_id model_version prediction confidence calibrated_confidence "
            "final overridden verdict reason_code options propensity weight kind blind reviewer decided_at "
            "policy_version arrived_at settled_before way audit round way_settled way_judged way_settled_before "
            "gold_wrong gold_found gold_right gold_left "
            "errors_found_by_both errors_found_by_one changed_by_mistake left_by_both"
        ),
        decision="decision_id",
        content=(
            "input",
            "vector",
            "reason_text",
            "modifications",
            "error_message",
            "raw",
        ),
        facts=("attributes",),
    ),
}
