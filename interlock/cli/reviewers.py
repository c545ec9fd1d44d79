"""`interlock reviewers`: who decides, and who is on duty."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.errors import InterlockError
from interlock.platform import connection

app = typer.Typer(help="Who decides, and who is on duty.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the reviewer.")]


@app.command("list")
def list_reviewers(data_dir: DataDir = None, json: Json = False) -> None:
    """List the roster, with who is on duty and what each has at hand.

    Examples:

        interlock reviewers list
    """
    from interlock.review.board import Board

    with Board(connection.connect(data_dir).serving_kafka()) as board:
        open_tasks = board.open_tasks
        rows = []
        for name, record in board.reviewers.items():
            at_hand = [task for task in open_tasks if name in (task["lease_holder"], task["assigned_to"])]
            leased = sum(task["lease_holder"] == name for task in at_hand)
            presence = board.presence(name)
            paused_since = presence["paused_since"] if presence is not None else None
            rows.append(
                {
                    "id": name,
                    "name": record["name"],
                    "role": record["role"],
                    "on_duty": board.on_duty(name),
                    "paused_since": paused_since and paused_since.isoformat(),
                    "pause_reason": presence["pause_reason"] if presence is not None else "",
                    "leased": leased,
                    "assigned": len(at_hand) - leased,
                    "capacity": record["capacity"],
                    "queues": record["queues"],
                    "qualifications": [held["name"] for held in record["qualifications"]],
                    "manager": record["manager"],
                    "time_zone": record["time_zone"],
                }
            )
    if json:
        print_json(rows)
        return
    _show_roster(rows)


def _show_roster(rows: Sequence[dict[str, Any]]) -> None:
    table(
        ("id", "name", "role", "on duty", "leased", "assigned", "capacity", "queues", "qualifications"),
        [
            (
                *(row[key] for key in ("id", "name", "role", "on_duty", "leased", "assigned", "capacity")),
                ", ".join(row["queues"]) or "all",
                ", ".join(row["qualifications"]) or None,
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["paused_since"] is not None:
            errors.print(
                f"Nothing is pushed to {row['id']}: {row['pause_reason']}. It ends when {row['id']} claims a task, or "
                f"with `interlock reviewers on-duty {row['id']}`",
                markup=False,
            )


@app.command("set")
def set_reviewers(
    file: Annotated[Path, typer.Argument(help="A roster file (YAML).")],
    prune: Annotated[bool, typer.Option("--prune", help="Remove everybody the file does not name.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Enter everybody in a file, replacing what is known of them. Nothing changes unless the whole file is valid.

    Examples:

        interlock reviewers set roster.yaml

        interlock reviewers set roster.yaml --prune
    """
    from interlock.review.board import Board
    from interlock.review.enrolment import publish_reviewers, remove_reviewers
    from interlock.review.roster import load_roster

    load_roster(file)  # mistakes that the file alone shows are reported without Kafka
    broker = connection.connect(data_dir).serving_kafka()
    with Board(broker) as board:
        known = list(board.reviewers)
    people = load_roster(file, () if prune else known)
    surplus = [name for name in known if name not in {person.id for person in people}] if prune else []
    publish_reviewers(broker, [person.to_record() for person in people])
    remove_reviewers(broker, surplus)
    if json:
        print_json({"entered": [person.id for person in people], "removed": surplus})
    else:
        errors.print(f"entered {', '.join(person.id for person in people)}", markup=False)
        if surplus:
            errors.print(f"removed {', '.join(surplus)}; what they held returns", markup=False)


@app.command("add")
def add(
    reviewer: Id,
    name: Annotated[str, typer.Option(help="For people.", show_default="the name so far, else the id")] = "",
    lead: Annotated[bool, typer.Option("--lead", help="A lead instead of a reviewer.")] = False,
    manager: Annotated[str, typer.Option(help="Id of the person who gets alerts of breaches.")] = "",
    queue: Annotated[list[str] | None, typer.Option(help="A queue worked; may be repeated; none: all.")] = None,
    qualification: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    capacity: Annotated[int, typer.Option(help="How many tasks at once.")] = 5,
    time_zone: Annotated[str, typer.Option(help="IANA name.")] = "UTC",
    contact: Annotated[str, typer.Option(help="Where alerts go, as an apprise URL.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Enter one person; working hours and time off need a file, see `interlock reviewers set`.

    Examples:

        interlock reviewers add ann --name "Ann Lee" --lead --queue underwriting --capacity 3
    """
    from interlock.review.board import Board
    from interlock.review.enrolment import publish_reviewers
    from interlock.review.roster import person

    broker = connection.connect(data_dir).serving_kafka()
    if not name:
        with Board(broker) as board:
            known = board.reviewers.get(reviewer)
        name = known["name"] if known else ""
    entered = person(
        {
            "id": reviewer,
            "name": name,
            "role": "lead" if lead else "reviewer",
            "manager": manager,
            "queues": tuple(queue or ()),
            "qualifications": tuple(qualification or ()),
            "capacity": capacity,
            "time_zone": time_zone,
            "contact": contact,
        }
    )
    publish_reviewers(broker, [entered.to_record()])
    _report({"entered": [reviewer]}, f"entered {reviewer}", json)


@app.command("remove")
def remove(reviewer: Id, data_dir: DataDir = None, json: Json = False) -> None:
    """Remove a person; what they hold returns to its queue.

    Examples:

        interlock reviewers remove bob
    """
    from interlock.review.board import Board
    from interlock.review.enrolment import remove_reviewers

    broker = connection.connect(data_dir).serving_kafka()
    with Board(broker) as board:
        known = board.reviewers
    if reviewer not in known:
        raise InterlockError(f"there is no reviewer {reviewer!r} (known: {', '.join(known) or 'none'})")
    remove_reviewers(broker, [reviewer])
    _report({"removed": [reviewer]}, f"removed {reviewer}; what they held returns", json)


@app.command("on-duty")
def on_duty(reviewer: Id, data_dir: DataDir = None, json: Json = False) -> None:
    """Begin to take tasks.

    Examples:

        interlock reviewers on-duty ann
    """
    _duty(reviewer, data_dir, json, on=True)


@app.command("off-duty")
def off_duty(reviewer: Id, data_dir: DataDir = None, json: Json = False) -> None:
    """Take no more tasks; what is held returns.

    Examples:

        interlock reviewers off-duty ann
    """
    _duty(reviewer, data_dir, json, on=False)


def _duty(reviewer: str, data_dir: str | None, json: bool, *, on: bool) -> None:
    from interlock.review.desk_client import DeskClient

    platform = connection.connect(data_dir)
    with DeskClient(platform.serving_kafka(), reviewer, signer=platform.signer) as desk:
        reply = desk.on_duty() if on else desk.off_duty()
    _report(reply.for_people(), reply.message, json)


def _report(facts: dict[str, Any], message: str, json: bool) -> None:
    if json:
        print_json(facts)
    else:
        errors.print(message, markup=False)
