-- override_analytics with open work, as population_estimates has it since 0042: of each way, what was chosen, is waited for no longer
-- and was not judged that day counts as unanswered.

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
    population_override_rate Nullable(Float64) COMMENT 'Estimated share of all decisions that people would override: reviewed_decisions weighted by 1 / (propensity * answered share of their way that day) (Hajek). Those speak for whatever came along with them on the same ways, also for what nobody saw: see ways',
    population_override_rate_lower Nullable(Float64) COMMENT 'Lower end of its 95 % interval, by strata of ways and propensities, of the decisions that reviewed_decisions speak for. What ended that day without a verdict errs between never and twice as often as what has one; null where too little is answered, see missing',
    population_override_rate_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    modification_rate Float64 COMMENT 'Share of reviewed_decisions with verdict modify; those with another outcome are in override_rate as well',
    top_reason_codes Array(Tuple(reason_code String, overrides UInt64)) COMMENT 'The three most frequent reasons of overrides, and how often each was given',
    ways Array(String) COMMENT 'Ways by which reviewed_decisions came: async, sync, manual, audit. population_override_rate speaks of these alone: without audit among them, of nothing that took effect by itself',
    missing Array(String) COMMENT 'What is missing of ways on which less than 80 % of what was chosen and waited for no longer that day is answered. Where ways below 50 % hold 5 % of the decisions or more, the ends of the interval are null'
)
AS
WITH
    1.959963984540054 AS z,
    overrides / reviewed_decisions AS naive_rate,
    naive_rate + z * z / (2 * reviewed_decisions) AS centre,
    z * sqrt(naive_rate * (1 - naive_rate) / reviewed_decisions + z * z / (4 * reviewed_decisions * reviewed_decisions)) AS half,
    1 + z * z / reviewed_decisions AS shrink
SELECT
    domain, model_id, model_version, prediction, day, reviewed_decisions, overrides,
    naive_rate AS override_rate,
    greatest(0, (centre - half) / shrink) AS override_rate_lower,
    least(1, (centre + half) / shrink) AS override_rate_upper,
    if(weight = 0, NULL, rate_of_all) AS population_override_rate,
    weight > 0 AND unsaid < 0.05 * weight AS shown,
    if(shown, greatest(0, least(rate_of_all, (least_wrong - sqrt(below + z * z * mixing)) / weight)), NULL) AS population_override_rate_lower,
    if(shown, least(1, greatest(rate_of_all, (most_wrong + sqrt(above + z * z * mixing)) / weight)), NULL) AS population_override_rate_upper,
    modified / reviewed_decisions AS modification_rate,
    arraySlice(arraySort(one -> (-toInt64(one.2), one.1), arrayZip(reasons.1, reasons.2)), 1, 3) AS top_reason_codes,
    arraySort(came_by) AS ways,
    arrayMap(
        one -> format(
            '{} of {} {} answered, {} needed', toString(one.3), toString(one.2), if(one.1 = 'audit', 'audits', concat(one.1, ' reviews')),
            toString(toUInt64(ceil(round(0.8 * one.2, 9))))
        ),
        arraySort(arrayFilter(one -> one.3 < 0.8 * one.2, told))
    ) AS missing
FROM
(
    SELECT
        domain, model_id, model_version, prediction, day,
        sum(verdicts) AS reviewed_decisions,
        sum(overridden_verdicts) AS overrides,
        sum(modified_verdicts) AS modified,
        sum(size) AS weight,
        sumIf(size, answered < 0.5) AS unsaid,
        any(weighted_rate) AS rate_of_all,
        sum(size * ends.2) AS least_wrong,
        sum(pow(size * (ends.2 - ends.1), 2)) AS below,
        sum(size * ends.3) AS most_wrong,
        sum(pow(size * (ends.4 - ends.3), 2)) AS above,
        sum((ww / (answered * answered) - size) * pow(rate - weighted_rate, 2)) AS mixing,
        sumMap(reasons_of_stratum.1, reasons_of_stratum.2) AS reasons,
        groupUniqArray(way) AS came_by,
        groupUniqArrayIf((way, settled, least(settled, judged)), settled > 0) AS told
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
            w * w / ww AS kish
        SELECT
            *,
            if(w > 0, wy / w, 0) AS rate,
            if(settled > 0, least(1, greatest(judged, 1) / settled), 1) AS answered,
            w / answered AS size,
            sqrt(greatest(0, 1 - usable_verdicts / greatest(size, usable_verdicts))) AS unseen,
            sum(wy / answered) OVER (PARTITION BY domain, model_id, model_version, prediction, day)
                / sum(w / answered) OVER (PARTITION BY domain, model_id, model_version, prediction, day) AS weighted_rate,
            if(w > 0, (1 - upper_end((1 - rate) * kish, kish), upper_end(rate * kish, kish)), (0., 0.)) AS exact,
            rate + unseen * (exact.2 - rate) AS highest,
            -- (low, least, most, high) of the rate of a stratum: the ends of the region that open work leaves, and of its interval.
            (
                answered * (rate - unseen * (rate - exact.1)),
                answered * rate,
                answered * rate + (1 - answered) * if(answered < 0.5, 1, least(1, 2 * rate)),
                answered * highest + (1 - answered) * if(answered < 0.5, 1, least(1, 2 * highest))
            ) AS ends
        FROM
        (
            WITH propensity >= 0.000001 AND propensity <= 1 AS usable, 1 / propensity AS v
            SELECT
                domain, model_id, model_version, prediction, toDate(at) AS day,
                if(route != 'auto', toString(route), 'audit') AS way,
                multiIf(NOT usable, -2, propensity = 1, -1, toInt32(floor(-log2(propensity)))) AS octave,
                count() AS verdicts,
                countIf(overridden) AS overridden_verdicts,
                countIf(verdict = 'modify') AS modified_verdicts,
                toFloat64(countIf(usable)) AS usable_verdicts,
                sumIf(v, usable) AS w,
                sumIf(v * v, usable) AS ww,
                sumIf(v, usable AND overridden) AS wy,
                sumMapIf([toString(reason_code)], [toUInt64(1)], overridden) AS reasons_of_stratum
            FROM outcomes
            WHERE outcomes.reviewed AND (route != 'auto' OR audit)
            GROUP BY domain, model_id, model_version, prediction, day, way, octave
        ) AS heard
        LEFT JOIN
        (
            -- The desk's counts only grow: what was settled on a day is what their ends that day differ by. They are counted
            -- from the first verdict on where earlier ones tell none.
            SELECT
                domain, model_id, model_version, way, day,
                greatest(0, last_settled - lagInFrame(last_settled, 1, if(ever = day, 0, first_settled)) OVER days) AS settled,
                greatest(0, last_judged - lagInFrame(last_judged, 1, if(ever = day, 0, first_judged)) OVER days) AS judged
            FROM
            (
                SELECT
                    domain, model_id, model_version, if(route != 'auto', toString(route), 'audit') AS way, toDate(at) AS day,
                    assumeNotNull(min(way_settled)) AS first_settled, assumeNotNull(max(way_settled)) AS last_settled,
                    assumeNotNull(min(way_judged)) AS first_judged, assumeNotNull(max(way_judged)) AS last_judged,
                    count(way_settled) AS told, min(day) OVER (PARTITION BY domain, model_id, model_version, way) AS ever
                FROM outcomes
                WHERE outcomes.reviewed AND (route != 'auto' OR audit)
                GROUP BY domain, model_id, model_version, way, day
            )
            WHERE told > 0
            WINDOW days AS (
                PARTITION BY domain, model_id, model_version, way ORDER BY day ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            )
        ) AS counted USING (domain, model_id, model_version, way, day)
    )
    GROUP BY domain, model_id, model_version, prediction, day
)
COMMENT 'Where people disagree with the models, day by day: of what they reviewed, and estimated for all decisions';
