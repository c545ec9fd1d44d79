"""`interlock produce`: decisions from a file."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, note, print_json, progress_bar
from interlock.errors import UnavailableError
from interlock.platform import connection
from interlock.platform.exit_codes import ExitCode
from interlock.schemas import json_text


def produce(
    file: Annotated[Path, typer.Argument(help="A .jsonl, .csv or .parquet file.")],
    mapping: Annotated[Path | None, typer.Option(help="YAML file that maps columns to fields.")] = None,
    maps: Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN; may be repeated.")] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE for every row; may be repeated.")] = None,
    id_prefix: Annotated[str | None, typer.Option(help="Ids are this and the line number.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Decisions a second; as fast as possible if left out.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first line that is no decision.")] = False,
    rejects: Annotated[Path | None, typer.Option(help="File for the errors of all lines that were left out.")] = None,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Encrypt personal fields before they enter Kafka; needs a master key.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Send decisions from a file. Lines that are no decisions are named with line and field and left out.

    Exit code 1 if any line was left out. With INTERLOCK_ENCRYPTION__KAFKA=true personal fields are encrypted without
    --encrypt too; INTERLOCK_ENCRYPTION__KAFKA_ATTRIBUTES names the attributes that are.

    Examples:

        interlock produce decisions.jsonl

        interlock produce scores.csv --mapping columns.yaml --map confidence=score --set model_version=7

        interlock produce decisions.jsonl --encrypt
    """
    from datetime import UTC, datetime

    from interlock.client.client import Client, DeliveryError
    from interlock.produce.mapping import ColumnMapping, extended, load_mapping
    from interlock.produce.reading import check_readable, count, read
    from interlock.produce.sending import send

    columns = load_mapping(mapping) if mapping is not None else ColumnMapping()
    columns = extended(columns, maps or [], sets or [], id_prefix)
    check_readable(file)
    platform = connection.connect(data_dir)
    encryption = platform.encryption(wanted=encrypt)
    platform.serving_kafka()
    with ExitStack() as stack:
        rejected = stack.enter_context(rejects.open("w", encoding="utf-8")) if rejects is not None else None
        client = stack.enter_context(Client(encrypt=encryption))

        def keep(error: str) -> None:
            if rejected is not None:
                print(json_text.printable(error), file=rejected)

        bar = stack.enter_context(progress_bar())
        task = bar.add_task(file.name, total=count(file))
        try:
            summary = send(
                read(file, columns, lambda: datetime.now(UTC)),
                client,
                rate=rate,
                strict=strict,
                progress=lambda sent: bar.update(task, completed=sent),
                on_error=lambda error: keep(str(error)),
            )
        except DeliveryError as error:
            raise UnavailableError(str(error)) from error
    for line_error in summary.errors:
        note(line_error)
    if summary.rejected > len(summary.errors):
        note(f"… and {summary.rejected - len(summary.errors):,} more; --rejects FILE keeps them all")
    if json:
        print_json({"sent": summary.sent, "rejected": summary.rejected, "seconds": round(summary.seconds, 3)})
    else:
        note(f"sent {summary.sent:,} decisions in {summary.seconds:.1f} s, left out {summary.rejected:,} lines")
    if summary.rejected:
        raise typer.Exit(ExitCode.FAILED)
