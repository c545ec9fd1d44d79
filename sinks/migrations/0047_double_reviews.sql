-- What double reviews show of people: of every example what was known by then, and a view of what is known now.
ALTER TABLE training_examples
    ADD COLUMN IF NOT EXISTS errors_found_by_both Nullable(Int64) COMMENT 'Of the decisions of the domain that two people had judged independently by then: how many both changed, as the third decided where they differ how; null: not told',
    ADD COLUMN IF NOT EXISTS errors_found_by_one Nullable(Int64) COMMENT 'How many of them one of the two changed, and the third did not uphold the model''s answer, or has not decided yet; null: not told',
    ADD COLUMN IF NOT EXISTS changed_by_mistake Nullable(Int64) COMMENT 'How many of them one of the two changed, and the third upheld the model''s answer; null: not told',
    ADD COLUMN IF NOT EXISTS left_by_both Nullable(Int64) COMMENT 'How many of them neither changed; null: not told';

-- As learning/double_reviews.py has it, from the pairs of reviewer_agreement. `upper_end` as in 0042.
CREATE OR REPLACE VIEW errors_found_by_two
(
    domain String COMMENT 'What was decided',
    double_reviews UInt64 COMMENT 'Decisions that two people judged, the second without knowing what the first had said. Those that both changed, each to another outcome, are left out until a third has changed them too',
    errors_found_by_both UInt64 COMMENT 'Those that both changed',
    errors_found_by_one UInt64 COMMENT 'Those that one changed, and a third did not uphold the model''s answer, or has not decided yet',
    undecided UInt64 COMMENT 'Those of errors_found_by_one that wait for the third',
    changed_by_mistake UInt64 COMMENT 'Those that one changed, and a third upheld the model''s answer',
    left_by_both UInt64 COMMENT 'Those that neither changed',
    enough Bool COMMENT 'At least 30 errors were found by one of two: certificates then allow for what people miss',
    sensitivity Nullable(Float64) COMMENT 'Share of errors that one person finds, from how often both found what one of two did (Lincoln-Petersen). The population: errors in decisions under four eyes that are not hard for everybody; of those that are it tells nothing, and is too high. Null where no error was found',
    sensitivity_lower Float64 COMMENT 'Lower end of the 95 % interval of sensitivity (Clopper-Pearson, off by 0.01 at most), if the third misses as many errors as one person alone',
    sensitivity_upper Float64 COMMENT 'Upper end of the same interval, if the third never errs, or takes right answers for errors as often as one person alone',
    false_alarm_rate Nullable(Float64) COMMENT 'Share of right answers that one person changes. The population: decisions under four eyes in which the model was right. Null where there is none',
    false_alarm_rate_lower Float64 COMMENT 'Lower end of the 95 % interval of false_alarm_rate, if the third takes as many errors for right answers as one person alone',
    false_alarm_rate_upper Float64 COMMENT 'Upper end of the same interval'
)
AS
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
    ((number, parts) -> intDiv(2 * number + parts, 2 * parts)) AS rounded,
    -- Slips of one kind that a third takes for the other kind who slips as often.
    ((alone, together) -> rounded(alone * alone, greatest(1, 2 * together - alone))) AS misjudged,
    -- Of what both changed, what two would change by mistake.
    greatest(0, both - rounded(mistaken * mistaken, 4 * greatest(1, neither))) AS both_right,
    -- Cases in which one of two slipped, in which neither did, and those of the first that may be of the other kind.
    [(one, both_right, misjudged(mistaken, neither)), (mistaken, neither, misjudged(one, both))] AS kinds,
    arrayMap(
        kind -> (
            if(kind.1 + kind.2 = 0, NULL, kind.1 / (kind.1 + kind.2)),
            if(kind.1 <= kind.3, 0., 1 - upper_end(toFloat64(kind.2), toFloat64(kind.1 - kind.3 + kind.2))),
            if(kind.1 + kind.2 = 0, 1., upper_end(toFloat64(kind.1), toFloat64(kind.1 + kind.2)))
        ),
        kinds
    ) AS shares,
    arrayMap(
        share -> (share.1 / (2 - share.1), share.2 / (2 - share.2), if(share.3 >= 1, 1., least(1., share.3 / (2 * (1 - share.3))))),
        shares
    ) AS slips
SELECT
    subject AS domain, toUInt64(pairs) AS double_reviews, toUInt64(both) AS errors_found_by_both,
    toUInt64(one) AS errors_found_by_one, toUInt64(waiting) AS undecided, toUInt64(mistaken) AS changed_by_mistake,
    toUInt64(neither) AS left_by_both, both + one >= 30 AS enough,
    if(both + one = 0, NULL, 1 - slips[1].1) AS sensitivity,
    1 - slips[1].3 AS sensitivity_lower,
    1 - slips[1].2 AS sensitivity_upper,
    slips[2].1 AS false_alarm_rate,
    slips[2].2 AS false_alarm_rate_lower,
    slips[2].3 AS false_alarm_rate_upper
FROM
(
    SELECT
        subject,
        toInt64(both + one + mistaken + neither) AS pairs,
        toInt64(countIf(changed = 2 AND (same OR (decided AND word != predicted)))) AS both,
        toInt64(countIf(changed = 1 AND NOT (decided AND word = predicted))) AS one,
        toInt64(countIf(changed = 1 AND NOT decided)) AS waiting,
        toInt64(countIf(changed = 1 AND decided AND word = predicted)) AS mistaken,
        toInt64(countIf(changed = 0)) AS neither
    FROM
    (
        SELECT
            toString(outcomes.domain) AS subject,
            anyIf(toString(outcomes.reviewer), endsWith(outcome_id, '#1')) AS first_person,
            anyIf(toString(outcomes.reviewer), endsWith(outcome_id, '#2')) AS second_person,
            anyIf(toString(outcome), endsWith(outcome_id, '#1')) AS first_said,
            anyIf(toString(outcome), endsWith(outcome_id, '#2')) AS second_said,
            anyIf(toString(prediction), endsWith(outcome_id, '#2')) AS predicted,
            anyIf(toString(outcome), endsWith(outcome_id, '#3')) AS word,
            countIf(endsWith(outcome_id, '#3')) > 0 AS decided,
            first_said = second_said AS same,
            (first_said != predicted) + (second_said != predicted) AS changed
        FROM outcomes
        WHERE error = '' AND kind IN ('review', 'post_approval') AND outcomes.reviewer != ''
            AND task_id IN (SELECT task_id FROM outcomes WHERE error = '' AND endsWith(outcome_id, '#2'))
        GROUP BY kafka_stream, task_id, subject
        HAVING first_person != '' AND second_person != '' AND first_person != second_person
    )
    GROUP BY subject
)
COMMENT 'How many errors people find and how many right answers they change, from decisions that two judged independently';
