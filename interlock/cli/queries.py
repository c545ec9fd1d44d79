"""`interlock metrics | sql | timeline | reconcile`: what happened, from ClickHouse and Kafka."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.errors import InterlockError, UnavailableError
from interlock.platform import connection
from interlock.platform.exit_codes import ExitCode


def metrics(data_dir: DataDir = None, json: Json = False) -> None:
    """Show the numbers of the `metrics` view, each with the population it speaks of.

    Examples:

        interlock metrics --json
    """
    from interlock.sinks import queries

    with connection.database_errors():
        client = connection.connect(data_dir).clickhouse(analyst=True)
        found = queries.metrics(client)
        _, columns = queries.select(client, "SELECT name, comment FROM system.columns WHERE table = 'metrics'")
    if json:
        print_json(found)
    else:
        meanings = {str(name): comment for name, comment in columns}
        table(("metric", "value", "what it speaks of"), [(k, v, meanings.get(k, "")) for k, v in found.items()])


def sql(
    query: Annotated[str, typer.Argument(help="SQL; `-` reads it from standard input.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Ask ClickHouse as the read-only analyst.

    Examples:

        interlock sql "SELECT route, count() FROM routed_decisions GROUP BY route"

        interlock sql "DESCRIBE metrics" --json
    """
    from interlock.sinks import queries

    text = sys.stdin.read() if query == "-" else query
    with connection.database_errors():
        columns, rows = queries.select(connection.connect(data_dir).clickhouse(analyst=True), text)
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        table(columns, rows)


def timeline(
    decision_id: Annotated[str, typer.Argument(help="Id of the decision.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Tell the story of one decision, from its arrival on.

    Examples:

        interlock timeline loan-000000
    """
    from interlock.sinks import queries

    with connection.database_errors():
        events = queries.decision_timeline(connection.connect(data_dir).clickhouse(analyst=True), decision_id)
    if json:
        print_json(events)
    elif events:
        table(list(events[0]), [list(event.values()) for event in events])
    if not events:
        raise InterlockError(f"ClickHouse knows no decision {decision_id!r}")


def reconcile(data_dir: DataDir = None, json: Json = False) -> None:
    """Compare Kafka and ClickHouse: every record once in its table and in the roll-ups. Exit code 1 if not.

    Examples:

        interlock reconcile --json
    """
    from interlock.operations.reconcile import reconcile as compare

    with connection.database_errors():
        result = compare(connection.connect(data_dir))
    if json:
        print_json(result.facts())
    else:
        table(*result.as_table())
        errors.print("[green]everything is where it belongs[/]" if result.ok else "[red]counts differ[/]")
    if not result.ok:
        raise typer.Exit(ExitCode.FAILED)


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
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Send decisions from a file. Lines that are no decisions are named with line and field and left out.

    Exit code 1 if any line was left out.

    Examples:

        interlock produce decisions.jsonl

        interlock produce scores.csv --mapping columns.yaml --map confidence=score --set model_version=7
    """
    from datetime import UTC, datetime

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from interlock.client.client import Client, DeliveryError
    from interlock.produce.mapping import ColumnMapping, extended, load_mapping
    from interlock.produce.reading import check_readable, count, read
    from interlock.produce.sending import send

    chosen = load_mapping(mapping) if mapping is not None else ColumnMapping()
    chosen = extended(chosen, maps or [], sets or [], id_prefix)
    check_readable(file)
    connection.connect(data_dir).serving_kafka()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )
    with ExitStack() as stack:
        rejected = stack.enter_context(rejects.open("w")) if rejects is not None else None
        client = stack.enter_context(Client())
        stack.enter_context(bar)
        task = bar.add_task(file.name, total=count(file))
        try:
            summary = send(
                read(file, chosen, lambda: datetime.now(UTC)),
                client,
                rate=rate,
                strict=strict,
                progress=lambda sent: bar.update(task, completed=sent),
                on_error=lambda error: print(error, file=rejected) if rejected is not None else None,
            )
        except DeliveryError as error:
            raise UnavailableError(str(error)) from error
    for line in summary.errors:
        errors.print(str(line), markup=False, highlight=False, soft_wrap=True)
    if summary.rejected > len(summary.errors):
        errors.print(f"… and {summary.rejected - len(summary.errors):,} more; --rejects FILE keeps them all")
    if json:
        print_json({"sent": summary.sent, "rejected": summary.rejected, "seconds": round(summary.seconds, 3)})
    else:
        errors.print(f"sent {summary.sent:,} decisions in {summary.seconds:.1f} s, left out {summary.rejected:,} lines")
    if summary.rejected:
        raise typer.Exit(ExitCode.FAILED)
