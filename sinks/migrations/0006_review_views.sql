-- Views on the review side. CREATE OR REPLACE, as in 0003, three of whose views are replaced here.
--
-- What they share:
-- * A person's work is counted by task and round (`task_rounds`): an appeal is a new round with a deadline of its own.
--   Gold items, which only look like decisions, are in no number about decisions.
-- * An open task that is not due yet is neither in time nor late: it is censored, and left out of every compliance. An
--   open task past its deadline counts against it. Otherwise a growing backlog would look fast.
-- * reviewed_decisions and all that refers to it: `reviewed` in outcomes, a person's first word on a decision that
--   routing had picked. What is said of all decisions is therefore weighted by 1 / propensity.
-- * Where a topic was created anew, only its newest log has open tasks and people on duty.

CREATE OR REPLACE VIEW task_rounds
(
    kafka_stream String COMMENT 'Log the task stands in',
    task_id String COMMENT 'The task',
    round Int32 COMMENT '0 for the first review, then one more with every appeal',
    decision_id String COMMENT 'The decision to be judged',
    kind String COMMENT 'review, audit, post_approval, gold or appeal',
    domain String COMMENT 'What is decided',
    queue String COMMENT 'Where it waits, or waited last',
    priority String COMMENT 'critical, high, medium or low; the latest',
    state String COMMENT 'waiting, assigned, leased, snoozed or done; the latest of this round',
    due_from DateTime64(6, 'UTC') COMMENT 'When the service level began to count: arrival, or the appeal',
    deadline DateTime64(6, 'UTC') COMMENT 'Until when it must be decided; the latest',
    breached Bool COMMENT 'A deadline passed; also where a later one was set afterwards',
    escalated Bool COMMENT 'It went up to a lead at least once',
    closed_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the round ended; null while it is open',
    closed_by String COMMENT 'person, policy (nobody decided in time), window (nobody objected in time), forgotten (by the desk, or with its log); empty while it is open',
    sla String COMMENT 'decided_in_time, decided_late, missed (the policy answered, or nobody had decided when it was closed at the deadline or later, for example by the end of the override window), open_overdue, open_not_due (censored), withdrawn (closed before the deadline without a person: censored)'
)
AS
WITH
    (SELECT argMax(kafka_stream, kafka_timestamp) FROM tasks) AS present_log,
    multiIf(ended, ended_by, log = present_log AND last >= forgotten_before, '', 'forgotten') AS closing
SELECT
    log AS kafka_stream, task AS task_id, number AS round, of_decision AS decision_id, of_kind AS kind, of_domain AS domain,
    last_queue AS queue, last_priority AS priority, last_state AS state, since AS due_from, last_deadline AS deadline,
    was_breached AS breached, was_escalated AS escalated,
    multiIf(closing = '', NULL, ended, ended_at, heard) AS closed_at,
    closing AS closed_by,
    multiIf(
        closing = 'person', if(was_breached OR ended_at > last_deadline, 'decided_late', 'decided_in_time'),
        closing = 'policy', 'missed',
        closing = '', if(was_breached OR now64(6, 'UTC') > last_deadline, 'open_overdue', 'open_not_due'),
        was_breached OR closed_at >= last_deadline, 'missed',
        'withdrawn'
    ) AS sla
FROM
(
    -- FINAL merges sorted parts in passing, which is ten times as fast as grouping, and takes no memory.
    SELECT
        kafka_stream AS log, task_id AS task, round AS number, due_from AS since, last_offset AS last, last_at AS heard,
        decision_id AS of_decision, kind AS of_kind, domain AS of_domain,
        finalizeAggregation(queue) AS last_queue,
        finalizeAggregation(priority) AS last_priority,
        finalizeAggregation(task_round_states.state) AS last_state,
        finalizeAggregation(deadline) AS last_deadline,
        breached = 1 AS was_breached,
        escalated = 1 AS was_escalated,
        closed = 1 AS ended,
        finalizeAggregation(closed_at) AS ended_at,
        finalizeAggregation(closed_by) AS ended_by
    FROM task_round_states FINAL
    -- What took effect and nobody was asked about is no work, until somebody appeals.
    WHERE NOT ended OR ended_by != 'unseen'
) AS rounds
LEFT JOIN
(
    -- Usually nothing: the desk forgets what is done.
    SELECT kafka_stream AS log, key AS task, max(kafka_offset) + 1 AS forgotten_before
    FROM tasks
    WHERE tombstone AND key IN
    (
        SELECT task_id FROM task_round_states FINAL WHERE closed = 0
    )
    GROUP BY log, task
) AS forgotten USING (log, task)
COMMENT 'One row for every task and round: how it stands, or how it ended, and whether that was in time';

CREATE OR REPLACE VIEW tasks_now
(
    task_id String COMMENT 'The decision_id; of gold items, appended to gold:N: in front of it',
    decision_id String COMMENT 'The decision to be judged',
    kind String COMMENT 'review, audit, post_approval, gold or appeal',
    state String COMMENT 'waiting, assigned (pushed to somebody who has not begun), leased, snoozed or done',
    event String COMMENT 'What made this record: arrived, assigned, unassigned, claimed, extended, released, expired, submitted, resolved, escalated, reassigned, snoozed, woken, warned, breached, overridden, appealed, window_closed, timed_out, rescheduled',
    actor String COMMENT 'Who caused it; desk for the desk''s own clock',
    at DateTime64(6, 'UTC') COMMENT 'When, by the desk''s clock',
    command_id String COMMENT 'The command that caused it, or empty',
    queue String COMMENT 'Where it waits',
    priority String COMMENT 'critical, high, medium or low',
    route String COMMENT 'As the router gave it',
    workflow String COMMENT 'As the router gave it',
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that decided',
    model_version String COMMENT 'Its version',
    prediction String COMMENT 'What the model proposes. Do not show it while blind is true',
    confidence Float64 COMMENT 'Calibrated confidence. Do not show it while blind is true',
    raw_confidence Float64 COMMENT 'The model''s own',
    propensity Float64 COMMENT 'Probability with which the pipeline sent this decision to a person',
    amount Nullable(Float64) COMMENT 'Money at stake',
    impact Float64 COMMENT '0 to 1: rank of the amount among the queue''s latest arrivals, or the producer''s word for it',
    compliance_review Bool COMMENT 'The law demands a person',
    policy_version String COMMENT 'Policy that routed it',
    deadline_policy String COMMENT 'Policy whose service level gave the deadline',
    routed_at DateTime64(6, 'UTC') COMMENT 'The router''s clock',
    arrived_at DateTime64(6, 'UTC') COMMENT 'When the desk took it over',
    due_from DateTime64(6, 'UTC') COMMENT 'Where the service level begins to count: arrival, or the appeal',
    deadline DateTime64(6, 'UTC') COMMENT 'Until when it must be decided',
    warned Bool COMMENT 'The warning for this deadline was given',
    breached Bool COMMENT 'The deadline passed, and was told once',
    score Float64 COMMENT '0.4 impact + 0.2 (1 - confidence) + 0.1 compliance; the order `score` adds 0.3 for waiting time',
    blind Bool COMMENT 'The AI''s answer is withheld until the verdict',
    gold_outcome String COMMENT 'kind gold: the right answer, which the reviewer must not see; empty elsewhere',
    quorum Int32 COMMENT 'How many different people must agree',
    options Array(String) COMMENT 'hybrid: the outcomes to choose from, best first',
    qualifications Array(String) COMMENT 'What a reviewer must have',
    excluded Array(String) COMMENT 'People who must not get it: they skipped it, or decided it before',
    assigned_to String COMMENT 'Named person, or empty',
    assigned_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Pushed tasks: when it is given to somebody else unless begun',
    lease_holder String COMMENT 'Who holds it, or empty',
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
    outcome String COMMENT 'Of the latest resolution; empty before the first',
    decided_by String COMMENT 'Of the latest resolution; empty before the first',
    decided_at Nullable(DateTime64(6, 'UTC')) COMMENT 'Of the latest resolution',
    override_until Nullable(DateTime64(6, 'UTC')) COMMENT 'Until when an override rolls the present effect back',
    payload_hash String COMMENT 'First 32 hex digits of the SHA-256 of the routed decision''s bytes',
    topic String COMMENT 'Topic of the routed decision: readers fetch the payload by its place',
    partition Int32 COMMENT 'Its partition',
    offset Int64 COMMENT 'Its offset',
    is_open Bool COMMENT 'Neither done nor forgotten by the desk',
    overdue Bool COMMENT 'Open, and its deadline has passed',
    open_seconds Nullable(Float64) COMMENT 'Seconds since the service level began to count; null where it is not open',
    kafka_offset UInt64 COMMENT 'Offset of the record in reviews.tasks'
)
AS
WITH
    (SELECT argMax(kafka_stream, kafka_timestamp) FROM tasks) AS present_log,
    state != 'done' AND kafka_offset >= forgotten_before AS opened
SELECT
    task_id, decision_id, kind, state, event, actor, at, command_id, queue, priority, route, workflow, domain,
    model_id, model_version, prediction, confidence, raw_confidence, propensity, amount, impact, compliance_review,
    policy_version, deadline_policy, routed_at, arrived_at, due_from, deadline, warned, breached, score, blind,
    gold_outcome, quorum, options, qualifications, excluded, assigned_to, assigned_until, lease_holder, lease_epoch,
    lease_since, lease_until, lease_warned, snoozed_until, escalation, escalation_note, round, statement, verdicts,
    version, outcome, decided_by, decided_at, override_until, payload_hash, topic, partition, offset,
    opened AS is_open,
    opened AND now64(6, 'UTC') > deadline AS overdue,
    if(opened, (toUnixTimestamp64Micro(now64(6, 'UTC')) - toUnixTimestamp64Micro(due_from)) / 1000000, NULL) AS open_seconds,
    kafka_offset
FROM
(
    SELECT * FROM tasks
    WHERE kafka_stream = present_log AND error = '' AND NOT tombstone
        AND kafka_offset IN
        (
            SELECT max(kafka_offset) FROM tasks
            WHERE kafka_stream = present_log AND error = '' AND NOT tombstone GROUP BY key
        )
) AS latest
LEFT JOIN
(
    SELECT key, max(kafka_offset) + 1 AS forgotten_before FROM tasks WHERE kafka_stream = present_log AND tombstone GROUP BY key
) AS forgotten USING (key)
COMMENT 'The latest state of every task, done ones and gold items too: WHERE is_open AND kind != ''gold'' is what waits for people';

CREATE OR REPLACE VIEW review_metrics
(
    is_total Bool COMMENT 'The row speaks of all domains together',
    domain String COMMENT 'What is decided; empty where is_total',
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
WITH
    1.959963984540054 AS z,
    1 + z * z / effective AS shrink,
    accuracy + z * z / (2 * effective) AS centre,
    z * sqrt(accuracy * (1 - accuracy) / effective + z * z / (4 * effective * effective)) AS spread
SELECT
    is_total, domain,
    decisions AS reviewed_decisions,
    confirmed / nullIf(decisions, 0) AS approval_rate,
    overrides / nullIf(decisions, 0) AS override_rate,
    modified / nullIf(decisions, 0) AS modification_rate,
    seconds / nullIf(timed, 0) AS avg_review_time,
    if(timed = 0, NULL, quantiles[1]) AS median_review_time,
    in_time / nullIf(due, 0) AS sla_compliance,
    open AS open_tasks,
    overdue AS breached_open,
    escalated / nullIf(rounds, 0) AS escalation_rate,
    accuracy AS ai_accuracy,
    if(effective IS NULL, NULL, greatest(0, (centre - spread) / shrink)) AS ai_accuracy_lower,
    if(effective IS NULL, NULL, least(1, (centre + spread) / shrink)) AS ai_accuracy_upper,
    sqrt(variance) AS ai_accuracy_standard_error,
    1 - override_rate AS ai_accuracy_reviewed,
    (confidence - confidence_right) / nullIf(confidence_weight, 0) AS confidence_calibration
FROM
(
    WITH
        by_person AND kind NOT IN ('gold', 'override') AS handled,
        sumIf(weight_sum, reviewed) AS weight,
        toFloat64(sumIf(weighted_count, reviewed)) AS weighted,
        toFloat64(sumIf(weighted_count, reviewed AND NOT overridden)) AS weighted_right,
        sumIf(weight_squared_sum, reviewed) AS squares
    SELECT
        is_total,
        if(is_total, '', outcomes_by_hour.domain) AS domain,
        sumIf(records, reviewed) AS decisions,
        sumIf(records, reviewed AND NOT overridden AND verdict != 'modify') AS confirmed,
        sumIf(records, reviewed AND overridden) AS overrides,
        sumIf(records, reviewed AND verdict = 'modify') AS modified,
        sumIf(review_count, handled) AS timed,
        sumIf(review_seconds_sum, handled) AS seconds,
        quantilesTDigestIfMergeIf(0.5, 0.9)(review_seconds, handled) AS quantiles,
        sumIf(weight_sum, reviewed AND NOT overridden) / nullIf(weight, 0) AS accuracy,
        -- Sum of w (w - 1) (y - accuracy)^2 over the square of the sum of w, with w = 1 / propensity.
        if(
            weighted_right IN (0, weighted), 0,
            (
                (1 - 2 * accuracy) * sumIf(weight_squared_sum - weight_sum, reviewed AND NOT overridden)
                + accuracy * accuracy * (squares - weight)
            ) / (weight * weight)
        ) AS sampling,
        -- No variance: everything was reviewed, or all verdicts agree, which does not make them certain.
        nullIf(if(sampling > 0, least(weighted, accuracy * (1 - accuracy) / sampling), least(weighted, weight * weight / squares)), 0) AS effective,
        if(weight = 0, NULL, sampling) AS variance,
        sumIf(confidence_weight_sum, reviewed) AS confidence_weight,
        sumIf(confidence_weighted_sum, reviewed) AS confidence,
        sumIf(confidence_weight_sum, reviewed AND NOT overridden) AS confidence_right
    FROM outcomes_by_hour
    ARRAY JOIN [false, true] AS is_total
    GROUP BY is_total, domain
) AS verdicts
FULL JOIN
(
    SELECT
        is_total,
        if(is_total, '', task_rounds.domain) AS domain,
        count() AS rounds,
        countIf(escalated) AS escalated,
        countIf(closed_by = '') AS open,
        countIf(sla = 'open_overdue') AS overdue,
        countIf(sla = 'decided_in_time') AS in_time,
        countIf(sla IN ('decided_in_time', 'decided_late', 'missed', 'open_overdue')) AS due
    FROM task_rounds
    ARRAY JOIN [false, true] AS is_total
    WHERE kind != 'gold'
    GROUP BY is_total, domain
) AS work USING (is_total, domain)
COMMENT 'What people decided, one row a domain and one for all; metrics and metrics_by_domain show the same beside what was routed';

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
    total_decisions, dead_letters, auto_approved_rate, human_review_rate, async_rate, sync_rate, manual_rate,
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
        total AS total_decisions,
        ifNull(letters, 0) AS dead_letters,
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
) AS routed
LEFT JOIN (SELECT * FROM review_metrics WHERE is_total) AS reviewed USING (is_total)
COMMENT 'One row on everything so far: what was routed, and what people decided';

CREATE OR REPLACE VIEW metrics_by_domain
(
    domain String COMMENT 'What is decided; empty for records that could not be read',
    total_decisions UInt64 COMMENT 'Decisions of the domain routed, each counted once (no review copies)',
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
    domain, total_decisions, auto_approved_rate, human_review_rate, audit_rate, reviewed_after_effect_rate,
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
) AS routed
FULL JOIN (SELECT * FROM review_metrics WHERE NOT is_total) AS reviewed USING (domain)
COMMENT 'metrics, one row a domain';

CREATE OR REPLACE VIEW sla_report
(
    queue String COMMENT 'Where the tasks wait, or waited last',
    priority String COMMENT 'critical, high, medium or low',
    tasks UInt64 COMMENT 'Tasks and appeals, gold items left out; the six below add up to it',
    decided_in_time UInt64 COMMENT 'Decided by a person before the deadline',
    decided_late UInt64 COMMENT 'Decided by a person after a deadline',
    missed UInt64 COMMENT 'The policy answered because nobody did, or it was closed without a person at the deadline or later, for example by the end of the override window',
    open_overdue UInt64 COMMENT 'Open, and a deadline has passed',
    open_not_due UInt64 COMMENT 'Open, the deadline is still to come: censored',
    withdrawn UInt64 COMMENT 'Closed without a person before the deadline, for example by the end of a shorter override window: censored',
    sla_compliance Nullable(Float64) COMMENT 'decided_in_time / (decided_in_time + decided_late + missed + open_overdue). What is censored is left out, so that after a rush, when only the quick ones are decided yet, it is too kind: see in_time_estimate',
    in_time_estimate Nullable(Float64) COMMENT 'Kaplan-Meier: probability that a task is decided before its deadline, over all of tasks; censored ones count as long as they were seen. Time runs in thousandths of the service level. Null while nothing is decided or due; at least this much where no task was seen up to its deadline'
)
AS
SELECT
    queue, priority,
    sum(those) AS tasks,
    sum(in_time) AS decided_in_time,
    sumIf(those, sla = 'decided_late') AS decided_late,
    sumIf(those, sla = 'missed') AS missed,
    sumIf(those, sla = 'open_overdue') AS open_overdue,
    sumIf(those, sla = 'open_not_due') AS open_not_due,
    sumIf(those, sla = 'withdrawn') AS withdrawn,
    decided_in_time / nullIf(decided_in_time + decided_late + missed + open_overdue, 0) AS sla_compliance,
    if(tasks = open_not_due + withdrawn, NULL, 1 - exp(sumIf(log(1 - in_time / at_risk), in_time > 0))) AS in_time_estimate
FROM
(
    -- Decided and censored at the same moment: the decision comes first, so the others are still at risk.
    SELECT
        queue, priority, sla, those, in_time,
        sum(those) OVER (
            PARTITION BY queue, priority ORDER BY fraction ASC, sla = 'decided_in_time' DESC
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS at_risk
    FROM
    (
        SELECT
            queue, priority, sla,
            -- What was not decided in time was seen undecided up to the deadline, whatever came afterwards.
            if(
                sla IN ('decided_late', 'missed', 'open_overdue'), 2,
                floor(
                    (toUnixTimestamp64Micro(ifNull(closed_at, now64(6, 'UTC'))) - toUnixTimestamp64Micro(due_from))
                    / greatest(1, toUnixTimestamp64Micro(deadline) - toUnixTimestamp64Micro(due_from)), 3
                )
            ) AS fraction,
            count() AS those,
            countIf(sla = 'decided_in_time') AS in_time
        FROM task_rounds
        WHERE kind != 'gold'
        GROUP BY queue, priority, sla, fraction
    )
)
GROUP BY queue, priority
COMMENT 'Service levels kept, by queue and priority';

CREATE OR REPLACE VIEW queue_health
(
    queue String COMMENT 'The queue. Population of all columns: its tasks and appeals, gold items left out',
    waiting UInt64 COMMENT 'Wait for anybody',
    assigned UInt64 COMMENT 'Pushed to somebody who has not begun',
    leased UInt64 COMMENT 'Somebody is at them',
    snoozed UInt64 COMMENT 'Put off',
    oldest_waiting_seconds Nullable(Float64) COMMENT 'Age of the oldest of waiting, from arrival or appeal',
    overdue UInt64 COMMENT 'Open tasks whose deadline has passed',
    due_within_hour UInt64 COMMENT 'Open tasks whose deadline comes within the next hour',
    arrivals_last_hour UInt64 COMMENT 'Came, or came back with an appeal, within the last hour',
    decided_last_hour UInt64 COMMENT 'Decided by a person within the last hour',
    decided_last_day UInt64 COMMENT 'Decided by a person within the last 24 hours',
    median_wait_seconds Nullable(Float64) COMMENT 'Kaplan-Meier median of the seconds from arrival to the decision, over tasks that came within seven days. Open ones are censored, so a backlog makes it longer; null while fewer than half are decided',
    sla_compliance Nullable(Float64) COMMENT 'Decided by a person before the deadline / (decided + missed + open past the deadline), over tasks that came within seven days or are open. Open tasks that are not due yet are censored'
)
AS
WITH now64(6, 'UTC') AS present
SELECT
    queue,
    countIf(open AND state = 'waiting') AS waiting,
    countIf(open AND state = 'assigned') AS assigned,
    countIf(open AND state = 'leased') AS leased,
    countIf(open AND state = 'snoozed') AS snoozed,
    if(
        waiting = 0, NULL,
        (toUnixTimestamp64Micro(present) - toUnixTimestamp64Micro(minIf(due_from, open AND state = 'waiting'))) / 1000000
    ) AS oldest_waiting_seconds,
    countIf(sla = 'open_overdue') AS overdue,
    countIf(sla = 'open_not_due' AND deadline <= present + INTERVAL 1 HOUR) AS due_within_hour,
    countIf(due_from > present - INTERVAL 1 HOUR) AS arrivals_last_hour,
    countIf(closed_by = 'person' AND closed_at > present - INTERVAL 1 HOUR) AS decided_last_hour,
    countIf(closed_by = 'person' AND closed_at > present - INTERVAL 1 DAY) AS decided_last_day,
    any(median) AS median_wait_seconds,
    countIf(recent AND sla = 'decided_in_time')
        / nullIf(countIf(recent AND sla IN ('decided_in_time', 'decided_late', 'missed', 'open_overdue')), 0) AS sla_compliance
FROM
(
    SELECT *, closed_by = '' AS open, open OR due_from > present - INTERVAL 7 DAY AS recent
    FROM task_rounds
    WHERE kind != 'gold'
) AS work
LEFT JOIN
(
    SELECT queue, minIf(toNullable(seconds), undecided <= 0.5) AS median
    FROM
    (
        SELECT
            queue, seconds,
            exp(sum(log(1 - decided / at_risk)) OVER (
                PARTITION BY queue ORDER BY seconds ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            )) AS undecided
        FROM
        (
            SELECT
                queue, seconds, decided,
                sum(those) OVER (
                    PARTITION BY queue ORDER BY seconds ASC ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
                ) AS at_risk
            FROM
            (
                SELECT
                    queue,
                    (toUnixTimestamp64Micro(ifNull(closed_at, present)) - toUnixTimestamp64Micro(due_from)) / 1000000 AS seconds,
                    count() AS those,
                    countIf(closed_by = 'person') AS decided
                FROM task_rounds
                WHERE kind != 'gold' AND due_from > present - INTERVAL 7 DAY
                GROUP BY queue, seconds
            )
        )
    )
    GROUP BY queue
) AS waits USING (queue)
GROUP BY queue
COMMENT 'How every queue stands now';

CREATE OR REPLACE VIEW reviewer_workload
(
    reviewer String COMMENT 'Id of the person',
    name String COMMENT 'For people; empty if the person was removed or is not known',
    role String COMMENT 'reviewer or lead; empty as above',
    on_duty Bool COMMENT 'Gets pushed tasks and may claim',
    leased UInt64 COMMENT 'Tasks the person is at, gold items included',
    assigned UInt64 COMMENT 'Tasks pushed to the person and not begun, gold items included',
    capacity Int32 COMMENT 'How many tasks at once',
    decided_today UInt64 COMMENT 'Verdicts since midnight UTC, gold items left out',
    decided_total UInt64 COMMENT 'Verdicts in all, gold items left out',
    median_handling_seconds Nullable(Float64) COMMENT 'Median seconds from claim to verdict, over decided_total without overrides of decided tasks',
    seen_verdicts UInt64 COMMENT 'First reviews with the AI''s answer in view, the first of two included: the population of the two rates below',
    approval_rate Nullable(Float64) COMMENT 'Share of seen_verdicts that confirmed the prediction unchanged',
    override_rate Nullable(Float64) COMMENT 'Share of seen_verdicts for another outcome. A LOW rate is no praise but a warning: people who agree with everything add nothing. Compare with blind_override_rate and gold_accuracy',
    blind_verdicts UInt64 COMMENT 'First reviews with the AI''s answer withheld',
    blind_override_rate Nullable(Float64) COMMENT 'Share of blind_verdicts that differ from the prediction. Far above override_rate: the person follows the AI where its answer is in view (or sees other cases blind)',
    skips UInt64 COMMENT 'Tasks the person released undecided',
    lease_expiries UInt64 COMMENT 'Leases of the person that ran out',
    gold_items UInt64 COMMENT 'Gold items judged',
    gold_accuracy Nullable(Float64) COMMENT 'Share of gold_items judged right; of few items it says little'
)
AS
WITH
    (SELECT argMax(kafka_stream, kafka_timestamp) FROM reviewers) AS reviewers_log,
    (SELECT argMax(kafka_stream, kafka_timestamp) FROM presence) AS presence_log
SELECT
    person AS reviewer, full_name AS name, person_role AS role, present AS on_duty, holds AS leased, has AS assigned,
    person_capacity AS capacity, today AS decided_today, total AS decided_total, median AS median_handling_seconds,
    seen AS seen_verdicts, seen_confirmed / nullIf(seen, 0) AS approval_rate, seen_changed / nullIf(seen, 0) AS override_rate,
    unseen AS blind_verdicts, unseen_changed / nullIf(unseen, 0) AS blind_override_rate,
    released AS skips, expired AS lease_expiries, gold AS gold_items, gold_right / nullIf(gold, 0) AS gold_accuracy
FROM
(
    SELECT DISTINCT key AS person FROM reviewers WHERE error = '' AND kafka_stream = reviewers_log
    UNION DISTINCT
    SELECT DISTINCT reviewer FROM outcomes WHERE reviewer != ''
) AS people
LEFT JOIN
(
    SELECT
        key AS person,
        argMax(if(tombstone, '', reviewers.name), kafka_offset) AS full_name,
        argMax(if(tombstone, '', reviewers.role), kafka_offset) AS person_role,
        argMax(if(tombstone, 0, reviewers.capacity), kafka_offset) AS person_capacity
    FROM reviewers WHERE error = '' AND kafka_stream = reviewers_log GROUP BY person
) AS records USING (person)
LEFT JOIN
(
    SELECT key AS person, argMax(presence.on_duty AND NOT tombstone, kafka_offset) AS present
    FROM presence WHERE error = '' AND kafka_stream = presence_log GROUP BY person
) AS duty USING (person)
LEFT JOIN
(
    SELECT
        if(lease_holder != '', lease_holder, assigned_to) AS person,
        countIf(state = 'leased') AS holds,
        countIf(state = 'assigned') AS has
    FROM tasks_now WHERE is_open GROUP BY person
) AS load USING (person)
LEFT JOIN
(
    WITH
        kind != 'gold' AS counts,
        kind IN ('review', 'audit', 'post_approval') AND round = 0 AS first_review
    SELECT
        outcomes.reviewer AS person,
        countIf(counts AND at >= toStartOfDay(now('UTC'))) AS today,
        countIf(counts) AS total,
        quantileExactInclusiveIf(0.5)(
            toNullable(toUnixTimestamp64Micro(at) - toUnixTimestamp64Micro(claimed_at)), counts AND isNotNull(claimed_at)
        ) / 1000000 AS median,
        countIf(first_review AND NOT blind) AS seen,
        countIf(first_review AND NOT blind AND NOT overridden AND verdict != 'modify') AS seen_confirmed,
        countIf(first_review AND NOT blind AND overridden) AS seen_changed,
        countIf(first_review AND blind) AS unseen,
        countIf(first_review AND blind AND overridden) AS unseen_changed,
        countIf(kind = 'gold') AS gold,
        countIf(kind = 'gold' AND outcome = gold_outcome) AS gold_right
    FROM outcomes WHERE error = '' AND reviewer != '' GROUP BY person
) AS work USING (person)
LEFT JOIN
(
    SELECT person, countIf(event = 'released') AS released, countIf(event = 'expired') AS expired
    FROM
    (
        -- The record of a lease that ran out no longer names its holder; the one before does.
        SELECT
            event,
            if(event = 'released', tasks.actor, lagInFrame(tasks.lease_holder) OVER (
                PARTITION BY kafka_stream, key ORDER BY kafka_offset ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            )) AS person
        FROM tasks WHERE error = '' AND NOT tombstone
    )
    WHERE event IN ('released', 'expired') AND person != ''
    GROUP BY person
) AS ended USING (person)
COMMENT 'What every reviewer does and has done; people who were removed too. For balance and coaching, not for ranking';

CREATE OR REPLACE VIEW overrides_by_slice
(
    domain String COMMENT 'What is decided: predictions and reasons of different domains do not mix',
    slice String COMMENT 'What the decisions are sliced by: all, model, prediction, reason_code, queue, route, priority, workflow or confidence (tenths)',
    value String COMMENT 'Its value',
    reviewed_decisions UInt64 COMMENT 'Decisions of the slice that routing had picked for review and on which a person has said the first word',
    overrides UInt64 COMMENT 'Those of reviewed_decisions where the person decided for another outcome',
    override_rate Float64 COMMENT 'overrides / reviewed_decisions; of reviewed decisions only, not of all: for that see ai_accuracy in metrics',
    lower Float64 COMMENT 'Lower end of the 95 % Wilson interval of override_rate. Many slices are looked at at once, so some stand out by chance',
    upper Float64 COMMENT 'Upper end of the same interval'
)
AS
WITH
    1.959963984540054 AS z,
    1 + z * z / reviewed_decisions AS shrink,
    override_rate + z * z / (2 * reviewed_decisions) AS centre,
    z * sqrt(override_rate * (1 - override_rate) / reviewed_decisions + z * z / (4 * reviewed_decisions * reviewed_decisions)) AS spread
SELECT
    domain, part.1 AS slice, part.2 AS value,
    count() AS reviewed_decisions,
    countIf(overridden) AS overrides,
    overrides / reviewed_decisions AS override_rate,
    greatest(0, (centre - spread) / shrink) AS lower,
    least(1, (centre + spread) / shrink) AS upper
FROM outcomes
ARRAY JOIN [
    ('all', ''), ('model', concat(model_id, ' ', model_version)), ('prediction', prediction), ('reason_code', reason_code),
    ('queue', queue), ('route', route), ('priority', priority), ('workflow', workflow),
    ('confidence', if(confidence >= 0 AND confidence <= 1, toString(least(floor(confidence * 10), 9) / 10), 'none'))
] AS part
WHERE outcomes.reviewed
GROUP BY domain, slice, value
COMMENT 'Where people disagree with the models';

CREATE OR REPLACE VIEW decision_timeline
(
    decision_id String COMMENT 'Id of the decision. Always filter by it: the view reads the raw tables',
    at DateTime64(6, 'UTC') COMMENT 'When it happened, UTC: commands by the clock of who sent them, all else of the review by the desk''s',
    step UInt8 COMMENT 'Order of what happened at the same moment',
    event String COMMENT 'decided (by the model), received (by Kafka), routed, sent to review (a second record: audit or post_approval), dead-lettered, asked to ... (a command), granted or refused (its reply), verdict, task ... (what became of the task), resolution, action ..., alert ...',
    detail String COMMENT 'What exactly, for a person',
    kafka_topic String COMMENT 'Topic of the record that says so',
    kafka_partition UInt32 COMMENT 'Its partition',
    kafka_offset UInt64 COMMENT 'Its offset'
)
AS
SELECT
    decision_id, created_at AS at, 0 AS step, 'decided' AS event,
    format('{} {} predicted {} with confidence {}', model_id, model_version, prediction, toString(confidence)) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM decisions
WHERE error = ''
UNION ALL
SELECT
    decision_id, kafka_timestamp AS at, 1 AS step, 'received' AS event,
    if(error = '', concat('for domain ', domain), concat('unreadable: ', error)) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM decisions
UNION ALL
SELECT
    decision_id,
    if(route = '', kafka_timestamp, routed_at) AS at,
    if(review_copy, 3, 2) AS step,
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
    ifNull(original_key, '') AS decision_id, kafka_timestamp AS at, 2 AS step, 'dead-lettered' AS event,
    format('{}: {} (from {} {}:{})', reason, message, source_topic, toString(ifNull(source_partition, -1)), toString(ifNull(source_offset, -1))) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM dead_letters
UNION ALL
SELECT
    task_id AS decision_id, issued_at AS at, 4 AS step, concat('asked to ', kind) AS event,
    concat(
        'by ', actor, if(verdict = '', '', concat(': ', verdict)), if(outcome = '', '', concat(' ', outcome)),
        if(modifications = '', '', concat(' with ', modifications)), if(to_reviewer = '', '', concat(', to ', to_reviewer)),
        if(queue = '', '', concat(', queue ', queue)), if(until IS NULL, '', concat(', until ', toString(until))),
        if(reason_code = '', '', concat(', because ', reason_code)), if(reason_text = '', '', concat(': ', reason_text))
    ) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM commands
WHERE error = '' AND task_id != ''
UNION ALL
SELECT
    decision_id, at, 5 AS step, 'verdict' AS event,
    concat(
        if(reviewer = '', 'nobody', reviewer), if(verdict = '', '', concat(' ', verdict)), ': ', outcome,
        if(overridden, concat(' instead of ', prediction), ''), if(modifications = '', '', concat(' with ', modifications)),
        if(reason_code = '', '', concat(', because ', reason_code)), if(reason_text = '', '', concat(': ', reason_text)),
        if(blind, ', the AI''s answer withheld', ''), if(resolves, '', ', not the last word'), if(within_sla, '', ', late')
    ) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM outcomes
WHERE error = '' AND kind != 'gold'
UNION ALL
SELECT
    decision_id, at, 6 AS step, concat('task ', tasks.event) AS event,
    concat(
        'by ', actor, ': ', state, if(lease_holder != '', concat(' by ', lease_holder), if(assigned_to != '', concat(' to ', assigned_to), '')),
        if(state = 'done', '', concat(' in queue ', queue, ', priority ', priority, ', due ', toString(deadline))),
        if(tasks.event = 'escalated' AND escalation_note != '', concat(', saying: ', escalation_note), '')
    ) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM tasks
WHERE error = '' AND NOT tombstone AND kind != 'gold'
UNION ALL
SELECT
    decision_id, decided_at AS at, 7 AS step, 'resolution' AS event,
    concat(
        'version ', toString(version), ': ', outcome, ' (', source, if(empty(decided_by), '', concat(', by ', arrayStringConcat(decided_by, ', '))), ')',
        if(reason_code = '', '', concat(', because ', reason_code)), if(reason_text = '', '', concat(': ', reason_text)),
        if(final, ', final', if(override_until IS NULL, ', not final', concat(', can be overridden until ', toString(override_until))))
    ) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM resolutions
WHERE error = '' AND NOT tombstone
UNION ALL
SELECT
    decision_id, at, 8 AS step, concat('action ', kind) AS event,
    concat(
        'version ', toString(version), ': ', outcome, if(empty(notices), '', concat(', notices: ', arrayStringConcat(notices, ', '))),
        if(modifications = '', '', concat(' with ', modifications))
    ) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM actions
WHERE error = ''
UNION ALL
SELECT
    task_id AS decision_id, at, 9 AS step, concat('alert ', kind) AS event,
    concat(severity, ' to ', if(empty(to), 'the operators', arrayStringConcat(to, ', ')), ': ', message) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM alerts
WHERE error = '' AND task_id != ''
UNION ALL
SELECT
    task_id AS decision_id, at, 10 AS step, if(accepted, 'granted', 'refused') AS event,
    concat(kind, ' by ', actor, if(code = 'ok', '', concat(' (', code, ')')), if(message = '', '', concat(': ', message))) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM command_replies
WHERE error = '' AND task_id != ''
COMMENT 'What happened to a decision, one row an event; unordered, so ORDER BY at, step, kafka_offset';
