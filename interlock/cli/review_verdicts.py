"""`interlock review`: verdicts on a task, before and after it is decided."""

from typing import Annotated, Any

import typer

from interlock.cli.common import DataDir, Json, errors, print_json
from interlock.cli.review_options import (
    As,
    Attest,
    Because,
    Changes,
    CommandId,
    Next,
    Outcome,
    Reason,
    Task,
    attested,
    changes_of,
    open_session,
    show_view,
    tell,
)


def approve(
    task: Task,
    because: Because,
    reason: Reason = "agree",
    attest: Attest = None,
    next_too: Next = False,
    command_id: CommandId = "",
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Agree with the AI: its prediction becomes the outcome.

    Examples:

        interlock review approve loan-000017 -m "income and history support it" --as ann

        interlock review approve loan-000017 -m "I have compared the pay slips" --attest 1 --attest 2 --as ann
    """
    _decide(data_dir, me, task, "approve", "", None, reason, because, attest, next_too, command_id, json)


def reject(
    task: Task,
    reason: Reason,
    because: Because,
    outcome: Outcome = "",
    attest: Attest = None,
    next_too: Next = False,
    command_id: CommandId = "",
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Disagree with the AI; name the outcome where more than one other is possible.

    Examples:

        interlock review reject loan-000017 -r delinquency -m "two late payments last year" --as ann
    """
    _decide(data_dir, me, task, "reject", outcome, None, reason, because, attest, next_too, command_id, json)


def modify(
    task: Task,
    reason: Reason,
    because: Because,
    change: Changes = None,
    outcome: Outcome = "",
    attest: Attest = None,
    next_too: Next = False,
    command_id: CommandId = "",
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Correct fields of the decision, its outcome too if --outcome is given.

    Examples:

        interlock review modify loan-000017 --change amount=8000 -r other -m "as agreed on the phone" --as ann
    """
    _decide(
        data_dir, me, task, "modify", outcome, changes_of(change), reason, because, attest, next_too, command_id, json
    )


def choose(
    task: Task,
    outcome: Annotated[str, typer.Argument(help="One of the options.")],
    reason: Reason,
    because: Because,
    attest: Attest = None,
    next_too: Next = False,
    command_id: CommandId = "",
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Choose an option yourself, as where the AI's answer is hidden.

    Examples:

        interlock review choose acs-000017 employed -r other -m "works part time" --as ann
    """
    _decide(data_dir, me, task, "choose", outcome, None, reason, because, attest, next_too, command_id, json)


def override(
    task: Task,
    outcome: Annotated[str, typer.Argument(help="The outcome that holds from now on.")],
    reason: Reason,
    because: Because,
    change: Changes = None,
    attest: Attest = None,
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """As a lead, decide a decided task otherwise; look at it first. What took effect is rolled back.

    Examples:

        interlock review override loan-000017 reject -r delinquency -m "the pay slip was forged" --as ann
    """
    with open_session(data_dir, me) as session:
        changes = changes_of(change)
        receipt = session.recall(task, held=False)
        reply = session.desk.override(
            task,
            receipt.payload_hash,
            "modify" if changes else "choose",
            outcome=outcome,
            modifications=changes,
            reason_code=reason,
            reason_text=because,
            attestations=attested(receipt.attestations, attest),
        )
        tell(session.done_with(reply), json)


def appeal(
    task: Task,
    statement: Annotated[str, typer.Option("--statement", "-m", help="What the person concerned says.")],
    on_behalf_of: Annotated[str, typer.Option("--on-behalf-of", help="The name of the person concerned.")] = "",
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Open a decision again, also one that took effect unseen or was decided long ago.

    Who decided it before, or appeals, does not decide it.

    Examples:

        interlock review appeal loan-000017 -m "the late payments were not mine" --on-behalf-of "M. Weber" --as ann
    """
    with open_session(data_dir, me) as session:
        tell(session.appeal(task, statement, on_behalf_of), json)


def gold(
    task: Task,
    outcome: Annotated[str, typer.Argument(help="The outcome that is known to be right.")],
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """As a lead, plant a copy of a task whose right outcome is known, to see how well people judge.

    Examples:

        interlock review gold loan-000017 reject --as ann
    """
    with open_session(data_dir, me) as session:
        tell(session.desk.gold(task, outcome), json)


def _decide(
    data_dir: str | None,
    me: str,
    task: str,
    verdict: str,
    outcome: str,
    changes: dict[str, Any] | None,
    reason: str,
    because: str,
    attest: list[int] | None,
    next_too: bool,
    command_id: str,
    json: bool,
) -> None:
    from interlock.review.desk_connection import CommandRefusedError

    with open_session(data_dir, me) as session:
        receipt = session.recall(task)
        reply = session.desk.submit(
            task,
            receipt.epoch,
            receipt.payload_hash,
            verdict,
            outcome=outcome,
            modifications=changes,
            reason_code=reason,
            reason_text=because,
            attestations=attested(receipt.attestations, attest),
            command_id=command_id or None,
        )
        session.done_with(reply)
        following = None
        if next_too:
            try:
                following = session.claim("", "", reveal=False)
            except CommandRefusedError as refused:
                if refused.code != "nothing-to-do":
                    raise
        if json:
            print_json({**reply.for_people(), **({"next": following and following.facts()} if next_too else {})})
            return
        tell(reply, json)
        if following is not None:
            show_view(following, json)
        elif next_too:
            errors.print("nothing more waits for you")
