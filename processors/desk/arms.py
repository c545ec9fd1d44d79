"""The reliance experiment: which reviews take part, in which arm, and what is shown in them.

Only reviews that people do anyway take part. A wrong answer is shown on gold items alone: copies of decided cases,
whose verdicts resolve nothing.
"""

import hashlib

from interlock.policy.review import offered
from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed
from interlock.processors.events import Event, alert
from interlock.processors.task_kinds import AI_FIRST, DECIDE_FIRST


def draw_arm(state: DeskState, task: Task, now: int) -> None:
    """Gives a task that has just come its arm; none to most.

    The coins are a keyed hash of the task's id, the same in every replay. A sync review takes no part, because its
    caller waits; a manual or blind one, because its reviewer does not see the answer anyway; nor does a choice between
    options.
    """
    terms = state.terms(task)
    plan = terms.reliance
    eligible = task.kind in ("review", "gold") and task.route == "async" and not task.blind and not task.options
    if plan is None or not state.arm_key or not eligible or task.workflow == "hybrid" or not plan.runs_at(now):
        return
    # Gold items always take part: they alone tell what is right, and people plant few.
    if task.kind == "review" and _coin(state.arm_key, "takes-part", task.task_id) >= plan.rate:
        return
    task.arm = DECIDE_FIRST if _coin(state.arm_key, "arm", task.task_id) < plan.decide_first else AI_FIRST
    task.blind = task.decides_first
    others = [outcome for outcome in terms.outcomes if outcome != task.gold_outcome]
    right = task.kind == "gold" and task.prediction == task.gold_outcome
    if right and others and _coin(state.arm_key, "wrong", task.task_id) < plan.wrong_answers:
        # Shown with the confidence that the AI had in its own answer, which is plausible in this case.
        task.prediction = others[int(_coin(state.arm_key, "which", task.task_id) * len(others))]
        task.seeded = True


def first_opinion(state: DeskState, command: Command, now: int) -> CommandResult:
    """Notes what a person thinks before the AI's answer is shown, and shows it."""
    task, me = checks.judged_by_holder(state, command, now)
    if not (task.blind and task.decides_first):
        raise CommandRefused("no-opinion-due", f"no first opinion is due on {task.task_id}: decide it")
    possible = offered((), state.terms(task))
    if not command.outcome:
        raise CommandRefused("missing-outcome", f"say what you think: {', '.join(possible) or 'any text'}")
    if possible and command.outcome not in possible:
        raise CommandRefused("unknown-outcome", f"{command.outcome!r} is not possible here: {', '.join(possible)}")
    task.first_opinions = (*task.first_opinions, {"reviewer": me.id, "outcome": command.outcome, "at": now})
    task.blind = False
    state.keep(task)
    events = [task_changed(task, "first_opinion", me.id, now, command.command_id)]
    return CommandResult(f"noted: you think {command.outcome}. Now the AI's answer is shown; decide", task, events)


def experiments_without_key(state: DeskState, now: int) -> list[Event]:
    """An alert for each domain whose experiment should run at `now`, and does not, for want of the secret."""
    if state.arm_key:
        return []
    domains = {
        name: version
        for policy, version in state.policies.values()
        for name, domain in policy.domains.items()
        if domain.reliance is not None and domain.reliance.runs_at(now)
    }
    return [_without_key(domain, version, now) for domain, version in sorted(domains.items())]


def _without_key(domain: str, version: str, now: int) -> Event:
    message = (
        f"The reliance experiment of {domain} does not run: the desk has not the secret that draws its coins. Give it "
        "INTERLOCK_ROUTER__AUDIT_KEY, the same as that of the router, and start it again; or take `reliance` out of "
        "the policy"
    )
    return alert("experiment_without_key", f"{domain}/{version}", "warning", (), message, now)


def check_first_opinion(task: Task) -> None:
    """Raises CommandRefused for a verdict where a first opinion is due."""
    if task.blind and task.decides_first:
        raise CommandRefused(
            "opinion-first",
            f"say what you think of {task.task_id} before you see the AI's answer and decide: "
            f"`interlock review opinion {task.task_id} OUTCOME`",
        )


def _coin(key: bytes, purpose: str, task_id: str) -> float:
    """A number from 0 to below 1."""
    person = f"arm/{purpose}".encode()
    hashed = hashlib.blake2b(task_id.encode(errors="surrogatepass"), key=key, digest_size=8, person=person).digest()
    # 53 bits: as many as a float takes without rounding up to 1.
    return (int.from_bytes(hashed) >> 11) / 2.0**53
