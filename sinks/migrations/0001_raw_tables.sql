-- Raw tables: one row for every record that Kafka committed, readable or not, so that counts can be compared.
--
-- Shared by all of them:
-- * The sort key is the record's place in Kafka. Rows arrive in that order, so merges are cheap; reconciliation and
--   the sink's own look at its last chunk read a few granules; and since time grows with the offset, the minmax
--   index on the time columns skips almost as well as a sort by time would.
-- * PARTITION BY the month of Kafka's timestamp, not of the insertion: a block that is sent again must fall into the
--   same partitions, or ClickHouse would not recognise it.
-- * TTL counts from inserted_at: a producer with a wrong clock cannot make its rows expire early, and a backfill of
--   old records is kept for the full time. ttl_only_drop_parts: whole parts are dropped, nothing is rewritten.
--   3 years: Regulation B (12 CFR 1002.12) asks for 25 months, the EU AI Act (art. 26) for 6; a year is left for
--   appeals about decisions at the end of that. Packs that demand more (medical device: 10 years) need
--   ALTER TABLE ... MODIFY TTL.
-- * non_replicated_deduplication_window: how many inserted blocks a table remembers. A block is sent again by
--   whoever takes over from a dead sink, within a minute; at most some 20 blocks a second are inserted. 10,000 is
--   eight minutes of that at the least, and about a megabyte of memory. Without it a retry doubles rows.
-- * max_compress_block_size: every column has buffers of this size while a part is written. The default of 1 MiB makes
--   an insert of 50,000 wide rows take 270 MB, this one 90 MB (measured), at no visible loss of speed.

CREATE TABLE IF NOT EXISTS decisions
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the producer sent the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    decision_id String COMMENT 'Id of the decision; of an unreadable record its key',
    domain LowCardinality(String) COMMENT 'What is decided, for example loan_approval',
    model_id LowCardinality(String) COMMENT 'Model that decided',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    prediction LowCardinality(String) COMMENT 'Outcome the model proposes',
    confidence Float64 COMMENT 'The model''s own probability that the prediction is right; may be no number if the producer is broken',
    created_at DateTime64(6, 'UTC') COMMENT 'When the model decided, UTC, by the producer''s clock; clamped to 1900 to 2299',
    impact String COMMENT 'Who or what is affected and how much, in the producer''s words',
    amount Nullable(Float64) COMMENT 'Money at stake, in the currency of the domain',
    novel Bool COMMENT 'The model has seen nothing like it',
    compliance_review Bool COMMENT 'The producer knows that the law demands a person',
    jurisdiction LowCardinality(String) COMMENT 'Jurisdiction of the decision',
    subject_id String COMMENT 'Pseudonymous id of the person or thing decided about',
    attributes Map(LowCardinality(String), String) COMMENT 'Facts that policy rules may use',
    INDEX by_decision_id decision_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Every record of topic decisions as it arrived, routing fields only: what models decided, before any policy';

CREATE TABLE IF NOT EXISTS routed_decisions
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'decisions.auto-approved, reviews.async, reviews.sync or reviews.manual',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the router wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read completely; empty if it can. The routing columns are filled as far as they could be read',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read completely; empty otherwise',
    review_copy Bool DEFAULT route = 'auto' AND kafka_topic != 'decisions.auto-approved' COMMENT 'Second record of a decision that takes effect and is reviewed as well (audit, post_approval). To count decisions, count rows that are no review copies',
    routed_at DateTime64(6, 'UTC') COMMENT 'When the router decided, UTC; one reading of the clock a batch',
    route LowCardinality(String) COMMENT 'auto (takes effect now), async (waits in a queue), sync (somebody waits), manual (a person from the start); empty if unreadable',
    reasons Array(LowCardinality(String)) COMMENT 'Ids of every threshold, rule and control that led to the route',
    calibrated_confidence Float64 COMMENT 'Confidence the thresholds were compared with; the model''s own where no calibration applied',
    policy_version LowCardinality(String) COMMENT 'Hash of the policy''s content; empty where no policy knows the domain',
    calibration_version LowCardinality(String) COMMENT 'Calibration that was applied; empty for none',
    workflow LowCardinality(String) COMMENT 'escalation, pre_approval, post_approval or hybrid',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    queue LowCardinality(String) COMMENT 'Tasks that the same group of reviewers can do',
    audit Bool COMMENT 'Takes effect and was also picked by the audit coin for a blind review',
    propensity Float64 COMMENT 'Probability with which the pipeline sent this decision to a person, before the coin fell',
    override_until Nullable(DateTime64(6, 'UTC')) COMMENT 'post_approval: until when an override rolls the decision back',
    notices Array(LowCardinality(String)) COMMENT 'Notices due to the subject, for example adverse_action',
    decision_id String COMMENT 'Id of the decision; of an unreadable record its key',
    domain LowCardinality(String) COMMENT 'What is decided, for example loan_approval',
    model_id LowCardinality(String) COMMENT 'Model that decided',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    prediction LowCardinality(String) COMMENT 'Outcome the model proposes',
    confidence Float64 COMMENT 'The model''s own probability that the prediction is right; may be no number if the producer is broken',
    created_at DateTime64(6, 'UTC') COMMENT 'When the model decided, UTC, by the producer''s clock; clamped to 1900 to 2299',
    impact String COMMENT 'Who or what is affected and how much, in the producer''s words',
    amount Nullable(Float64) COMMENT 'Money at stake, in the currency of the domain',
    novel Bool COMMENT 'The model has seen nothing like it',
    compliance_review Bool COMMENT 'The producer knows that the law demands a person',
    jurisdiction LowCardinality(String) COMMENT 'Jurisdiction of the decision',
    subject_id String COMMENT 'Pseudonymous id of the person or thing decided about',
    attributes Map(LowCardinality(String), String) COMMENT 'Facts that policy rules may use',
    input String CODEC(ZSTD(1)) COMMENT 'What the model saw: a JSON object',
    alternatives Array(Tuple(option String, confidence Float64, pros Array(String), cons Array(String))) COMMENT 'Other outcomes the model weighed',
    explanation Tuple(top_features Array(Tuple(feature String, value String, importance Float64)), reasoning String, similar_cases Array(Tuple(case_id String, outcome String))) COMMENT 'Why the model decided so, in its own words',
    history Tuple(previous_decisions Array(Tuple(decision_id String, outcome String, decided_at DateTime64(6, 'UTC'))), model_accuracy_on_similar Nullable(Float64)) COMMENT 'Earlier decisions about the same subject',
    vector Array(Float32) COMMENT 'Numeric features for active learning, if the producer sends any',
    INDEX by_decision_id decision_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1,
    INDEX by_domain domain TYPE set(100) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Every record of the four route topics: the decision with the route the policy gave it. An audited or post_approval decision stands here twice, see review_copy';

CREATE TABLE IF NOT EXISTS dead_letters
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the dead letter was written, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    reason LowCardinality(String) COMMENT 'Stable code of what was wrong, for example malformed-avro',
    message String COMMENT 'The same for a person',
    source_topic LowCardinality(String) COMMENT 'Topic the message was read from before it became a dead letter',
    source_partition Nullable(Int32) COMMENT 'Its partition there',
    source_offset Nullable(Int64) COMMENT 'Its offset there',
    original_key Nullable(String) COMMENT 'Key of the message, unchanged bytes: usually the decision id',
    original_value Nullable(String) CODEC(ZSTD(1)) COMMENT 'Value of the message, unchanged bytes',
    original_headers Array(Tuple(name String, value Nullable(String))) COMMENT 'Headers as the producer sent them',
    INDEX by_key original_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Messages that could not be read, with the reason and their original bytes';

-- The tables below have no TTL: they are small, and a kept decision is explained by the policy, control and
-- calibration of its day. Kafka keeps the newest record of each key only; here every one of them stays.

CREATE TABLE IF NOT EXISTS policies
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (compaction)',
    kafka_timestamp DateTime64(3, 'UTC') COMMENT 'When the record was sent, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: the name of the policy',
    tombstone Bool COMMENT 'The policy was withdrawn: its domains go to people',
    name LowCardinality(String) COMMENT 'Name of the policy',
    version String COMMENT 'First 16 hex digits of the SHA-256 of resolved; stands on every decision routed by it',
    resolved String CODEC(ZSTD(1)) COMMENT 'Canonical JSON, packs expanded, defaults explicit: what the router runs',
    source String CODEC(ZSTD(1)) COMMENT 'The YAML as a person wrote it',
    published_at DateTime64(6, 'UTC') COMMENT 'When it was published, UTC',
    published_by String COMMENT 'Who published it',
    note String COMMENT 'Why it was published, in that person''s words'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every version of every policy that was ever published';

CREATE TABLE IF NOT EXISTS controls
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (compaction)',
    kafka_timestamp DateTime64(3, 'UTC') COMMENT 'When the record was sent, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: the scope',
    tombstone Bool COMMENT 'The control was removed',
    scope String COMMENT 'all, domain:NAME, model:ID or model:ID@VERSION',
    halted Bool COMMENT 'Nothing in the scope takes effect by itself; false lifts the halt',
    reason String COMMENT 'Why, in the words of who set it',
    set_by String COMMENT 'Who set it',
    set_at DateTime64(6, 'UTC') COMMENT 'When it was set, UTC'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every use of the kill switch';

CREATE TABLE IF NOT EXISTS calibration_models
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (compaction)',
    kafka_timestamp DateTime64(3, 'UTC') COMMENT 'When the record was sent, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: model_id@model_version',
    tombstone Bool COMMENT 'The calibration was withdrawn: the model''s own confidence counts again',
    model_id LowCardinality(String) COMMENT 'Model it belongs to',
    model_version LowCardinality(String) COMMENT 'Version of the model it belongs to',
    version String COMMENT 'Hash of the parameters; stands on every decision it was applied to',
    intercept Float64 COMMENT 'p'' = sigmoid(intercept + slope * logit(p))',
    slope Float64 COMMENT 'See intercept; positive, so that calibration never reverses an order',
    labels Int64 COMMENT 'Reviewed outcomes it was fitted on',
    fitted_at DateTime64(6, 'UTC') COMMENT 'When it was fitted, UTC'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every recalibration of a model''s confidence';
