"""What a verdict means: the outcome it decides for, or why it cannot be taken."""

from collections.abc import Sequence

from interlock.policy.notices.insufficient import insufficient
from interlock.policy.review import AGREE, Terms, offered
from interlock.processors.desk.command import Command
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.task import Task, Verdict
from interlock.schemas import json_text

# Corrections of a decision's fields are flat, or nearly so. What executors and their webhooks read them with often
# gives up at some dozen levels, so that a deeper correction would be a dead letter after it was decided.
MAX_MODIFICATION_DEPTH = 20


def check_reason(command: Command, terms: Terms) -> None:
    """Raises CommandRefused unless a reason is given, as a code of the policy and in words."""
    if not command.reason_code or not command.reason_text.strip():
        raise CommandRefused(
            "missing-reason", f"give a reason: a code ({', '.join(terms.reason_codes)}) and your own words"
        )
    if command.reason_code not in terms.reason_codes:
        raise CommandRefused(
            "unknown-reason", f"{command.reason_code!r} is not a reason code here: {', '.join(terms.reason_codes)}"
        )


def given_verdict(command: Command, task: Task, terms: Terms, now: int) -> Verdict:
    """The verdict of the command, with its outcome and reason; raises CommandRefused where it cannot be taken."""
    check_reason(command, terms)
    outcome = decided_outcome(command, task, terms)
    if outcome in terms.reasoned and command.reason_code == AGREE:
        codes = ", ".join(code for code in terms.reason_codes if code != AGREE)
        raise CommandRefused(
            "missing-reason", f"{outcome!r} is adverse: that you agree is no reason for it, so give one: {codes}"
        )
    _check_specific(command, outcome, terms)
    return as_verdict(command, outcome, task, now)


def _check_specific(command: Command, outcome: str, terms: Terms) -> None:
    """Raises CommandRefused where the text is no reason and would stand for one: in a notice, or wherever a pack wants
    reasons of whoever decides."""
    told = outcome in terms.specific and command.reason_code in terms.own_words
    if not told and outcome not in terms.reasoned:
        return
    phrase = insufficient(command.reason_text)
    if phrase is not None:
        raise CommandRefused(
            "insufficient-reason",
            f"{phrase!r} is no specific reason for {outcome!r}: write which facts about the person or the case "
            "counted, with the figure, the date or the document that shows them",
        )


def decided_outcome(command: Command, task: Task, terms: Terms) -> str:
    """The outcome that the command's verdict decides for; raises CommandRefused."""
    if command.modifications and command.verdict in ("approve", "reject", "choose"):
        raise CommandRefused("invalid", f"{command.verdict} changes no fields: modify does")
    match command.verdict:
        case "approve":
            return _approved(command, task, terms)
        case "reject":
            return _rejected(command, task, terms)
        case "modify":
            return _modified(command, task, terms)
        case "choose":
            return _chosen(command, task, terms)
    raise CommandRefused("unknown-verdict", f"{command.verdict!r} is not a verdict: approve, reject, modify or choose")


def as_verdict(command: Command, outcome: str, task: Task, now: int) -> Verdict:
    """The verdict as it is kept with the task."""
    return {
        "reviewer": command.actor,
        "verdict": command.verdict,
        "outcome": outcome,
        "reason_code": command.reason_code,
        "reason_text": command.reason_text,
        "modifications": command.modifications,
        "at": now,
        "round": task.round,
    }


def content(verdict: Verdict) -> tuple[str, str]:
    """What a verdict is for: the outcome and the changed fields, the same for the same JSON however it is written."""
    return verdict["outcome"], json_text.canonical(verdict["modifications"])


def automatic_verdict(outcome: str, reason_code: str, reason_text: str, task: Task, now: int) -> Verdict:
    """What takes the place of a verdict where no person decided."""
    return {
        "reviewer": "",
        "verdict": "",
        "outcome": outcome,
        "reason_code": reason_code,
        "reason_text": reason_text,
        "modifications": "",
        "at": now,
        "round": task.round,
    }


def _approved(command: Command, task: Task, terms: Terms) -> str:
    if task.blind:
        raise CommandRefused("unknown-verdict", "the AI's answer is hidden from you: choose the outcome yourself")
    if command.outcome not in ("", task.prediction):
        raise CommandRefused(
            "unknown-outcome", f"approve means {task.prediction!r}; for {command.outcome!r} reject, modify or choose"
        )
    return _known(task.prediction, terms.outcomes)


def _rejected(command: Command, task: Task, terms: Terms) -> str:
    if task.blind:
        raise CommandRefused("unknown-verdict", "the AI's answer is hidden from you: choose the outcome yourself")
    if command.outcome == task.prediction:
        raise CommandRefused(
            "unknown-outcome", f"{task.prediction!r} is what the AI proposed: rejecting means another outcome"
        )
    if command.outcome:
        return _known(command.outcome, terms.outcomes)
    others = [outcome for outcome in terms.outcomes if outcome != task.prediction]
    if len(others) != 1:
        raise CommandRefused("missing-outcome", f"say which outcome holds instead: {', '.join(others) or 'any text'}")
    return others[0]


def _modified(command: Command, task: Task, terms: Terms) -> str:
    if task.blind:
        raise CommandRefused("unknown-verdict", "the AI's answer is hidden from you: choose the outcome yourself")
    outcome = _known(command.outcome or task.prediction, terms.outcomes)
    if command.modifications:
        try:
            changed = json_text.parse(command.modifications, MAX_MODIFICATION_DEPTH)
        except json_text.JsonError as error:
            raise CommandRefused("invalid", f"modifications must be a JSON object: {error}") from error
        if not isinstance(changed, dict) or not changed:
            raise CommandRefused("invalid", "modifications must be a JSON object with at least one field")
        repeated = json_text.repeated_field(command.modifications)
        if repeated is not None:
            raise CommandRefused(
                "invalid", f"modifications have the field {repeated!r} twice: say once what it shall be"
            )
    elif outcome == task.prediction:
        raise CommandRefused("invalid", "nothing is modified: change the outcome or a field, or approve")
    return outcome


def _chosen(command: Command, task: Task, terms: Terms) -> str:
    options = offered(task.options, terms)
    if not command.outcome:
        raise CommandRefused("missing-outcome", f"say which: {', '.join(options) or 'any text'}")
    return _known(command.outcome, options)


def _known(outcome: str, allowed: Sequence[str]) -> str:
    if allowed and outcome not in allowed:
        raise CommandRefused("unknown-outcome", f"{outcome!r} is not possible here: {', '.join(allowed)}")
    return outcome
