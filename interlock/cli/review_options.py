"""What the review commands share: who asks, about which task, and how answers are printed."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.common import console, errors, print_json
from interlock.errors import UsageError
from interlock.platform import connection
from interlock.platform.printing import visible
from interlock.schemas import json_text

if TYPE_CHECKING:
    from interlock.processors.review.view import TaskView
    from interlock.review.desk_connection import Reply
    from interlock.review.session import Session

Task = Annotated[str, typer.Argument(help="Id of the task, as listed.")]
As = Annotated[
    str,
    typer.Option(
        "--as",
        envvar="INTERLOCK_REVIEWER",
        help="Who you are: an id of the roster. Nobody checks it, so it works on local instances only.",
        metavar="ID",
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="One of the policy's reason codes.", metavar="CODE")]
Because = Annotated[str, typer.Option("--because", "-m", help="The reason in your own words.", metavar="TEXT")]
Outcome = Annotated[str, typer.Option(help="The outcome that holds instead.")]
Changes = Annotated[list[str] | None, typer.Option("--change", help="FIELD=VALUE that you corrected; may be repeated.")]
Next = Annotated[bool, typer.Option("--next", "-n", help="Then claim the next task.")]
Attest = Annotated[
    list[int] | None,
    typer.Option("--attest", help="Number of a sentence that you declare to be true; repeat it for each.", metavar="N"),
]
CommandId = Annotated[
    str, typer.Option(help="Id of a command that was not answered: repeats it, carried out once.", show_default="new")
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show the AI's answer to a manual case.")]
Queue = Annotated[str, typer.Option(help="Only this queue.")]


def open_session(data_dir: str | None, me: str) -> "Session":
    """One person's work with the desk; raises InterlockError, and UsageError where people must log in."""
    from interlock.review.session import Session

    platform = connection.connect(data_dir)
    if platform.settings.kafka.bootstrap_servers and not platform.is_local:
        raise UsageError(
            "--as takes your word for who you are, and so works on local instances only. Where others work too people "
            "log in: open the console, or send commands to the HTTP API with a token (docs/access.md)"
        )
    return Session(platform, me)


def show_view(view: "TaskView", json: bool) -> None:
    """A task on the terminal or as JSON."""
    from interlock.cli.review_screen import screen

    if json:
        print_json(view.facts())
    else:
        console.print(screen(view))


def tell(reply: "Reply", json: bool) -> None:
    """What the desk has answered, with the end of a lease as the clock on the wall shows it."""
    from interlock.review.local_time import local_time

    if json:
        print_json(reply.for_people())
    else:
        lease = "" if reply.lease_until is None else f" (your clock: {local_time(reply.lease_until)})"
        errors.print(f"{reply.message}{lease}", markup=False)


def attested(due: Sequence[str], numbers: list[int] | None) -> list[str]:
    """The sentences that a person declares: those of the numbers or, on a terminal, those that are answered with yes.

    Raises UsageError for a number that no sentence has.
    """
    unknown = [number for number in numbers or () if not 1 <= number <= len(due)]
    if unknown:
        known = f"1 to {len(due)}" if due else "none is due"
        raise UsageError(f"--attest {unknown[0]}: there is no such sentence; {known}, as `interlock review show` says")
    if numbers is not None or not sys.stdin.isatty():
        return [due[number - 1] for number in sorted(set(numbers or ()))]
    return [sentence for sentence in due if typer.confirm(f"Do you declare: {visible(sentence)}?", err=True)]


def changes_of(pairs: list[str] | None) -> dict[str, Any] | None:
    """The fields in FIELD=VALUE pairs; values are JSON where they can be read as such, else text. Raises UsageError."""
    changes: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{pair!r}: write FIELD=VALUE for --change")
        try:
            changes[name] = json_text.parse(value)
        except json_text.JsonSyntaxError:
            changes[name] = value
        except json_text.JsonError as error:
            raise UsageError(f"--change {name}: {error}") from error
    return changes or None
