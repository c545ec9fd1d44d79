"""`interlock metrics | sql | timeline | reconcile`: what happened, from ClickHouse and Kafka."""

import sys
from typing import Annotated

import typer

from interlock import connect
from interlock.commands.common import DataDir, Json, errors, print_json, table
from interlock.errors import Exit, UserError


def metrics(data_dir: DataDir = None, json: Json = False) -> None:
    """Show the numbers of the `metrics` view, each with the population it speaks of."""
    from sinks import queries

    with connect.database_errors():
        rows = queries.metrics(connect.platform(data_dir).clickhouse(analyst=True))
    if json:
        print_json(rows)
    else:
        table(("metric", "value"), list(rows.items()))


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
    from sinks import queries

    text = sys.stdin.read() if query == "-" else query
    with connect.database_errors():
        columns, rows = queries.select(connect.platform(data_dir).clickhouse(analyst=True), text)
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        table(columns, rows)


def timeline(
    decision_id: Annotated[str, typer.Argument(help="Id of the decision.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Tell the story of one decision, from its arrival on."""
    from sinks import queries

    with connect.database_errors():
        events = queries.decision_timeline(connect.platform(data_dir).clickhouse(analyst=True), decision_id)
    if json:
        print_json(events)
    elif events:
        table(list(events[0]), [list(event.values()) for event in events])
    if not events:
        raise UserError(f"ClickHouse knows no decision {decision_id!r}")


def reconcile(data_dir: DataDir = None, json: Json = False) -> None:
    """Compare Kafka and ClickHouse: every committed record once in its table and in the roll-ups. Exit code 1 if not."""
    from interlock.reconciling import reconcile as compare

    with connect.database_errors():
        result = compare(connect.platform(data_dir))
    if json:
        print_json(result.facts())
    else:
        table(*result.as_table())
        errors.print("[green]everything is where it belongs[/]" if result.ok else "[red]counts differ[/]")
    if not result.ok:
        raise typer.Exit(Exit.FAILED)
