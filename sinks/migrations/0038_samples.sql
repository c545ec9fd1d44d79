-- What people open or object to in post_approval was chosen by nobody, and is no sample of a model's decisions any more:
-- only what the audit coin picked there is. What stands in `outcomes` is not changed, because the audit trail proves it:
-- views that estimate leave such rows out by themselves, and counts by hour keep those from before.

-- No default: the sink says it, because two spellings of one definition drift apart.
ALTER TABLE outcomes MODIFY COLUMN reviewed Bool DEFAULT false COMMENT 'A person''s first word on a decision that routing or chance had picked for review. To count reviewed decisions count these: not gold items, appeals, the first of two, or what people open or object to without having been asked (until migration 0038 those in post_approval were counted too)';

CREATE OR REPLACE VIEW override_analytics
(
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that had decided',
    model_version String COMMENT 'Its version',
    prediction String COMMENT 'Outcome the model had proposed',
    day Date COMMENT 'Day of the verdicts, UTC',
    reviewed_decisions UInt64 COMMENT 'Decisions that routing had picked for review and on which a person said the first word that day',
    overrides UInt64 COMMENT 'Those of reviewed_decisions where the person decided for another outcome',
    override_rate Float64 COMMENT 'overrides / reviewed_decisions. Of reviewed decisions only, which routing picked for being doubtful',
    override_rate_lower Float64 COMMENT 'Lower end of its 95 % Wilson interval',
    override_rate_upper Float64 COMMENT 'Upper end of the same interval',
    population_override_rate Nullable(Float64) COMMENT 'Estimated share of all decisions that people would override: reviewed_decisions weighted by 1 / propensity (Hajek). Those speak for whatever came along with them, also for what nobody saw',
    population_override_rate_lower Nullable(Float64) COMMENT 'Lower end of its 95 % interval: Wilson, with the effective number of verdicts that the variance of the weighted mean allows, at most their number',
    population_override_rate_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    modification_rate Float64 COMMENT 'Share of reviewed_decisions with verdict modify; those with another outcome are in override_rate as well',
    top_reason_codes Array(Tuple(reason_code String, overrides UInt64)) COMMENT 'The three most frequent reasons of overrides, and how often each was given'
)
AS
WITH
    1.959963984540054 AS z,
    arrayMap(
        part -> (
            part.1,
            (part.1 + z * z / (2 * part.2) - z * sqrt(part.1 * (1 - part.1) / part.2 + z * z / (4 * part.2 * part.2))) / (1 + z * z / part.2),
            (part.1 + z * z / (2 * part.2) + z * sqrt(part.1 * (1 - part.1) / part.2 + z * z / (4 * part.2 * part.2))) / (1 + z * z / part.2)
        ),
        [(overrides / reviewed_decisions, toFloat64(reviewed_decisions)), (rate, effective)]
    ) AS rates
SELECT
    domain, model_id, model_version, prediction, day, reviewed_decisions, overrides,
    rates[1].1 AS override_rate,
    greatest(0, rates[1].2) AS override_rate_lower,
    least(1, rates[1].3) AS override_rate_upper,
    if(weighted = 0, NULL, rates[2].1) AS population_override_rate,
    if(weighted = 0, NULL, greatest(0, rates[2].2)) AS population_override_rate_lower,
    if(weighted = 0, NULL, least(1, rates[2].3)) AS population_override_rate_upper,
    modified / reviewed_decisions AS modification_rate,
    reasons AS top_reason_codes
FROM
(
    WITH
        propensity >= 0.000001 AND propensity <= 1 AS usable,
        1 / propensity AS w,
        sumIf(w, usable) AS weight,
        sumIf(w * w, usable) AS squares,
        countIf(usable AND overridden) AS weighted_overrides,
        -- Sum of w (w - 1) (y - rate)^2 over the square of the sum of w.
        (
            (1 - 2 * rate) * sumIf(w * w - w, usable AND overridden) + rate * rate * (squares - weight)
        ) / (weight * weight) AS sampling
    SELECT
        domain, model_id, model_version, prediction,
        toDate(at) AS day,
        count() AS reviewed_decisions,
        countIf(overridden) AS overrides,
        countIf(verdict = 'modify') AS modified,
        countIf(usable) AS weighted,
        if(weighted = 0, 0, sumIf(w, usable AND overridden) / weight) AS rate,
        -- No variance: everything was reviewed, or all verdicts agree, which does not make them certain.
        multiIf(
            weighted = 0, 1.,
            sampling > 0 AND weighted_overrides NOT IN (0, weighted), least(toFloat64(weighted), rate * (1 - rate) / sampling),
            least(toFloat64(weighted), weight * weight / squares)
        ) AS effective,
        arraySlice(
            arraySort(one -> (-toInt64(one.2), one.1), arrayZip((sumMapIf([toString(reason_code)], [toUInt64(1)], overridden) AS counts).1, counts.2)),
            1, 3
        ) AS reasons
    FROM outcomes
    WHERE outcomes.reviewed AND (route != 'auto' OR audit)
    GROUP BY domain, model_id, model_version, prediction, day
)
COMMENT 'Where people disagree with the models, day by day: of what they reviewed, and estimated for all decisions';

CREATE OR REPLACE VIEW population_estimates
(
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that decided',
    model_version String COMMENT 'Its version',
    decisions UInt64 COMMENT 'All decisions of the model version in the domain, each counted once (N)',
    covered_decisions UInt64 COMMENT 'The population of every corrected rate: those of decisions that a person could be sent, of ways to a person (async, sync, manual, audit) on which a verdict has come. The rest is known of nothing: decisions of propensity 0, and ways on which nobody has answered yet',
    reviewed_decisions UInt64 COMMENT 'Those of decisions that routing had picked for review and on which a person has said the first word (n): the population of the naive rate',
    answered_rate Nullable(Float64) COMMENT 'reviewed_decisions / all that were picked for review. Below 1 some are open, or ended without a person: the corrected rates then take it that on each way to a person those would have been answered like the others, and the intervals allow for chance in it alone',
    naive Nullable(Float64) COMMENT 'Share of reviewed_decisions that people overrode. Of reviewed decisions only, which routing picked for being doubtful: NOT the rate of all decisions',
    naive_standard_error Nullable(Float64) COMMENT 'Standard error of naive, as if reviewed_decisions were drawn at random from others like them',
    naive_lower Nullable(Float64) COMMENT 'Lower end of the 95 % Wilson interval of naive, of reviewed decisions only',
    naive_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    horvitz_thompson Nullable(Float64) COMMENT 'Share of covered_decisions that people would override: (1/N) sum of y / propensity. Unbiased; may leave 0 to 1',
    horvitz_thompson_standard_error Nullable(Float64) COMMENT 'Standard error of horvitz_thompson over covered_decisions: which of them were reviewed is the only chance in it',
    horvitz_thompson_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of horvitz_thompson, over covered_decisions',
    horvitz_thompson_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    hajek Nullable(Float64) COMMENT 'Share of covered_decisions that people would override: (sum of y / propensity) / (sum of 1 / propensity). Never leaves 0 to 1',
    hajek_standard_error Nullable(Float64) COMMENT 'Standard error of hajek over covered_decisions: which of them were reviewed is the only chance in it',
    hajek_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of hajek, over covered_decisions',
    hajek_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    aipw Nullable(Float64) COMMENT 'Share of covered_decisions that people would override: (1/N) (sum of f over all of them + sum of (y - f) / propensity over the reviewed ones), f = 1 - calibrated confidence. Unbiased whatever f says, and the most exact one where f is good; may leave 0 to 1',
    aipw_standard_error Nullable(Float64) COMMENT 'Standard error of aipw over covered_decisions: which of them were reviewed is the only chance in it',
    aipw_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of aipw, over covered_decisions',
    aipw_upper Nullable(Float64) COMMENT 'Upper end of the same interval'
)
AS
-- As learning/estimates.py has it, for all of these decisions. Intervals are normal ones; where fewer than ten overridden
-- or ten agreed cases carry the uncertainty, they are known cases plus Wilson at the effective size for the others.
WITH
    1.959963984540054 AS z,
    greatest(n, 1) AS size,
    greatest(everything, 1) AS whole,
    if(weight = 0, 0, weighted / weight) AS ratio,
    -- (value, variance) of Horvitz-Thompson, Hajek, AIPW.
    [
        (weighted / whole, greatest(0, spread) / (whole * whole)),
        (ratio, if(weight = 0, 0, greatest(0, (1 - 2 * ratio) * spread + ratio * ratio * (squares - weight)) / (weight * weight))),
        ((doubt + residual) / whole, greatest(0, residual_spread) / (whole * whole))
    ] AS estimates,
    least(overridden - known_overridden, n - overridden - known + known_overridden) < 10 AS few,
    if(n = known, 0, (weight - known) * (weight - known) / (squares - known)) AS effective,
    if(n = known, 0, (weighted - known_overridden) / (weight - known)) AS share,
    share + z * z / (2 * effective) AS centre,
    z * sqrt(share * (1 - share) / effective + z * z / (4 * effective * effective)) AS half,
    1 + z * z / effective AS shrink,
    greatest(0, everything - known) AS unknown,
    (known_overridden + unknown * if(effective = 0, 0, greatest(0, (centre - half) / shrink))) / whole AS least_end,
    (known_overridden + unknown * if(effective = 0, 1, least(1, (centre + half) / shrink))) / whole AS last_end,
    arrayMap(
        one -> (
            one.1,
            sqrt(one.2),
            greatest(0, least(1, if(few, least(least_end, one.1), one.1 - z * sqrt(one.2)))),
            greatest(0, least(1, if(few, greatest(last_end, one.1), one.1 + z * sqrt(one.2))))
        ),
        estimates
    ) AS found,
    n > 0 AS sayable,
    if(judged = 0, NULL, judged_overridden / judged) AS plain,
    plain + z * z / (2 * judged) AS plain_centre,
    z * sqrt(plain * (1 - plain) / judged + z * z / (4 * judged * judged)) AS plain_half
SELECT
    domain, model_id, model_version, total AS decisions, everything AS covered_decisions, judged AS reviewed_decisions,
    least(1, judged / nullIf(picked, 0)) AS answered_rate,
    plain AS naive,
    sqrt(plain * (1 - plain) / judged) AS naive_standard_error,
    if(judged = 0, NULL, greatest(0, (plain_centre - plain_half) / (1 + z * z / judged))) AS naive_lower,
    if(judged = 0, NULL, least(1, (plain_centre + plain_half) / (1 + z * z / judged))) AS naive_upper,
    if(sayable, found[1].1, NULL) AS horvitz_thompson,
    if(sayable, found[1].2, NULL) AS horvitz_thompson_standard_error,
    if(sayable, found[1].3, NULL) AS horvitz_thompson_lower,
    if(sayable, found[1].4, NULL) AS horvitz_thompson_upper,
    if(sayable, found[2].1, NULL) AS hajek,
    if(sayable, found[2].2, NULL) AS hajek_standard_error,
    if(sayable, found[2].3, NULL) AS hajek_lower,
    if(sayable, found[2].4, NULL) AS hajek_upper,
    if(sayable, found[3].1, NULL) AS aipw,
    if(sayable, found[3].2, NULL) AS aipw_standard_error,
    if(sayable, found[3].3, NULL) AS aipw_lower,
    if(sayable, found[3].4, NULL) AS aipw_upper
FROM
(
    -- All ways of a model version together. `answered`: the share of what was picked on a way that has a verdict; with
    -- it, a decision's probability of being reviewed is propensity * answered.
    WITH
        usable_verdicts > 0 AS covered,
        if(covered, least(1, usable_verdicts / greatest(picked_records, usable_verdicts, 1)), 1) AS answered
    SELECT
        domain, model_id, model_version,
        sum(records_of_way) AS total,
        sum(picked_records) AS picked,
        sum(verdicts) AS judged,
        sum(overrides) AS judged_overridden,
        toInt64(sumIf(records_of_way, covered)) AS everything,
        sumIf(doubt_of_way, covered) AS doubt,
        toInt64(sum(usable_verdicts)) AS n,
        toInt64(sum(usable_overrides)) AS overridden,
        toInt64(sumIf(certain_verdicts, answered = 1)) AS known,
        toInt64(sumIf(certain_overrides, answered = 1)) AS known_overridden,
        sumIf(w / answered, covered) AS weight,
        sumIf(ww / (answered * answered), covered) AS squares,
        sumIf(wy / answered, covered) AS weighted,
        sumIf(wwy / (answered * answered) - wy / answered, covered) AS spread,
        sumIf(wr / answered, covered) AS residual,
        sumIf(wwrr / (answered * answered) - wrr / answered, covered) AS residual_spread
    FROM
    (
        SELECT
            domain, model_id, model_version,
            -- Before the audit coin fell in post_approval everybody might look at such decisions (propensity 1), and nobody
            -- had to: they are known of nothing.
            multiIf(
                route != 'auto', toString(route), propensity_sum = 0, 'none',
                workflow = 'post_approval' AND NOT audit AND propensity_sum = records, 'none', 'audit'
            ) AS way,
            sumIf(records, NOT review_copy) AS records_of_way,
            -- Of decisions that took effect the copies for reviewers are what was picked, but for contested ones.
            multiIf(way = 'audit', sumIf(records, review_copy AND audit), way = 'none', 0, sumIf(records, NOT review_copy)) AS picked_records,
            -- f; 1 where the confidence is no probability.
            sumIf(records - calibrated_confidence_sum, NOT review_copy) AS doubt_of_way
        FROM routed_by_hour
        GROUP BY domain, model_id, model_version, way
    ) AS routed
    LEFT JOIN
    (
        WITH
            propensity >= 0.000001 AND propensity <= 1 AS usable,
            1 / propensity AS v,
            toFloat64(outcomes.overridden) - if(raw_confidence >= 0 AND raw_confidence <= 1, 1 - confidence, 1) AS r
        SELECT
            domain, model_id, model_version,
            if(route != 'auto', toString(route), 'audit') AS way,
            count() AS verdicts,
            countIf(outcomes.overridden) AS overrides,
            countIf(usable) AS usable_verdicts,
            countIf(usable AND outcomes.overridden) AS usable_overrides,
            countIf(propensity = 1) AS certain_verdicts,
            countIf(propensity = 1 AND outcomes.overridden) AS certain_overrides,
            sumIf(v, usable) AS w,
            sumIf(v * v, usable) AS ww,
            sumIf(v, usable AND outcomes.overridden) AS wy,
            sumIf(v * v, usable AND outcomes.overridden) AS wwy,
            sumIf(r * v, usable) AS wr,
            sumIf(r * r * v, usable) AS wrr,
            sumIf(r * r * v * v, usable) AS wwrr
        FROM outcomes
        WHERE outcomes.reviewed AND (route != 'auto' OR audit)
        GROUP BY domain, model_id, model_version, way
    ) AS heard USING (domain, model_id, model_version, way)
    GROUP BY domain, model_id, model_version
)
COMMENT 'How often people would override each model version: of what they reviewed (naive), and of all decisions, three ways, with 95 % intervals';

CREATE OR REPLACE VIEW objection_rates
(
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that had decided',
    model_version String COMMENT 'Its version',
    day Date COMMENT 'Day, UTC, on which somebody objected or confirmed, or else the window closed',
    decisions UInt64 COMMENT 'post_approval decisions that chance had not picked for an audit, and whose override window has closed or on which somebody said the first word: the population of objection_rate. Those whose window is open are not in it',
    looked_at UInt64 COMMENT 'Those of decisions on which somebody said a word: looked at them and confirmed, or objected',
    objections UInt64 COMMENT 'Those of looked_at where the first word was for another outcome',
    objection_rate Float64 COMMENT 'objections / decisions: how often somebody objects in time. No error rate: nobody has to look, so what nobody objected to is not known to be right. For errors see population_estimates, which rests on the audits'
)
AS
SELECT
    domain, model_id, model_version, day,
    uniqExact(decision_id) AS decisions,
    uniqExactIf(decision_id, said) AS looked_at,
    uniqExactIf(decision_id, objected) AS objections,
    objections / decisions AS objection_rate
FROM
(
    SELECT domain, model_id, model_version, toDate(at) AS day, decision_id, true AS said, overridden AS objected
    FROM outcomes
    WHERE error = '' AND reviewer != '' AND round = 0 AND resolves AND NOT audit AND workflow = 'post_approval' AND route = 'auto'
        AND (kind = 'post_approval' OR (kind = 'override' AND endsWith(outcome_id, '#1')))
    UNION ALL
    SELECT domain, model_id, model_version, toDate(at) AS day, decision_id, false AS said, false AS objected
    FROM tasks
    WHERE error = '' AND NOT tombstone AND event = 'window_closed' AND kind = 'post_approval'
)
GROUP BY domain, model_id, model_version, day
COMMENT 'How often somebody objected in the time that post_approval gives, day by day. Silence is neither consent nor an error';
