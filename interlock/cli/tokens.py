"""`interlock tokens`: what programs show when they use the HTTP API."""

import getpass
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.platform import connection

if TYPE_CHECKING:
    from interlock.api.access.table import Record

app = typer.Typer(help="What programs show when they use the HTTP API.", no_args_is_help=True)

# As `interlock.api.access.tokens` has it, which is loaded when a command runs.
_DEFAULT_DAYS = 90


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for, for people.")],
    person: Annotated[str, typer.Option(help="Whose commands its commands are: a reviewer, or a service.")],
    role: Annotated[list[str] | None, typer.Option(help="All scopes of a role; may be repeated.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="One more scope; may be repeated.")] = None,
    days: Annotated[int, typer.Option(help="How long it is good for.", min=1, max=3650)] = _DEFAULT_DAYS,
    without_end: Annotated[bool, typer.Option("--without-end", help="It is good until it is revoked.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a token and print it, this once: only a hash is kept.

    Examples:

        interlock tokens create "loan service" --person loans --scope decisions:write --scope decisions:read

        interlock tokens create "Ann's script" --person ann --role reviewer --days 7
    """
    from interlock.api.access.tokens import create_token

    made = create_token(
        connection.connect(data_dir).serving_kafka(),
        name=name,
        person=person,
        roles=role or (),
        scopes=scope or (),
        created_by=getpass.getuser(),
        now=time.time(),
        days=None if without_end else days,
    )
    if json:
        print_json({"token": made.text, **_facts(made.record)})
    else:
        errors.print("send it as `Authorization: Bearer TOKEN`; it is shown this once:", markup=False)
        print(made.text)


@app.command("list")
def list_(data_dir: DataDir = None, json: Json = False) -> None:
    """List all tokens, ended ones too, the oldest first.

    Examples:

        interlock tokens list
    """
    from interlock.api.access.table import AccessTable
    from interlock.api.access.tokens import list_tokens

    with closing(AccessTable(connection.connect(data_dir).serving_kafka())) as access:
        rows = [_facts(record) for record in list_tokens(access)]
    if json:
        print_json(rows)
        return
    columns = ("id", "name", "person", "state", "roles", "scopes", "expires_at", "created_by")
    table(
        [name.replace("_at", "").replace("_", " ") for name in columns],
        [[", ".join(row[name]) if isinstance(row[name], list) else row[name] for name in columns] for row in rows],
        optional=("created by", "scopes"),
    )


@app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `interlock tokens list` shows it.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """End a token for good: within a second no API process takes it any more.

    Examples:

        interlock tokens revoke 4f1d2c3b5a697887
    """
    from interlock.api.access.table import AccessTable
    from interlock.api.access.tokens import revoke_token

    with closing(AccessTable(connection.connect(data_dir).serving_kafka())) as access:
        record = revoke_token(access, token_id, by=getpass.getuser(), now=time.time())
    if json:
        print_json(_facts(record))
    else:
        errors.print(f"revoked {token_id} ({record['name']} of {record['person']})", markup=False)


def _facts(record: "Record") -> dict[str, Any]:
    from interlock.api.access.tokens import state_of

    shown = ("id", "name", "person", "roles", "scopes", "created_by", "revoked_by")
    moments = {name: _moment(record[name]) for name in ("created_at", "expires_at", "revoked_at")}
    return {**{name: record[name] for name in shown}, **moments, "state": state_of(record, time.time())}


def _moment(micros: int | None) -> str | None:
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC).isoformat(timespec="seconds")
