"""`interlock notices`: what people were told of decisions about them."""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, print_json
from interlock.errors import InterlockError
from interlock.platform import connection
from interlock.platform.printing import visible

app = typer.Typer(no_args_is_help=True, help="What people were told of decisions about them.")


@app.callback()
def _group() -> None:
    """What people were told of decisions about them."""


@app.command()
def show(
    decision_id: Annotated[str, typer.Argument(help="Id of the decision.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show the notices about a decision, and whether the record gives the same bytes again.

    Ends with 1 where a text cannot have come of the record.

    Examples:

        interlock notices show loan-000000

        interlock notices show loan-000000 --json
    """
    from interlock.review.payload import PayloadReader
    from interlock.review.sent_notices import known, notices_of_decision

    with connection.database_errors():
        platform = connection.connect(data_dir)
        with (
            closing(platform.clickhouse(analyst=True)) as client,
            closing(
                PayloadReader(platform.serving_kafka(), platform.clickhouse, lambda: platform.keys_to_read)
            ) as payloads,
        ):
            found = known(notices_of_decision(client, payloads, decision_id, platform.keys_to_read), decision_id)
    if json:
        print_json(asdict(found))
    else:
        for one in found.sent:
            what = f"{one.name} withdrawn" if one.withdrawn else one.name
            print(visible(f"{one.action_id}: {what}, in {one.language}, written under {one.written_under}\n"))
            print(visible(one.text if one.readable else f"({one.why})\n"))
            again = {"same": "the record gives the same bytes again", "differs": "NOT THE SAME", "unknown": "unknown"}
            print(visible(f"{again[one.again]}{f': {one.why}' if one.why else ''}\n"))
        for name in found.unwritten:
            print(
                visible(f"{name}: due, and not written: see the alerts; where no policy has words, executors send it")
            )
    if any(one.again == "differs" for one in found.sent):
        raise InterlockError(f"a notice about {decision_id} is not what its record gives")
