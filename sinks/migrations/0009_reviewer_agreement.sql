-- Agreement of people who judged the same decision without knowing of each other. CREATE OR REPLACE, as in 0003; what
-- 0008 says of its views holds for this one.

CREATE OR REPLACE VIEW reviewer_agreement
(
    reviewer String COMMENT 'Id of the person',
    domain String COMMENT 'What was decided: agreement by chance depends on which outcomes are usual there',
    double_reviews UInt64 COMMENT 'Decisions under four eyes of which this person gave the first or the second verdict, and somebody else the other: the second does not know the first. The population of agreement. Audits, gold items, appeals, overrides and the third who decides between two are none',
    agreement Float64 COMMENT 'Share of double_reviews on which both gave the same outcome',
    agreement_lower Float64 COMMENT 'Lower end of the 95 % Wilson interval of agreement, over double_reviews',
    agreement_upper Float64 COMMENT 'Upper end of the same interval',
    chance_agreement Float64 COMMENT 'Share on which both would agree if each gave the outcomes as often, but without looking at the case',
    kappa Nullable(Float64) COMMENT 'Cohen''s kappa of this person and the others: 1 is full agreement, 0 what chance gives. Empty where all verdicts are for one outcome',
    kappa_lower Nullable(Float64) COMMENT 'Lower end of the interval of agreement, corrected for chance in the same way',
    kappa_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    disputes UInt64 COMMENT 'Double reviews with two outcomes of which a third person upheld one: the population of lost_share',
    disputes_lost UInt64 COMMENT 'Those in which the other was upheld',
    lost_share Nullable(Float64) COMMENT 'Share of disputes that were lost. Of equally good people it is one half, however hard the cases are and whoever the others are',
    lost_share_lower Nullable(Float64) COMMENT 'Lower end of the 95 % Wilson interval of lost_share, over disputes',
    lost_share_upper Nullable(Float64) COMMENT 'Upper end of the same interval. Of many people some are above one half by chance: coaching proposals are tested more strictly'
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
        [(toFloat64(same), toFloat64(both)), (toFloat64(lost), toFloat64(greatest(settled, 1)))]
    ) AS rates,
    arraySum(outcome -> own_said[outcome] * other_said[outcome], mapKeys(own_said)) / (toFloat64(both) * both) AS chance
SELECT
    person AS reviewer, subject AS domain, both AS double_reviews,
    rates[1].1 AS agreement,
    rates[1].2 AS agreement_lower,
    rates[1].3 AS agreement_upper,
    chance AS chance_agreement,
    if(chance >= 1, NULL, (rates[1].1 - chance) / (1 - chance)) AS kappa,
    if(chance >= 1, NULL, (rates[1].2 - chance) / (1 - chance)) AS kappa_lower,
    if(chance >= 1, NULL, (rates[1].3 - chance) / (1 - chance)) AS kappa_upper,
    settled AS disputes, lost AS disputes_lost,
    if(settled = 0, NULL, rates[2].1) AS lost_share,
    if(settled = 0, NULL, rates[2].2) AS lost_share_lower,
    if(settled = 0, NULL, rates[2].3) AS lost_share_upper
FROM
(
    SELECT
        side.1 AS person, subject,
        count() AS both,
        countIf(side.2 = side.3) AS same,
        countIf(side.2 != side.3 AND decided AND word IN (side.2, side.3)) AS settled,
        countIf(side.2 != side.3 AND decided AND word = side.3) AS lost,
        sumMap(map(side.2, 1)) AS own_said,
        sumMap(map(side.3, 1)) AS other_said
    FROM
    (
        -- The number of the verdict stands in its id: the third has seen the two before it.
        SELECT
            toString(outcomes.domain) AS subject,
            anyIf(toString(outcomes.reviewer), endsWith(outcome_id, '#1')) AS first_person,
            anyIf(toString(outcomes.reviewer), endsWith(outcome_id, '#2')) AS second_person,
            anyIf(toString(outcome), endsWith(outcome_id, '#1')) AS first_said,
            anyIf(toString(outcome), endsWith(outcome_id, '#2')) AS second_said,
            anyIf(toString(outcome), endsWith(outcome_id, '#3')) AS word,
            countIf(endsWith(outcome_id, '#3')) > 0 AS decided
        FROM outcomes
        WHERE error = '' AND kind IN ('review', 'post_approval') AND outcomes.reviewer != ''
            -- Few decisions have a second verdict: only those are put together.
            AND task_id IN (SELECT task_id FROM outcomes WHERE error = '' AND endsWith(outcome_id, '#2'))
        GROUP BY kafka_stream, task_id, subject
        HAVING first_person != '' AND second_person != '' AND first_person != second_person
    )
    ARRAY JOIN [(first_person, first_said, second_said), (second_person, second_said, first_said)] AS side
    GROUP BY person, subject
)
COMMENT 'How far people agree who judged the same decision without knowing of each other. For coaching, not for ranking';
