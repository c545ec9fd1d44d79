"""The topic catalogue: creation, documentation, the sink and the tests derive from it."""

from dataclasses import dataclass
from typing import Literal

DAY_MS = 86_400_000

Cleanup = Literal["delete", "compact", "compact,delete"]

# A decision with its explanation takes from a few hundred bytes to some hundred kilobytes; 4 MiB leaves room for long
# texts and still bounds a batch of 10,000. Kafka counts what is stored: with compression a decision may be much larger.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

# The largest record that the router writes, uncompressed and with its headers: whatever a producer without compression
# may send, in its envelope, and with compression twice that. What is larger is dead-lettered by reference.
MAX_ROUTED_BYTES = 2 * MAX_MESSAGE_BYTES

# The largest record that anything else writes: room for what later steps add to a routed decision (the sampler a
# reason, a dead letter its headers, a training example the answer, whose texts the desk limits to some 200 KiB).
MAX_RECORD_BYTES = MAX_ROUTED_BYTES + 512 * 1024

# Of topics whose records contain a decision. Brokers compare what is stored, a batch with a header of its own, which
# compression may not have made smaller: half a megabyte is plenty.
MAX_DERIVED_MESSAGE_BYTES = MAX_RECORD_BYTES + 512 * 1024


@dataclass(frozen=True)
class Topic:
    """One Kafka topic. `schema`: the Avro schema of its values, None where they are bytes of other systems. `stored`:
    whether the sink copies it to ClickHouse, where everybody who may ask questions can read it."""

    name: str
    schema: str | None
    key: str
    partitions: int
    cleanup: Cleanup
    retention_days: int | None
    doc: str
    max_message_bytes: int = MAX_MESSAGE_BYTES
    stored: bool = True

    @property
    def is_compacted(self) -> bool:
        """Whether Kafka drops the records that a later one of their key has replaced."""
        return "compact" in self.cleanup

    def config(self) -> dict[str, str]:
        """Topic configuration as Kafka takes it."""
        config = {"cleanup.policy": self.cleanup, "max.message.bytes": str(self.max_message_bytes)}
        if self.retention_days is not None:
            config["retention.ms"] = str(self.retention_days * DAY_MS)
            config[TIMESTAMP_TYPE] = "LogAppendTime"
        return config


# Kafka counts retention from a record's timestamp, which producers choose: backfills, Flink and Kafka Connect set the
# time of the event. A record of last month would be deleted before anybody reads it, so the broker's clock sets it.
TIMESTAMP_TYPE = "message.timestamp.type"

# Enough for two routers on a laptop and a handful in production without re-keying; `topics create --partitions`
# overrides it before the first message.
DATA_PARTITIONS = 4

# Longer than any weekend outage of a consumer, short enough for a disk; ClickHouse keeps the history.
DATA_DAYS = 14

# A desk is a single ordered writer, and a partition of its topics belongs to one desk: with more than one, tasks of one
# queue would be ordered by several. People answer some tens of tasks a second, which one partition carries easily.
DESK_PARTITIONS = 1

DECISIONS = Topic("decisions", "Decision", "decision_id", DATA_PARTITIONS, "delete", DATA_DAYS, "What models decided.")
AUTO_APPROVED = Topic(
    "decisions.auto-approved",
    "RoutedDecision",
    "decision_id",
    DATA_PARTITIONS,
    "delete",
    DATA_DAYS,
    "Decisions that take effect now; executors read this.",
    MAX_DERIVED_MESSAGE_BYTES,
)
REVIEWS_ASYNC = Topic(
    "reviews.async",
    "RoutedDecision",
    "decision_id",
    DESK_PARTITIONS,
    "delete",
    DATA_DAYS,
    "Decisions that wait in a queue for a person; audits and post-approval reviews too.",
    MAX_DERIVED_MESSAGE_BYTES,
)
REVIEWS_SYNC = Topic(
    "reviews.sync",
    "RoutedDecision",
    "decision_id",
    DESK_PARTITIONS,
    "delete",
    DATA_DAYS,
    "Decisions that a caller is waiting for.",
    MAX_DERIVED_MESSAGE_BYTES,
)
REVIEWS_MANUAL = Topic(
    "reviews.manual",
    "RoutedDecision",
    "decision_id",
    DESK_PARTITIONS,
    "delete",
    DATA_DAYS,
    "Cases that a person handles from the start.",
    MAX_DERIVED_MESSAGE_BYTES,
)
DEAD_LETTER = Topic(
    "dead-letter",
    None,
    "as it came",
    DATA_PARTITIONS,
    "delete",
    90,  # people must look at them; a quarter is enough even for a team that is on holiday
    "Messages that cannot be read, unchanged, with the reason in __streams.errors.* headers.",
    MAX_DERIVED_MESSAGE_BYTES,
)
POLICIES = Topic("policies", "PolicyVersion", "name", 1, "compact", None, "The policies in force.")
POLICY_CANDIDATES = Topic(
    "policies.candidates",
    "PolicyCandidate",
    "name",
    1,
    "compact",
    None,
    "Versions of policies that are being tried beside those in force.",
)
CONTROLS = Topic("controls", "Control", "scope", 1, "compact", None, "Kill switches.")
CALIBRATION_MODELS = Topic(
    "calibration.models",
    "CalibrationModel",
    "model_id@model_version",
    1,
    "compact",
    None,
    "Recalibration of confidence, one per model version.",
)

COMMANDS = Topic(
    "reviews.commands",
    "Command",
    "task_id, or actor",
    DESK_PARTITIONS,
    "delete",
    DATA_DAYS,
    "What reviewers, leads and waiting callers ask of the desk.",
)
REPLIES = Topic(
    "reviews.replies",
    "CommandReply",
    "command_id",
    DESK_PARTITIONS,
    "delete",
    2,  # callers wait for seconds; the desk reads the latest ones back to recognise a repeated command
    "The desk's answers, one for every command.",
)
TASKS = Topic(
    "reviews.tasks",
    "Task",
    "task_id",
    DESK_PARTITIONS,
    "compact",
    None,
    "Every task as it stands: the desk's memory, and what reviewer tools list.",
)
PRESENCE = Topic(
    "reviews.presence",
    "Presence",
    "reviewer",
    DESK_PARTITIONS,
    "compact",
    None,
    "Who is on duty: the rest of the desk's memory.",
)
TALLIES = Topic(
    "reviews.tallies",
    "Tally",
    "[domain, model_id, model_version, way]",
    DESK_PARTITIONS,
    "compact",
    None,
    "How much of what was chosen for people is answered; the desk's memory of it, which outlives the tasks.",
    stored=False,  # every outcome carries the counts of its way
)
OUTCOMES = Topic(
    "reviews.outcomes",
    "Outcome",
    "decision_id",
    DESK_PARTITIONS,
    "delete",
    90,  # learning may have to start again from here; the history is in ClickHouse
    "What people decided, verdict by verdict.",
)
RESOLUTIONS = Topic(
    "resolutions",
    "Resolution",
    "decision_id",
    DATA_PARTITIONS,
    "compact,delete",
    400,  # more than a year: the six months in which decisions can be appealed, and the time until that is over
    "The resolution that is in force for a decision; producers wait for it here. Older ones are in ClickHouse.",
)
ACTIONS = Topic(
    "actions",
    "Action",
    "decision_id",
    DATA_PARTITIONS,
    "delete",
    DATA_DAYS,
    "What executors must do: execute, roll_back, notify, and the notices to send.",
)
ACTIONS_RETRY = Topic(
    "actions.retry",
    None,
    "decision_id",
    DATA_PARTITIONS,
    "delete",
    DATA_DAYS,
    "Dead letters of executors, unchanged, on their way back: each names the group that reads it in its headers.",
)
ACTION_SEQUENCES = Topic(
    "actions.sequences",
    "ActionSequence",
    "group/decision_id",
    DATA_PARTITIONS,
    "compact",
    None,
    "Which actions wait as dead letters, so that executors keep the order of each decision.",
)
ALERTS = Topic("alerts", "Alert", "alert_id", 1, "delete", DATA_DAYS, "What a person should know now.")
REVIEWERS = Topic("reviewers", "Reviewer", "id", 1, "compact", None, "Who decides, and what each may decide.")

KEY_EVENTS = Topic(
    "keys.events",
    "KeyEvent",
    "event_id",
    1,
    "delete",
    DATA_DAYS,
    "What was erased, held and rotated: by key, never by subject.",
)

SHADOW = Topic(
    "decisions.shadow",
    "RoutedDecision",
    "decision_id",
    DATA_PARTITIONS,
    "delete",
    DATA_DAYS,
    "What challengers decided, with the route it would have had: it neither takes effect nor is reviewed.",
    MAX_DERIVED_MESSAGE_BYTES,
)
TRAINING_EXAMPLES = Topic(
    "training.examples",
    "TrainingExample",
    "decision_id",
    1,  # in the order of reviews.outcomes, which has one
    "delete",
    365,  # a model is retrained within a year; the history is in ClickHouse
    "What models are trained on: cases with the answer that people gave.",
    MAX_DERIVED_MESSAGE_BYTES,
)
RETRAINING_REQUESTS = Topic(
    "retraining.requests",
    "RetrainingRequest",
    "model_id@model_version",
    1,
    "delete",
    365,
    "Models that people override too often, with the evidence.",
)
CALIBRATION_REPORTS = Topic(
    "calibration.reports",
    "CalibrationReport",
    "model_id@model_version",
    1,
    "delete",
    90,
    "How well each model version knows what it knows, again and again.",
)
DRIFT_SIGNALS = Topic("drift.signals", "DriftSignal", "signal_id", 1, "delete", 365, "Monitors that raised an alarm.")
PROPOSALS = Topic("proposals", "Proposal", "proposal_id", 1, "compact", None, "Changes that a person must sign.")
LANE_PROGRESS = Topic(
    "proposals.progress",
    "LaneProgress",
    "domain/prediction/model_id@model_version",
    1,
    "compact",
    None,
    "How far the certificates of each lane are.",
    stored=False,  # each record replaces the one before, and what came of it is a proposal
)
SCHEMAS = Topic(
    "schemas",
    "SchemaVersion",
    "id",
    1,
    "compact",
    None,
    "The schemas in which records were written, for readers that do not have them.",
)
AUDIT_ANCHORS = Topic(
    "audit.anchors",
    "AuditAnchor",
    "anchor_id",
    1,  # a few a minute, in the order in which they were signed
    "delete",
    3653,  # ten years: as long as a record whose history they prove may have to be kept (medical devices)
    "Where the hash chains of the audit trail ended, signed again and again.",
)
VIEWING = Topic(
    "reviews.viewing",
    "Viewing",
    "task_id",
    1,
    "delete",
    1,  # it counts for a minute
    "Who looks at which task just now.",
    stored=False,  # how long people look at what is nobody's business later
)
ACCESS = Topic(
    "access",
    "Access",
    "kind:id",
    1,
    "compact",
    None,
    "Tokens of the HTTP API, and which sessions are over.",
    stored=False,  # hashes of secrets, and who logged out when
)

TOPICS = (
    DECISIONS,
    AUTO_APPROVED,
    REVIEWS_ASYNC,
    REVIEWS_SYNC,
    REVIEWS_MANUAL,
    DEAD_LETTER,
    POLICIES,
    POLICY_CANDIDATES,
    CONTROLS,
    CALIBRATION_MODELS,
    COMMANDS,
    REPLIES,
    TASKS,
    PRESENCE,
    TALLIES,
    OUTCOMES,
    RESOLUTIONS,
    ACTIONS,
    ACTIONS_RETRY,
    ACTION_SEQUENCES,
    ALERTS,
    KEY_EVENTS,
    REVIEWERS,
    SHADOW,
    TRAINING_EXAMPLES,
    RETRAINING_REQUESTS,
    CALIBRATION_REPORTS,
    DRIFT_SIGNALS,
    PROPOSALS,
    LANE_PROGRESS,
    SCHEMAS,
    AUDIT_ANCHORS,
    VIEWING,
    ACCESS,
)

BY_NAME = {topic.name: topic for topic in TOPICS}

# What the sink reads, and what Kafka and ClickHouse are compared by.
STORED_TOPICS = tuple(topic for topic in TOPICS if topic.stored)

# The topics whose records are routed decisions, from least to most human.
ROUTE_TOPICS = (AUTO_APPROVED, REVIEWS_ASYNC, REVIEWS_SYNC, REVIEWS_MANUAL)

# What the desk reads.
DESK_INPUTS = (COMMANDS, REVIEWS_SYNC, REVIEWS_MANUAL, REVIEWS_ASYNC)

# The folds of calibration, each with a group of its own, and what they read.
CALIBRATION_FOLDS = {
    "calibration": OUTCOMES,
    "drift": DECISIONS,
    "proposals": TRAINING_EXAMPLES,
    "revocations": DRIFT_SIGNALS,
    "retraining": RETRAINING_REQUESTS,
}

# Consumer groups. Transactional ids are made of them too: a new name means new offsets, so the next start would read
# every topic from its beginning.
ROUTER_GROUP = "interlock-router"
DESK_GROUP = "interlock-desk"
SINK_GROUP = "interlock-sink"
SAMPLER_GROUP = "interlock-sampler"
NOTICES_GROUP = "interlock-notices"
DEAD_LETTER_REPLAY_GROUP = "interlock-dead-letters-replay"

# Defaults; settings can change these, for example for a second receiver of webhooks.
FEEDBACK_GROUP = "interlock-feedback"
CALIBRATION_GROUP_PREFIX = "interlock"  # of one group for each fold
WEBHOOKS_GROUP = "interlock-webhooks"
NOTIFIER_GROUP = "interlock-notifier"
