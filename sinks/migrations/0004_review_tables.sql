-- Raw tables of the review side: what was asked of the desk, what it answered, and all it said. What 0001 says about
-- its tables holds for these: one row a record, readable or not; sort key, partitions, TTL and settings for the same
-- reasons. Columns have the names of the Avro fields; topic, partition and offset without kafka_ in front name the
-- place of the routed decision, kafka_topic, kafka_partition and kafka_offset that of the record itself.

CREATE TABLE IF NOT EXISTS commands
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the sender sent the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    command_id String COMMENT 'Unique; the sender''s choice, for example a UUID. Also the record key of the reply',
    kind LowCardinality(String) COMMENT 'claim, extend, release, submit, escalate, reassign, snooze, override, appeal, expire, gold, on_duty or off_duty',
    actor LowCardinality(String) COMMENT 'Id of the reviewer who asks; of the client for expire',
    issued_at DateTime64(6, 'UTC') COMMENT 'When it was sent, by the sender''s clock. Told, never decided upon',
    task_id String COMMENT 'The task it is about; empty for claim (the next best) and for on_duty and off_duty; of an unreadable record its key',
    queue LowCardinality(String) COMMENT 'claim: only from this queue, empty for any that the reviewer works. escalate: the queue to go to, empty for the lead',
    epoch Int64 COMMENT 'extend, release, submit, snooze: the lease epoch that the claim was answered with; 0 elsewhere',
    payload_hash String COMMENT 'submit, override: hash of the routed decision that the person was shown',
    verdict LowCardinality(String) COMMENT 'submit, override: approve, reject, modify or choose',
    outcome LowCardinality(String) COMMENT 'reject, modify, choose, override: the outcome decided for; may be empty for reject where only one other is possible. gold: the known right outcome',
    modifications String COMMENT 'modify: JSON object of the fields that the reviewer changed; empty for none',
    reason_code LowCardinality(String) COMMENT 'submit, override, release, escalate, snooze: one of the policy''s reason codes',
    reason_text String COMMENT 'The same in the person''s own words. appeal: the statement of the person concerned',
    to_reviewer LowCardinality(String) COMMENT 'reassign, escalate: the person who gets it',
    until Nullable(DateTime64(6, 'UTC')) COMMENT 'snooze: when the task comes back',
    INDEX by_command_id command_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_task_id task_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Every command to the desk as it arrived, carried out or not: see command_replies';

CREATE TABLE IF NOT EXISTS command_replies
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the desk wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    command_id String COMMENT 'The command it answers; of an unreadable record its key',
    kind LowCardinality(String) COMMENT 'Kind of the command',
    actor LowCardinality(String) COMMENT 'Who had asked',
    task_id String COMMENT 'The task it is about; of claim, the task that was handed out; empty where there is none',
    accepted Bool COMMENT 'Whether it was carried out. A refused command has changed nothing',
    code LowCardinality(String) COMMENT 'ok, or a stable code of why not, for example already-decided, wrong-epoch, stale-view, nothing-to-do',
    message String COMMENT 'For a person: what happened and what to do',
    at DateTime64(6, 'UTC') COMMENT 'The desk''s clock',
    epoch Int64 COMMENT 'Of the lease now held on the task; 0 without one',
    lease_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Until when it is held',
    payload_hash String COMMENT 'Hash of what the reviewer must be shown; goes back with the verdict',
    topic LowCardinality(String) COMMENT 'Topic of the routed decision: readers fetch the payload by its place',
    partition Int32 COMMENT 'Its partition',
    offset Int64 COMMENT 'Its offset',
    INDEX by_command_id command_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_task_id task_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'What the desk answered, one reply a command; a repeated command is answered with the first reply again';

-- Kafka forgets the earlier states of a task, and all of it a month after its end; here every state stays for the full
-- time.

CREATE TABLE IF NOT EXISTS tasks
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers, compaction)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the desk wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: the task id',
    tombstone Bool COMMENT 'The desk has forgotten the task; everything but key and place is empty',
    task_id String COMMENT 'The decision_id; of gold items, appended to gold:N: in front of it',
    decision_id String COMMENT 'The decision to be judged',
    kind LowCardinality(String) COMMENT 'review, audit, post_approval, gold or appeal',
    state LowCardinality(String) COMMENT 'waiting, assigned (pushed to somebody who has not begun), leased, snoozed or done',
    event LowCardinality(String) COMMENT 'What made this record: arrived, assigned, unassigned, claimed, extended, released, expired, submitted, resolved, escalated, reassigned, snoozed, woken, warned, breached, overridden, appealed, window_closed, timed_out, rescheduled',
    actor LowCardinality(String) COMMENT 'Who caused it; desk for the desk''s own clock',
    at DateTime64(6, 'UTC') COMMENT 'When, by the desk''s clock',
    command_id String COMMENT 'The command that caused it, or empty',
    queue LowCardinality(String) COMMENT 'Where it waits',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    route LowCardinality(String) COMMENT 'As the router gave it',
    workflow LowCardinality(String) COMMENT 'As the router gave it',
    domain LowCardinality(String) COMMENT 'What is decided',
    model_id LowCardinality(String) COMMENT 'Model that decided',
    model_version LowCardinality(String) COMMENT 'Its version',
    prediction LowCardinality(String) COMMENT 'What the model proposes. Do not show it while blind is true',
    confidence Float64 COMMENT 'Calibrated confidence. Do not show it while blind is true',
    raw_confidence Float64 COMMENT 'The model''s own',
    propensity Float64 COMMENT 'Probability with which the pipeline sent this decision to a person',
    amount Nullable(Float64) COMMENT 'Money at stake',
    impact Float64 COMMENT '0 to 1: rank of the amount among the queue''s latest arrivals, or the producer''s word for it',
    compliance_review Bool COMMENT 'The law demands a person',
    policy_version LowCardinality(String) COMMENT 'Policy that routed it',
    deadline_policy LowCardinality(String) COMMENT 'Policy whose service level gave the deadline',
    routed_at DateTime64(6, 'UTC') COMMENT 'The router''s clock',
    arrived_at DateTime64(6, 'UTC') COMMENT 'When the desk took it over',
    due_from DateTime64(6, 'UTC') COMMENT 'Where the service level begins to count: arrival, or the appeal',
    deadline DateTime64(6, 'UTC') COMMENT 'Until when it must be decided',
    warned Bool COMMENT 'The warning for this deadline was given',
    breached Bool COMMENT 'The deadline passed, and was told once',
    score Float64 COMMENT '0.4 impact + 0.2 (1 - confidence) + 0.1 compliance; the order `score` adds 0.3 for waiting time',
    blind Bool COMMENT 'The AI''s answer is withheld until the verdict',
    gold_outcome LowCardinality(String) COMMENT 'kind gold: the right answer, which the reviewer must not see; empty elsewhere',
    quorum Int32 COMMENT 'How many different people must agree',
    options Array(LowCardinality(String)) COMMENT 'hybrid: the outcomes to choose from, best first',
    qualifications Array(LowCardinality(String)) COMMENT 'What a reviewer must have',
    excluded Array(LowCardinality(String)) COMMENT 'People who must not get it: they skipped it, or decided it before',
    assigned_to LowCardinality(String) COMMENT 'Named person, or empty',
    assigned_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Pushed tasks: when it is given to somebody else unless begun',
    lease_holder LowCardinality(String) COMMENT 'Who holds it, or empty',
    lease_epoch Int64 COMMENT 'Increases with every new lease, never decreases',
    lease_since Nullable(DateTime64(6, 'UTC')) COMMENT 'When the present lease began: the handling clock',
    lease_until Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ends',
    lease_warned Bool COMMENT 'Its holder was warned',
    snoozed_until Nullable(DateTime64(6, 'UTC')) COMMENT 'When it comes back',
    escalation Int32 COMMENT 'How often it went up: 1 and more only to leads',
    escalation_note String COMMENT 'What was said then',
    round Int32 COMMENT '0, and one more with every appeal',
    statement String COMMENT 'appeal: what the person concerned says',
    verdicts Array(Tuple(reviewer String, verdict String, outcome String, reason_code String, reason_text String, modifications String, at DateTime64(6, 'UTC'), round Int32)) COMMENT 'Every verdict so far, oldest first',
    version Int32 COMMENT 'Of the latest resolution; 0 before the first',
    outcome LowCardinality(String) COMMENT 'Of the latest resolution; empty before the first',
    effect Int32 COMMENT 'Version that was carried out: a later one that confirmed it was not carried out again; 0 for none',
    decided_by LowCardinality(String) COMMENT 'Of the latest resolution; empty before the first',
    decided_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Of the latest resolution',
    override_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Until when an override rolls the present effect back',
    payload_hash String COMMENT 'First 32 hex digits of the SHA-256 of the routed decision''s bytes',
    topic LowCardinality(String) COMMENT 'Topic of the routed decision: readers fetch the payload by its place',
    partition Int32 COMMENT 'Its partition',
    offset Int64 COMMENT 'Its offset',
    INDEX by_key key TYPE bloom_filter GRANULARITY 4,
    INDEX by_decision_id decision_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Every state of every task, one row a change. For the latest of each see tasks_now, for deadlines kept see task_rounds';

CREATE TABLE IF NOT EXISTS outcomes
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the desk wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    outcome_id String COMMENT 'task_id#N, N counting the verdicts of the task from 1: the same in every replay',
    task_id String COMMENT 'The task',
    decision_id String COMMENT 'The decision; of an unreadable record its key',
    kind LowCardinality(String) COMMENT 'review, audit, post_approval, gold, appeal or override',
    reviewer LowCardinality(String) COMMENT 'Who decided; empty where the policy answered because nobody did',
    verdict LowCardinality(String) COMMENT 'approve, reject, modify or choose',
    outcome LowCardinality(String) COMMENT 'What was decided for',
    prediction LowCardinality(String) COMMENT 'What the model had proposed',
    overridden Bool COMMENT 'outcome differs from prediction',
    resolves Bool COMMENT 'The verdict gave the decision its word; false for gold items and for the first of two',
    gold_outcome LowCardinality(String) COMMENT 'gold: the right answer; empty elsewhere',
    reason_code LowCardinality(String) COMMENT 'Why, as a code of the policy',
    reason_text String COMMENT 'Why, in words',
    modifications String COMMENT 'JSON object of changed fields, or empty',
    options Array(LowCardinality(String)) COMMENT 'hybrid: what there was to choose from, best first',
    at DateTime64(6, 'UTC') COMMENT 'When, by the desk''s clock',
    arrived_at DateTime64(6, 'UTC') COMMENT 'When the task came, or came back with an appeal',
    claimed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the reviewer''s lease began; null for overrides of decided tasks',
    deadline DateTime64(6, 'UTC') COMMENT 'Until when it should have been decided',
    within_sla Bool COMMENT 'It was decided by then',
    queue LowCardinality(String) COMMENT 'Where it waited',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    route LowCardinality(String) COMMENT 'As the router gave it',
    workflow LowCardinality(String) COMMENT 'As the router gave it',
    domain LowCardinality(String) COMMENT 'What is decided',
    model_id LowCardinality(String) COMMENT 'Model that decided',
    model_version LowCardinality(String) COMMENT 'Its version',
    confidence Float64 COMMENT 'Calibrated confidence',
    raw_confidence Float64 COMMENT 'The model''s own',
    propensity Float64 COMMENT 'Probability with which the pipeline sent this decision to a person',
    audit Bool COMMENT 'Picked by the audit coin',
    blind Bool COMMENT 'The AI''s answer was withheld',
    round Int32 COMMENT '0 for the first review, then one more with every appeal',
    policy_version LowCardinality(String) COMMENT 'Policy that routed the decision',
    payload_hash String COMMENT 'Hash of what was shown',
    topic LowCardinality(String) COMMENT 'Topic of the routed decision: readers fetch the payload by its place',
    partition Int32 COMMENT 'Its partition',
    offset Int64 COMMENT 'Its offset',
    settled_before Nullable(DateTime64(6, 'UTC')) COMMENT 'Every task of this model version that arrived before it has been judged, or is past its deadline: learning counts in the order of arrival, up to here',
    reviewed Bool DEFAULT error = '' AND reviewer != '' AND round = 0 AND multiIf(
        kind IN ('review', 'post_approval'), resolves,
        kind = 'audit', true,
        -- Somebody who had claimed nothing objected before anybody else had said a word on it.
        kind = 'override', route = 'auto' AND (audit OR workflow = 'post_approval') AND endsWith(outcome_id, '#1'),
        false
    ) COMMENT 'A person''s first word on a decision that routing had picked for review. To count reviewed decisions count these: not gold items, appeals, the first of two, or objections to what nobody was asked about',
    INDEX by_decision_id decision_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_task_id task_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Every verdict, the first of two and those on gold items too. To count reviewed decisions see reviewed';

CREATE TABLE IF NOT EXISTS actions
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the desk wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    action_id String COMMENT 'decision_id/version/kind: the same in every replay',
    decision_id String COMMENT 'The decision; of an unreadable record its key',
    kind LowCardinality(String) COMMENT 'execute, roll_back or notify',
    version Int32 COMMENT 'Of the resolution that is executed or told of; roll_back: of the one that was executed, which later ones may have confirmed',
    outcome LowCardinality(String) COMMENT 'The outcome of that version',
    modifications String COMMENT 'JSON object of changed fields, or empty',
    notices Array(LowCardinality(String)) COMMENT 'notify: what the subject must be told',
    reason_code LowCardinality(String) COMMENT 'Why, as a code of the policy',
    reason_text String COMMENT 'Why, in words',
    domain LowCardinality(String) COMMENT 'What is decided',
    at DateTime64(6, 'UTC') COMMENT 'The desk''s clock',
    topic LowCardinality(String) COMMENT 'Topic of the routed decision: readers fetch the payload by its place',
    partition Int32 COMMENT 'Its partition',
    offset Int64 COMMENT 'Its offset',
    INDEX by_decision_id decision_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'What the outside world had to do: execute, roll_back, notify';

CREATE TABLE IF NOT EXISTS alerts
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the desk wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    alert_id String COMMENT 'Names its cause: the same in every replay, so that it is told once; of an unreadable record its key',
    kind LowCardinality(String) COMMENT 'sla_warning, sla_breach, lease_expiring, lease_expired, escalated, quorum_disagrees, reviewer_removed or unreadable',
    severity LowCardinality(String) COMMENT 'info, warning or critical',
    to Array(LowCardinality(String)) COMMENT 'Reviewer ids: the person it concerns and that person''s manager; empty: the operators',
    task_id String COMMENT 'The task, or empty',
    queue LowCardinality(String) COMMENT 'The queue, or empty',
    message String COMMENT 'What happened and what to do',
    at DateTime64(6, 'UTC') COMMENT 'The desk''s clock',
    INDEX by_task_id task_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'What people were told: warnings, breaches, leases that end';

-- The tables below have no TTL, because Kafka keeps their newest records for ever, and reconciliation expects whatever
-- Kafka has. They are small, but for resolutions, which is the last thing anybody would want to miss.

CREATE TABLE IF NOT EXISTS resolutions
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers, compaction)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the desk wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: the decision id',
    tombstone Bool COMMENT 'The record was withdrawn from Kafka',
    decision_id String COMMENT 'The decision',
    version Int32 COMMENT '1, 2, …',
    outcome LowCardinality(String) COMMENT 'What holds from now on',
    prediction LowCardinality(String) COMMENT 'What the model had proposed',
    verdict LowCardinality(String) COMMENT 'approve, reject, modify or choose; empty where no person decided',
    source LowCardinality(String) COMMENT 'review (a person), policy (took effect by itself, reviewed afterwards), window (nobody objected in time), override, appeal, or timeout (the policy''s safe outcome)',
    decided_by Array(LowCardinality(String)) COMMENT 'The people who decided; empty where nobody did',
    decided_at DateTime64(6, 'UTC') COMMENT 'The desk''s clock; of source policy, the router''s',
    final Bool COMMENT 'False while the override window of a post_approval decision is open',
    override_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Until when an override can roll it back',
    reason_code LowCardinality(String) COMMENT 'Why, as a code of the policy',
    reason_text String COMMENT 'Why, in words',
    modifications String COMMENT 'JSON object of changed fields, or empty',
    notices Array(LowCardinality(String)) COMMENT 'Notices due to the subject because of this outcome',
    domain LowCardinality(String) COMMENT 'What is decided',
    model_id LowCardinality(String) COMMENT 'Model that had decided',
    model_version LowCardinality(String) COMMENT 'Its version',
    policy_version LowCardinality(String) COMMENT 'Policy that routed the decision',
    INDEX by_decision_id decision_id TYPE bloom_filter GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every version of the final word on every decision; the highest version of a decision holds';

CREATE TABLE IF NOT EXISTS presence
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers, compaction)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the desk wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: the reviewer',
    tombstone Bool COMMENT 'The desk has forgotten the reviewer',
    reviewer LowCardinality(String) COMMENT 'The reviewer',
    on_duty Bool COMMENT 'Gets pushed tasks and may claim',
    since DateTime64(6, 'UTC') COMMENT 'The desk''s clock'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Who went on and off duty, and when';

CREATE TABLE IF NOT EXISTS reviewers
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (compaction)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the record was sent, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: the reviewer',
    tombstone Bool COMMENT 'The person was removed; the tasks went back',
    id String COMMENT 'As in commands',
    name String COMMENT 'For people',
    role LowCardinality(String) COMMENT 'reviewer or lead. A lead sees every queue, reassigns, overrides, and gets what is escalated',
    manager LowCardinality(String) COMMENT 'Id of the person who is told of breaches; empty for none',
    queues Array(LowCardinality(String)) COMMENT 'Queues worked; empty: all',
    qualifications Array(Tuple(name String, expires_at Nullable(DateTime64(6, 'UTC')))) COMMENT 'What the person may judge',
    capacity Int32 COMMENT 'How many tasks at once, leased and assigned',
    time_zone LowCardinality(String) COMMENT 'IANA name, for hours and time off',
    hours Array(Tuple(day Int32, start Int32, end Int32)) COMMENT 'Working hours; empty: any time',
    time_off Array(Tuple(start DateTime64(6, 'UTC'), end DateTime64(6, 'UTC'))) COMMENT 'Absences',
    contact String COMMENT 'Where alerts go, as an apprise URL; empty: nowhere'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every version of every reviewer record';
