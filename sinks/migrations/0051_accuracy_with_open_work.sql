-- The accuracy that metrics, metrics_by_domain and the console show, with the interval and the open work of population_estimates:
-- what few audits leave unsure, and what nobody has judged, is part of it.

CREATE OR REPLACE VIEW picked_by_way
(
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that decided',
    model_version String COMMENT 'Its version',
    way String COMMENT 'Way to a person: async, sync, manual, audit',
    decisions Float64 COMMENT 'Decisions that could come to a person by it',
    picked Float64 COMMENT 'Those of them that were chosen for a person'
)
AS
SELECT
    domain, model_id, model_version,
    -- Before the audit coin fell in post_approval everybody might look at such decisions (propensity 1), and nobody had to.
    multiIf(
        route != 'auto', toString(route),
        propensity_sum = 0 OR (workflow = 'post_approval' AND NOT audit AND propensity_sum = records), 'none',
        'audit'
    ) AS way,
    toFloat64(sumIf(records, NOT review_copy)) AS decisions,
    -- Of decisions that took effect the copies for reviewers are what was chosen, but for contested ones.
    toFloat64(if(way = 'audit', sumIf(records, review_copy AND audit), sumIf(records, NOT review_copy))) AS picked
FROM routed_by_hour
GROUP BY domain, model_id, model_version, way
HAVING way != 'none'
COMMENT 'How many decisions were chosen for people, by way';

CREATE OR REPLACE VIEW accuracy_of_all
(
    is_total Bool COMMENT 'The row speaks of all domains together',
    domain String COMMENT 'What is decided; empty where is_total',
    weight Float64 COMMENT 'For about so many decisions the verdicts stand',
    accuracy Float64 COMMENT 'Estimated share of all decisions whose prediction people would confirm (Hajek)',
    lower Nullable(Float64) COMMENT 'Lower end of its 95 % interval, of these and further decisions like them; null where too little is answered',
    upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    standard_error Float64 COMMENT 'Standard error of accuracy that selection alone causes'
)
AS
SELECT
    is_total, domain, total AS weight, 1 - rate_of_all AS accuracy,
    if(shown, 1 - least(1, greatest(rate_of_all, (most_wrong + sqrt(above + z * z * mixing)) / total)), NULL) AS lower,
    if(shown, 1 - greatest(0, least(rate_of_all, (least_wrong - sqrt(below + z * z * mixing)) / total)), NULL) AS upper,
    sqrt(greatest(0, (1 - 2 * rate_of_all) * spread + rate_of_all * rate_of_all * (squares - total))) / total AS standard_error
FROM
(
    WITH
        1.959963984540054 AS z,
        sum(size) AS total,
        sum(size * rate) / total AS rate_of_all,
        sum(ww / (answered * answered)) AS squares
    SELECT
        is_total, if(is_total, '', strata.domain) AS domain,
        z, total, rate_of_all, squares,
        sumIf(decisions, first AND (judged = 0 OR judged < 0.5 * picked)) AS unsaid,
        sumIf(decisions, first) AS routed,
        unsaid < 0.05 * routed OR routed = 0 AS shown,
        sum(wwy / (answered * answered) - wy / answered) AS spread,
        sum(size * ends.2) AS least_wrong,
        sum(pow(size * (ends.2 - ends.1), 2)) AS below,
        sum(size * ends.3) AS most_wrong,
        sum(pow(size * (ends.4 - ends.3), 2)) AS above,
        -- Of the squared distance to the rate of all.
        sum(ww / (answered * answered) * rate * rate) - 2 * rate_of_all * sum(ww / (answered * answered) * rate)
            + rate_of_all * rate_of_all * squares AS mixing
    FROM
    (
        WITH
            1.959963984540054 AS z,
            (x -> if(abs(1 - x) < 0.0001, (1 - x) / 3, (1 - x * x + 2 * x * log(x)) / ((1 - x) * (1 - x)))) AS peizer,
            ((x, n, p) -> (
                x + 2 / 3 - (n + 1 / 3) * p + 0.02 * ((1 - p) / (x + 1) - p / (n - x) + (0.5 - p) / (n + 1))
            ) * sqrt(
                (1 + (1 - p) * peizer((x + 0.5) / (n * p)) + p * peizer((n - x - 0.5) / (n * (1 - p)))) / ((n + 1 / 6) * p * (1 - p))
            )) AS deviate,
            ((x, n) -> multiIf(
                n - x < 0.6, 1.,
                x <= 0, 1 - pow(0.025, 1 / n),
                arrayFold(
                    (p, step) -> if(deviate(x, n, p + step) > -z, p + step, p),
                    arrayMap(k -> (1 - x / n) * pow(2, -k), range(1, 35)),
                    x / n
                )
            )) AS upper_end,
            if(w > 0, w * w / ww, 1) AS kish
        SELECT
            *,
            row_number() OVER (PARTITION BY domain, model_id, model_version, way ORDER BY octave) = 1 AS first,
            if(w > 0, wy / w, 0) AS rate,
            if(judged > 0 AND picked > 0, least(1, judged / picked), 1) AS answered,
            w / answered AS size,
            (1 - upper_end((1 - rate) * kish, kish), upper_end(rate * kish, kish)) AS exact,
            -- (low, least, most, high) of the rate of a stratum: the ends of the region that open work leaves, and of its interval.
            (
                answered * exact.1,
                answered * rate,
                answered * rate + (1 - answered) * if(answered < 0.5, 1, least(1, 2 * rate)),
                answered * exact.2 + (1 - answered) * if(answered < 0.5, 1, least(1, 2 * exact.2))
            ) AS ends
        FROM
        (
            WITH 1 / propensity AS v
            SELECT
                domain, model_id, model_version,
                if(route != 'auto', toString(route), 'audit') AS way,
                if(propensity = 1, -1, toInt32(floor(-log2(propensity)))) AS octave,
                sum(count()) OVER (PARTITION BY domain, model_id, model_version, way) AS judged,
                sum(v) AS w,
                sum(v * v) AS ww,
                sumIf(v, overridden) AS wy,
                sumIf(v * v, overridden) AS wwy
            FROM outcomes
            WHERE outcomes.reviewed AND (route != 'auto' OR audit) AND propensity >= 0.000001 AND propensity <= 1
            GROUP BY domain, model_id, model_version, way, octave
        ) AS heard
        -- Of a way without any verdict there are only the decisions.
        FULL JOIN picked_by_way AS chosen USING (domain, model_id, model_version, way)
    ) AS strata
    ARRAY JOIN [false, true] AS is_total
    GROUP BY is_total, domain
)
COMMENT 'How often people would confirm the models, estimated for all decisions, one row a domain and one for all';

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
    ai_accuracy Nullable(Float64) COMMENT 'Estimated share of all decisions whose prediction people would confirm: reviewed_decisions weighted by 1 / (propensity * answered share of their way) (Hajek). Null until something is decided',
    ai_accuracy_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of ai_accuracy, of these and further decisions like them: by strata of ways and propensities. What was picked and has no verdict is wrong between never and twice as often as what has one; null where less than half is answered of ways that hold 5 % of the decisions: see population_estimates.missing',
    ai_accuracy_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    ai_accuracy_standard_error Nullable(Float64) COMMENT 'Standard error of ai_accuracy that selection alone causes; 0 where everything was reviewed, or all verdicts agree',
    ai_accuracy_reviewed Nullable(Float64) COMMENT 'Naive: the same share over reviewed_decisions, unweighted. Says nothing of decisions that nobody reviewed; kept for comparison',
    confidence_calibration Nullable(Float64) COMMENT 'Mean calibrated confidence minus accuracy, both over reviewed_decisions weighted by 1 / propensity, so for all decisions: above 0 the models claim too much'
)
AS
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
    if(found.weight = 0, NULL, found.accuracy) AS ai_accuracy,
    if(found.weight = 0, NULL, found.lower) AS ai_accuracy_lower,
    if(found.weight = 0, NULL, found.upper) AS ai_accuracy_upper,
    if(found.weight = 0, NULL, found.standard_error) AS ai_accuracy_standard_error,
    1 - override_rate AS ai_accuracy_reviewed,
    (confidence - confidence_right) / nullIf(confidence_weight, 0) AS confidence_calibration
FROM
(
    WITH
        by_person AND kind NOT IN ('gold', 'override') AS handled
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
LEFT JOIN accuracy_of_all AS found USING (is_total, domain)
COMMENT 'What people decided, one row a domain and one for all; metrics and metrics_by_domain show the same beside what was routed';

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
    ai_accuracy Nullable(Float64) COMMENT 'Estimated share of all decisions whose prediction people would confirm: reviewed_decisions weighted by 1 / (propensity * answered share of their way) (Hajek). Null until something is decided',
    ai_accuracy_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of ai_accuracy, of these and further decisions like them: by strata of ways and propensities. What was picked and has no verdict is wrong between never and twice as often as what has one; null where less than half is answered of ways that hold 5 % of the decisions: see population_estimates.missing',
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
    ai_accuracy Nullable(Float64) COMMENT 'Estimated share of all decisions whose prediction people would confirm: reviewed_decisions weighted by 1 / (propensity * answered share of their way) (Hajek). Null until something is decided',
    ai_accuracy_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of ai_accuracy, of these and further decisions like them: by strata of ways and propensities. What was picked and has no verdict is wrong between never and twice as often as what has one; null where less than half is answered of ways that hold 5 % of the decisions: see population_estimates.missing',
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
