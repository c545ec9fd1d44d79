"""What became of decisions, one by one and by the minute."""

from interlock.sinks.questions.model import (
    LIMIT,
    MAX_DAYS,
    SUBJECT_KEY,
    TIMELINE,
    Question,
    days,
    hours,
    matches,
    names,
    number,
    of_subject,
    of_view,
    text,
)

_DETAIL = "at event detail kafka_topic kafka_partition kafka_offset"
_MINUTES, _MINUTES_COLUMNS = of_view(
    "metrics_by_minute",
    "minute total_decisions repeated auto async sync manual review_copies dead_letters routing_latency_ms_p50 "
    "routing_latency_ms_p99",
    where="minute > now() - toIntervalHour({hours:UInt32})",
    order="minute DESC",
)
# What the AI said, and what holds, is told of decisions that nobody is judging now; so are route and reasons, which
# often tell what it said.
_OPEN = "SELECT decision_id FROM tasks_now WHERE is_open"

QUESTIONS = (
    Question(
        "routes_by_minute",
        "Decisions by the minute and route",
        "Decisions routed within so many hours, each counted once; the latest minutes first, at most 1,000 of them",
        _MINUTES,
        _MINUTES_COLUMNS,
        (hours(3),),
        "routed",
    ),
    Question(
        "routed",
        "Decisions as they were routed",
        "Decisions routed within so many days, the latest first; route, reasons and what the AI said are told once "
        "nobody judges them",
        f"""SELECT
    routed_at, decision_id, domain, jurisdiction, if(is_open, '', toString(routed_decisions.route)) AS route,
    if(is_open, [], routed_decisions.reasons) AS reasons, model_id, model_version,
    decision_id IN ({_OPEN}) AS is_open, if(is_open, '', toString(routed_decisions.prediction)) AS prediction,
    if(is_open, NULL, calibrated_confidence) AS confidence
FROM routed_decisions
WHERE NOT review_copy AND error = '' AND kafka_timestamp > now64(3) - toIntervalDay({{days:UInt32}})
    AND {matches("domain", "jurisdiction", "route")}
    AND ({{minute:String}} = ''
        OR toStartOfMinute(kafka_timestamp) = parseDateTimeBestEffortOrNull({{minute:String}}, 'UTC'))
ORDER BY kafka_timestamp DESC, decision_id
LIMIT {{limit:UInt32}}""",
        names(
            "routed_at decision_id domain jurisdiction route reasons model_id model_version is_open prediction "
            "confidence"
        ),
        (
            text("domain", "Only this domain."),
            text("jurisdiction", "Only this jurisdiction."),
            text("route", "Only this route."),
            text("minute", "Only this minute, in ISO 8601."),
            days(30),
            LIMIT,
        ),
    ),
    Question(
        "decision_timeline",
        "What happened to a decision",
        "Everything that is known of one decision, in order",
        # Kafka counts milliseconds: what it received at once seems to come before what was decided microseconds ago.
        f"""SELECT {", ".join(_DETAIL.split())}
FROM decision_timeline
WHERE decision_id = {{decision_id:String}}
ORDER BY toStartOfMillisecond(at), step, at, kafka_topic, kafka_partition, kafka_offset
LIMIT 1000""",
        names(_DETAIL),
        (text("decision_id", "The decision.", None),),
        seals=TIMELINE,
    ),
    Question(
        "subject_decisions",
        "Decisions about a subject",
        "Decisions about the same person or thing, the latest first; the route, what the AI said, and what holds "
        "are told once nobody judges them",
        f"""SELECT
    routed_at, decision_id, domain, if(is_open, '', toString(routed_decisions.route)) AS route,
    decision_id IN ({_OPEN}) AS is_open,
    if(is_open, '', toString(routed_decisions.prediction)) AS prediction,
    multiIf(is_open, '', word != '', word, routed_decisions.route = 'auto', toString(routed_decisions.prediction), '')
        AS outcome,
    multiIf(is_open, '', word != '', origin, routed_decisions.route = 'auto', 'auto', '') AS source
FROM routed_decisions
LEFT JOIN
(
    SELECT decision_id, argMax(toString(outcome), version) AS word, argMax(toString(source), version) AS origin
    FROM resolutions
    WHERE error = '' AND NOT tombstone AND decision_id IN
    (
        SELECT decision_id FROM routed_decisions WHERE {of_subject()}
    )
    GROUP BY decision_id
) AS words USING (decision_id)
WHERE NOT review_copy AND error = '' AND {of_subject()}
    AND kafka_timestamp > now64(3) - toIntervalDay({{days:UInt32}})
ORDER BY kafka_timestamp DESC, decision_id
LIMIT {{limit:UInt32}}""",
        names("routed_at decision_id domain route is_open prediction outcome source"),
        (
            text("subject_id", "The pseudonymous id of the subject.", None),
            SUBJECT_KEY,
            number("days", "So many days back from now.", MAX_DAYS, MAX_DAYS),
            LIMIT,
        ),
    ),
)
