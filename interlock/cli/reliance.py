"""`interlock reliance`: how people rely on the AI's answer."""

from typing import Annotated, Any

import typer

from interlock.cli.common import DataDir, Json, console, errors, print_json, table
from interlock.platform import connection

app = typer.Typer(help="How people rely on the AI's answer.", no_args_is_help=True)

_SHARES = {
    "relative_ai_reliance": "wrong opinion given up for a right answer",
    "relative_self_reliance": "right opinion kept against a wrong answer",
    "detection": "planted wrong answers noticed",
    "over_reliance": "wrong answers taken over",
    "under_reliance": "right answers refused",
    "accuracy_ai_first": "right where the answer came first",
    "accuracy_decide_first": "right where the opinion came first",
}


@app.callback()
def reliance() -> None:
    """How people rely on the AI's answer."""


@app.command("report")
def report(
    reviewer: Annotated[str, typer.Option(help="Only of this person.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3660, help="So many days back from now.")] = 90,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Tell from the reliance experiment whom the AI's answer helps and whom it misleads, with 95 % intervals.

    Besides it names who overrides the AI less often than it errs, beyond doubt. For coaching, not for ranking.

    Examples:

        interlock reliance report --days 30

        interlock reliance report --reviewer ann --json
    """
    from interlock.operations.reliance import reliance_report

    with connection.database_errors():
        found = reliance_report(connection.connect(data_dir).clickhouse(analyst=True), days, reviewer)
    if json:
        print_json(found)
        return
    for one in found["reliance"]:
        title = f"{one['reviewer']}, {one['domain']}: {one['judgements']} verdicts, {one['known']} on known cases"
        rows = [(words, _share(one[name])) for name, words in _SHARES.items()]
        rows.append(("accuracy, opinion first minus answer first", _difference(one["accuracy_effect"], "{:+.0%}")))
        rows.append(("time, opinion first over answer first", _difference(one["time_effect"], "{:.2f}")))
        table(("", "share"), rows, title)
    few = [one for one in found["overrides"] if one["too_few"]]
    for one in few:
        console.print(
            f"{one['reviewer']} overrides less often than the AI errs in {one['domain']}: {one['overrides']} of "
            f"{one['verdicts']}, where {one['errors_of_the_model']} of {one['checked']} known answers were wrong",
            markup=False,
        )
    if not found["reliance"]:
        errors.print(f"nobody judged anything in the experiment within {days} days: see docs/reliance.md to begin one")


def _share(share: dict[str, Any]) -> str:
    if share["estimate"] is None:
        return f"too few to say ({share['of']})"
    return f"{share['estimate']:.0%} ({share['lower']:.0%} to {share['upper']:.0%}) of {share['of']}"


def _difference(difference: dict[str, Any], form: str) -> str:
    if difference["estimate"] is None:
        return "too few to say"
    return "{} ({} to {})".format(*(form.format(difference[name]) for name in ("estimate", "lower", "upper")))
