"""`interlock audit`: the audit trail, proved."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli import audit_keys
from interlock.cli.common import DataDir, Json, errors, note, print_json, progress_bar, table
from interlock.errors import UsageError
from interlock.platform import connection
from interlock.platform.exit_codes import ExitCode

if TYPE_CHECKING:
    from interlock.sinks.reconcile import Reconciliation

app = typer.Typer(
    help="The audit trail: prove it, export it; erase a subject, or hold it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.command("erase")(audit_keys.erase)
app.command("hold")(audit_keys.hold)
app.command("keys")(audit_keys.keys)
app.command("rotate-keys")(audit_keys.rotate_keys)

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
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Also compare the rows with the records that Kafka still has, as reconcile.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Prove a file of `interlock audit export` instead; asks no server.")
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

        interlock audit verify --export loan-42.zip --public-key trail.pub
    """
    from interlock.operations import audit_trail

    if export is not None:
        if since or topic or anchors or kafka:
            raise UsageError("--export takes the file as it is: leave --since, --topic, --anchors and --kafka out")
        _verify_export(export, public_key, data_dir, json=json)
        return
    asked = audit_trail.Asked(_moment(since), tuple(topic or ()), public_key, anchors)
    platform = connection.connect(data_dir)
    with connection.database_errors(), progress_bar() as bar:
        rows = bar.add_task("rows", total=None)
        found = audit_trail.verify(
            platform,
            asked,
            begin=lambda total: bar.update(rows, total=total),
            progress=lambda count: bar.advance(rows, count),
            say=note,
        )
        compared = _compared(platform) if kafka else None
    ok = found.ok and (compared is None or compared.ok)
    if json:
        facts = found.facts() | {"ok": ok}
        print_json(facts if compared is None else facts | {"kafka": compared.facts()})
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
        for check in compared.partitions if compared else ():
            if not check.ok:
                errors.print(f"{check.topic} {check.partition}: {check.verdict}, compared with Kafka")
        _say_how_much(ok, len(found.proved.anchors), found.behind)
    if not ok:
        raise typer.Exit(ExitCode.FAILED)


def _compared(platform: connection.Platform) -> "Reconciliation":
    from interlock.operations.reconcile import reconcile

    return reconcile(platform)


def _say_how_much(ok: bool, anchors: int, behind: int) -> None:
    if not anchors:
        note("nothing is signed: whoever could write ClickHouse could have replaced the whole history")
    elif ok:
        note(f"proved by {anchors} anchors; {behind} rows came since and are linked, not signed yet")


def _moment(since: str | None) -> datetime | None:
    from interlock.operations.export import moment

    try:
        return None if since is None else moment(since)
    except ValueError as error:
        raise UsageError(f"--since {since} is no date or time in ISO 8601") from error


def _verify_export(file: Path, public_key: Path | None, data_dir: str | None, *, json: bool) -> None:
    from interlock.operations import trail_export
    from interlock.platform.trail_keys import read_public_key, trusted_key

    trusted = read_public_key(public_key) if public_key else trusted_key(connection.connect(data_dir), None)
    found = trail_export.check(file, trusted)
    if json:
        print_json(asdict(found) | {"ok": found.ok})
    else:
        about = ", ".join(f"{name} {value}" for name, value in found.about.items())
        print(f"{file}: {found.records} records ({about})")
        for problem in found.problems:
            errors.print(problem)
        if found.unsigned:
            note(f"{found.unsigned} of them were not signed yet when the file was made: nothing proves those")
        if found.ok:
            note(f"the others are what was stored and signed; last anchor in the file: {found.latest_anchor}")
    if not found.ok:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="File to write, a ZIP archive.")],
    decision_id: Annotated[str | None, typer.Argument(help="Everything that is stored about this decision.")] = None,
    since: Since = None,
    public_key: PublicKey = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Write records and what proves them to one file, which `interlock audit verify --export` proves without a server.

    What is sealed under the key of a subject stays sealed. The file proves that its records are the stored ones; that
    none is left out, only the whole trail proves.

    Examples:

        interlock audit export loan-42 --out loan-42.zip

        interlock audit export --since 2026-01-01 --out 2026.zip --json
    """
    from interlock.operations import audit_trail, trail_export

    if (decision_id is None) == (since is None):
        raise UsageError("name a decision, or --since a date")
    begins = _moment(since)
    platform = connection.connect(data_dir)
    with connection.database_errors():
        client = platform.clickhouse()
        proved = audit_trail.anchors_of(platform, client, audit_trail.Asked(public_key=public_key), note)
        if begins is None:
            places, about = trail_export.places_of_decision(client, decision_id or ""), {"decision": decision_id}
        else:
            places, about = trail_export.places_since(client, begins), {"since": begins.isoformat()}
        done = trail_export.export(client, places, proved, out, about)
    if json:
        print_json(asdict(done) | {"file": str(out)})
        return
    print(f"{done.records} records in {out}")
    if done.unsigned:
        note(f"{done.unsigned} of them are not signed yet: export again after the next anchor")
    if done.before:
        note(f"{done.before} records are of before the trail and not in the file")


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


@app.command("name-key")
def name_key(
    public_key: Annotated[Path, typer.Argument(help="Public half of the new key: 64 hex digits or PEM.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Let the present key name the next one, before the sink gets it: whoever trusts the old key then trusts both.

    Run it with the settings of the sink.

    Examples:

        interlock audit name-key new-trail.pub
    """
    import getpass
    import time

    from interlock.operations import audit_trail
    from interlock.platform.trail_keys import read_public_key
    from interlock.sinks.trail.anchors import key_id

    key = read_public_key(public_key)
    record = audit_trail.name_key(connection.connect(data_dir), key, by=getpass.getuser(), now=time.time_ns() // 1000)
    if json:
        print_json({"anchor_id": record["anchor_id"], "key_id": key_id(key)})
    else:
        print(f"key {key_id(key)} is trusted from now on; give its secret half to the sink and start it again")
