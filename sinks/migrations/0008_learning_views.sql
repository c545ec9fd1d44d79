-- Views on the learning side. CREATE OR REPLACE, as in 0003.
--
-- What they share:
-- * Every rate says of which decisions it speaks: of those that people reviewed (naive), or of all (corrected for how
--   likely each was to be reviewed, 1 / propensity). `reviewed` in outcomes says which verdicts count.
-- * Intervals are at 95 % and hold for one look at one row. Of many rows some stand out by chance.
-- * What was written twice after a crash counts once, by its id.

CREATE OR REPLACE VIEW calibration_report
(
    model_id String COMMENT 'Model',
    model_version String COMMENT 'Its version',
    report_id String COMMENT 'The latest report of that version: model_id@model_version#N, N outcomes',
    at DateTime64(6, 'UTC') COMMENT 'Time of the latest outcome in it',
    reviewed Int32 COMMENT 'Reviewed decisions the report rests on',
    effective Float64 COMMENT 'As many equally weighted ones (Kish): unequal weights are worth fewer',
    bin UInt32 COMMENT 'Number of the bin by confidence, least first, from 1; 0 where the report has none',
    bin_count Int32 COMMENT 'Reviewed decisions in the bin',
    mean_confidence Float64 COMMENT 'Mean of the model''s own confidence over them',
    accuracy Float64 COMMENT 'Share of all decisions of the bin that people confirm, estimated from the reviewed ones by 1 / propensity',
    lower Float64 COMMENT 'Lower end of the interval of accuracy',
    upper Float64 COMMENT 'Upper end of the same interval',
    gap Float64 COMMENT 'mean_confidence - accuracy: above 0 the model claims too much',
    finding String COMMENT 'warning: the gap exceeds 0.1, and so does the end of its interval that is nearer to 0. hint: only the gap does, which chance may explain. Empty: neither',
    ece Float64 COMMENT 'Expected calibration error over the bins, for all decisions. Never 0 even for a perfect model: compare with ece_by_chance',
    ece_by_chance Float64 COMMENT 'What a perfectly calibrated model would show with as many outcomes',
    smooth_ece Float64 COMMENT 'Smooth calibration error (smECE), for all decisions, without bins',
    brier Float64 COMMENT 'Mean squared error of the confidence, for all decisions',
    log_loss_before Nullable(Float64) COMMENT 'Prequential log-loss of the model''s own confidence, for all decisions; null with too few outcomes',
    log_loss_after Nullable(Float64) COMMENT 'The same after recalibration: lower is better',
    method String COMMENT 'logistic, temperature, or empty where nothing is better than the model''s own confidence',
    intercept Float64 COMMENT 'Of the recalibration on log-odds; 0 for none',
    slope Float64 COMMENT 'Of the recalibration on log-odds; 1 for none',
    published Bool COMMENT 'The router was given this one',
    refusal String COMMENT 'Why nothing was fitted, or empty'
)
AS
SELECT
    model_id, model_version, report_id, at, reviewed, effective, number AS bin, one.1 AS bin_count,
    one.2 AS mean_confidence, one.3 AS accuracy, one.4 AS lower, one.5 AS upper, one.6 AS gap, one.7 AS finding, ece,
    ece_by_chance, smooth_ece, brier, log_loss_before, log_loss_after, method, intercept, slope, published, refusal
FROM
(
    -- Not by offset: after a crash an older report may be written again behind a newer one.
    SELECT * FROM calibration_reports WHERE error = ''
    ORDER BY at DESC, kafka_timestamp DESC LIMIT 1 BY model_id, model_version
)
LEFT ARRAY JOIN bins AS one, arrayEnumerate(bins) AS number
COMMENT 'How well every model version knows what it knows, one row a bin of its latest report';

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
    WHERE outcomes.reviewed
    GROUP BY domain, model_id, model_version, prediction, day
)
COMMENT 'Where people disagree with the models, day by day: of what they reviewed, and estimated for all decisions';

CREATE OR REPLACE VIEW population_estimates
(
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that decided',
    model_version String COMMENT 'Its version',
    decisions UInt64 COMMENT 'All decisions of the model version in the domain, each counted once (N)',
    covered_decisions UInt64 COMMENT 'The population of every corrected rate: those of decisions that a person could be sent, of ways to a person (async, sync, manual, post_approval, audit) on which a verdict has come. The rest is known of nothing: decisions of propensity 0, and ways on which nobody has answered yet',
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
            multiIf(
                route != 'auto', toString(route), workflow = 'post_approval', 'post_approval', propensity_sum = 0, 'none', 'audit'
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
            multiIf(route != 'auto', toString(route), workflow = 'post_approval', 'post_approval', 'audit') AS way,
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
        WHERE outcomes.reviewed
        GROUP BY domain, model_id, model_version, way
    ) AS heard USING (domain, model_id, model_version, way)
    GROUP BY domain, model_id, model_version
)
COMMENT 'How often people would override each model version: of what they reviewed (naive), and of all decisions, three ways, with 95 % intervals';

CREATE OR REPLACE VIEW reviewer_quality
(
    reviewer String COMMENT 'Id of the person',
    verdicts UInt64 COMMENT 'All verdicts of the person, gold items left out',
    judged_again UInt64 COMMENT 'Those of verdicts after which somebody else had the last word on the decision (the second of two, a lead, an appeal): the population of agreement. These are contested or dear decisions, not all',
    agreement Nullable(Float64) COMMENT 'Share of judged_again whose outcome holds in the end. Who speaks last agrees with himself, so that is not counted',
    agreement_lower Nullable(Float64) COMMENT 'Lower end of the 95 % Wilson interval of agreement, over judged_again',
    agreement_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    gold_items UInt64 COMMENT 'Verdicts on items whose answer was known: the population of gold_accuracy',
    gold_accuracy Nullable(Float64) COMMENT 'Share of gold_items judged right',
    gold_accuracy_lower Nullable(Float64) COMMENT 'Lower end of the 95 % Wilson interval of gold_accuracy, over gold_items',
    gold_accuracy_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    blind_verdicts UInt64 COMMENT 'First reviews with the AI''s answer withheld: the population of blind_override_rate',
    blind_override_rate Nullable(Float64) COMMENT 'Share of blind_verdicts that differ from the prediction',
    blind_override_rate_lower Nullable(Float64) COMMENT 'Lower end of the 95 % Wilson interval of blind_override_rate, over blind_verdicts',
    blind_override_rate_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    seen_verdicts UInt64 COMMENT 'First reviews with the AI''s answer in view, the first of two included: the population of the columns below',
    seen_override_rate Nullable(Float64) COMMENT 'Share of seen_verdicts for another outcome. Other cases than the blind ones, which are mostly audits: do not compare the two without looking at the cases',
    seen_override_rate_lower Nullable(Float64) COMMENT 'Lower end of the 95 % Wilson interval of seen_override_rate, over seen_verdicts',
    seen_override_rate_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    expected_override_rate Nullable(Float64) COMMENT 'Mean of 1 - calibrated confidence over seen_verdicts: what the models themselves expect of these very cases',
    too_few_overrides Bool COMMENT 'seen_override_rate_upper is below expected_override_rate, and at least five overrides were to be expected of seen_verdicts. A hint for a talk, no proof: the models may be better than they say, and of forty people one looks like this by chance. Coaching proposals are tested more strictly'
)
AS
WITH
    1.959963984540054 AS z,
    arrayMap(
        part -> (
            part.1 / part.2,
            greatest(0, (part.1 + z * z / 2 - z * sqrt(part.1 * (1 - part.1 / part.2) + z * z / 4)) / (part.2 + z * z)),
            least(1, (part.1 + z * z / 2 + z * sqrt(part.1 * (1 - part.1 / part.2) + z * z / 4)) / (part.2 + z * z))
        ),
        -- Never by 0: rates of nothing are not shown.
        [
            (toFloat64(agreed), toFloat64(greatest(again, 1))), (toFloat64(gold_right), toFloat64(greatest(gold, 1))),
            (toFloat64(unseen_changed), toFloat64(greatest(unseen, 1))), (toFloat64(seen_changed), toFloat64(greatest(seen, 1)))
        ]
    ) AS rates
SELECT
    person AS reviewer, total AS verdicts,
    again AS judged_again,
    if(again = 0, NULL, rates[1].1) AS agreement,
    if(again = 0, NULL, rates[1].2) AS agreement_lower,
    if(again = 0, NULL, rates[1].3) AS agreement_upper,
    gold AS gold_items,
    if(gold = 0, NULL, rates[2].1) AS gold_accuracy,
    if(gold = 0, NULL, rates[2].2) AS gold_accuracy_lower,
    if(gold = 0, NULL, rates[2].3) AS gold_accuracy_upper,
    unseen AS blind_verdicts,
    if(unseen = 0, NULL, rates[3].1) AS blind_override_rate,
    if(unseen = 0, NULL, rates[3].2) AS blind_override_rate_lower,
    if(unseen = 0, NULL, rates[3].3) AS blind_override_rate_upper,
    seen AS seen_verdicts,
    if(seen = 0, NULL, rates[4].1) AS seen_override_rate,
    if(seen = 0, NULL, rates[4].2) AS seen_override_rate_lower,
    if(seen = 0, NULL, rates[4].3) AS seen_override_rate_upper,
    if(seen = 0, NULL, expected / seen) AS expected_override_rate,
    expected >= 5 AND rates[4].3 < expected / seen AS too_few_overrides
FROM
(
    WITH kind IN ('review', 'audit', 'post_approval') AND round = 0 AS first_review
    SELECT
        outcomes.reviewer AS person,
        countIf(kind != 'gold') AS total,
        countIf(kind = 'gold') AS gold,
        countIf(kind = 'gold' AND outcome = gold_outcome) AS gold_right,
        countIf(first_review AND blind) AS unseen,
        countIf(first_review AND blind AND overridden) AS unseen_changed,
        countIf(first_review AND NOT blind) AS seen,
        countIf(first_review AND NOT blind AND overridden) AS seen_changed,
        sumIf(if(confidence >= 0 AND confidence <= 1, 1 - confidence, 0), first_review AND NOT blind) AS expected
    FROM outcomes
    WHERE error = '' AND outcomes.reviewer != ''
    GROUP BY person
) AS work
LEFT JOIN
(
    SELECT said.1 AS person, count() AS again, countIf(said.2 = word) AS agreed
    FROM
    (
        SELECT
            groupArray((toString(outcomes.reviewer), toString(outcome))) AS all_said,
            argMax(outcomes.reviewer, kafka_offset) AS last_person,
            argMaxIf(outcome, kafka_offset, resolves) AS word
        FROM outcomes
        -- Few decisions have a second verdict: only those are put together.
        WHERE error = '' AND kind != 'gold' AND outcomes.reviewer != ''
            AND decision_id IN (SELECT decision_id FROM outcomes WHERE error = '' AND NOT endsWith(outcome_id, '#1'))
        GROUP BY kafka_stream, decision_id
        HAVING count() > 1 AND countIf(resolves) > 0
    )
    ARRAY JOIN all_said AS said
    WHERE said.1 != last_person
    GROUP BY person
) AS compared USING (person)
COMMENT 'How well every reviewer judges, as far as it can be known. For coaching, not for ranking';

CREATE OR REPLACE VIEW retraining_slices
(
    model_id String COMMENT 'Model',
    model_version String COMMENT 'Its version',
    domain String COMMENT 'What it decides',
    at DateTime64(6, 'UTC') COMMENT 'When retraining was asked for last',
    override_rate_estimate Nullable(Float64) COMMENT 'Override rate of all decisions of the version, corrected for who was reviewed',
    override_rate_lower Nullable(Float64) COMMENT 'Lower end of its interval, which holds at any time of looking; above limit, or nobody had asked',
    override_rate_limit Float64 COMMENT 'Override rate that is allowed',
    pattern String COMMENT 'Facts that the cases of the slice share',
    support Int32 COMMENT 'Reviewed decisions in it',
    overrides Int32 COMMENT 'Those of support that people overrode',
    rate Float64 COMMENT 'Override rate of all decisions in it, estimated from support by 1 / propensity',
    lift Float64 COMMENT 'rate over that of all',
    p_value Float64 COMMENT 'How often chance alone gives so many',
    q_value Float64 COMMENT 'The same, corrected for how many slices were looked at'
)
AS
SELECT
    model_id, model_version, domain, at, override_rate_estimate, override_rate_lower,
    retraining_requests.limit AS override_rate_limit, one.1 AS pattern, one.2 AS support, one.3 AS overrides, one.4 AS rate,
    one.5 AS lift, one.6 AS p_value, one.7 AS q_value
FROM
(
    SELECT * FROM retraining_requests WHERE error = ''
    ORDER BY at DESC, kafka_timestamp DESC LIMIT 1 BY model_id, model_version
) AS retraining_requests
ARRAY JOIN slices AS one
COMMENT 'Where each model version errs most, by its latest request for retraining. For simple slices of all overrides see overrides_by_slice';

CREATE OR REPLACE VIEW drift
(
    at DateTime64(6, 'UTC') COMMENT 'Time of the observation that raised the alarm',
    model_id String COMMENT 'Model',
    model_version String COMMENT 'Its version',
    domain String COMMENT 'What it decides',
    monitor String COMMENT 'confidence (the model''s confidence changed: all its reviewed decisions), overrides (people override more: all decisions, corrected for who was reviewed) or certificate (more errors than certified: decisions under the certificate)',
    statistic Float64 COMMENT 'Value that raised the alarm',
    threshold Float64 COMMENT 'Value above which it does',
    seen Int32 COMMENT 'Observations up to then',
    message String COMMENT 'For a person: what changed, since when, and what to do',
    revoked_proposals Array(String) COMMENT 'Proposals whose certificate no longer holds',
    signal_id String COMMENT 'Id of the signal'
)
AS
SELECT at, model_id, model_version, domain, monitor, statistic, threshold, seen, message, revokes AS revoked_proposals, signal_id
FROM drift_signals
WHERE error = ''
ORDER BY at, signal_id
LIMIT 1 BY signal_id
COMMENT 'Alarms of the monitors, oldest first';

CREATE OR REPLACE VIEW shadow_comparison
(
    domain String COMMENT 'What is decided. Only domains in which a model is or was on trial',
    model_id String COMMENT 'Model',
    model_version String COMMENT 'Its version',
    on_trial Bool COMMENT 'Nothing of these decisions took effect: routes are what would have been',
    decisions UInt64 COMMENT 'Readable decisions of the version, from the hour of the domain''s first one on trial on: the population of the shares below. Versions decide different cases unless both are sent the same',
    auto_rate Float64 COMMENT 'Share of decisions that take effect (would have) without waiting for a person',
    async_rate Float64 COMMENT 'Share of decisions with route async',
    sync_rate Float64 COMMENT 'Share of decisions with route sync',
    manual_rate Float64 COMMENT 'Share of decisions with route manual',
    mean_confidence Nullable(Float64) COMMENT 'Mean of the model''s own confidence over those of decisions where it is a probability. Says nothing about accuracy',
    mean_calibrated_confidence Nullable(Float64) COMMENT 'Mean of the calibrated confidence over the same'
)
AS
SELECT
    domain, model_id, model_version, on_trial,
    sum(those) AS decisions,
    sumIf(those, route = 'auto') / decisions AS auto_rate,
    sumIf(those, route = 'async') / decisions AS async_rate,
    sumIf(those, route = 'sync') / decisions AS sync_rate,
    sumIf(those, route = 'manual') / decisions AS manual_rate,
    sum(confidences) / nullIf(sum(probable), 0) AS mean_confidence,
    sum(calibrated) / nullIf(sum(probable), 0) AS mean_calibrated_confidence
FROM
(
    SELECT
        domain, model_id, model_version, true AS on_trial, route,
        count() AS those,
        countIf(confidence >= 0 AND confidence <= 1) AS probable,
        sumIf(confidence, confidence >= 0 AND confidence <= 1) AS confidences,
        sumIf(calibrated_confidence, confidence >= 0 AND confidence <= 1) AS calibrated
    FROM shadow_decisions
    WHERE error = ''
    GROUP BY domain, model_id, model_version, route
    UNION ALL
    SELECT
        domain, model_id, model_version, false AS on_trial, route,
        sum(records) AS those,
        sum(confidence_count) AS probable,
        sum(confidence_sum) AS confidences,
        sum(calibrated_confidence_sum) AS calibrated
    FROM routed_by_hour
    INNER JOIN
    (
        SELECT domain, toStartOfHour(min(kafka_timestamp)) AS first_hour FROM shadow_decisions WHERE error = '' GROUP BY domain
    ) AS trials USING (domain)
    WHERE error = '' AND NOT review_copy AND hour >= first_hour
    GROUP BY domain, model_id, model_version, route
)
GROUP BY domain, model_id, model_version, on_trial
COMMENT 'Models on trial beside those that decide: how much each leaves to people. Which one people would agree with more is another question, for the pairs of decisions on one case';

CREATE OR REPLACE VIEW decision_timeline
(
    decision_id String COMMENT 'Id of the decision. Always filter by it: the view reads the raw tables',
    at DateTime64(6, 'UTC') COMMENT 'When it happened, UTC: commands by the clock of who sent them, all else of the review by the desk''s',
    step UInt8 COMMENT 'Order of what happened at the same moment',
    event String COMMENT 'decided (by the model), received (by Kafka), routed, sent to review (a second record: audit, post_approval, or picked later), routed on trial (nothing took effect), dead-lettered, asked to ... (a command), granted or refused (its reply), verdict, task ... (what became of the task), resolution, action ..., alert ..., training example (models may learn from it)',
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
UNION ALL
SELECT
    decision_id, if(route = '', kafka_timestamp, routed_at) AS at, 2 AS step, 'routed on trial' AS event,
    concat(
        if(error = '', '', concat('incomplete record (', error, '); ')),
        'would have been ', route, ' because of ', if(empty(reasons), 'nothing in particular', arrayStringConcat(reasons, ', ')),
        if(policy_version = '', ', no policy', concat(', policy ', policy_version)), '; nothing took effect'
    ) AS detail,
    kafka_topic, kafka_partition, kafka_offset
FROM shadow_decisions
UNION ALL
SELECT
    decision_id, max(decided_at) AS at, 11 AS step, 'training example' AS event,
    format('{} is right, with weight {}', any(final), toString(any(weight))) AS detail,
    any(kafka_topic) AS kafka_topic, any(kafka_partition) AS kafka_partition, min(training_examples.kafka_offset) AS kafka_offset
FROM training_examples
WHERE error = ''
GROUP BY decision_id, example_id
COMMENT 'What happened to a decision, one row an event; unordered, so ORDER BY at, step, kafka_offset';
