"""`interlock checklist`: is this a review process, or the appearance of one?"""

from dataclasses import asdict

from interlock.cli.common import DataDir, Json, console, print_json
from interlock.platform import connection

_MARKS = {"yes": "[green]yes[/]", "partly": "[yellow]partly[/]", "no": "[red]no[/]"}


def checklist(data_dir: DataDir = None, json: Json = False) -> None:
    """Answer eight questions about the review process from what is there, each with its evidence.

    Examples:

        interlock checklist

        interlock checklist --json
    """
    from rich.markup import escape
    from rich.table import Table

    from interlock.processors.review.checklist import assess
    from interlock.review.evidence import gather

    answers = assess(gather(connection.connect(data_dir)))
    if json:
        print_json([asdict(answer) for answer in answers])
        return
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0))
    for name in ("", "question", "evidence", "what to do"):
        grid.add_column(name, overflow="fold")
    for answer in answers:
        grid.add_row(_MARKS[answer.verdict], answer.question, escape(answer.evidence), escape(answer.advice))
    console.print(grid)
