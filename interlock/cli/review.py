"""`interlock review`: look at what waits for a person, and decide it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from interlock.cli import doubtful, recalling, review_verdicts
from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.cli.review_options import As, Because, Queue, Reason, Reveal, Task, open_session, show_view, tell
from interlock.errors import UsageError
from interlock.platform import connection

app = typer.Typer(help="Look at what waits for a person, and decide it.", no_args_is_help=True)

app.command("doubtful")(doubtful.doubtful)
app.command("approve")(review_verdicts.approve)
app.command("reject")(review_verdicts.reject)
app.command("modify")(review_verdicts.modify)
app.command("choose")(review_verdicts.choose)
app.command("override")(review_verdicts.override)
app.command("appeal")(review_verdicts.appeal)
app.command("gold")(review_verdicts.gold)
app.command("recall")(recalling.recall)


@app.command("list")
def list_tasks(
    queue: Queue = "",
    mine: Annotated[bool, typer.Option("--mine", help="Only what you hold or were given (--as).")] = False,
    stuck: Annotated[bool, typer.Option("--stuck", help="Only what nobody on the roster may decide.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The most urgent ones.")] = 20,
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List open tasks, earliest deadline first. The alert `nobody_can_decide` says why a task is stuck.

    Examples:

        interlock review list --queue underwriting

        interlock review list --mine --as ann

        interlock review list --stuck
    """
    from interlock.processors.review.escalated import escalated_to
    from interlock.processors.review.times import due, span
    from interlock.review.board import Board
    from interlock.review.session import listed
    from interlock.streams.clock import SystemClock

    if mine and not me:
        raise UsageError("say who you are: --as ID, or set INTERLOCK_REVIEWER")
    now = SystemClock().now()
    with Board(connection.connect(data_dir).serving_kafka()) as board:
        tasks = board.mine(me) if mine else board.open_tasks
    rows = [listed(task, now) for task in tasks if queue in ("", task["queue"]) and (task["stuck"] or not stuck)]
    if json:
        print_json(rows[:limit])
        return
    columns = ("task", "state", "queue", "priority", "due", "with", "domain")
    names = ("task_id", "state", "queue", "priority", "due", "holder", "domain")
    for row in rows[:limit]:
        if who := escalated_to(row["escalation"], row["with_team"]):
            row["state"] = f"{row['state']}, {who}"
        row["due"] = due(row["due_seconds"])
        if mine and row["start_seconds"] is not None:
            row["state"] = f"{row['state']}, start in {span(row['start_seconds'])}"
    table(columns, [tuple(row[name] for name in names) for row in rows[:limit]])
    errors.print(f"{len(rows):,} open tasks; `interlock review next` claims the best one for you")


@app.command("next")
def next_task(
    queue: Queue = "",
    task: Annotated[str, typer.Option(help="This task instead of the next best.")] = "",
    reveal: Reveal = False,
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Claim the next best task, or the named one, and look at it.

    Examples:

        interlock review next --as ann

        interlock review next --as ann --task loan-000017
    """
    with open_session(data_dir, me) as session:
        show_view(session.claim(task, queue, reveal), json)


@app.command("show")
def show(task: Task, reveal: Reveal = False, me: As = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Look at a task without claiming it; a verdict of yours is then about what you saw.

    Examples:

        interlock review show loan-000017 --as ann
    """
    with open_session(data_dir, me) as session:
        show_view(session.look(session.task(task), reveal=reveal), json)


@app.command("evidence")
def evidence(task: Task, reveal: Reveal = False, me: As = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Open the evidence of a task that you hold, where it is folded; a pack may want that before a verdict.

    Examples:

        interlock review evidence loan-000017 --as ann
    """
    with open_session(data_dir, me) as session:
        show_view(session.open_evidence(task, reveal=reveal), json)


@app.command("opinion")
def opinion(
    task: Task,
    outcome: Annotated[str, typer.Argument(help="What you think, one of the options.")],
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say what you think of a task that you hold, where a first opinion is due: then the AI's answer is shown.

    Examples:

        interlock review opinion loan-000017 reject --as ann
    """
    with open_session(data_dir, me) as session:
        show_view(session.first_opinion(task, outcome), json)


@app.command("extend")
def extend(task: Task, me: As = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Hold a task for another lease.

    Examples:

        interlock review extend loan-000017 --as ann
    """
    with open_session(data_dir, me) as session:
        tell(session.desk.extend(task, session.recall(task).epoch), json)


@app.command("release")
def release(
    task: Task,
    reason: Reason = "",
    because: Because = "",
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give a task back; with a reason it does not come to you again.

    Examples:

        interlock review release loan-000017 -r other -m "I know the applicant" --as ann
    """
    with open_session(data_dir, me) as session:
        tell(session.done_with(session.desk.release(task, session.recall(task).epoch, reason, because)), json)


@app.command("snooze")
def snooze(
    task: Task,
    because: Because,
    reason: Reason = "other",
    how_long: Annotated[str, typer.Option("--for", help="For how long, such as 30m, 4h or 2d.")] = "",
    until: Annotated[datetime | None, typer.Option(help="Until when, UTC.")] = None,
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a task aside; it comes back to you. Its deadline stays.

    Examples:

        interlock review snooze loan-000017 --for 2h -m "waiting for the pay slip" --as ann
    """
    from interlock.processors.review.times import SECOND, micros, seconds

    if bool(how_long) == (until is not None):
        raise UsageError("say how long with --for, or until when with --until")
    try:
        length = seconds(how_long) if how_long else 0
    except ValueError as error:
        raise UsageError(str(error)) from error
    with open_session(data_dir, me) as session:
        at = session.now() + length * SECOND if until is None else micros(until.replace(tzinfo=UTC))
        epoch = session.recall(task).epoch
        tell(
            session.done_with(session.desk.snooze(task, epoch, at, reason_code=reason, reason_text=because)),
            json,
        )


@app.command("escalate")
def escalate(
    task: Task,
    note: Annotated[str, typer.Option("--note", "-m", help="What the next person should know.")],
    queue: Annotated[str, typer.Option(help="To this queue instead of a lead.")] = "",
    to: Annotated[str, typer.Option(help="To this person.")] = "",
    reason: Reason = "other",
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Pass a task on to the leads, or to a queue or person.

    Examples:

        interlock review escalate loan-000017 -m "looks like a forged pay slip" --as ann
    """
    with open_session(data_dir, me) as session:
        reply = session.desk.escalate(task, queue=queue, to_reviewer=to, reason_code=reason, reason_text=note)
        tell(session.done_with(reply), json)


@app.command("de-escalate")
def de_escalate(
    task: Task,
    note: Annotated[str, typer.Option("--note", "-m", help="Why the team can decide it after all.")],
    to: Annotated[str, typer.Option(help="To this person, at work or of the next shift.")] = "",
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give a task that was escalated back to its team.

    Examples:

        interlock review de-escalate loan-000017 -m "the pay slip is genuine" --as lee
    """
    with open_session(data_dir, me) as session:
        reply = session.desk.de_escalate(task, to_reviewer=to, reason_text=note)
        tell(session.done_with(reply), json)


@app.command("reassign")
def reassign(
    task: Task,
    to: Annotated[str, typer.Argument(help="Id of the person who gets it.")],
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """As a lead, give a task to a person.

    Examples:

        interlock review reassign loan-000017 bob --as ann
    """
    with open_session(data_dir, me) as session:
        tell(session.desk.reassign(task, to), json)
