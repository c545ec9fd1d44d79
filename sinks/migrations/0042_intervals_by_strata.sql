-- Intervals of rates by strata, as learning/strata.py has them, in place of those of 0038.
--
-- * A stratum is a way to a person (async, sync, manual, audit) and an octave of propensity, 1 apart. Each has Clopper and
--   Pearson's interval at its own effective number of verdicts; MOVER adds them. Many overrides among reviews therefore
--   make no few audits look sure.
-- * `upper_end`(x, n): the largest p with P(at most x successes in n trials) >= 0.025, where x and n need not be whole, by
--   bisection of the normal deviate of Peizer and Pratt (1968). It is off by 0.004 at most, by 0.0005 from fifty trials on,
--   and exact where x is 0 (tests/sinks/test_intervals_of_views.py). The lower end is 1 - upper_end(n - x, n).
-- * What was chosen and not answered errs between never and twice as often as what was, as learning/answered.py has it.

CREATE OR REPLACE VIEW population_estimates
(
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that decided',
    model_version String COMMENT 'Its version',
    decisions UInt64 COMMENT 'All decisions of the model version in the domain, each counted once (N)',
    covered_decisions UInt64 COMMENT 'The population of every corrected rate: those of decisions that a person could be sent, of ways to a person (async, sync, manual, audit) on which a verdict has come. The rest is known of nothing: decisions of propensity 0, and ways on which nobody has answered yet',
    reviewed_decisions UInt64 COMMENT 'Those of decisions that routing had picked for review and on which a person has said the first word (n): the population of the naive rate',
    answered_rate Nullable(Float64) COMMENT 'reviewed_decisions / all that were picked for review. Below 1 some are open, or ended without a person: the corrected rates then take it that on each way to a person those would have been answered like the others, and the intervals that they err between never and twice as often',
    naive Nullable(Float64) COMMENT 'Share of reviewed_decisions that people overrode. Of reviewed decisions only, which routing picked for being doubtful: NOT the rate of all decisions',
    naive_standard_error Nullable(Float64) COMMENT 'Standard error of naive, as if reviewed_decisions were drawn at random from others like them',
    naive_lower Nullable(Float64) COMMENT 'Lower end of the 95 % Wilson interval of naive, of reviewed decisions only',
    naive_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    horvitz_thompson Nullable(Float64) COMMENT 'Share of covered_decisions that people would override: (1/N) sum of y / propensity. Unbiased; may leave 0 to 1',
    horvitz_thompson_standard_error Nullable(Float64) COMMENT 'Standard error of horvitz_thompson over covered_decisions: which of them were reviewed is the only chance in it',
    horvitz_thompson_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of horvitz_thompson, over covered_decisions; null where too little is answered, see missing',
    horvitz_thompson_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    hajek Nullable(Float64) COMMENT 'Share of covered_decisions that people would override: (sum of y / propensity) / (sum of 1 / propensity). Never leaves 0 to 1',
    hajek_standard_error Nullable(Float64) COMMENT 'Standard error of hajek over covered_decisions: which of them were reviewed is the only chance in it',
    hajek_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of hajek, over covered_decisions; null where too little is answered, see missing',
    hajek_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    aipw Nullable(Float64) COMMENT 'Share of covered_decisions that people would override: (1/N) (sum of f over all of them + sum of (y - f) / propensity over the reviewed ones), f = 1 - calibrated confidence. Unbiased whatever f says, and the most exact one where f is good; may leave 0 to 1',
    aipw_standard_error Nullable(Float64) COMMENT 'Standard error of aipw over covered_decisions: which of them were reviewed is the only chance in it',
    aipw_lower Nullable(Float64) COMMENT 'Lower end of the 95 % interval of aipw, over covered_decisions; null where too little is answered, see missing',
    aipw_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    ways Array(Tuple(way String, decisions UInt64, chosen UInt64, answered UInt64, answered_rate Nullable(Float64))) COMMENT 'By way to a person: decisions that could come by it, how many were chosen, how many of these have a usable verdict, and that share',
    missing Array(String) COMMENT 'What is missing of ways on which less than 80 % of what was chosen is answered: nothing is certified or proposed on such. Where ways below 50 % hold 5 % of the decisions or more, the ends of the corrected intervals are null'
)
AS
WITH
    1.959963984540054 AS z,
    n > 0 AS sayable,
    if(judged = 0, NULL, judged_overridden / judged) AS plain,
    plain + z * z / (2 * judged) AS plain_centre,
    z * sqrt(plain * (1 - plain) / judged + z * z / (4 * judged * judged)) AS plain_half
SELECT
    domain, model_id, model_version, total AS decisions, toUInt64(everything) AS covered_decisions, judged AS reviewed_decisions,
    least(1, judged / nullIf(picked_in_all, 0)) AS answered_rate,
    plain AS naive,
    sqrt(plain * (1 - plain) / judged) AS naive_standard_error,
    if(judged = 0, NULL, greatest(0, (plain_centre - plain_half) / (1 + z * z / judged))) AS naive_lower,
    if(judged = 0, NULL, least(1, (plain_centre + plain_half) / (1 + z * z / judged))) AS naive_upper,
    if(sayable, found[1].1, NULL) AS horvitz_thompson,
    if(sayable, found[1].2, NULL) AS horvitz_thompson_standard_error,
    found[1].3 AS horvitz_thompson_lower,
    found[1].4 AS horvitz_thompson_upper,
    if(sayable, found[2].1, NULL) AS hajek,
    if(sayable, found[2].2, NULL) AS hajek_standard_error,
    found[2].3 AS hajek_lower,
    found[2].4 AS hajek_upper,
    if(sayable, found[3].1, NULL) AS aipw,
    if(sayable, found[3].2, NULL) AS aipw_standard_error,
    found[3].3 AS aipw_lower,
    found[3].4 AS aipw_upper,
    arraySort(told) AS ways,
    arrayMap(
        one -> format(
            '{} of {} {} answered, {} needed', toString(one.4), toString(one.3), if(one.1 = 'audit', 'audits', concat(one.1, ' reviews')),
            toString(toUInt64(ceil(round(0.8 * one.3, 9))))
        ),
        arrayFilter(one -> one.3 > 0 AND one.4 < 0.8 * one.3, ways)
    ) AS missing
FROM
(
    WITH
        1.959963984540054 AS z,
        greatest(everything, 1) AS whole,
        if(weight = 0, 0, weighted / weight) AS ratio,
        n > 0 AS sayable,
        sayable AND unsaid < 0.05 * reachable AS shown,
        -- (value, variance, low, high) of Horvitz-Thompson, Hajek, AIPW.
        arrayMap(
            one -> (
                one.1,
                sqrt(greatest(0, one.2)),
                if(shown, greatest(0, least(1, least(one.1, one.3))), NULL),
                if(shown, greatest(0, least(1, greatest(one.1, one.4))), NULL)
            ),
            [
                (
                    weighted / whole, spread / (whole * whole),
                    (plain_least - sqrt(plain_below + z * z * composition)) / whole,
                    (plain_most + sqrt(plain_above + z * z * composition)) / whole
                ),
                (
                    ratio, if(weight = 0, 0, ((1 - 2 * ratio) * spread + ratio * ratio * (squares - weight)) / (weight * weight)),
                    (ratio_least - sqrt(ratio_below + z * z * mixing)) / greatest(weight, 1),
                    (ratio_most + sqrt(ratio_above + z * z * mixing)) / greatest(weight, 1)
                ),
                (
                    (doubt + residual) / whole, residual_spread / (whole * whole),
                    (informed_least - sqrt(informed_below + z * z * composition)) / whole,
                    (informed_most + sqrt(informed_above + z * z * composition)) / whole
                )
            ]
        ) AS found
    SELECT *, found
    FROM
    (
        -- All strata of a model version together. `answered`: the share of what was picked on the way that has a verdict;
        -- with it, a decision's probability of being reviewed is propensity * answered. `population` by the decisions of the
        -- way, `size` by the weights of the verdicts.
        SELECT
            domain, model_id, model_version,
            sumIf(records_of_way, first) AS total,
            sumIf(picked_records, first) AS picked_in_all,
            sumIf(verdicts_of_way, first) AS judged,
            sumIf(overrides_of_way, first) AS judged_overridden,
            sumIf(records_of_way, first AND way != 'none') AS reachable,
            sumIf(records_of_way, first AND way != 'none' AND (NOT covered OR answered < 0.5)) AS unsaid,
            sumIf(records_of_way, first AND covered) AS everything,
            sumIf(doubt_of_way, first AND covered) AS doubt,
            sum(usable_verdicts) AS n,
            sumIf(w / answered, covered) AS weight,
            sumIf(ww / (answered * answered), covered) AS squares,
            sumIf(wy / answered, covered) AS weighted,
            sumIf(wwy / (answered * answered) - wy / answered, covered) AS spread,
            sumIf(wr / answered, covered) AS residual,
            sumIf(wwrr / (answered * answered) - wrr / answered, covered) AS residual_spread,
            -- Sums for the intervals, over strata: of the ends of the region, and of squared distances to those of its interval.
            sumIf(population * plain_ends.2, some) AS plain_least,
            sumIf(pow(population * (plain_ends.2 - plain_ends.1), 2), some) AS plain_below,
            sumIf(population * plain_ends.3, some) AS plain_most,
            sumIf(pow(population * (plain_ends.4 - plain_ends.3), 2), some) AS plain_above,
            sumIf(size * ratio_ends.2, some) AS ratio_least,
            sumIf(pow(size * (ratio_ends.2 - ratio_ends.1), 2), some) AS ratio_below,
            sumIf(size * ratio_ends.3, some) AS ratio_most,
            sumIf(pow(size * (ratio_ends.4 - ratio_ends.3), 2), some) AS ratio_above,
            sumIf(population * informed_ends.2, some) AS informed_least,
            sumIf(pow(population * (informed_ends.2 - informed_ends.1), 2), some) AS informed_below,
            sumIf(population * informed_ends.3, some) AS informed_most,
            sumIf(pow(population * (informed_ends.4 - informed_ends.3), 2), some) AS informed_above,
            -- Chance in the sizes of strata: of all for Hajek, of those of one way for the others, which know its decisions.
            sumIf(sampling * pow(rate - rate_of_all, 2), some) AS mixing,
            sumIf(sampling * pow((rate - rate_of_way) * population / size, 2), some) AS composition,
            groupUniqArrayIf(
                (
                    way, records_of_way, toUInt64(picked_records), toUInt64(usable_of_way),
                    if(picked_records = 0, NULL, least(1, usable_of_way / picked_records))
                ),
                first AND way != 'none'
            ) AS told
        FROM
        (
            -- (low, least, most, high) of the rate of a stratum: the ends of the region that open work leaves, and of its interval.
            SELECT
                *,
                arrayMap(
                    most -> answered * most + (1 - answered) * if(answered < 0.5, 1, least(1, 2 * most)),
                    [rate, plain_chance.2, ratio_chance.2, informed, informed_chance.2]
                ) AS widest,
                (answered * plain_chance.1, answered * rate, widest[1], widest[2]) AS plain_ends,
                (answered * ratio_chance.1, answered * rate, widest[1], widest[3]) AS ratio_ends,
                (answered * informed_chance.1, answered * informed, widest[4], widest[5]) AS informed_ends
            FROM
            (
                SELECT
                    *,
                    (rate - unseen * (rate - exact[1].1), rate + unseen * (exact[1].2 - rate)) AS plain_chance,
                    (rate - unseen_by_weight * (rate - exact[1].1), rate + unseen_by_weight * (exact[1].2 - rate)) AS ratio_chance,
                    (informed - unseen * (informed - exact[2].1), informed + unseen * (exact[2].2 - informed)) AS informed_chance
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
                        )) AS upper_end
                    SELECT
                        *,
                        arrayMap(
                            one -> (1 - upper_end(one.2 - one.1, one.2), upper_end(one.1, one.2)),
                            if(some, [(rate * kish, kish), (informed * kish * precision, kish * precision)], [(0., 1.), (0., 1.)])
                        ) AS exact
                    FROM
                    (
                        SELECT
                            *,
                            -- How much f tells, where enough verdicts say so.
                            if(many, least(1, greatest(0, rate + doubt_of_way / greatest(records_of_way, 1) - (wy_of_way - wr_of_way) / w_of_way)), rate) AS informed,
                            if(many, ((1 - 2 * rate) * wwy + rate * rate * ww) / (wwrr - 2 * mean_residual * wwr + mean_residual * mean_residual * ww), 1) AS precision,
                            w * w / ww AS kish,
                            -- The less of a stratum is unseen, the less is left to chance.
                            sqrt(greatest(0, 1 - usable_verdicts / greatest(population, usable_verdicts))) AS unseen,
                            sqrt(greatest(0, 1 - usable_verdicts / greatest(size, usable_verdicts))) AS unseen_by_weight,
                            sumIf(wy / answered, covered) OVER (PARTITION BY domain, model_id, model_version)
                                / sumIf(w / answered, covered) OVER (PARTITION BY domain, model_id, model_version) AS rate_of_all
                        FROM
                        (
                            SELECT
                                *,
                                covered AND usable_verdicts > 0 AS some,
                                if(some, wy / w, 0) AS rate,
                                least(usable_overrides, usable_verdicts - usable_overrides) >= 10 AS many,
                                wr / w AS mean_residual,
                                records_of_way * w / w_of_way AS population,
                                w / answered AS size,
                                ww / (answered * answered) - w / answered AS sampling,
                                wy_of_way / w_of_way AS rate_of_way
                            FROM
                            (
                                SELECT
                                    *,
                                    row_number() OVER (PARTITION BY domain, model_id, model_version, way ORDER BY octave) = 1 AS first,
                                    sum(verdicts) OVER (PARTITION BY domain, model_id, model_version, way) AS verdicts_of_way,
                                    sum(overrides) OVER (PARTITION BY domain, model_id, model_version, way) AS overrides_of_way,
                                    sum(usable_verdicts) OVER (PARTITION BY domain, model_id, model_version, way) AS usable_of_way,
                                    sum(w) OVER (PARTITION BY domain, model_id, model_version, way) AS w_of_way,
                                    sum(wy) OVER (PARTITION BY domain, model_id, model_version, way) AS wy_of_way,
                                    sum(wr) OVER (PARTITION BY domain, model_id, model_version, way) AS wr_of_way,
                                    usable_of_way > 0 AS covered,
                                    if(covered, least(1, usable_of_way / greatest(toFloat64(picked_records), usable_of_way, 1.)), 1) AS answered
                                FROM
                                (
                                    SELECT
                                        domain, model_id, model_version,
                                        -- Before the audit coin fell in post_approval everybody might look at such decisions (propensity 1), and nobody
                                        -- had to: they are known of nothing.
                                        multiIf(
                                            route != 'auto', toString(route),
                                            propensity_sum = 0 OR (workflow = 'post_approval' AND NOT audit AND propensity_sum = records), 'none',
                                            'audit'
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
                                        multiIf(NOT usable, -2, propensity = 1, -1, toInt32(floor(-log2(propensity)))) AS octave,
                                        count() AS verdicts,
                                        countIf(outcomes.overridden) AS overrides,
                                        toFloat64(countIf(usable)) AS usable_verdicts,
                                        toFloat64(countIf(usable AND outcomes.overridden)) AS usable_overrides,
                                        sumIf(v, usable) AS w,
                                        sumIf(v * v, usable) AS ww,
                                        sumIf(v, usable AND outcomes.overridden) AS wy,
                                        sumIf(v * v, usable AND outcomes.overridden) AS wwy,
                                        sumIf(r * v, usable) AS wr,
                                        sumIf(r * v * v, usable) AS wwr,
                                        sumIf(r * r * v, usable) AS wrr,
                                        sumIf(r * r * v * v, usable) AS wwrr
                                    FROM outcomes
                                    WHERE outcomes.reviewed AND (route != 'auto' OR audit)
                                    GROUP BY domain, model_id, model_version, way, octave
                                ) AS heard USING (domain, model_id, model_version, way)
                            )
                        )
                    )
                )
            )
        )
        GROUP BY domain, model_id, model_version

    )
)
COMMENT 'How often people would override each model version: of what they reviewed (naive), and of all decisions, three ways, with 95 % intervals';

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
    population_override_rate Nullable(Float64) COMMENT 'Estimated share of all decisions that people would override: reviewed_decisions weighted by 1 / propensity (Hajek). Those speak for whatever came along with them on the same ways, also for what nobody saw: see ways',
    population_override_rate_lower Nullable(Float64) COMMENT 'Lower end of its 95 % interval, by strata of ways and propensities, of the decisions that reviewed_decisions speak for',
    population_override_rate_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    modification_rate Float64 COMMENT 'Share of reviewed_decisions with verdict modify; those with another outcome are in override_rate as well',
    top_reason_codes Array(Tuple(reason_code String, overrides UInt64)) COMMENT 'The three most frequent reasons of overrides, and how often each was given',
    ways Array(String) COMMENT 'Ways by which reviewed_decisions came: async, sync, manual, audit. population_override_rate speaks of these alone: without audit among them, of nothing that took effect by itself'
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
    if(weight = 0, NULL, greatest(0, rate_of_all - sqrt(below + z * z * mixing) / weight)) AS population_override_rate_lower,
    if(weight = 0, NULL, least(1, rate_of_all + sqrt(above + z * z * mixing) / weight)) AS population_override_rate_upper,
    modified / reviewed_decisions AS modification_rate,
    arraySlice(arraySort(one -> (-toInt64(one.2), one.1), arrayZip(reasons.1, reasons.2)), 1, 3) AS top_reason_codes,
    arraySort(came_by) AS ways
FROM
(
    SELECT
        domain, model_id, model_version, prediction, day,
        sum(verdicts) AS reviewed_decisions,
        sum(overridden_verdicts) AS overrides,
        sum(modified_verdicts) AS modified,
        sum(w) AS weight,
        any(weighted_rate) AS rate_of_all,
        sumIf(pow(w * sqrt(unseen) * (rate - exact.1), 2), w > 0) AS below,
        sumIf(pow(w * sqrt(unseen) * (exact.2 - rate), 2), w > 0) AS above,
        sumIf((ww - w) * pow(rate - weighted_rate, 2), w > 0) AS mixing,
        sumMap(reasons_of_stratum.1, reasons_of_stratum.2) AS reasons,
        groupUniqArray(way) AS came_by
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
            greatest(0, 1 - usable_verdicts / greatest(w, usable_verdicts)) AS unseen,
            sum(wy) OVER (PARTITION BY domain, model_id, model_version, prediction, day)
                / sum(w) OVER (PARTITION BY domain, model_id, model_version, prediction, day) AS weighted_rate,
            if(w > 0, (1 - upper_end((1 - rate) * kish, kish), upper_end(rate * kish, kish)), (0., 0.)) AS exact
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
        )
    )
    GROUP BY domain, model_id, model_version, prediction, day
)
COMMENT 'Where people disagree with the models, day by day: of what they reviewed, and estimated for all decisions';
