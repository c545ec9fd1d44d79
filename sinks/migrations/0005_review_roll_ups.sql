-- Roll-ups of the review side by minute and hour, under the rules of 0002: filled from the raw tables directly, each
-- target remembers blocks by itself, time is Kafka's timestamp of the record (the desk's clock), kept for good.
--
-- The exception is task_round_states: not by time but by task, and forgotten like the raw table. Every view on service
-- levels needs to know how each task stands, and would otherwise go through all that ever happened.
--
-- Reviewers are not among the keys: what is kept for good must not tell for good who worked how fast. What needs them
-- reads the raw table, which forgets.

CREATE TABLE IF NOT EXISTS task_round_states
(
    kafka_stream LowCardinality(String) COMMENT 'Log the task stands in',
    task_id String COMMENT 'The task',
    round Int32 COMMENT '0 for the first review, then one more with every appeal',
    due_from DateTime64(6, 'UTC') COMMENT 'When the service level began to count: the same in all records of a round',
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of readable records that are no tombstones',
    last_offset SimpleAggregateFunction(max, UInt64) COMMENT 'Offset of the latest of them',
    last_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'When that was, by the desk''s clock',
    decision_id SimpleAggregateFunction(any, String) COMMENT 'The decision to be judged',
    kind SimpleAggregateFunction(any, String) COMMENT 'review, audit, post_approval, gold or appeal',
    domain SimpleAggregateFunction(any, String) COMMENT 'What is decided',
    queue AggregateFunction(argMax, String, UInt64) COMMENT 'State for argMaxMerge: where it waits, or waited last',
    priority AggregateFunction(argMax, String, UInt64) COMMENT 'State for argMaxMerge: the latest priority',
    state AggregateFunction(argMax, String, UInt64) COMMENT 'State for argMaxMerge: the latest state',
    deadline AggregateFunction(argMax, DateTime64(6, 'UTC'), UInt64) COMMENT 'State for argMaxMerge: the latest deadline',
    breached SimpleAggregateFunction(max, UInt8) COMMENT '1: a deadline passed',
    escalated SimpleAggregateFunction(max, UInt8) COMMENT '1: it went up to a lead',
    closed SimpleAggregateFunction(max, UInt8) COMMENT '1: it was done',
    closed_at AggregateFunction(argMinIf, DateTime64(6, 'UTC'), UInt64, UInt8) COMMENT 'State for argMinIfMerge: when it was done first',
    closed_by AggregateFunction(argMinIf, String, UInt64, UInt8) COMMENT 'State for argMinIfMerge: by whom (person, policy or window), or unseen: it took effect, and nobody was asked'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(due_from)
ORDER BY (kafka_stream, task_id, round, due_from)
TTL toDateTime(due_from) + INTERVAL 3 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000
COMMENT 'tasks by task and round, from which task_rounds is made. Rows of equal key may not be merged yet: always aggregate';

CREATE TABLE IF NOT EXISTS outcomes_by_minute
(
    minute DateTime('UTC') COMMENT 'Start of the minute in which the desk wrote the outcomes, UTC',
    error LowCardinality(String) COMMENT 'Why records could not be read; empty for readable ones',
    kind LowCardinality(String) COMMENT 'review, audit, post_approval, gold, appeal or override',
    domain LowCardinality(String) COMMENT 'What is decided',
    model_id LowCardinality(String) COMMENT 'Model that had decided',
    model_version LowCardinality(String) COMMENT 'Its version',
    prediction LowCardinality(String) COMMENT 'Outcome the model had proposed',
    queue LowCardinality(String) COMMENT 'Where the task waited',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    verdict LowCardinality(String) COMMENT 'approve, reject, modify or choose; empty where no person decided',
    overridden Bool COMMENT 'The outcome differs from the prediction',
    reviewed Bool COMMENT 'A person''s first word on a decision that routing had picked for review: one a reviewed decision',
    by_person Bool COMMENT 'A person decided, not the policy in a person''s place',
    blind Bool COMMENT 'The AI''s answer was withheld',
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of outcomes',
    review_count SimpleAggregateFunction(sum, UInt64) COMMENT 'Outcomes of which it is known when the lease began: the population of the review seconds',
    review_seconds_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of the seconds from the beginning of the lease to the verdict over review_count',
    review_seconds AggregateFunction(quantilesTDigestIf(0.5, 0.9), Float64, UInt8) COMMENT 'State for quantilesTDigestIfMerge(0.5, 0.9): seconds from the beginning of the lease to the verdict over review_count',
    weighted_count SimpleAggregateFunction(sum, UInt64) COMMENT 'Outcomes whose propensity is a probability above one in a million: the population of the weights',
    weight_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of 1 / propensity over weighted_count: for how many decisions these speak',
    weight_squared_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of 1 / propensity^2 over weighted_count',
    confidence_weight_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of 1 / propensity over those of weighted_count whose calibrated confidence is a probability',
    confidence_weighted_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of calibrated confidence / propensity over the same'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, error, kind, domain, model_id, model_version, prediction, queue, priority, verdict, overridden, reviewed, by_person, blind)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'outcomes by minute. Rows of equal key may not be merged yet: always aggregate';

CREATE TABLE IF NOT EXISTS outcomes_by_hour
(
    hour DateTime('UTC') COMMENT 'Start of the hour in which the desk wrote the outcomes, UTC',
    error LowCardinality(String) COMMENT 'Why records could not be read; empty for readable ones',
    kind LowCardinality(String) COMMENT 'review, audit, post_approval, gold, appeal or override',
    domain LowCardinality(String) COMMENT 'What is decided',
    model_id LowCardinality(String) COMMENT 'Model that had decided',
    model_version LowCardinality(String) COMMENT 'Its version',
    prediction LowCardinality(String) COMMENT 'Outcome the model had proposed',
    queue LowCardinality(String) COMMENT 'Where the task waited',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    verdict LowCardinality(String) COMMENT 'approve, reject, modify or choose; empty where no person decided',
    overridden Bool COMMENT 'The outcome differs from the prediction',
    reviewed Bool COMMENT 'A person''s first word on a decision that routing had picked for review: one a reviewed decision',
    by_person Bool COMMENT 'A person decided, not the policy in a person''s place',
    blind Bool COMMENT 'The AI''s answer was withheld',
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of outcomes',
    review_count SimpleAggregateFunction(sum, UInt64) COMMENT 'Outcomes of which it is known when the lease began: the population of the review seconds',
    review_seconds_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of the seconds from the beginning of the lease to the verdict over review_count',
    review_seconds AggregateFunction(quantilesTDigestIf(0.5, 0.9), Float64, UInt8) COMMENT 'State for quantilesTDigestIfMerge(0.5, 0.9): seconds from the beginning of the lease to the verdict over review_count',
    weighted_count SimpleAggregateFunction(sum, UInt64) COMMENT 'Outcomes whose propensity is a probability above one in a million: the population of the weights',
    weight_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of 1 / propensity over weighted_count: for how many decisions these speak',
    weight_squared_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of 1 / propensity^2 over weighted_count',
    confidence_weight_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of 1 / propensity over those of weighted_count whose calibrated confidence is a probability',
    confidence_weighted_sum SimpleAggregateFunction(sum, Float64) COMMENT 'Sum of calibrated confidence / propensity over the same'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, error, kind, domain, model_id, model_version, prediction, queue, priority, verdict, overridden, reviewed, by_person, blind)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'outcomes by hour. Rows of equal key may not be merged yet: always aggregate';

CREATE TABLE IF NOT EXISTS task_events_by_minute
(
    minute DateTime('UTC') COMMENT 'Start of the minute in which the desk wrote the records, UTC',
    error LowCardinality(String) COMMENT 'Why records could not be read; empty for readable ones',
    tombstone Bool COMMENT 'Tasks that the desk forgot; the keys after this one are empty',
    event LowCardinality(String) COMMENT 'What happened: arrived, claimed, resolved, breached, escalated ...',
    kind LowCardinality(String) COMMENT 'review, audit, post_approval, gold or appeal',
    domain LowCardinality(String) COMMENT 'What is decided',
    queue LowCardinality(String) COMMENT 'Where the tasks were when it had happened',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of events'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, error, tombstone, event, kind, domain, queue, priority)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'tasks by minute: what happened to how many of them. Rows of equal key may not be merged yet: always aggregate';

CREATE TABLE IF NOT EXISTS task_events_by_hour
(
    hour DateTime('UTC') COMMENT 'Start of the hour in which the desk wrote the records, UTC',
    error LowCardinality(String) COMMENT 'Why records could not be read; empty for readable ones',
    tombstone Bool COMMENT 'Tasks that the desk forgot; the keys after this one are empty',
    event LowCardinality(String) COMMENT 'What happened: arrived, claimed, resolved, breached, escalated ...',
    kind LowCardinality(String) COMMENT 'review, audit, post_approval, gold or appeal',
    domain LowCardinality(String) COMMENT 'What is decided',
    queue LowCardinality(String) COMMENT 'Where the tasks were when it had happened',
    priority LowCardinality(String) COMMENT 'critical, high, medium or low',
    records SimpleAggregateFunction(sum, UInt64) COMMENT 'Number of events'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, error, tombstone, event, kind, domain, queue, priority)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'tasks by hour: what happened to how many of them. Rows of equal key may not be merged yet: always aggregate';

CREATE MATERIALIZED VIEW IF NOT EXISTS task_round_states_fill TO task_round_states AS
WITH
    tasks.state = 'done' AS ended,
    multiIf(
        event = 'taken_over', 'unseen', event = 'timed_out', 'policy', event = 'window_closed', 'window',
        actor = 'desk', 'policy', 'person'
    ) AS closer
SELECT
    kafka_stream, task_id, round, due_from,
    count() AS records,
    max(kafka_offset) AS last_offset,
    max(at) AS last_at,
    any(toString(tasks.decision_id)) AS decision_id,
    any(toString(tasks.kind)) AS kind,
    any(toString(tasks.domain)) AS domain,
    argMaxState(toString(tasks.queue), kafka_offset) AS queue,
    argMaxState(toString(tasks.priority), kafka_offset) AS priority,
    argMaxState(toString(tasks.state), kafka_offset) AS state,
    argMaxState(tasks.deadline, kafka_offset) AS deadline,
    max(toUInt8(tasks.breached)) AS breached,
    max(toUInt8(escalation > 0)) AS escalated,
    max(toUInt8(ended)) AS closed,
    argMinIfState(at, kafka_offset, ended) AS closed_at,
    argMinIfState(closer, kafka_offset, ended) AS closed_by
FROM tasks
WHERE error = '' AND NOT tombstone
GROUP BY kafka_stream, task_id, round, due_from;

CREATE MATERIALIZED VIEW IF NOT EXISTS outcomes_by_minute_fill TO outcomes_by_minute AS
WITH
    error = '' AND isNotNull(claimed_at) AND claimed_at <= at AS timed,
    (toUnixTimestamp64Micro(at) - toUnixTimestamp64Micro(assumeNotNull(claimed_at))) / 1000000 AS seconds,
    propensity >= 0.000001 AND propensity <= 1 AS weighted,
    weighted AND confidence >= 0 AND confidence <= 1 AS probable
SELECT
    toStartOfMinute(kafka_timestamp) AS minute,
    error, kind, domain, model_id, model_version, prediction, queue, priority, verdict, overridden, reviewed,
    reviewer != '' AS by_person,
    blind,
    count() AS records,
    countIf(ifNull(timed, false)) AS review_count,
    sumIf(seconds, ifNull(timed, false)) AS review_seconds_sum,
    quantilesTDigestIfState(0.5, 0.9)(seconds, ifNull(timed, false)) AS review_seconds,
    countIf(weighted) AS weighted_count,
    sumIf(1 / propensity, weighted) AS weight_sum,
    sumIf(1 / (propensity * propensity), weighted) AS weight_squared_sum,
    sumIf(1 / propensity, probable) AS confidence_weight_sum,
    sumIf(confidence / propensity, probable) AS confidence_weighted_sum
FROM outcomes
GROUP BY minute, error, kind, domain, model_id, model_version, prediction, queue, priority, verdict, overridden, reviewed, by_person, blind;

CREATE MATERIALIZED VIEW IF NOT EXISTS outcomes_by_hour_fill TO outcomes_by_hour AS
WITH
    error = '' AND isNotNull(claimed_at) AND claimed_at <= at AS timed,
    (toUnixTimestamp64Micro(at) - toUnixTimestamp64Micro(assumeNotNull(claimed_at))) / 1000000 AS seconds,
    propensity >= 0.000001 AND propensity <= 1 AS weighted,
    weighted AND confidence >= 0 AND confidence <= 1 AS probable
SELECT
    toStartOfHour(kafka_timestamp) AS hour,
    error, kind, domain, model_id, model_version, prediction, queue, priority, verdict, overridden, reviewed,
    reviewer != '' AS by_person,
    blind,
    count() AS records,
    countIf(ifNull(timed, false)) AS review_count,
    sumIf(seconds, ifNull(timed, false)) AS review_seconds_sum,
    quantilesTDigestIfState(0.5, 0.9)(seconds, ifNull(timed, false)) AS review_seconds,
    countIf(weighted) AS weighted_count,
    sumIf(1 / propensity, weighted) AS weight_sum,
    sumIf(1 / (propensity * propensity), weighted) AS weight_squared_sum,
    sumIf(1 / propensity, probable) AS confidence_weight_sum,
    sumIf(confidence / propensity, probable) AS confidence_weighted_sum
FROM outcomes
GROUP BY hour, error, kind, domain, model_id, model_version, prediction, queue, priority, verdict, overridden, reviewed, by_person, blind;

CREATE MATERIALIZED VIEW IF NOT EXISTS task_events_by_minute_fill TO task_events_by_minute AS
SELECT toStartOfMinute(kafka_timestamp) AS minute, error, tombstone, event, kind, domain, queue, priority, count() AS records
FROM tasks
GROUP BY minute, error, tombstone, event, kind, domain, queue, priority;

CREATE MATERIALIZED VIEW IF NOT EXISTS task_events_by_hour_fill TO task_events_by_hour AS
SELECT toStartOfHour(kafka_timestamp) AS hour, error, tombstone, event, kind, domain, queue, priority, count() AS records
FROM tasks
GROUP BY hour, error, tombstone, event, kind, domain, queue, priority;
