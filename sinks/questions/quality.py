"""How good the models are: of what people reviewed (naive), and corrected for who was reviewed."""

from interlock.sinks.questions.cases import CASE_COLUMNS, CASES, LATEST
from interlock.sinks.questions.model import LIMIT, Question, days, matches, names, of_view, text, wilson

_DOMAIN = text("domain", "Only this domain.")
_MODEL = text("model_id", "Only this model.")
_VERSION = text("model_version", "Only this version of it.")
_PREDICTION = text("prediction", "Only what the model had proposed.")
_SINCE = "now64(6) - toIntervalDay({days:UInt32})"

_OVERALL = (
    "reviewed_decisions approval_rate override_rate modification_rate ai_accuracy ai_accuracy_lower ai_accuracy_upper "
    "ai_accuracy_reviewed confidence_calibration avg_review_time median_review_time sla_compliance open_tasks "
    "breached_open escalation_rate"
)
_METRICS, _METRICS_COLUMNS = of_view(
    "metrics",
    "total_decisions repeated dead_letters auto_approved_rate human_review_rate async_rate sync_rate manual_rate "
    "audit_rate reviewed_after_effect_rate dead_letter_rate unreadable_records mean_confidence "
    f"mean_calibrated_confidence mean_propensity routing_latency_ms_p50 routing_latency_ms_p99 {_OVERALL}",
    order="total_decisions",
)
_BY_DOMAIN, _BY_DOMAIN_COLUMNS = of_view(
    "metrics_by_domain",
    "domain total_decisions repeated auto_approved_rate human_review_rate audit_rate reviewed_after_effect_rate "
    f"mean_confidence mean_propensity routing_latency_ms_p50 routing_latency_ms_p99 {_OVERALL}",
    order="domain",
)
_NAIVE = wilson("ai_accuracy_reviewed * reviewed_decisions", "reviewed_decisions")
_CALIBRATION, _CALIBRATION_COLUMNS = of_view(
    "calibration_report",
    "model_id model_version report_id at reviewed effective bin bin_count mean_confidence accuracy lower upper gap "
    "finding ece ece_by_chance smooth_ece brier log_loss_before log_loss_after method intercept slope published "
    "refusal",
    where=matches("model_id", "model_version"),
    order="model_id, model_version, bin",
)
_ESTIMATES, _ESTIMATES_COLUMNS = of_view(
    "population_estimates",
    "domain model_id model_version decisions covered_decisions reviewed_decisions answered_rate naive naive_lower "
    "naive_upper hajek hajek_lower hajek_upper aipw aipw_lower aipw_upper missing",
    where=matches("domain"),
    order="domain, model_id, model_version",
)
_DRIFT, _DRIFT_COLUMNS = of_view(
    "drift",
    "at model_id model_version domain monitor statistic threshold seen message revoked_proposals signal_id",
    where=f"{matches('domain')} AND at > {_SINCE}",
    order="at DESC, signal_id",
)
_OVERRIDES, _OVERRIDES_COLUMNS = of_view(
    "override_analytics",
    "domain model_id model_version prediction day reviewed_decisions overrides override_rate override_rate_lower "
    "override_rate_upper population_override_rate population_override_rate_lower population_override_rate_upper "
    "modification_rate top_reason_codes ways missing",
    where=f"{matches('domain')} AND day > toDate({_SINCE})",
    order="day DESC, domain, model_id, model_version, prediction",
)
_OBJECTIONS, _OBJECTIONS_COLUMNS = of_view(
    "objection_rates",
    "domain model_id model_version day decisions looked_at objections objection_rate",
    where=f"{matches('domain')} AND day > toDate({_SINCE})",
    order="day DESC, domain, model_id, model_version",
)
QUESTIONS = (
    Question(
        "metrics",
        "Everything so far",
        "All decisions; `DESCRIBE metrics` says of each number of which",
        _METRICS,
        _METRICS_COLUMNS,
        rows_of="reviewed_decisions",
    ),
    Question(
        "metrics_by_domain",
        "Everything so far, by domain",
        "All decisions of each domain; `DESCRIBE metrics_by_domain` says of each number of which",
        _BY_DOMAIN,
        _BY_DOMAIN_COLUMNS,
        rows_of="reviewed_decisions",
    ),
    Question(
        "accuracy",
        "Accuracy, corrected and naive",
        "naive: reviewed decisions only, which routing picked for being doubtful. corrected: all decisions, "
        "reviewed ones weighted by 1 / propensity. Both with 95 % intervals",
        f"""SELECT
    domain, reviewed_decisions, ai_accuracy AS corrected, ai_accuracy_lower AS corrected_lower,
    ai_accuracy_upper AS corrected_upper, ai_accuracy_reviewed AS naive, {_NAIVE[0]} AS naive_lower,
    {_NAIVE[1]} AS naive_upper, override_rate, modification_rate, confidence_calibration
FROM review_metrics
WHERE NOT is_total
ORDER BY domain
LIMIT 1000""",
        names(
            "domain reviewed_decisions corrected corrected_lower corrected_upper naive naive_lower naive_upper "
            "override_rate modification_rate confidence_calibration"
        ),
        rows_of="reviewed_decisions",
    ),
    Question(
        "reviewed_decisions",
        "Reviewed decisions",
        "Decisions on which a person has said the first word, the latest first, but for those that are open now",
        f"{CASES} AND {matches('domain', 'model_id', 'model_version')}\n"
        f"    AND {matches('prediction', table='outcomes')}\n{LATEST}",
        CASE_COLUMNS,
        (_DOMAIN, _MODEL, _VERSION, _PREDICTION, LIMIT),
    ),
    Question(
        "population_estimates",
        "How often people would override each model version",
        "naive: of reviewed decisions. hajek and aipw: of all decisions that a person could be sent",
        _ESTIMATES,
        _ESTIMATES_COLUMNS,
        (_DOMAIN,),
        "reviewed_decisions",
    ),
    Question(
        "calibration",
        "How well every model version knows what it knows",
        "All decisions of the version, estimated from the reviewed ones; one row a bin of its latest report",
        _CALIBRATION,
        _CALIBRATION_COLUMNS,
        (_MODEL, _VERSION),
        "reviewed_decisions",
    ),
    Question(
        "drift",
        "Alarms of the monitors",
        "What the monitors saw within so many days; each alarm says of which decisions it speaks",
        _DRIFT,
        _DRIFT_COLUMNS,
        (_DOMAIN, days(30)),
        "reviewed_decisions",
    ),
    Question(
        "groups",
        "Routes and overrides by jurisdiction",
        "Decisions of so many days by domain and jurisdiction; override_rate and its 95 % interval: of the "
        "reviewed ones only",
        f"""SELECT
    domain, jurisdiction, count() AS decisions, countIf(route = 'auto') / decisions AS auto_approved_rate,
    countIf(judged) AS reviewed_decisions, countIf(judged AND changed) AS overrides,
    if(reviewed_decisions = 0, NULL, overrides / reviewed_decisions) AS override_rate,
    {wilson("overrides", "reviewed_decisions")[0]} AS lower, {wilson("overrides", "reviewed_decisions")[1]} AS upper
FROM
(
    SELECT domain, jurisdiction, route, decision_id
    FROM routed_decisions
    WHERE NOT review_copy AND error = '' AND kafka_timestamp > {_SINCE} AND {matches("domain")}
) AS routed
LEFT JOIN
(
    SELECT decision_id, true AS judged, max(overridden) AS changed
    FROM outcomes
    WHERE outcomes.reviewed AND kafka_timestamp > {_SINCE} AND {matches("domain")}
    GROUP BY decision_id
) AS reviews USING (decision_id)
GROUP BY domain, jurisdiction
ORDER BY domain, jurisdiction
LIMIT 1000""",
        names(
            "domain jurisdiction decisions auto_approved_rate reviewed_decisions overrides override_rate lower upper"
        ),
        (_DOMAIN, days(30)),
        "routed",
    ),
    Question(
        "override_analytics",
        "Overrides day by day",
        "override_rate: reviewed decisions of the day. population_override_rate: all decisions, estimated",
        _OVERRIDES,
        _OVERRIDES_COLUMNS,
        (_DOMAIN, days(30)),
        "reviewed_decisions",
    ),
    Question(
        "objections",
        "Objections in post_approval, day by day",
        "post_approval decisions that nobody had to audit: of those whose window has closed or on which somebody said "
        "a word, how many were objected to. No error rate, because nobody has to look",
        _OBJECTIONS,
        _OBJECTIONS_COLUMNS,
        (_DOMAIN, days(30)),
    ),
)
