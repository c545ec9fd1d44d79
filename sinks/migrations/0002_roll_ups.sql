-- Roll-ups by minute and hour, kept for good: what dashboards and the metrics views read.
--
-- Both are filled from the raw tables directly, not hour from minute: every materialised view then sees the same
-- block under the same token, and each target remembers blocks by itself (non_replicated_deduplication_window; a
-- target without one counts a block again that its source refuses). Time is Kafka's timestamp of the record, which
-- the router's own clock gives: one axis for readable and unreadable records alike.

CREATE TABLE IF NOT EXISTS routed_by_minute
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
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of records',
    confidence_count SimpleAggregateFunction(sum, UInt64) COMMENT 'Records whose confidence is a probability: the population of both confidence sums',
    confidence_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of the model''s own confidence over confidence_count',
    calibrated_confidence_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of the calibrated confidence over confidence_count',
    propensity_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of the propensities over all records: how many of them were expected to reach a person',
    latency_count SimpleAggregateFunction(sum, UInt64) COMMENT 'Readable records with a plausible creation time: the population of the latencies',
    latency_ms_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of routed_at - created_at in milliseconds over latency_count',
    latency_ms AggregateFunction(quantilesTDigestIf(0.5, 0.9, 0.99), Float64, UInt8) COMMENT 'State for quantilesTDigestIfMerge(0.5, 0.9, 0.99): routed_at - created_at in milliseconds over latency_count'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'routed_decisions by minute. Rows of equal key may not be merged yet: always aggregate';

CREATE TABLE IF NOT EXISTS routed_by_hour
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
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of records',
    confidence_count SimpleAggregateFunction(sum, UInt64) COMMENT 'Records whose confidence is a probability: the population of both confidence sums',
    confidence_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of the model''s own confidence over confidence_count',
    calibrated_confidence_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of the calibrated confidence over confidence_count',
    propensity_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of the propensities over all records: how many of them were expected to reach a person',
    latency_count SimpleAggregateFunction(sum, UInt64) COMMENT 'Readable records with a plausible creation time: the population of the latencies',
    latency_ms_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of routed_at - created_at in milliseconds over latency_count',
    latency_ms AggregateFunction(quantilesTDigestIf(0.5, 0.9, 0.99), Float64, UInt8) COMMENT 'State for quantilesTDigestIfMerge(0.5, 0.9, 0.99): routed_at - created_at in milliseconds over latency_count'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'routed_decisions by hour. Rows of equal key may not be merged yet: always aggregate';

CREATE TABLE IF NOT EXISTS dead_letters_by_minute
(
    minute DateTime('UTC') COMMENT 'Start of the minute in which the dead letters were written, UTC',
    source_topic LowCardinality(String) COMMENT 'Topic the messages were read from',
    reason LowCardinality(String) COMMENT 'Stable code of what was wrong',
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of dead letters'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, source_topic, reason)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'dead_letters by minute. Rows of equal key may not be merged yet: always aggregate';

CREATE TABLE IF NOT EXISTS dead_letters_by_hour
(
    hour DateTime('UTC') COMMENT 'Start of the hour in which the dead letters were written, UTC',
    source_topic LowCardinality(String) COMMENT 'Topic the messages were read from',
    reason LowCardinality(String) COMMENT 'Stable code of what was wrong',
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of dead letters'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, source_topic, reason)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'dead_letters by hour. Rows of equal key may not be merged yet: always aggregate';

CREATE MATERIALIZED VIEW IF NOT EXISTS routed_by_minute_fill TO routed_by_minute AS
WITH
    confidence >= 0 AND confidence <= 1 AS probable,
    error = '' AND created_at <= routed_at AND NOT has(reasons, 'implausible-timestamp') AS timed,
    (toUnixTimestamp64Micro(routed_at) - toUnixTimestamp64Micro(created_at)) / 1000 AS waited_ms
SELECT
    toStartOfMinute(kafka_timestamp) AS minute,
    kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit,
    count() AS records,
    countIf(probable) AS confidence_count,
    sumIf(confidence, probable) AS confidence_sum,
    sumIf(calibrated_confidence, probable) AS calibrated_confidence_sum,
    sum(propensity) AS propensity_sum,
    countIf(timed) AS latency_count,
    sumIf(waited_ms, timed) AS latency_ms_sum,
    quantilesTDigestIfState(0.5, 0.9, 0.99)(waited_ms, timed) AS latency_ms
FROM routed_decisions
GROUP BY minute, kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit;

CREATE MATERIALIZED VIEW IF NOT EXISTS routed_by_hour_fill TO routed_by_hour AS
WITH
    confidence >= 0 AND confidence <= 1 AS probable,
    error = '' AND created_at <= routed_at AND NOT has(reasons, 'implausible-timestamp') AS timed,
    (toUnixTimestamp64Micro(routed_at) - toUnixTimestamp64Micro(created_at)) / 1000 AS waited_ms
SELECT
    toStartOfHour(kafka_timestamp) AS hour,
    kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit,
    count() AS records,
    countIf(probable) AS confidence_count,
    sumIf(confidence, probable) AS confidence_sum,
    sumIf(calibrated_confidence, probable) AS calibrated_confidence_sum,
    sum(propensity) AS propensity_sum,
    countIf(timed) AS latency_count,
    sumIf(waited_ms, timed) AS latency_ms_sum,
    quantilesTDigestIfState(0.5, 0.9, 0.99)(waited_ms, timed) AS latency_ms
FROM routed_decisions
GROUP BY hour, kafka_topic, review_copy, error, domain, model_id, model_version, prediction, route, queue, workflow, priority, policy_version, audit;

CREATE MATERIALIZED VIEW IF NOT EXISTS dead_letters_by_minute_fill TO dead_letters_by_minute AS
SELECT toStartOfMinute(kafka_timestamp) AS minute, source_topic, reason, count() AS records
FROM dead_letters
GROUP BY minute, source_topic, reason;

CREATE MATERIALIZED VIEW IF NOT EXISTS dead_letters_by_hour_fill TO dead_letters_by_hour AS
SELECT toStartOfHour(kafka_timestamp) AS hour, source_topic, reason, count() AS records
FROM dead_letters
GROUP BY hour, source_topic, reason;
