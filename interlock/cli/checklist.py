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

    found = assess(gather(connection.connect(data_dir)))
    if json:
        print_json([asdict(one) for one in found])
        return
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0))
    for name in ("", "question", "evidence", "what to do"):
        shown.add_column(name, overflow="fold")
    for one in found:
        shown.add_row(_MARKS[one.verdict], one.question, escape(one.evidence), escape(one.advice))
    console.print(shown)
