-- Decisions that were sent again, and what was replayed, counted once: by the first record of a decision id.
--
-- The router recognises repetitions as long as it remembers the first, and what it routes again all the same stands in
-- routed_decisions once more. Which ids those are must be found without going through all of them: routed_decision_ids
-- has a short row for each, and an id is repeated where the lowest and the highest of its records differ. Rows of it may
-- come twice and in any order, so filling it from what is there already needs no care. Forgotten like the raw table.
--
-- Review copies count by topic as well: one decision may be audited (reviews.async) and contested later (reviews.manual).

CREATE TABLE IF NOT EXISTS routed_decision_ids
(
    id UInt64 COMMENT 'Hash of domain and decision id, of a review copy with its topic',
    decision_id SimpleAggregateFunction(any, String) COMMENT 'The decision id',
    lowest SimpleAggregateFunction(min, UInt64) COMMENT 'Lowest of the hashes of the records'' places in Kafka',
    highest SimpleAggregateFunction(max, UInt64) COMMENT 'Highest of them; another than lowest if there are several records',
    inserted_at SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'When the latest of them was inserted, UTC; retention counts from here'
)
ENGINE = AggregatingMergeTree
ORDER BY id
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'A short row for each decision in routed_decisions, from which repeated_decisions finds those that came again. Read it with FINAL';

CREATE MATERIALIZED VIEW IF NOT EXISTS routed_decision_ids_fill TO routed_decision_ids AS
SELECT
    sipHash64(domain, routed_decisions.decision_id, if(review_copy, kafka_topic, '')) AS id,
    any(toString(routed_decisions.decision_id)) AS decision_id,
    min(sipHash64(kafka_stream, kafka_topic, kafka_partition, kafka_offset)) AS lowest,
    max(sipHash64(kafka_stream, kafka_topic, kafka_partition, kafka_offset)) AS highest,
    max(routed_decisions.inserted_at) AS inserted_at
FROM routed_decisions
WHERE error = '' AND routed_decisions.decision_id != ''
GROUP BY id;

INSERT INTO routed_decision_ids (id, decision_id, lowest, highest, inserted_at)
SELECT
    sipHash64(domain, routed_decisions.decision_id, if(review_copy, kafka_topic, '')) AS id,
    any(toString(routed_decisions.decision_id)) AS decision_id,
    min(sipHash64(kafka_stream, kafka_topic, kafka_partition, kafka_offset)) AS lowest,
    max(sipHash64(kafka_stream, kafka_topic, kafka_partition, kafka_offset)) AS highest,
    max(routed_decisions.inserted_at) AS inserted_at
FROM routed_decisions
WHERE error = '' AND routed_decisions.decision_id != ''
GROUP BY id;

CREATE OR REPLACE VIEW repeated_decisions
(
    decision_id String COMMENT 'Id of the decision',
    nth UInt64 COMMENT '2 for the first repetition',
    kafka_timestamp DateTime64(3, 'UTC') COMMENT 'When the router wrote the record, UTC',
    kafka_topic LowCardinality(String) COMMENT 'Route topic the record stands in',
    kafka_partition UInt32 COMMENT 'Its partition',
    kafka_offset UInt64 COMMENT 'Its offset',
    review_copy Bool COMMENT 'Second records of decisions that take effect and are reviewed as well; leave them out to count decisions',
    error LowCardinality(String) COMMENT 'Why records could not be read completely; empty for readable ones',
    domain LowCardinality(String) COMMENT 'What is decided',
    model_id LowCardinality(String) COMMENT 'Model that decided',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    prediction LowCardinality(String) COMMENT 'Outcome the model proposes',
    route LowCardinality(String) COMMENT 'auto, async, sync or manual; empty if unreadable',
    queue LowCardinality(String) COMMENT 'Tasks that the same group of reviewers can do',
    workflow LowCardinality(String) COMMENT 'escalation, pre_approval, post_approval or hybrid',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    policy_version LowCardinality(String) COMMENT 'Hash of the policy''s content; empty where no policy knows the domain',
    audit Bool COMMENT 'Picked by the audit coin',
    confidence Float64 COMMENT 'The model''s own confidence',
    calibrated_confidence Float64 COMMENT 'Confidence the thresholds were compared with',
    propensity Float64 COMMENT 'Probability with which the pipeline sent this decision to a person'
)
AS
SELECT
    decision_id, nth, kafka_timestamp, kafka_topic, kafka_partition, kafka_offset,
    review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit,
    confidence, calibrated_confidence, propensity
FROM
(
    SELECT
        *,
        row_number() OVER (
            PARTITION BY domain, decision_id, if(review_copy, kafka_topic, '')
            ORDER BY kafka_timestamp, kafka_topic, kafka_partition, kafka_offset
        ) AS nth
    FROM routed_decisions
    WHERE error = '' AND decision_id IN
    (
        SELECT decision_id FROM routed_decision_ids
        WHERE id IN (SELECT id FROM routed_decision_ids FINAL WHERE lowest != highest)
    )
)
WHERE nth > 1
COMMENT 'Records of decisions that were in the route topics already: sent again by their producer after the router had forgotten them, or replayed';

CREATE OR REPLACE VIEW first_routed_by_minute
(
    minute DateTime('UTC') COMMENT 'Start of the minute in which the router wrote the records, UTC',
    kafka_topic LowCardinality(String) COMMENT 'Route topic the records stand in',
    review_copy Bool COMMENT 'Second records of decisions that take effect and are reviewed as well; leave them out to count decisions',
    error LowCardinality(String) COMMENT 'Why records could not be read completely; empty for readable ones',
    domain LowCardinality(String) COMMENT 'What is decided',
    model_id LowCardinality(String) COMMENT 'Model that decided',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    prediction LowCardinality(String) COMMENT 'Outcome the model proposes',
    route LowCardinality(String) COMMENT 'auto, async, sync or manual; empty if unreadable',
    queue LowCardinality(String) COMMENT 'Tasks that the same group of reviewers can do',
    workflow LowCardinality(String) COMMENT 'escalation, pre_approval, post_approval or hybrid',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    policy_version LowCardinality(String) COMMENT 'Hash of the policy''s content; empty where no policy knows the domain',
    audit Bool COMMENT 'Picked by the audit coin',
    records Int64 COMMENT 'Number of first records; a repetition has -1, which takes it out of the sum: always aggregate',
    repetitions UInt64 COMMENT 'Number of records of decisions that were there already',
    confidence_count Int64 COMMENT 'First records whose confidence is a probability: the population of both confidence sums',
    confidence_sum Float64 COMMENT 'Sum of the model''s own confidence over confidence_count',
    calibrated_confidence_sum Float64 COMMENT 'Sum of the calibrated confidence over confidence_count',
    propensity_sum Float64 COMMENT 'Sum of the propensities over all first records',
    latency_count UInt64 COMMENT 'Readable records with a plausible creation time, repetitions included: the population of the latencies',
    latency_ms AggregateFunction(quantilesTDigestIf(0.5, 0.9, 0.99), Float64, UInt8) COMMENT 'State for quantilesTDigestIfMerge(0.5, 0.9, 0.99): routed_at - created_at in milliseconds over latency_count'
)
AS
SELECT
    minute, kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit,
    toInt64(records) AS records, toUInt64(0) AS repetitions, toInt64(confidence_count) AS confidence_count, confidence_sum,
    calibrated_confidence_sum, propensity_sum, latency_count, latency_ms
FROM routed_by_minute
UNION ALL
SELECT
    toStartOfMinute(kafka_timestamp) AS minute, kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit,
    toInt64(-1) AS records, toUInt64(1) AS repetitions, -toInt64(confidence >= 0 AND confidence <= 1) AS confidence_count,
    if(confidence >= 0 AND confidence <= 1, -confidence, 0) AS confidence_sum,
    if(confidence >= 0 AND confidence <= 1, -calibrated_confidence, 0) AS calibrated_confidence_sum,
    -propensity AS propensity_sum, toUInt64(0) AS latency_count,
    initializeAggregation('quantilesTDigestIfState(0.5, 0.9, 0.99)', toFloat64(0), toUInt8(0)) AS latency_ms
FROM repeated_decisions
COMMENT 'routed_by_minute with every decision counted by its first record: repetitions are taken out of all but the latencies';

CREATE OR REPLACE VIEW first_routed_by_hour
(
    hour DateTime('UTC') COMMENT 'Start of the hour in which the router wrote the records, UTC',
    kafka_topic LowCardinality(String) COMMENT 'Route topic the records stand in',
    review_copy Bool COMMENT 'Second records of decisions that take effect and are reviewed as well; leave them out to count decisions',
    error LowCardinality(String) COMMENT 'Why records could not be read completely; empty for readable ones',
    domain LowCardinality(String) COMMENT 'What is decided',
    model_id LowCardinality(String) COMMENT 'Model that decided',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    prediction LowCardinality(String) COMMENT 'Outcome the model proposes',
    route LowCardinality(String) COMMENT 'auto, async, sync or manual; empty if unreadable',
    queue LowCardinality(String) COMMENT 'Tasks that the same group of reviewers can do',
    workflow LowCardinality(String) COMMENT 'escalation, pre_approval, post_approval or hybrid',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    policy_version LowCardinality(String) COMMENT 'Hash of the policy''s content; empty where no policy knows the domain',
    audit Bool COMMENT 'Picked by the audit coin',
    records Int64 COMMENT 'Number of first records; a repetition has -1, which takes it out of the sum: always aggregate',
    repetitions UInt64 COMMENT 'Number of records of decisions that were there already',
    confidence_count Int64 COMMENT 'First records whose confidence is a probability: the population of both confidence sums',
    confidence_sum Float64 COMMENT 'Sum of the model''s own confidence over confidence_count',
    calibrated_confidence_sum Float64 COMMENT 'Sum of the calibrated confidence over confidence_count',
    propensity_sum Float64 COMMENT 'Sum of the propensities over all first records',
    latency_count UInt64 COMMENT 'Readable records with a plausible creation time, repetitions included: the population of the latencies',
    latency_ms AggregateFunction(quantilesTDigestIf(0.5, 0.9, 0.99), Float64, UInt8) COMMENT 'State for quantilesTDigestIfMerge(0.5, 0.9, 0.99): routed_at - created_at in milliseconds over latency_count'
)
AS
SELECT
    hour, kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit,
    toInt64(records) AS records, toUInt64(0) AS repetitions, toInt64(confidence_count) AS confidence_count, confidence_sum,
    calibrated_confidence_sum, propensity_sum, latency_count, latency_ms
FROM routed_by_hour
UNION ALL
SELECT
    toStartOfHour(kafka_timestamp) AS hour, kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit,
    toInt64(-1) AS records, toUInt64(1) AS repetitions, -toInt64(confidence >= 0 AND confidence <= 1) AS confidence_count,
    if(confidence >= 0 AND confidence <= 1, -confidence, 0) AS confidence_sum,
    if(confidence >= 0 AND confidence <= 1, -calibrated_confidence, 0) AS calibrated_confidence_sum,
    -propensity AS propensity_sum, toUInt64(0) AS latency_count,
    initializeAggregation('quantilesTDigestIfState(0.5, 0.9, 0.99)', toFloat64(0), toUInt8(0)) AS latency_ms
FROM repeated_decisions
COMMENT 'routed_by_hour with every decision counted by its first record: repetitions are taken out of all but the latencies';

CREATE OR REPLACE VIEW metrics
(
    total_decisions UInt64 COMMENT 'Different decisions routed: decision ids of a domain, each counted by its first record in the four route topics that is no review copy, however often it came. Dead letters are not among them; records without a readable id count one by one',
    repeated UInt64 COMMENT 'Records of decisions that were there already, sent again by their producer or replayed: in none of the other numbers but the latencies',
    dead_letters UInt64 COMMENT 'Messages of topic decisions that could not be read. Population: dead letters whose source is topic decisions',
    auto_approved_rate Nullable(Float64) COMMENT 'Share of total_decisions that took effect without waiting for a person (route auto), audited ones and post_approval included',
    human_review_rate Nullable(Float64) COMMENT 'Share of total_decisions that wait for a person before they take effect (routes async, sync, manual). Reviews after the effect are not in it: see audit_rate and reviewed_after_effect_rate',
    async_rate Nullable(Float64) COMMENT 'Share of total_decisions with route async',
    sync_rate Nullable(Float64) COMMENT 'Share of total_decisions with route sync',
    manual_rate Nullable(Float64) COMMENT 'Share of total_decisions with route manual',
    audit_rate Nullable(Float64) COMMENT 'Share of the decisions with route auto that the audit coin also sent to a blind review',
    reviewed_after_effect_rate Nullable(Float64) COMMENT 'Share of the decisions with route auto that also went to a reviewer: audits, post_approval, and what somebody contested',
    dead_letter_rate Nullable(Float64) COMMENT 'Share of dead_letters in dead_letters + total_decisions, that is in all messages the router has read',
    unreadable_records UInt64 COMMENT 'Records of route topics that could not be read completely, review copies included; should be 0',
    mean_confidence Nullable(Float64) COMMENT 'Mean of the model''s own confidence over those of total_decisions where it is a probability. Says nothing about accuracy',
    mean_calibrated_confidence Nullable(Float64) COMMENT 'Mean of the calibrated confidence over the same population as mean_confidence',
    mean_propensity Nullable(Float64) COMMENT 'Mean probability with which total_decisions were sent to a person, audits included: expected share of human work',
    routing_latency_ms_p50 Nullable(Float64) COMMENT 'Median of routed_at - created_at in milliseconds over those of total_decisions that are readable with a plausible creation time. Both clocks count: the producer''s and the router''s',
    routing_latency_ms_p90 Nullable(Float64) COMMENT 'Nine tenths are faster; population as for p50',
    routing_latency_ms_p99 Nullable(Float64) COMMENT '99 of 100 are faster; population as for p50',
    first_hour Nullable(DateTime('UTC')) COMMENT 'First hour with a routed decision, UTC',
    last_hour Nullable(DateTime('UTC')) COMMENT 'Last hour with a routed decision, UTC',
    reviewed_decisions UInt64 COMMENT 'Decisions that routing had picked for review and on which a person has said the first word (queues, audits, post_approval). They stand for no others',
    approval_rate Nullable(Float64) COMMENT 'Share of reviewed_decisions whose prediction the person confirmed unchanged (approved, or chosen)',
    override_rate Nullable(Float64) COMMENT 'Share of reviewed_decisions where the person decided for another outcome. Reviewed decisions only, which routing picked for being doubtful: of all decisions it is 1 - ai_accuracy',
    modification_rate Nullable(Float64) COMMENT 'Share of reviewed_decisions with verdict modify; those with another outcome are in override_rate as well',
    avg_review_time Nullable(Float64) COMMENT 'Mean seconds from claim to verdict. Population: verdicts of people, appeals and the first of two included, gold items and overrides of decided tasks not',
    median_review_time Nullable(Float64) COMMENT 'Median of the same seconds over the same population; approximate above some hundred verdicts',
    sla_compliance Nullable(Float64) COMMENT 'Decided by a person before the deadline / (decided + missed + open past the deadline). Population: tasks and appeals without gold. Open tasks that are not due yet are censored: they count neither as success nor as failure',
    open_tasks UInt64 COMMENT 'Tasks and appeals that wait for a person or are with one, gold items left out',
    breached_open UInt64 COMMENT 'Those of open_tasks whose deadline has passed',
    escalation_rate Nullable(Float64) COMMENT 'Share of tasks and appeals, open ones included and gold items not, that went up to a lead',
    ai_accuracy Nullable(Float64) COMMENT 'Estimated share of all decisions whose prediction people would confirm: reviewed_decisions weighted by 1 / propensity (Hajek). What was picked and is not decided yet, or never was, is missing; null until something is decided',
    ai_accuracy_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of ai_accuracy: Wilson, with the effective number of verdicts that the variance of the weighted mean allows, at most their number',
    ai_accuracy_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    ai_accuracy_standard_error Nullable(Float64) COMMENT 'Standard error of ai_accuracy that selection alone causes; 0 where everything was reviewed, or all verdicts agree',
    ai_accuracy_reviewed Nullable(Float64) COMMENT 'Naive: the same share over reviewed_decisions, unweighted. Says nothing of decisions that nobody reviewed; kept for comparison',
    confidence_calibration Nullable(Float64) COMMENT 'Mean calibrated confidence minus accuracy, both over reviewed_decisions weighted by 1 / propensity, so for all decisions: above 0 the models claim too much'
)
AS
SELECT
    total_decisions, repeated, dead_letters, auto_approved_rate, human_review_rate, async_rate, sync_rate, manual_rate,
    audit_rate, reviewed_after_effect_rate, dead_letter_rate, unreadable_records, mean_confidence,
    mean_calibrated_confidence, mean_propensity, routing_latency_ms_p50, routing_latency_ms_p90,
    routing_latency_ms_p99, first_hour, last_hour, reviewed_decisions, approval_rate, override_rate,
    modification_rate, avg_review_time, median_review_time, sla_compliance, open_tasks, breached_open,
    escalation_rate, ai_accuracy, ai_accuracy_lower, ai_accuracy_upper, ai_accuracy_standard_error,
    ai_accuracy_reviewed, confidence_calibration
FROM
(
    WITH
        (SELECT sum(records) FROM dead_letters_by_hour WHERE source_topic = 'decisions') AS letters,
        sumIf(records, NOT review_copy) AS total,
        sumIf(records, NOT review_copy AND route = 'auto') AS automatic,
        sumIf(confidence_count, NOT review_copy) AS probable,
        sumIf(latency_count, NOT review_copy) AS timed,
        quantilesTDigestIfMergeIf(0.5, 0.9, 0.99)(latency_ms, NOT review_copy) AS latency
    SELECT
        true AS is_total,
        toUInt64(total) AS total_decisions,
        sumIf(repetitions, NOT review_copy) AS repeated,
        ifNull(letters, 0) AS dead_letters,
        automatic / nullIf(total, 0) AS auto_approved_rate,
        sumIf(records, NOT review_copy AND route IN ('async', 'sync', 'manual')) / nullIf(total, 0) AS human_review_rate,
        sumIf(records, NOT review_copy AND route = 'async') / nullIf(total, 0) AS async_rate,
        sumIf(records, NOT review_copy AND route = 'sync') / nullIf(total, 0) AS sync_rate,
        sumIf(records, NOT review_copy AND route = 'manual') / nullIf(total, 0) AS manual_rate,
        sumIf(records, NOT review_copy AND route = 'auto' AND audit) / nullIf(automatic, 0) AS audit_rate,
        sumIf(records, review_copy) / nullIf(automatic, 0) AS reviewed_after_effect_rate,
        letters / nullIf(letters + total, 0) AS dead_letter_rate,
        toUInt64(sumIf(records, error != '')) AS unreadable_records,
        sumIf(confidence_sum, NOT review_copy) / nullIf(probable, 0) AS mean_confidence,
        sumIf(calibrated_confidence_sum, NOT review_copy) / nullIf(probable, 0) AS mean_calibrated_confidence,
        sumIf(propensity_sum, NOT review_copy) / nullIf(total, 0) AS mean_propensity,
        if(timed = 0, NULL, latency[1]) AS routing_latency_ms_p50,
        if(timed = 0, NULL, latency[2]) AS routing_latency_ms_p90,
        if(timed = 0, NULL, latency[3]) AS routing_latency_ms_p99,
        if(total = 0, NULL, minIf(hour, NOT review_copy)) AS first_hour,
        if(total = 0, NULL, maxIf(hour, NOT review_copy)) AS last_hour
    FROM first_routed_by_hour
) AS routed
LEFT JOIN (SELECT * FROM review_metrics WHERE is_total) AS reviewed USING (is_total)
COMMENT 'One row on everything so far: what was routed, and what people decided';

CREATE OR REPLACE VIEW metrics_by_domain
(
    domain String COMMENT 'What is decided; empty for records that could not be read',
    total_decisions UInt64 COMMENT 'Different decisions of the domain routed: decision ids, each counted by its first record that is no review copy, however often it came',
    repeated UInt64 COMMENT 'Records of decisions that were there already, sent again by their producer or replayed: in none of the other numbers but the latencies',
    auto_approved_rate Nullable(Float64) COMMENT 'Share of the domain''s total_decisions that took effect without waiting for a person (route auto)',
    human_review_rate Nullable(Float64) COMMENT 'Share of the domain''s total_decisions that wait for a person before they take effect (routes async, sync, manual)',
    audit_rate Nullable(Float64) COMMENT 'Share of the domain''s decisions with route auto that the audit coin also sent to a blind review',
    reviewed_after_effect_rate Nullable(Float64) COMMENT 'Share of the domain''s decisions with route auto that also went to a reviewer: audits, post_approval, and what somebody contested',
    mean_confidence Nullable(Float64) COMMENT 'Mean of the model''s own confidence over those of total_decisions where it is a probability',
    mean_propensity Nullable(Float64) COMMENT 'Mean probability with which total_decisions were sent to a person',
    routing_latency_ms_p50 Nullable(Float64) COMMENT 'Median of routed_at - created_at in milliseconds over those of total_decisions that are readable with a plausible creation time',
    routing_latency_ms_p99 Nullable(Float64) COMMENT '99 of 100 are faster; same population',
    reviewed_decisions UInt64 COMMENT 'The domain''s decisions that routing had picked for review and on which a person has said the first word (queues, audits, post_approval). They stand for no others',
    approval_rate Nullable(Float64) COMMENT 'Share of reviewed_decisions whose prediction the person confirmed unchanged (approved, or chosen)',
    override_rate Nullable(Float64) COMMENT 'Share of reviewed_decisions where the person decided for another outcome. Reviewed decisions only, which routing picked for being doubtful: of all decisions it is 1 - ai_accuracy',
    modification_rate Nullable(Float64) COMMENT 'Share of reviewed_decisions with verdict modify; those with another outcome are in override_rate as well',
    avg_review_time Nullable(Float64) COMMENT 'Mean seconds from claim to verdict. Population: verdicts of people, appeals and the first of two included, gold items and overrides of decided tasks not',
    median_review_time Nullable(Float64) COMMENT 'Median of the same seconds over the same population; approximate above some hundred verdicts',
    sla_compliance Nullable(Float64) COMMENT 'Decided by a person before the deadline / (decided + missed + open past the deadline). Population: tasks and appeals without gold. Open tasks that are not due yet are censored: they count neither as success nor as failure',
    open_tasks UInt64 COMMENT 'Tasks and appeals that wait for a person or are with one, gold items left out',
    breached_open UInt64 COMMENT 'Those of open_tasks whose deadline has passed',
    escalation_rate Nullable(Float64) COMMENT 'Share of tasks and appeals, open ones included and gold items not, that went up to a lead',
    ai_accuracy Nullable(Float64) COMMENT 'Estimated share of all decisions whose prediction people would confirm: reviewed_decisions weighted by 1 / propensity (Hajek). What was picked and is not decided yet, or never was, is missing; null until something is decided',
    ai_accuracy_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of ai_accuracy: Wilson, with the effective number of verdicts that the variance of the weighted mean allows, at most their number',
    ai_accuracy_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    ai_accuracy_standard_error Nullable(Float64) COMMENT 'Standard error of ai_accuracy that selection alone causes; 0 where everything was reviewed, or all verdicts agree',
    ai_accuracy_reviewed Nullable(Float64) COMMENT 'Naive: the same share over reviewed_decisions, unweighted. Says nothing of decisions that nobody reviewed; kept for comparison',
    confidence_calibration Nullable(Float64) COMMENT 'Mean calibrated confidence minus accuracy, both over reviewed_decisions weighted by 1 / propensity, so for all decisions: above 0 the models claim too much'
)
AS
SELECT
    domain, total_decisions, repeated, auto_approved_rate, human_review_rate, audit_rate, reviewed_after_effect_rate,
    mean_confidence, mean_propensity, routing_latency_ms_p50, routing_latency_ms_p99, reviewed_decisions,
    approval_rate, override_rate, modification_rate, avg_review_time, median_review_time, sla_compliance, open_tasks,
    breached_open, escalation_rate, ai_accuracy, ai_accuracy_lower, ai_accuracy_upper, ai_accuracy_standard_error,
    ai_accuracy_reviewed, confidence_calibration
FROM
(
    WITH
        sumIf(records, NOT review_copy) AS total,
        sumIf(records, NOT review_copy AND route = 'auto') AS automatic,
        sumIf(latency_count, NOT review_copy) AS timed,
        quantilesTDigestIfMergeIf(0.5, 0.9, 0.99)(latency_ms, NOT review_copy) AS latency
    SELECT
        domain,
        toUInt64(total) AS total_decisions,
        sumIf(repetitions, NOT review_copy) AS repeated,
        automatic / nullIf(total, 0) AS auto_approved_rate,
        sumIf(records, NOT review_copy AND route IN ('async', 'sync', 'manual')) / nullIf(total, 0) AS human_review_rate,
        sumIf(records, NOT review_copy AND route = 'auto' AND audit) / nullIf(automatic, 0) AS audit_rate,
        sumIf(records, review_copy) / nullIf(automatic, 0) AS reviewed_after_effect_rate,
        sumIf(confidence_sum, NOT review_copy) / nullIf(sumIf(confidence_count, NOT review_copy), 0) AS mean_confidence,
        sumIf(propensity_sum, NOT review_copy) / nullIf(total, 0) AS mean_propensity,
        if(timed = 0, NULL, latency[1]) AS routing_latency_ms_p50,
        if(timed = 0, NULL, latency[3]) AS routing_latency_ms_p99
    FROM first_routed_by_hour
    GROUP BY domain
) AS routed
FULL JOIN (SELECT * FROM review_metrics WHERE NOT is_total) AS reviewed USING (domain)
COMMENT 'metrics, one row a domain';

CREATE OR REPLACE VIEW metrics_by_minute
(
    minute DateTime('UTC') COMMENT 'Start of the minute in which the router wrote, UTC. Minutes without a record have no row',
    total_decisions UInt64 COMMENT 'Decisions routed for the first time in that minute: decision ids, each counted by its first record that is no review copy',
    repeated UInt64 COMMENT 'Records in that minute of decisions that were there already: in none of the other numbers but the latencies',
    auto UInt64 COMMENT 'Those of total_decisions with route auto',
    async UInt64 COMMENT 'Those of total_decisions with route async',
    sync UInt64 COMMENT 'Those of total_decisions with route sync',
    manual UInt64 COMMENT 'Those of total_decisions with route manual',
    review_copies UInt64 COMMENT 'Decisions with route auto that also went to a reviewer in that minute',
    dead_letters UInt64 COMMENT 'Messages of topic decisions that could not be read in that minute; not in total_decisions',
    routing_latency_ms_p50 Nullable(Float64) COMMENT 'Median of routed_at - created_at in milliseconds over those of total_decisions that are readable with a plausible creation time',
    routing_latency_ms_p99 Nullable(Float64) COMMENT '99 of 100 are faster; same population'
)
AS
WITH
    sumIf(latency_count, NOT review_copy) AS timed,
    quantilesTDigestIfMergeIf(0.5, 0.9, 0.99)(latency_ms, NOT review_copy) AS latency
SELECT
    minute,
    toUInt64(sumIf(records, NOT review_copy)) AS total_decisions,
    sumIf(repetitions, NOT review_copy) AS repeated,
    toUInt64(sumIf(records, NOT review_copy AND route = 'auto')) AS auto,
    toUInt64(sumIf(records, NOT review_copy AND route = 'async')) AS async,
    toUInt64(sumIf(records, NOT review_copy AND route = 'sync')) AS sync,
    toUInt64(sumIf(records, NOT review_copy AND route = 'manual')) AS manual,
    toUInt64(sumIf(records, review_copy)) AS review_copies,
    ifNull(any(letters), 0) AS dead_letters,
    if(timed = 0, NULL, latency[1]) AS routing_latency_ms_p50,
    if(timed = 0, NULL, latency[3]) AS routing_latency_ms_p99
FROM first_routed_by_minute
FULL JOIN
(
    SELECT minute, sum(records) AS letters FROM dead_letters_by_minute WHERE source_topic = 'decisions' GROUP BY minute
) AS refused USING (minute)
GROUP BY minute
COMMENT 'metrics, one row a minute';
