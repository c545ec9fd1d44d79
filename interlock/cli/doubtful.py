"""`interlock review doubtful`: verdicts to look at again."""

from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.platform import connection


def doubtful(
    domain: Annotated[str, typer.Option(help="Of which domain.")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="So many days back from now.")] = 30,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most.")] = 20,
    confirmed: Annotated[
        bool | None,
        typer.Option(
            "--confirmed/--changed", help="Only where the person left the answer, or changed it.", show_default="both"
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the verdicts that are most likely wrong, for a lead to look at again.

    Neither the model's confidence nor the person's record on gold items supports them. That is no proof: a person may
    well see what the model does not. What people overlook is among the confirmed ones.

    Examples:

        interlock review doubtful --domain loan_approval --days 7

        interlock review doubtful --domain loan_approval --confirmed
    """
    from interlock.operations.doubtful import doubtful as ranked

    with connection.database_errors():
        found = ranked(connection.connect(data_dir).clickhouse(analyst=True), domain, days, limit, confirmed)
    if json:
        print_json(found)
        return
    rows = [
        (
            one["decision_id"],
            one["reviewer"],
            one["prediction"],
            one["outcome"],
            f"{one['confidence']:.0%}",
            f"{one['doubt']:.0%}",
            f"{one['at']:%Y-%m-%d %H:%M}",
        )
        for one in found
    ]
    table(("decision", "reviewer", "model said", "person said", "confidence", "probably wrong", "when"), rows)
    if found:
        errors.print("`interlock explain DECISION` shows a case; `interlock review appeal` has it judged again")
    else:
        errors.print(f"nobody gave a verdict in {domain} within {days} days", markup=False)
