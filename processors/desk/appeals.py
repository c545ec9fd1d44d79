"""Appeals: a decision that took effect is opened again with the statement of the person concerned."""

from interlock.policy.model import Appeals
from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.deadlines import demand, reschedule
from interlock.processors.desk.escalation import to_team
from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.reviewers import Reviewer
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed

_SECOND = 1_000_000


def appeal(state: DeskState, command: Command, now: int) -> CommandResult:
    """Opens a decision again for people who are not involved in it yet.

    It takes the place of an open audit or post_approval review, whose verdict it gives, and of a proposed override.
    """
    # First who asks: for an unknown task tools file a forgotten decision again, which a stranger must not cause.
    me = checks.known_reviewer(state, command.actor)
    task = checks.known_task(state, command.task_id)
    terms = state.terms(task)
    rules = terms.appeals
    looks = ordinary(task, terms, now)
    if task.kind == "gold":
        demand(state, looks)
    _appealable(looks)
    _may_file(task, me, rules)
    refusal = state.unavailable(me, now)
    if refusal is not None:
        raise refusal
    named = command.on_behalf_of.strip()
    if not command.reason_text.strip():
        raise CommandRefused("missing-reason", "an appeal needs the statement of the person concerned")
    if rules.on_behalf_of == "subject" and not named:
        raise CommandRefused("missing-name", "say in whose name the appeal is filed: the policy wants the name")
    _in_time(looks, rules, now)
    checks.room(task, command)
    in_whose_name = [*_called(state, named), named] if named else []
    task.parties = tuple(dict.fromkeys((*task.parties, me.id, *in_whose_name)))
    task.exclude(*sorted(task.involved))
    _begin_round(task, looks)
    task.appeals += 1
    if task.kind != "gold":
        task.kind = "appeal"
    task.state = "waiting"
    task.give_back()
    task.priority = rules.priority
    task.statement = command.reason_text
    task.on_behalf_of = named
    task.blind = False
    to_team(task, "")
    task.raised_at = None
    # The appeal decides what holds; whoever waits for the final word waits for that.
    task.final_at = None
    task.due_from = now
    task.warned = task.breached = False
    reschedule(state, task, now)
    state.keep(task)
    events = [task_changed(task, "appealed", me.id, now, command.command_id)]
    message = f"{task.task_id} is open again, for somebody who has neither judged nor appealed it"
    return CommandResult(message, task, events)


def _called(state: DeskState, name: str) -> list[str]:
    """The ids of everybody on the roster with this id or name, however it is written."""
    wanted = name.casefold()
    names = {person.id: (person.id, str(person.record["name"])) for person in state.reviewers.values()}
    return [known for known, both in names.items() if wanted in map(str.casefold, both)]


def _appealable(task: Task) -> None:
    if not task.took_effect:
        raise CommandRefused("not-decided", f"{task.task_id} is not decided yet: there is nothing to appeal against")
    if task.kind == "appeal" and task.state != "done":
        raise CommandRefused(
            "appeal-open", f"an appeal on {task.task_id} is open already: wait for what comes of it, or add to the case"
        )


def _may_file(task: Task, me: Reviewer, rules: Appeals) -> None:
    if me.role not in rules.filed_by:
        raise CommandRefused(
            "may-not-appeal", f"{me.id} is a {me.role}; the policy lets file appeals here: {', '.join(rules.filed_by)}"
        )
    if not me.works(task.queue):
        raise CommandRefused(
            "may-not-appeal",
            f"{me.id} does not work queue {task.queue}: somebody who does, or a lead, files appeals",
        )


def _in_time(task: Task, rules: Appeals, now: int) -> None:
    if task.appeals >= rules.limit:
        raise CommandRefused(
            "appeals-exhausted",
            f"appeals on {task.task_id} so far: {task.appeals}, and {rules.limit} are possible: its outcome stands",
        )
    until = (task.decided_at or now) + rules.within * _SECOND
    if now >= until:
        raise CommandRefused(
            "appeal-late", f"the outcome of {task.task_id} could be appealed until {clock(until)}: it stands"
        )


def _begin_round(task: Task, looks: Task) -> None:
    """The next round, unless nobody has judged in an open one: then the appeal is judged in its place."""
    unjudged = looks.state != "done" and looks.is_optional and looks.round == 0 and not looks.verdicts
    # Of two verdicts on one audit both would count.
    if unjudged and (looks.kind == "post_approval" or looks.quorum == 1):
        task.measures = looks.kind
    else:
        task.measures = ""
        task.round += 1
