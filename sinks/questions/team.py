"""Who does how much, and how well people agree. For balance and coaching, not for ranking."""

from interlock.sinks.questions.model import LIMIT, SETTLED, Question, days, names, of_view, text

_ME = text("reviewer", "Id of the person.", None)
_SINCE = "now64(6) - toIntervalDay({days:UInt32})"

# What a person did, gold items left out. Kafka's time, which is indexed, is the desk's but for milliseconds.
_WORK = f"error = '' AND outcomes.reviewer != '' AND kind != 'gold' AND kafka_timestamp > {_SINCE}"
_MEDIAN = """quantileExactInclusiveIf(0.5)(
        toNullable(toUnixTimestamp64Micro(at) - toUnixTimestamp64Micro(claimed_at)), isNotNull(claimed_at)
    ) / 1000000"""

_QUALITY, _QUALITY_COLUMNS = of_view(
    "reviewer_quality",
    "reviewer verdicts judged_again agreement agreement_lower agreement_upper blind_verdicts blind_override_rate "
    "blind_override_rate_lower blind_override_rate_upper seen_verdicts seen_override_rate seen_override_rate_lower "
    "seen_override_rate_upper expected_override_rate too_few_overrides",
    where="reviewer = {reviewer:String}",
    order="reviewer",
)
_AGREEMENT, _AGREEMENT_COLUMNS = of_view(
    "reviewer_agreement",
    "reviewer domain double_reviews agreement agreement_lower agreement_upper chance_agreement kappa kappa_lower "
    "kappa_upper disputes disputes_lost lost_share lost_share_lower lost_share_upper",
    order="reviewer, domain",
)
_FOUND, _FOUND_COLUMNS = of_view(
    "errors_found_by_two",
    "domain double_reviews errors_found_by_both errors_found_by_one undecided changed_by_mistake left_by_both enough "
    "sensitivity sensitivity_lower sensitivity_upper false_alarm_rate false_alarm_rate_lower false_alarm_rate_upper",
    order="domain",
)
_VERDICT_COLUMNS = (
    "at task_id decision_id domain verdict outcome prediction overridden reason_code within_sla handling_seconds"
)

QUESTIONS = (
    Question(
        "team",
        "Load, pace and agreement of every reviewer",
        "Everybody who is enrolled or has judged something. Load: tasks held now. Pace: verdicts of the last days by "
        "the clock hours in which the person gave any. Agreement, gold and override rates: see reviewer_quality and "
        "reviewer_workload; a low override rate is no praise",
        f"""SELECT
    reviewer, name, role, on_duty, leased, assigned, capacity, decided_today, recent AS decided_recently,
    recent / nullIf(active, 0) AS decided_per_active_hour, median_handling_seconds, judged_again, agreement,
    agreement_lower, agreement_upper, seen_verdicts, override_rate, blind_override_rate, expected_override_rate,
    too_few_overrides, gold_items, gold_accuracy, gold_accuracy_lower, gold_accuracy_upper, skips, lease_expiries
FROM (SELECT * FROM reviewer_workload) AS work
LEFT JOIN
(
    SELECT
        reviewer, judged_again, agreement, agreement_lower, agreement_upper, expected_override_rate, too_few_overrides,
        gold_accuracy_lower, gold_accuracy_upper
    FROM reviewer_quality
) AS quality USING (reviewer)
LEFT JOIN
(
    SELECT toString(outcomes.reviewer) AS reviewer, count() AS recent, uniqExact(toStartOfHour(at)) AS active
    FROM outcomes
    WHERE {_WORK}
    GROUP BY reviewer
) AS pace USING (reviewer)
ORDER BY reviewer
LIMIT 1000""",
        names(
            "reviewer name role on_duty leased assigned capacity decided_today decided_recently "
            "decided_per_active_hour median_handling_seconds judged_again agreement agreement_lower "
            "agreement_upper seen_verdicts override_rate blind_override_rate expected_override_rate too_few_overrides "
            "gold_items gold_accuracy "
            "gold_accuracy_lower gold_accuracy_upper skips lease_expiries"
        ),
        (days(7),),
        "verdicts",
    ),
    Question(
        "verdicts",
        "Verdicts of a person",
        "Everything the person judged within so many days, gold items among it, but for decisions that are open now",
        f"""SELECT
    at, task_id, decision_id, domain, verdict, outcome, prediction, overridden, reason_code, within_sla,
    (toUnixTimestamp64Micro(at) - toUnixTimestamp64Micro(claimed_at)) / 1000000 AS handling_seconds
FROM outcomes
WHERE error = '' AND outcomes.reviewer = {{reviewer:String}} AND kafka_timestamp > {_SINCE} AND {SETTLED}
ORDER BY at DESC, task_id
LIMIT {{limit:UInt32}}""",
        names(_VERDICT_COLUMNS),
        (_ME, days(7), LIMIT),
    ),
    Question(
        "my_pace",
        "Verdicts a day",
        "Verdicts of one person by day (UTC), gold items left out; active_hours: clock hours with any; "
        "median_handling_seconds: from claim to verdict",
        f"""SELECT
    toDate(at) AS day, count() AS decided, uniqExact(toStartOfHour(at)) AS active_hours,
    decided / active_hours AS decided_per_active_hour, {_MEDIAN} AS median_handling_seconds,
    countIf(within_sla) / decided AS within_sla_share
FROM outcomes
WHERE {_WORK} AND outcomes.reviewer = {{reviewer:String}}
GROUP BY day
ORDER BY day
LIMIT 1000""",
        names("day decided active_hours decided_per_active_hour median_handling_seconds within_sla_share"),
        (_ME, days(7)),
        "verdicts",
    ),
    Question(
        "my_agreement",
        "How far others agree with a person",
        "Verdicts of one person: agreement over those that somebody else judged again, override rates over "
        "first reviews",
        _QUALITY,
        _QUALITY_COLUMNS,
        (_ME,),
        "verdicts",
    ),
    Question(
        "reviewer_agreement",
        "How far people agree who judged without knowing of each other",
        "Decisions under four eyes, by person and domain",
        _AGREEMENT,
        _AGREEMENT_COLUMNS,
        rows_of="verdicts",
    ),
    Question(
        "errors_found_by_two",
        "How many errors people miss",
        "Decisions under four eyes, by domain: what both found of the errors that one of two found. Errors that "
        "everybody misses are not among them, so people miss more rather than less",
        _FOUND,
        _FOUND_COLUMNS,
    ),
)
