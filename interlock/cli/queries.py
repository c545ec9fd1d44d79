"""`interlock metrics | sql | timeline | reconcile`: what happened, from ClickHouse and Kafka."""

import re
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from interlock.cli.common import DataDir, Json, errors, print_json, table, vertical
from interlock.errors import InterlockError, UsageError
from interlock.platform import connection
from interlock.platform.exit_codes import ExitCode
from interlock.platform.printing import all_visible, visible

# Figures with more digits than anybody reads, inside text.
_LONG_FRACTION = re.compile(r"\b\d+\.\d{4,}\b")


def metrics(data_dir: DataDir = None, json: Json = False) -> None:
    """Show the numbers of the `metrics` view, each with the population it speaks of.

    Examples:

        interlock metrics --json
    """
    from interlock.sinks import queries

    with connection.database_errors():
        client = connection.connect(data_dir).clickhouse(analyst=True)
        values = queries.metrics(client)
        _, columns = queries.select(client, "SELECT name, comment FROM system.columns WHERE table = 'metrics'")
    if json:
        print_json(values)
    else:
        meanings = {str(name): comment for name, comment in columns}
        table(
            ("metric", "value", "what it speaks of"),
            [(name, value, meanings.get(name, "")) for name, value in values.items()],
        )


def sql(
    query: Annotated[str, typer.Argument(help="SQL; `-` reads it from standard input.")],
    data_dir: DataDir = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a line of column names.")] = False,
    block: Annotated[bool, typer.Option("--vertical", help="Print a block of lines for each row.")] = False,
    json: Json = False,
) -> None:
    """Ask ClickHouse as the read-only analyst. Rows too wide for the terminal are printed as blocks of lines.

    A query that ends with a FORMAT of ClickHouse is answered in that format, byte by byte: JSONEachRow, Vertical,
    Markdown, Parquet, Arrow and others. Redirect what is no text to a file.

    Examples:

        interlock sql "SELECT route, count() FROM routed_decisions GROUP BY route"

        interlock sql "SELECT * FROM override_analytics" --csv

        interlock sql "DESCRIBE metrics" --json

        interlock sql "SELECT * FROM metrics FORMAT Vertical"

        interlock sql "SELECT * FROM routed_decisions LIMIT 1000 FORMAT Parquet" > decisions.parquet
    """
    from interlock.sinks import queries

    if csv + block + json > 1:
        raise UsageError("choose one of --csv, --vertical and --json")
    text = sys.stdin.read() if query == "-" else query
    named = queries.format_of(text)
    if named is not None:
        if csv or block or json:
            raise UsageError(f"the query names FORMAT {named}: leave it out, or the option")
        with connection.database_errors():
            _print_bytes(queries.stream(connection.connect(data_dir).clickhouse(analyst=True), text), named)
        return
    with connection.database_errors():
        columns, rows = queries.select(connection.connect(data_dir).clickhouse(analyst=True), text)
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif csv:
        import csv as csv_files

        writer = csv_files.writer(sys.stdout, lineterminator="\n")
        # A file gets what is there; a terminal would act on it.
        shown: Callable[[Any], Any] = all_visible if sys.stdout.isatty() else _unchanged
        writer.writerow(shown(columns))
        writer.writerows(shown(row) for row in rows)
    elif block:
        vertical(columns, rows)
    else:
        table(columns, rows)


def _print_bytes(pieces: Iterable[bytes], named: str) -> None:
    """To a file as they are; to a terminal only text, and nothing in it that acts on the terminal."""
    if not sys.stdout.isatty():
        # CliRunner's standard output, as a file's, has the bytes behind it.
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    whole = b"".join(pieces)
    try:
        text = whole.decode()
    except UnicodeDecodeError:
        raise UsageError(f'{named} is no text: redirect it to a file, as in interlock sql "…" > answer') from None
    if "\0" in text:
        raise UsageError(f'{named} is no text: redirect it to a file, as in interlock sql "…" > answer')
    sys.stdout.write(visible(text))


def _unchanged(value: Any) -> Any:
    return value


def timeline(
    decision_id: Annotated[str, typer.Argument(help="Id of the decision.")],
    data_dir: DataDir = None,
    wide: Annotated[bool, typer.Option("--wide", help="Also show where each record is in Kafka.")] = False,
    json: Json = False,
) -> None:
    """Tell the story of one decision, from its arrival on.

    Examples:

        interlock timeline loan-000000
    """
    from interlock.sinks import queries

    with connection.database_errors():
        platform = connection.connect(data_dir)
        events = queries.decision_timeline(platform.clickhouse(analyst=True), decision_id, platform.keys_to_read)
    if json:
        print_json(events)
    elif events:
        columns = list(events[0]) if wide else ["at", "event", "detail"]
        rows = [[event[name] for name in columns] if wide else _rounded(event) for event in events]
        table(columns, rows)
    if not events:
        raise InterlockError(f"ClickHouse knows no decision {decision_id!r}")


def _rounded(event: dict[str, Any]) -> list[str]:
    """Time to the millisecond, event, and detail with numbers of four digits."""
    at = event["at"]
    moment = at.isoformat(" ", "milliseconds").partition("+")[0] if isinstance(at, datetime) else str(at)
    return [moment, event["event"], _LONG_FRACTION.sub(lambda match: f"{float(match[0]):.4g}", event["detail"])]


def reconcile(
    data_dir: DataDir = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="First make ClickHouse equal to what Kafka holds. Stop the sink before."),
    ] = False,
    json: Json = False,
) -> None:
    """Compare Kafka and ClickHouse: every record once in its table and in the roll-ups. Exit code 1 if not.

    With --repair, missing rows are filled in from Kafka, doubled ones removed and wrong roll-ups made anew before the
    comparison. A repair that was interrupted is run again.

    Examples:

        interlock reconcile --json

        interlock reconcile --repair
    """
    from interlock.operations import reconcile as operations

    repaired = None
    with connection.database_errors():
        platform = connection.connect(data_dir)
        if repair:
            repaired = operations.repair(platform, lambda step: errors.print(step, markup=False))
        result = operations.reconcile(platform)
    if json:
        print_json(result.facts() | ({"repair": repaired.facts()} if repaired else {}))
    else:
        table(*result.as_table())
        if repaired:
            rebuilt = ", ".join(repaired.rebuilt) or "none"
            errors.print(f"{repaired.filled} rows filled in, {repaired.removed} removed, roll-ups rebuilt: {rebuilt}")
        verdict = ("everything is where it belongs", "green") if result.ok else ("counts differ", "red")
        errors.print(Text(*verdict))
    if not result.ok:
        raise typer.Exit(ExitCode.FAILED)
