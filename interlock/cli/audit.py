"""`interlock audit`: the audit trail, proved."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, note, print_json, progress_bar, table
from interlock.errors import UsageError
from interlock.platform import connection
from interlock.platform.exit_codes import ExitCode

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")

Since = Annotated[str | None, typer.Option("--since", help="Only rows from this date or time on (ISO 8601, UTC).")]
PublicKey = Annotated[
    Path | None,
    typer.Option("--public-key", help="The key that you trust: 64 hex digits or PEM. Default: as the settings say."),
]


@app.command()
def verify(
    since: Since = None,
    topic: Annotated[list[str] | None, typer.Option("--topic", help="Only this topic; may be repeated.")] = None,
    public_key: PublicKey = None,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", help="Directory of anchors, for example a copy kept off site.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Prove that no stored record was changed, removed, inserted or put into another order; exit code 1 if one was.

    Walks the hash chain of every partition in ClickHouse and compares its ends with the signed anchors of Kafka,
    ClickHouse and the directory of anchors. Everything may run meanwhile.

    Examples:

        interlock audit verify

        interlock audit verify --since 2026-01-01 --topic resolutions --public-key trail.pub --json
    """
    from interlock.operations import audit_trail
    from interlock.operations.export import moment

    try:
        begins = None if since is None else moment(since)
    except ValueError as error:
        raise UsageError(f"--since {since} is no date or time in ISO 8601") from error
    asked = audit_trail.Asked(begins, tuple(topic or ()), public_key, anchors)
    with connection.database_errors(), progress_bar() as bar:
        rows = bar.add_task("rows", total=None)
        found = audit_trail.verify(
            connection.connect(data_dir),
            asked,
            begin=lambda total: bar.update(rows, total=total),
            progress=lambda count: bar.advance(rows, count),
            say=note,
        )
    if json:
        print_json(found.facts())
    else:
        table(
            ("chain", "rows", "before the trail", "signed until offset", "signed at", "behind", "verdict"),
            [
                (
                    f"{walk.chain.topic} {walk.chain.partition}",
                    walk.rows,
                    walk.unlinked,
                    "" if walk.signed is None else walk.signed.offset,
                    "" if walk.signed is None else f"{walk.signed.signed_at:%Y-%m-%d %H:%M:%S}",
                    walk.behind,
                    found.verdict(walk),
                )
                for walk in found.walks
            ],
            optional=("before the trail", "signed at"),
        )
        for walk in found.broken:
            broken = walk.first_break
            assert broken is not None
            errors.print(
                f"{walk.chain.topic} {walk.chain.partition} (table {walk.chain.table}, log {walk.chain.stream}) is "
                f"broken at offset {broken.offset}: {broken.meaning}\n"
                f"  expected {broken.expected.hex()}\n"
                f"  found    {broken.found.hex() or 'no row'}"
            )
        for anchor, problem in list(found.proved.refused.items())[:10]:
            errors.print(f"anchor {anchor} proves nothing: {problem}")
        for anchor in found.proved.missing[:10]:
            errors.print(f"anchor {anchor} is missing: a later one names it as the one before")
        _say_how_much(found.ok, len(found.proved.anchors), found.behind)
    if not found.ok:
        raise typer.Exit(ExitCode.FAILED)


def _say_how_much(ok: bool, anchors: int, behind: int) -> None:
    if not anchors:
        note("nothing is signed: whoever could write ClickHouse could have replaced the whole history")
    elif ok:
        note(f"proved by {anchors} anchors; {behind} rows came since and are linked, not signed yet")


@app.command("public-key")
def show_public_key(data_dir: DataDir = None, json: Json = False) -> None:
    """Print the public key of what signs the audit trail here, to be given to whoever verifies it.

    Examples:

        interlock audit public-key > trail.pub
    """
    from interlock.platform.trail_keys import trusted_key
    from interlock.sinks.trail.anchors import key_id

    key = trusted_key(connection.connect(data_dir), None)
    if json:
        print_json({"public_key": key.hex(), "key_id": key_id(key)})
    else:
        print(key.hex())
