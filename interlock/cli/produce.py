"""`interlock produce`: decisions from a file."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.common import DataDir, Json, note, print_json, progress_bar, table
from interlock.errors import UnavailableError
from interlock.platform import connection
from interlock.platform.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from interlock.client.client import Client
    from interlock.produce.reading import LineError
    from interlock.produce.rejects import Rejects
    from interlock.produce.sending import Summary
    from interlock.schemas.models import Decision


def produce(
    file: Annotated[
        Path, typer.Argument(help="A .csv, .jsonl or .parquet file, also with .gz, .bz2, .xz or .zst; - reads input.")
    ],
    mapping: Annotated[Path | None, typer.Option(help="YAML file that maps columns to fields.")] = None,
    maps: Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN; may be repeated.")] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE for every row; may be repeated.")] = None,
    attributes: Annotated[
        list[str] | None,
        typer.Option("--attribute", help="NAME=COLUMN or COLUMN, which rules may use; may be repeated."),
    ] = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="COLUMN that reviewers are shown; may be repeated.")
    ] = None,
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Leave out columns about which nothing is said.")
    ] = False,
    id_prefix: Annotated[
        str | None, typer.Option(help="Ids are this, the hash of the file and the line number.")
    ] = None,
    format_: Annotated[str | None, typer.Option("--format", help="csv, jsonl or parquet, whatever the ending.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between columns; found in the first line.")] = None,
    encoding: Annotated[str | None, typer.Option(help="For example cp1252; UTF-8, or what a BOM says.")] = None,
    decimal: Annotated[str | None, typer.Option(help="What separates decimals: . or ,", show_default=".")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Of times that name none, such as Europe/Berlin.", show_default="UTC")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Decisions a second; as fast as possible if left out.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first line that is no decision.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="File for the lines that were left out, to be mended and sent again.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, send nothing.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Print a mapping for the file, send nothing.")] = False,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Encrypt personal fields before they enter Kafka; needs a master key.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Send decisions from a file. Lines that are no decisions are named with everything that is wrong, and left out.

    Exit code 1 if any line was left out; 2, and nothing is sent, if the columns do not fit. docs/producing.md has all
    of it. With INTERLOCK_ENCRYPTION__KAFKA=true personal fields are encrypted without --encrypt too;
    INTERLOCK_ENCRYPTION__KAFKA_ATTRIBUTES names the attributes that are.

    Examples:

        interlock produce decisions.jsonl

        interlock produce scores.csv --explain > columns.yaml

        interlock produce scores.csv --mapping columns.yaml --map confidence=score --set model_version=7 --dry-run

        interlock produce export.csv --mapping columns.yaml --encoding cp1252 --decimal , --rejects rejected.csv

        interlock produce decisions.jsonl --encrypt
    """
    from datetime import UTC, datetime

    from interlock.produce.formats import open_rows
    from interlock.produce.mapping import ColumnMapping, extended, load_mapping
    from interlock.produce.proposal import propose
    from interlock.produce.reading import decisions
    from interlock.produce.rejects import Rejects

    columns = extended(
        load_mapping(mapping) if mapping is not None else ColumnMapping(),
        maps=maps,
        sets=sets,
        attributes=attributes,
        input=inputs,
        ignore_unknown=ignore_unknown,
        id_prefix=id_prefix,
        format=format_,
        delimiter=delimiter,
        encoding=encoding,
        decimal=decimal,
        timezone=timezone,
    )
    with ExitStack() as stack:
        rows = stack.enter_context(open_rows(file, columns.layout))
        if explain:
            print(propose(rows, columns, datetime.now(UTC)), end="")
            return
        source = decisions(rows, file, columns, lambda: datetime.now(UTC))
        client = None if dry_run else stack.enter_context(_client(data_dir, encrypt))
        rejected = stack.enter_context(Rejects(rejects, file, rows, columns.layout)) if rejects is not None else None
        bar = stack.enter_context(progress_bar())
        task = bar.add_task(rows.name, total=rows.total)
        summary = _send(source, client, rate, strict, rejected, lambda sent: bar.update(task, completed=sent))
    _report(summary, rejected, json=json, dry_run=dry_run)
    if summary.failure is not None:
        raise summary.failure
    if summary.rejected:
        raise typer.Exit(ExitCode.FAILED)


def _client(data_dir: str | None, encrypt: bool) -> "Client":
    from interlock.client.client import Client

    platform = connection.connect(data_dir)
    encryption = platform.encryption(wanted=encrypt)
    platform.serving_kafka()
    return Client(encrypt=encryption)


def _send(
    source: "Iterator[Decision | LineError]",
    client: "Client | None",
    rate: float | None,
    strict: bool,
    rejected: "Rejects | None",
    progress: "Callable[[int], None]",
) -> "Summary":
    from interlock.client.client import DeliveryError
    from interlock.produce.sending import send

    sent = 0

    def shown(count: int) -> None:
        nonlocal sent
        sent = count
        progress(count)

    try:
        return send(
            source,
            client,
            rate=rate if client is not None else None,
            strict=strict,
            progress=shown,
            on_error=rejected.add if rejected is not None else _nothing,
        )
    except DeliveryError as error:
        before = f"Before it {sent:,} decisions were sent; the file may be sent again: what has arrived counts once."
        raise UnavailableError(f"{error} {before}") from error


def _nothing(error: "LineError") -> None:
    """Where no file keeps the lines."""


def _report(summary: "Summary", rejected: "Rejects | None", *, json: bool, dry_run: bool) -> None:
    """What was sent on standard error, and the problems of the lines as a table."""
    for line_error in summary.errors:
        note(line_error)
    if summary.rejected > len(summary.errors):
        note(f"… and {summary.rejected - len(summary.errors):,} more lines; --rejects FILE keeps them all")
    kinds = sorted(summary.kinds.items(), key=lambda pair: -pair[1].lines)
    if json:
        problems = [
            {"field": name, "problem": problem, "lines": kind.lines, "first_lines": kind.first_lines}
            for (name, problem), kind in kinds
        ]
        counts = {"found": summary.sent, "sent": 0} if dry_run else {"sent": summary.sent}
        facts = {"rejected": summary.rejected, "seconds": round(summary.seconds, 3), "problems": problems}
        print_json({**counts, **facts})
        return
    if kinds:
        rows = [[kind.lines, name, problem, ", ".join(map(str, kind.first_lines))] for (name, problem), kind in kinds]
        table(("lines", "field", "problem", "first lines"), rows)
    done = "found" if dry_run else "sent"
    note(f"{done} {summary.sent:,} decisions in {summary.seconds:.1f} s, left out {summary.rejected:,} lines")
    if rejected is not None and rejected.count:
        note(
            f"mend {rejected.path} and send it as you sent the file; {rejected.reasons} says what is wrong in each line"
        )
