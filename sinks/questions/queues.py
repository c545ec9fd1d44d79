"""What waits, what comes in and goes out, and which deadlines are kept."""

from interlock.sinks.questions.model import LIMIT, TASKS, Question, hours, matches, names, of_view, text

_QUEUE = text("queue", "Only this queue.")
_SINCE = "now64(6) - toIntervalHour({hours:UInt32})"

_HEALTH, _HEALTH_COLUMNS = of_view(
    "queue_health",
    "queue waiting assigned leased snoozed oldest_waiting_seconds overdue due_within_hour arrivals_last_hour "
    "decided_last_hour decided_last_day median_wait_seconds sla_compliance",
    order="overdue DESC, queue",
)
_SLA, _SLA_COLUMNS = of_view(
    "sla_report",
    "queue priority tasks decided_in_time decided_late missed open_overdue open_not_due withdrawn sla_compliance "
    "in_time_estimate",
    where=matches("queue"),
    order="queue, priority",
)

QUESTIONS = (
    Question(
        "queues",
        "How every queue stands now",
        "Tasks and appeals of each queue, gold items left out; rates and waits over those that came within seven days",
        _HEALTH,
        _HEALTH_COLUMNS,
        rows_of="open_tasks",
    ),
    Question(
        "open_tasks",
        "Open tasks",
        "What waits for a person or is with one, gold items among it",
        f"""SELECT task_id, queue, priority, state, domain, lease_holder, due_from, deadline, overdue, open_seconds
FROM tasks_now
WHERE is_open AND {matches("queue")}
ORDER BY deadline, task_id
LIMIT {{limit:UInt32}}""",
        names("task_id queue priority state domain lease_holder due_from deadline overdue open_seconds"),
        (_QUEUE, LIMIT),
    ),
    Question(
        "queue_flow",
        "Arrived and decided by the hour",
        "Tasks and appeals that came, and those that a person decided, in each hour; gold items left out. Hours in "
        "which nothing happened have no row",
        f"""SELECT
    toStartOfHour(happened) AS hour, queue, countIf(what = 'came') AS arrived, countIf(what = 'went') AS decided
FROM
(
    SELECT
        queue,
        arrayJoin([(toNullable(due_from), 'came'), (if(closed_by = 'person', closed_at, NULL), 'went')]) AS event,
        event.1 AS happened, event.2 AS what
    FROM task_rounds
    WHERE kind != 'gold' AND {matches("queue")}
)
WHERE happened > {_SINCE}
GROUP BY hour, queue
ORDER BY queue, hour
LIMIT 10000""",
        names("hour queue arrived decided"),
        (_QUEUE, hours(24)),
        "queue_flow_tasks",
    ),
    Question(
        "queue_flow_tasks",
        "Tasks that came or were closed lately",
        "Tasks and appeals that came or were closed within so many hours",
        f"""SELECT task_id, round, queue, priority, state, due_from, deadline, closed_at, closed_by, sla
FROM task_rounds
WHERE {TASKS} AND {matches("queue")} AND (due_from > {_SINCE} OR closed_at > {_SINCE})
ORDER BY greatest(due_from, ifNull(closed_at, due_from)) DESC, task_id
LIMIT {{limit:UInt32}}""",
        names("task_id round queue priority state due_from deadline closed_at closed_by sla"),
        (_QUEUE, hours(24), LIMIT),
    ),
    Question(
        "sla",
        "Service levels kept",
        "Tasks and appeals of each queue and priority, gold items left out; open ones that are not due yet "
        "are censored",
        _SLA,
        _SLA_COLUMNS,
        (_QUEUE,),
        "sla_tasks",
    ),
    Question(
        "sla_tasks",
        "Tasks and how their deadlines ended",
        "Every task and appeal, the latest first; sla says decided_in_time, decided_late, missed, open_overdue, "
        "open_not_due or withdrawn",
        f"""SELECT task_id, round, queue, priority, sla, breached, due_from, deadline, closed_at, closed_by
FROM task_rounds
WHERE {TASKS} AND {matches("queue", "priority", "sla")}
ORDER BY due_from DESC, task_id, round
LIMIT {{limit:UInt32}}""",
        names("task_id round queue priority sla breached due_from deadline closed_at closed_by"),
        (_QUEUE, text("priority", "Only this priority."), text("sla", "Only those that ended so."), LIMIT),
    ),
)
