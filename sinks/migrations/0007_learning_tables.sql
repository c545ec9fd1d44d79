-- Raw tables of the learning side. What 0001 says about its tables holds for these: one row a record, readable or not;
-- sort key, partitions, TTL and settings for the same reasons.
--
-- Whoever writes these topics, the router and those who sign proposals aside, begins again after a crash with records
-- that it has written before, byte for byte. Kafka has them twice, so the tables do: counts must agree. Views count each
-- id once.

CREATE TABLE IF NOT EXISTS shadow_decisions
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'decisions.shadow',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the router wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read completely; empty if it can. The routing columns are filled as far as they could be read',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read completely; empty otherwise',
    routed_at DateTime64(6, 'UTC') COMMENT 'When the router decided, UTC; one reading of the clock a batch',
    route LowCardinality(String) COMMENT 'The one it would have had: auto, async, sync or manual; empty if unreadable',
    reasons Array(LowCardinality(String)) COMMENT 'Ids of every threshold, rule and control that would have led to the route, and shadow',
    calibrated_confidence Float64 COMMENT 'Confidence the thresholds were compared with; the model''s own where no calibration applied',
    policy_version LowCardinality(String) COMMENT 'Hash of the policy''s content; empty where no policy knows the domain',
    calibration_version LowCardinality(String) COMMENT 'Calibration that was applied; empty for none',
    workflow LowCardinality(String) COMMENT 'escalation, pre_approval, post_approval or hybrid',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    queue LowCardinality(String) COMMENT 'Where it would have waited',
    audit Bool COMMENT 'False: nobody reviews it',
    propensity Float64 COMMENT '0: it stands for no decision that was made',
    override_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Null: nothing took effect',
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
COMMENT 'What models on trial decided, each with the route it would have had. Nothing of it took effect: these are no decisions of routed_decisions';

CREATE TABLE IF NOT EXISTS training_examples
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When feedback wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    example_id String COMMENT 'The outcome_id: the same in every replay',
    decision_id String COMMENT 'The decision; of an unreadable record its key',
    domain LowCardinality(String) COMMENT 'What was decided',
    model_id LowCardinality(String) COMMENT 'Model that had decided',
    model_version LowCardinality(String) COMMENT 'Its version',
    input String CODEC(ZSTD(1)) COMMENT 'What the model saw: a JSON object; empty where the payload is gone',
    attributes Map(LowCardinality(String), String) COMMENT 'Facts that policy rules may use',
    vector Array(Float32) COMMENT 'Numeric features, if the producer sent any',
    prediction LowCardinality(String) COMMENT 'What the model had proposed',
    confidence Float64 COMMENT 'Its own confidence',
    calibrated_confidence Float64 COMMENT 'As the lanes compared it',
    final LowCardinality(String) COMMENT 'The outcome that people decided for',
    overridden Bool COMMENT 'final differs from prediction',
    verdict LowCardinality(String) COMMENT 'approve, reject, modify or choose',
    reason_code LowCardinality(String) COMMENT 'Why, as a code of the policy',
    reason_text String COMMENT 'Why, in words',
    modifications String COMMENT 'JSON object of changed fields, or empty',
    options Array(LowCardinality(String)) COMMENT 'hybrid: what there was to choose from, best first; final is the one preferred',
    propensity Float64 COMMENT 'Probability with which the pipeline sent this decision to a person',
    weight Float64 COMMENT '1 / propensity: how many decisions this one stands for',
    kind LowCardinality(String) COMMENT 'review, audit, post_approval, override or appeal. The last two were chosen by who disagreed, and stand for no others',
    blind Bool COMMENT 'The person did not see the prediction',
    reviewer LowCardinality(String) COMMENT 'Who decided',
    decided_at DateTime64(6, 'UTC') COMMENT 'When',
    policy_version LowCardinality(String) COMMENT 'Policy that routed the decision',
    arrived_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the task came',
    settled_before Nullable(DateTime64(6, 'UTC')) COMMENT 'As in outcomes',
    INDEX by_decision_id decision_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Every case that models can be trained on. One that was written again after a crash stands here twice with the same example_id';

CREATE TABLE IF NOT EXISTS retraining_requests
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When feedback wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    request_id String COMMENT 'model_id@model_version#outcome_id: the same in every replay; of an unreadable record its key',
    model_id LowCardinality(String) COMMENT 'Model',
    model_version LowCardinality(String) COMMENT 'Its version',
    domain LowCardinality(String) COMMENT 'What it decides',
    limit Float64 COMMENT 'Override rate that is allowed',
    override_rate_estimate Nullable(Float64) COMMENT 'Of all decisions, corrected for selection. Null where nothing can be said',
    override_rate_lower Nullable(Float64) COMMENT 'Of all decisions, corrected for selection. Lower end of the interval, valid at any time of looking',
    override_rate_upper Nullable(Float64) COMMENT 'Of all decisions, corrected for selection. Upper end of the interval, valid at any time of looking',
    reviewed Int32 COMMENT 'Outcomes it rests on',
    reviewed_override_rate Float64 COMMENT 'Naive: of the reviewed ones alone, for comparison',
    slices Array(Tuple(pattern String, support Int32, overrides Int32, rate Float64, lift Float64, p_value Float64, q_value Float64)) COMMENT 'Where it errs most, worst first; see view retraining_slices',
    first_example String COMMENT 'example_id of the oldest example, in training_examples',
    last_example String COMMENT 'example_id of the latest',
    reason String COMMENT 'For a person: what was found and what to do',
    at DateTime64(6, 'UTC') COMMENT 'Time of the outcome that decided it',
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Models that people override too often, with the evidence. One that was written again after a crash stands here twice with the same request_id';

CREATE TABLE IF NOT EXISTS calibration_reports
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When calibration wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    report_id String COMMENT 'model_id@model_version#N, N outcomes: the same in every replay; of an unreadable record its key',
    model_id LowCardinality(String) COMMENT 'Model',
    model_version LowCardinality(String) COMMENT 'Its version',
    at DateTime64(6, 'UTC') COMMENT 'Time of the latest outcome in it',
    reviewed Int32 COMMENT 'Outcomes it rests on',
    effective Float64 COMMENT 'As many equally weighted ones (Kish)',
    bins Array(Tuple(count Int32, mean_confidence Float64, accuracy Float64, lower Float64, upper Float64, gap Float64, finding String)) COMMENT 'By confidence, least first; see view calibration_report',
    ece Float64 COMMENT 'Expected calibration error over the bins',
    ece_by_chance Float64 COMMENT 'What a perfectly calibrated model would show with as many outcomes',
    smooth_ece Float64 COMMENT 'Smooth calibration error (smECE)',
    brier Float64 COMMENT 'Mean squared error of the confidence',
    log_loss_before Nullable(Float64) COMMENT 'Prequential log-loss of the model''s own confidence; null with too few outcomes',
    log_loss_after Nullable(Float64) COMMENT 'Prequential log-loss after recalibration',
    method LowCardinality(String) COMMENT 'logistic, temperature, or empty where nothing is better than the model''s own confidence',
    intercept Float64 COMMENT 'Of the recalibration on log-odds; 0 for none',
    slope Float64 COMMENT 'Of the recalibration on log-odds; 1 for none',
    published Bool COMMENT 'calibration.models was given this one',
    refusal String COMMENT 'Why nothing was fitted, or empty',
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'How well each model version knew what it knew, again and again. One that was written again after a crash stands here twice with the same report_id';

CREATE TABLE IF NOT EXISTS drift_signals
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When calibration wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC; retention counts from here',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    signal_id String COMMENT 'The same in every replay; of an unreadable record its key',
    monitor LowCardinality(String) COMMENT 'confidence (ADWIN on the model''s confidence), overrides (e-process on the corrected override rate) or certificate (e-process on errors under a certificate)',
    model_id LowCardinality(String) COMMENT 'Model',
    model_version LowCardinality(String) COMMENT 'Its version',
    domain LowCardinality(String) COMMENT 'What it decides',
    statistic Float64 COMMENT 'Value that raised the alarm',
    threshold Float64 COMMENT 'Value above which it does',
    seen Int32 COMMENT 'Observations up to then',
    message String COMMENT 'For a person: what changed, since when, and what to do',
    revokes Array(String) COMMENT 'Proposals whose certificate no longer holds',
    at DateTime64(6, 'UTC') COMMENT 'Time of the observation',
    INDEX by_time kafka_timestamp TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000,
    max_compress_block_size = 131072, min_compress_block_size = 32768
COMMENT 'Monitors that raised an alarm. One that was written again after a crash stands here twice with the same signal_id';

-- No TTL: Kafka keeps the newest record of every proposal for ever, and who signed what must be known as long.

CREATE TABLE IF NOT EXISTS proposals
(
    kafka_stream LowCardinality(String) COMMENT 'Which log the offsets count in: changes when the topic is created anew',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic the record was read from',
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the record; gaps are normal (transaction markers, compaction)',
    kafka_timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the learning side, or who signed, wrote the record, UTC; clamped to 1970 to 2105',
    kafka_chunk_first UInt64 COMMENT 'First offset of the chunk the row was inserted with',
    kafka_chunk_last UInt64 COMMENT 'Last offset of the chunk the row was inserted with',
    inserted_at DateTime('UTC') DEFAULT now() COMMENT 'When the row was inserted, UTC',
    error LowCardinality(String) COMMENT 'Why the record cannot be read, for example malformed-avro; empty if it can',
    error_message String COMMENT 'The same for a person',
    raw String CODEC(ZSTD(1)) COMMENT 'The bytes of a record that cannot be read; empty otherwise',
    key String COMMENT 'Record key: the proposal id',
    tombstone Bool COMMENT 'The record was withdrawn from Kafka',
    proposal_id String COMMENT 'The same in every replay',
    kind LowCardinality(String) COMMENT 'threshold, safe_rule, retraining or coaching',
    state LowCardinality(String) COMMENT 'open, accepted, refused or revoked',
    domain LowCardinality(String) COMMENT 'Domain it is about',
    model_id LowCardinality(String) COMMENT 'Model it is about; empty for all',
    model_version LowCardinality(String) COMMENT 'Its version; empty for all',
    title String COMMENT 'One line',
    change String COMMENT 'JSON object: what changes in the policy (lane and thresholds, or a rule); empty for retraining and coaching',
    evidence String COMMENT 'JSON object: numbers that make the claim true, with sample sizes, levels and method',
    claim String COMMENT 'For a person: what holds with which certainty',
    workload_estimate Nullable(Float64) COMMENT 'Share of decisions that a person would see no more. Null where nothing can be said',
    workload_lower Nullable(Float64) COMMENT 'Share of decisions that a person would see no more. Lower end of the interval',
    workload_upper Nullable(Float64) COMMENT 'Share of decisions that a person would see no more. Upper end of the interval',
    error_estimate Nullable(Float64) COMMENT 'Share of wrong decisions among those that would take effect by themselves. Null where nothing can be said',
    error_lower Nullable(Float64) COMMENT 'Share of wrong decisions among those that would take effect by themselves. Lower end of the interval',
    error_upper Nullable(Float64) COMMENT 'Share of wrong decisions among those that would take effect by themselves. Upper end of the interval',
    policy LowCardinality(String) COMMENT 'Policy it would change',
    policy_version String COMMENT 'Version it was computed for; accepted: the version it made',
    proposed_at DateTime64(6, 'UTC') COMMENT 'When',
    decided_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When it was accepted, refused or revoked',
    decided_by LowCardinality(String) COMMENT 'Who did that; empty while open',
    reason String COMMENT 'Why it was refused or revoked, in words'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every state of every change that the learning side suggested; the latest record of a proposal holds';
