"""`interlock shadow`: challengers."""

from typing import Annotated, Any

import typer

from interlock.cli.common import DataDir, Json, console, errors, print_json, table
from interlock.errors import InterlockError
from interlock.platform import connection

app = typer.Typer(help="Challengers: what they would have done.", no_args_is_help=True)

_ROWS = (
    ("auto", "take effect by themselves"),
    ("workload", "seen by people"),
    ("accuracy", "right, by people's answers"),
    ("errors", "wrong and take effect by themselves"),
)
_SIDES = ("champion", "challenger", "difference")


@app.callback()
def shadow() -> None:
    """Challengers: what they would have done."""


@app.command("compare")
def compare(
    domain: Annotated[str, typer.Option(help="What is decided.")],
    champion: Annotated[str, typer.Option(help="model_id@model_version that decides.", metavar="MODEL@VERSION")],
    challenger: Annotated[
        str, typer.Option(help="model_id@model_version to compare with it.", metavar="MODEL@VERSION")
    ],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Compare a challenger with the champion on the cases that both have decided.

    A case is known by attribute `pair`, else by subject and input. What is said of accuracy and errors is corrected for
    which decisions people saw; every number has its 95 % interval.

    Examples:

        interlock shadow compare --domain loan_approval --champion german-credit@1 --challenger german-credit@2
    """
    from interlock.operations.shadow import read_comparison
    from interlock.policies.publishing import published_policies
    from interlock.policy.version import from_resolved
    from interlock.processors.shadow.comparison import summarize

    for option, value in (("--champion", champion), ("--challenger", challenger)):
        if not all(value.rpartition("@")):
            raise InterlockError(f"{option}: write model_id@model_version, such as credit-scorer@7, not {value!r}")
    broker = connection.connect(data_dir).serving_kafka()
    policies = [from_resolved(record["resolved"]) for record in published_policies(broker).values()]
    owner = next((policy for policy in policies if domain in policy.domains), None)
    if owner is None:
        known = ", ".join(sorted(name for policy in policies for name in policy.domains)) or "none"
        raise InterlockError(f"no published policy knows domain {domain!r}; known: {known}")
    comparison = {"domain": domain, "champion": champion, "challenger": challenger} | summarize(
        read_comparison(broker, domain, champion, challenger), owner.audit.rate
    )
    if json:
        print_json(comparison)
        return
    if not comparison["pairs"]:
        raise InterlockError(
            f"no case was decided by both: {comparison['only_champion']:,} by {champion} alone, "
            f"{comparison['only_challenger']:,} by {challenger} alone. "
            "Cases are matched by attribute `pair`, else by subject_id and input; records are kept for 14 days."
        )
    _show(comparison)


def _show(comparison: dict[str, Any]) -> None:
    champion, challenger = comparison["champion"], comparison["challenger"]
    console.print(
        f"{comparison['pairs']:,} cases decided by both; {comparison['only_champion']:,} by {champion} alone, "
        f"{comparison['only_challenger']:,} by {challenger} alone. They agree on {_interval(comparison['agreement'])}."
    )
    rows = [
        (label, *(_interval(comparison[name][side], side == "difference") for side in _SIDES))
        for name, label in _ROWS
        if comparison[name]
    ]
    table(("share of all cases", champion, challenger, "difference"), rows)
    if not comparison["answered"]:
        errors.print("Nobody has answered one of these cases yet: nothing is known about accuracy and errors.")
        return
    answered = comparison["answered"]
    errors.print(
        f"Accuracy and errors: {answered:,} cases that people answered, weighted by 1 / propensity. "
        f"In {answered - comparison['blind']:,} of them the person saw what the deciding model proposed, which "
        "speaks for that model."
    )


def _interval(estimate: dict[str, float], signed: bool = False) -> str:
    sign = "+" if signed else ""
    return (
        f"{100 * estimate['value']:{sign}.1f} % [{100 * estimate['low']:{sign}.1f}, {100 * estimate['high']:{sign}.1f}]"
    )
