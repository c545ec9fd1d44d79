-- Views that carry the names people ask for. A decision is counted by its record that is no review copy, so that an
-- audited or post_approval decision, which stands in two topics, counts once. Every rate names its population.
-- CREATE OR REPLACE: views hold no data, and a later migration replaces them in the same way.

CREATE OR REPLACE VIEW metrics
(
    total_decisions UInt64 COMMENT 'Decisions routed, each counted once. Population: records of the four route topics that are no review copies; dead letters are not among them',
    dead_letters UInt64 COMMENT 'Messages of topic decisions that could not be read. Population: dead letters whose source is topic decisions',
    auto_approved_rate Nullable(Float64) COMMENT 'Share of total_decisions that took effect without waiting for a person (route auto), audited ones and post_approval included',
    human_review_rate Nullable(Float64) COMMENT 'Share of total_decisions that wait for a person before they take effect (routes async, sync, manual). Reviews after the effect are not in it: see audit_rate and reviewed_after_effect_rate',
    async_rate Nullable(Float64) COMMENT 'Share of total_decisions with route async',
    sync_rate Nullable(Float64) COMMENT 'Share of total_decisions with route sync',
    manual_rate Nullable(Float64) COMMENT 'Share of total_decisions with route manual',
    audit_rate Nullable(Float64) COMMENT 'Share of the decisions with route auto that the audit coin also sent to a blind review',
    reviewed_after_effect_rate Nullable(Float64) COMMENT 'Share of the decisions with route auto that also went to a reviewer: audits and post_approval',
    dead_letter_rate Nullable(Float64) COMMENT 'Share of dead_letters in dead_letters + total_decisions, that is in all messages the router has read',
    unreadable_records UInt64 COMMENT 'Records of route topics that could not be read completely, review copies included; should be 0',
    mean_confidence Nullable(Float64) COMMENT 'Mean of the model''s own confidence over those of total_decisions where it is a probability. Says nothing about accuracy',
    mean_calibrated_confidence Nullable(Float64) COMMENT 'Mean of the calibrated confidence over the same population as mean_confidence',
    mean_propensity Nullable(Float64) COMMENT 'Mean probability with which total_decisions were sent to a person, audits included: expected share of human work',
    routing_latency_ms_p50 Nullable(Float64) COMMENT 'Median of routed_at - created_at in milliseconds over those of total_decisions that are readable with a plausible creation time. Both clocks count: the producer''s and the router''s',
    routing_latency_ms_p90 Nullable(Float64) COMMENT 'Nine tenths are faster; population as for p50',
    routing_latency_ms_p99 Nullable(Float64) COMMENT '99 of 100 are faster; population as for p50',
    first_hour Nullable(DateTime('UTC')) COMMENT 'First hour with a routed decision, UTC',
    last_hour Nullable(DateTime('UTC')) COMMENT 'Last hour with a routed decision, UTC'
)
AS
WITH
    (SELECT sum(records) FROM dead_letters_by_hour WHERE source_topic = 'decisions') AS letters,
    sumIf(records, NOT review_copy) AS total,
    sumIf(records, NOT review_copy AND route = 'auto') AS automatic,
    sumIf(confidence_count, NOT review_copy) AS probable,
    sumIf(latency_count, NOT review_copy) AS timed,
    quantilesTDigestIfMergeIf(0.5, 0.9, 0.99)(latency_ms, NOT review_copy) AS latency
SELECT
    total AS total_decisions,
    letters AS dead_letters,
    automatic / nullIf(total, 0) AS auto_approved_rate,
    sumIf(records, NOT review_copy AND route IN ('async', 'sync', 'manual')) / nullIf(total, 0) AS human_review_rate,
    sumIf(records, NOT review_copy AND route = 'async') / nullIf(total, 0) AS async_rate,
    sumIf(records, NOT review_copy AND route = 'sync') / nullIf(total, 0) AS sync_rate,
    sumIf(records, NOT review_copy AND route = 'manual') / nullIf(total, 0) AS manual_rate,
    sumIf(records, NOT review_copy AND route = 'auto' AND audit) / nullIf(automatic, 0) AS audit_rate,
    sumIf(records, review_copy) / nullIf(automatic, 0) AS reviewed_after_effect_rate,
    letters / nullIf(letters + total, 0) AS dead_letter_rate,
    sumIf(records, error != '') AS unreadable_records,
    sumIf(confidence_sum, NOT review_copy) / nullIf(probable, 0) AS mean_confidence,
    sumIf(calibrated_confidence_sum, NOT review_copy) / nullIf(probable, 0) AS mean_calibrated_confidence,
    sumIf(propensity_sum, NOT review_copy) / nullIf(total, 0) AS mean_propensity,
    if(timed = 0, NULL, latency[1]) AS routing_latency_ms_p50,
    if(timed = 0, NULL, latency[2]) AS routing_latency_ms_p90,
    if(timed = 0, NULL, latency[3]) AS routing_latency_ms_p99,
    if(total = 0, NULL, minIf(hour, NOT review_copy)) AS first_hour,
    if(total = 0, NULL, maxIf(hour, NOT review_copy)) AS last_hour
FROM routed_by_hour
COMMENT 'One row on everything routed so far. Accuracy, overrides and review times need the review desk and are not here yet';

CREATE OR REPLACE VIEW metrics_by_domain
(
    domain String COMMENT 'What is decided; empty for records that could not be read',
    total_decisions UInt64 COMMENT 'Decisions of the domain routed, each counted once (no review copies)',
    auto_approved_rate Nullable(Float64) COMMENT 'Share of the domain''s total_decisions that took effect without waiting for a person (route auto)',
    human_review_rate Nullable(Float64) COMMENT 'Share of the domain''s total_decisions that wait for a person before they take effect (routes async, sync, manual)',
    audit_rate Nullable(Float64) COMMENT 'Share of the domain''s decisions with route auto that the audit coin also sent to a blind review',
    reviewed_after_effect_rate Nullable(Float64) COMMENT 'Share of the domain''s decisions with route auto that also went to a reviewer: audits and post_approval',
    mean_confidence Nullable(Float64) COMMENT 'Mean of the model''s own confidence over those of total_decisions where it is a probability',
    mean_propensity Nullable(Float64) COMMENT 'Mean probability with which total_decisions were sent to a person',
    routing_latency_ms_p50 Nullable(Float64) COMMENT 'Median of routed_at - created_at in milliseconds over those of total_decisions that are readable with a plausible creation time',
    routing_latency_ms_p99 Nullable(Float64) COMMENT '99 of 100 are faster; same population'
)
AS
WITH
    sumIf(records, NOT review_copy) AS total,
    sumIf(records, NOT review_copy AND route = 'auto') AS automatic,
    sumIf(latency_count, NOT review_copy) AS timed,
    quantilesTDigestIfMergeIf(0.5, 0.9, 0.99)(latency_ms, NOT review_copy) AS latency
SELECT
    domain,
    total AS total_decisions,
    automatic / nullIf(total, 0) AS auto_approved_rate,
    sumIf(records, NOT review_copy AND route IN ('async', 'sync', 'manual')) / nullIf(total, 0) AS human_review_rate,
    sumIf(records, NOT review_copy AND route = 'auto' AND audit) / nullIf(automatic, 0) AS audit_rate,
    sumIf(records, review_copy) / nullIf(automatic, 0) AS reviewed_after_effect_rate,
    sumIf(confidence_sum, NOT review_copy) / nullIf(sumIf(confidence_count, NOT review_copy), 0) AS mean_confidence,
    sumIf(propensity_sum, NOT review_copy) / nullIf(total, 0) AS mean_propensity,
    if(timed = 0, NULL, latency[1]) AS routing_latency_ms_p50,
    if(timed = 0, NULL, latency[3]) AS routing_latency_ms_p99
FROM routed_by_hour
GROUP BY domain
COMMENT 'metrics, one row a domain';

CREATE OR REPLACE VIEW metrics_by_minute
(
    minute DateTime('UTC') COMMENT 'Start of the minute in which the router wrote, UTC. Minutes without a record have no row',
    total_decisions UInt64 COMMENT 'Decisions routed in that minute, each counted once (no review copies)',
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
    sumIf(records, NOT review_copy) AS total_decisions,
    sumIf(records, NOT review_copy AND route = 'auto') AS auto,
    sumIf(records, NOT review_copy AND route = 'async') AS async,
    sumIf(records, NOT review_copy AND route = 'sync') AS sync,
    sumIf(records, NOT review_copy AND route = 'manual') AS manual,
    sumIf(records, review_copy) AS review_copies,
    ifNull(any(letters), 0) AS dead_letters,
    if(timed = 0, NULL, latency[1]) AS routing_latency_ms_p50,
    if(timed = 0, NULL, latency[3]) AS routing_latency_ms_p99
FROM routed_by_minute
FULL JOIN
(
    SELECT minute, sum(records) AS letters FROM dead_letters_by_minute WHERE source_topic = 'decisions' GROUP BY minute
) AS refused USING (minute)
GROUP BY minute
COMMENT 'metrics, one row a minute';

CREATE OR REPLACE VIEW decision_timeline
(
    decision_id String COMMENT 'Id of the decision. Always filter by it: the view reads the raw tables',
    at DateTime64(6, 'UTC') COMMENT 'When it happened, UTC',
    event String COMMENT 'decided (by the model), received (by Kafka), routed, sent to review (a second record: audit or post_approval), dead-lettered',
    detail String COMMENT 'What exactly, for a person',
    kafka_topic String COMMENT 'Topic of the record that says so',
    kafka_partition UInt32 COMMENT 'Its partition',
    kafka_offset UInt64 COMMENT 'Its offset'
)
AS
SELECT
    decision_id, created_at AS at, 'decided' AS event,
    format('{} {} predicted {} with confidence {}', model_id, model_version, prediction, toString(confidence)) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM decisions
WHERE error = ''
UNION ALL
SELECT
    decision_id, kafka_timestamp AS at, 'received' AS event,
    if(error = '', concat('for domain ', domain), concat('unreadable: ', error)) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM decisions
UNION ALL
SELECT
    decision_id,
    if(route = '', kafka_timestamp, routed_at) AS at,
    if(review_copy, 'sent to review', 'routed') AS event,
    concat(
        if(error = '', '', concat('incomplete record (', error, '); ')),
        route, ' because of ', if(empty(reasons), 'nothing in particular', arrayStringConcat(reasons, ', ')),
        if(policy_version = '', ', no policy', concat(', policy ', policy_version)),
        if(audit, ', audit', ''), if(override_until IS NULL, '', concat(', can be overridden until ', toString(override_until)))
    ) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM routed_decisions
UNION ALL
SELECT
    ifNull(original_key, '') AS decision_id, kafka_timestamp AS at, 'dead-lettered' AS event,
    format('{}: {} (from {} {}:{})', reason, message, source_topic, toString(ifNull(source_partition, -1)), toString(ifNull(source_offset, -1))) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM dead_letters
COMMENT 'What happened to a decision, one row an event; unordered, so ORDER BY at';
