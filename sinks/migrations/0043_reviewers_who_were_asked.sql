-- How a person judges is told by what the person was asked. What people pick themselves among post_approval decisions says
-- how they pick.
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
    gold_items UInt64 COMMENT 'Gold items judged, those left out that showed a wrong answer on purpose',
    gold_accuracy Nullable(Float64) COMMENT 'Share of gold_items judged right; of few items it says little',
    wrong_answers UInt64 COMMENT 'Gold items judged that showed a wrong answer on purpose (reliance experiment)',
    wrong_answers_noticed UInt64 COMMENT 'Those of wrong_answers that were not taken over'
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
    released AS skips, expired AS lease_expiries, gold AS gold_items, gold_right / nullIf(gold, 0) AS gold_accuracy,
    wrong AS wrong_answers, noticed AS wrong_answers_noticed
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
        kind IN ('review', 'audit') AND round = 0 AS first_review
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
        countIf(kind = 'gold' AND NOT seeded) AS gold,
        countIf(kind = 'gold' AND NOT seeded AND outcome = gold_outcome) AS gold_right,
        countIf(kind = 'gold' AND seeded) AS wrong,
        countIf(kind = 'gold' AND seeded AND outcome != prediction) AS noticed
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

CREATE OR REPLACE VIEW reviewer_quality
(
    reviewer String COMMENT 'Id of the person',
    verdicts UInt64 COMMENT 'All verdicts of the person, gold items left out',
    judged_again UInt64 COMMENT 'Those of verdicts after which somebody else had the last word on the decision (the second of two, a lead, an appeal): the population of agreement. These are contested or dear decisions, not all',
    agreement Nullable(Float64) COMMENT 'Share of judged_again whose outcome holds in the end. Who speaks last agrees with himself, so that is not counted',
    agreement_lower Nullable(Float64) COMMENT 'Lower end of the 95 % Wilson interval of agreement, over judged_again',
    agreement_upper Nullable(Float64) COMMENT 'Upper end of the same interval',
    gold_items UInt64 COMMENT 'Verdicts on items whose answer was known, those left out that showed a wrong answer on purpose: the population of gold_accuracy',
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
    WITH kind IN ('review', 'audit') AND round = 0 AS first_review
    SELECT
        outcomes.reviewer AS person,
        countIf(kind != 'gold') AS total,
        countIf(kind = 'gold' AND NOT seeded) AS gold,
        countIf(kind = 'gold' AND NOT seeded AND outcome = gold_outcome) AS gold_right,
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
