-- What happened to groups of people, as `interlock fairness` tells it (interlock/policies/replay/fairness.py), in SQL.
--
-- * Groups are those that the policies in force name in `groups`, read from their canonical JSON. Numbers of a group's name
--   are written as ClickHouse writes them, which differs from the command from 15 digits on.
-- * What is sealed under the key of a subject is in no group here: it counts in the row of everybody, and is told in `sealed`.
-- * A stratum is a way by which decisions came or could have come to a person. `upper_end` is that of 0042, word for word
--   (tests/sinks/test_intervals_of_views.py): a function of the server would be one for all its databases, and would take a
--   right that whoever writes here need not have.

CREATE OR REPLACE VIEW fairness
(
    domain String COMMENT 'What is decided',
    model_id String COMMENT 'Model that decided',
    model_version String COMMENT 'Its version',
    attribute String COMMENT 'Attribute by which people are told apart; empty: everybody',
    `group` String COMMENT 'Its value, or the range of numbers; empty with an attribute: not known',
    decisions UInt64 COMMENT 'Decisions of the last 30 days about the group, each counted once',
    sealed UInt64 COMMENT 'Of everybody''s decisions, those whose attributes are sealed: they are in no group of this view. The command opens them with the keys',
    automated Float64 COMMENT 'Share of decisions that took effect with nobody certain to see them',
    automated_ratio Nullable(Float64) COMMENT 'automated over that of the group of the attribute with the largest one, of groups of 30 decisions and more',
    favourable Nullable(Float64) COMMENT 'Share of decisions in which the answer of the model is not adverse; null where the policy calls no outcome adverse',
    favourable_ratio Nullable(Float64) COMMENT 'favourable over that of the group of the attribute with the largest one',
    automated_error Nullable(Float64) COMMENT 'Share of wrong ones among what took effect with nobody certain to see it, estimated from audits by 1 / propensity; null with fewer than 30 verdicts, or where some of it was not open to audits',
    automated_error_lower Nullable(Float64) COMMENT 'Lower end of its 95 % interval, of these very decisions; null where less than half of the audits is answered',
    automated_error_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    automated_error_verdicts UInt64 COMMENT 'How many verdicts it rests on',
    automated_error_answered Nullable(Float64) COMMENT 'Of the audits, the share that is answered',
    override_rate Nullable(Float64) COMMENT 'Share of decisions that people override or would override, by way to a person',
    override_rate_lower Nullable(Float64) COMMENT 'Lower end of its 95 % interval, of these very decisions',
    override_rate_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    override_rate_verdicts UInt64 COMMENT 'How many verdicts it rests on',
    override_rate_answered Nullable(Float64) COMMENT 'Of what was chosen for a person, the share that is answered',
    remarks Array(String) COMMENT 'too-few-verdicts, too-few-answered, not-known, automated-less and favoured-less: a ratio below 0.8'
)
AS
SELECT
    domain, model_id, model_version, attribute, `group`, decisions,
    max(hidden) OVER (PARTITION BY domain, model_id, model_version) AS sealed,
    unseen_decisions / decisions AS automated,
    if(compared, automated / nullIf(max(if(many, automated, 0)) OVER (PARTITION BY domain, model_id, model_version, attribute), 0), NULL) AS automated_ratio,
    if(told, favourable_decisions / decisions, NULL) AS favourable,
    if(compared, favourable / nullIf(max(if(many, ifNull(favourable, 0), 0)) OVER (PARTITION BY domain, model_id, model_version, attribute), 0), NULL) AS favourable_ratio,
    rates[1].1 AS automated_error,
    rates[1].2 AS automated_error_lower,
    rates[1].3 AS automated_error_upper,
    toUInt64(sums[1].1) AS automated_error_verdicts,
    rates[1].4 AS automated_error_answered,
    rates[2].1 AS override_rate,
    rates[2].2 AS override_rate_lower,
    rates[2].3 AS override_rate_upper,
    toUInt64(sums[2].1) AS override_rate_verdicts,
    rates[2].4 AS override_rate_answered,
    arrayMap(
        one -> one.2,
        arrayFilter(
            one -> one.1,
            [
                (isNull(automated_error) AND unseen_decisions > 0, 'too-few-verdicts'),
                (isNotNull(automated_error) AND isNull(automated_error_lower), 'too-few-answered'),
                (attribute != '' AND `group` = '', 'not-known'),
                (ifNull(automated_ratio < 0.8, false), 'automated-less'),
                (ifNull(favourable_ratio < 0.8, false), 'favoured-less')
            ]
        )
    ) AS remarks
FROM
(
    -- All ways together, by MOVER. `sums`: of automated decisions, then of all: verdicts, chosen, decisions on ways with a
    -- verdict, on all ways, expected errors, ends of the region, and squared distances to those of its interval.
    SELECT
        domain, model_id, model_version, attribute, `group`,
        sum(decisions_of_way) AS decisions,
        decisions >= 30 AS many,
        many AND attribute != '' AS compared,
        sumIf(sealed_of_way, attribute = '') AS hidden,
        sumIf(decisions_of_way, unseen) AS unseen_decisions,
        sum(favourable_of_way) AS favourable_decisions,
        any(has_adverse) AS told,
        [
            (
                sumIf(judged, unseen), sumIf(chosen, unseen), sumIf(decisions_of_way, unseen AND known),
                sumIf(decisions_of_way, unseen), sumIf(expected, unseen),
                sumIf(least_of_way, unseen), sumIf(below, unseen), sumIf(most_of_way, unseen), sumIf(above, unseen)
            ),
            (
                sum(judged), sum(chosen), sumIf(decisions_of_way, known),
                sum(decisions_of_way), sum(expected),
                sum(least_of_way), sum(below), sum(most_of_way), sum(above)
            )
        ] AS sums,
        arrayMap(
            (one, answered) -> (
                if(one.1 < 30 OR one.3 < one.4, NULL, one.5 / one.3),
                if(one.1 < 30 OR one.3 < one.4 OR ifNull(answered < 0.5, false), NULL, greatest(0, one.6 - sqrt(one.7)) / one.3),
                if(one.1 < 30 OR one.3 < one.4 OR ifNull(answered < 0.5, false), NULL, least(1, (one.8 + sqrt(one.9)) / one.3)),
                answered
            ),
            sums,
            arrayMap(one -> if(one.2 = 0, NULL, least(1, one.1 / one.2)), sums)
        ) AS rates
    FROM
    (
        SELECT
            *,
            if(known, decisions_of_way * rate, 0) AS expected,
            if(known, decisions_of_way * answered * rate, 0) AS least_of_way,
            if(known, pow(decisions_of_way * answered * spread * (rate - exact.1), 2), 0) AS below,
            if(known, decisions_of_way * (answered * rate + (1 - answered) * if(answered < 0.5, 1, least(1, 2 * rate))), 0) AS most_of_way,
            rate + spread * (exact.2 - rate) AS high,
            if(
                known,
                pow(decisions_of_way * (answered * high + (1 - answered) * if(answered < 0.5, 1, least(1, 2 * high))) - most_of_way, 2),
                0
            ) AS above
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
                way IN ('audit', 'post_approval') AS unseen,
                judged > 0 AND w > 0 AS known,
                if(known, least(1, wy / w), 0) AS rate,
                if(known, w * w / ww, 1) AS kish,
                if(known AND chosen > 0, least(1, judged / chosen), 1) AS answered,
                sqrt(greatest(0, 1 - judged / greatest(toFloat64(decisions_of_way), judged))) AS spread,
                if(known, (1 - upper_end((1 - rate) * kish, kish), upper_end(rate * kish, kish)), (0., 1.)) AS exact
            FROM
            (
                WITH if(heard, 1 / verdict_propensity, 0.) AS v
                SELECT
                    domain, model_id, model_version, of_group.1 AS attribute, of_group.2 AS `group`,
                    multiIf(
                        route != 'auto', toString(route),
                        workflow = 'post_approval' AND NOT audit AND propensity = 1, 'post_approval',
                        'audit'
                    ) AS way,
                    count() AS decisions_of_way,
                    countIf(audit OR route != 'auto') AS chosen,
                    countIf(subject_key != '') AS sealed_of_way,
                    countIf(NOT has(adverse, toString(prediction))) AS favourable_of_way,
                    any(notEmpty(adverse)) AS has_adverse,
                    toFloat64(countIf(heard)) AS judged,
                    sum(v) AS w,
                    sum(v * v) AS ww,
                    sumIf(v, overridden) AS wy
                FROM
                (
                    SELECT
                        *,
                        arrayJoin(arrayConcat(
                            [('', '')],
                            if(subject_key != '', [], arrayMap(
                                named -> (named.1, arrayMap(
                                    text -> multiIf(
                                        startsWith(text, 'enc:v1:'), '',
                                        empty(named.2), text,
                                        NOT match(text, '^-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?$'), '',
                                        arrayConcat(
                                            [concat('under ', toString(named.2[1]))],
                                            arrayMap(
                                                (low, high) -> concat(toString(low), ' to under ', toString(high)),
                                                arrayPopBack(named.2), arrayPopFront(named.2)
                                            ),
                                            [concat(toString(named.2[-1]), ' or more')]
                                        )[1 + arrayCount(cut -> toFloat64OrZero(text) >= cut, named.2)]
                                    ),
                                    -- The last entry of a key, as everywhere else; empty where there is none.
                                    [arrayLast((value, name) -> name = named.1, mapValues(attributes), mapKeys(attributes))]
                                )[1]),
                                groups
                            ))
                        )) AS of_group
                    FROM
                    (
                        SELECT
                            domain, decision_id, model_id, model_version, prediction, route, workflow, audit, propensity,
                            attributes, subject_key
                        FROM routed_decisions
                        WHERE NOT review_copy AND route != '' AND kafka_timestamp >= now() - INTERVAL 30 DAY
                    ) AS routed
                    INNER JOIN
                    (
                        SELECT
                            named.1 AS domain,
                            if(
                                JSONType(named.2, 'groups') = 'Array',
                                arrayMap(name -> (name, CAST([], 'Array(Float64)')), JSONExtract(named.2, 'groups', 'Array(String)')),
                                JSONExtractKeysAndValues(named.2, 'groups', 'Array(Float64)')
                            ) AS groups,
                            -- Where nothing is said, outcomes are adverse whose lane has a notice.
                            if(
                                JSONType(named.2, 'adverse') = 'Array',
                                JSONExtract(named.2, 'adverse', 'Array(String)'),
                                arrayMap(
                                    lane -> lane.1,
                                    arrayFilter(
                                        lane -> JSONType(lane.2, 'notice') = 'String',
                                        JSONExtractKeysAndValuesRaw(named.2, 'lanes')
                                    )
                                )
                            ) AS adverse
                        FROM
                        (
                            SELECT
                                argMax(resolved, (kafka_timestamp, kafka_offset)) AS newest,
                                argMax(tombstone, (kafka_timestamp, kafka_offset)) AS withdrawn
                            FROM policies
                            WHERE error = ''
                            GROUP BY key
                        )
                        ARRAY JOIN JSONExtractKeysAndValuesRaw(newest, 'domains') AS named
                        WHERE NOT withdrawn
                    ) AS in_force USING (domain)
                    LEFT JOIN
                    (
                        SELECT
                            domain, decision_id, true AS heard, any(outcomes.overridden) AS overridden,
                            any(outcomes.propensity) AS verdict_propensity
                        FROM outcomes
                        WHERE outcomes.reviewed AND (route != 'auto' OR audit) AND propensity >= 0.000001
                            AND kafka_timestamp >= now() - INTERVAL 30 DAY
                        GROUP BY domain, decision_id
                    ) AS verdicts USING (domain, decision_id)
                )
                GROUP BY domain, model_id, model_version, attribute, `group`, way
            )
        )
    )
    GROUP BY domain, model_id, model_version, attribute, `group`
)
ORDER BY domain, model_id, model_version, attribute, isNull(automated_error_lower), -automated_error_lower, -toInt64(decisions), `group`
COMMENT 'What happened to groups of people within 30 days: how much was decided by machine, how often it was wrong, and to whose favour; the group first whose automated decisions are wrong beyond doubt';
