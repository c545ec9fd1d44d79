"""`interlock checklist`: is this a review process, or the appearance of one?"""

from dataclasses import asdict

from interlock.cli.common import DataDir, Json, console, print_json
from interlock.platform import connection
from interlock.platform.printing import visible

_COLOURS = {"yes": "green", "partly": "yellow", "no": "red"}


def checklist(data_dir: DataDir = None, json: Json = False) -> None:
    """Answer eight questions about the review process from what is there, each with its evidence.

    Examples:

        interlock checklist

        interlock checklist --json
    """
    from rich.table import Table
    from rich.text import Text

    from interlock.processors.review.checklist import assess
    from interlock.review.evidence import gather

    answers = assess(gather(connection.connect(data_dir)))
    if json:
        print_json([asdict(answer) for answer in answers])
        return
    grid = Table.grid(padding=(0, 2, 1, 0))
    grid.add_column()
    grid.add_column(overflow="fold")
    for answer in answers:
        text = Text.assemble((answer.question, "bold"), f"\n{visible(answer.evidence)}")
        if answer.advice:
            text.append(f"\nWhat to do: {visible(answer.advice)}", "yellow")
        grid.add_row(Text(answer.verdict, _COLOURS[answer.verdict]), text)
    console.print(grid)
