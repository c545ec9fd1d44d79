"""`interlock policy replay`: what a candidate would have done with the decisions of the past."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.platform import connection

if TYPE_CHECKING:
    from interlock.policies.replay import Replay
    from interlock.policies.replay.matrix import Fate

Candidate = Annotated[str, typer.Argument(help="A policy file (YAML), or the name of a published policy.")]
Since = Annotated[str, typer.Option(help="From when on: how long ago (12h, 7d), or a time (UTC).")]
Until = Annotated[str, typer.Option(help="Until when, in the same way.", show_default="now")]


def replay(
    candidate: Candidate, since: Since = "7d", until: Until = "", data_dir: DataDir = None, json: Json = False
) -> None:
    """Run a candidate on history: which decisions would have gone elsewhere, and for which rules.

    Reads ClickHouse and changes nothing. Only decisions of the candidate's domains are looked at. Ends with 1 where no
    decision was routed in the range.

    Examples:

        interlock policy replay examples/loan_approval/policy.yaml --since 7d

        interlock policy replay lending --since 2026-11-01 --until 2026-11-08 --json
    """
    from interlock.policies import publishing
    from interlock.policies.replay import replay as run
    from interlock.policies.replay.times import read_range

    start, end = read_range(since, until, datetime.now(UTC))
    policy = publishing.policy_named(candidate, data_dir)
    with connection.database_errors():
        result = run(connection.connect(data_dir).clickhouse(), policy, start, end)
    if json:
        print_json(result.facts())
    else:
        _print(result)


def _print(result: "Replay") -> None:
    errors.print(
        f"{result.policy} version {result.version} on {result.decisions:,} decisions of {', '.join(result.domains)}, "
        f"{result.since:%Y-%m-%d %H:%M} to {result.until:%Y-%m-%d %H:%M} UTC: {result.rerouted:,} would take another "
        f"route, {result.other_reasons:,} the same for other reasons"
    )
    if result.ambiguous:
        errors.print(f"{result.ambiguous:,} stay with people: more than one policy claimed their domain")
    cells = [(cell.old, cell.new, cell.decisions) for cell in result.matrix]
    table(("route then", "with the candidate", "decisions"), cells)
    if not result.rerouted:
        return
    print()
    table(
        ("reason", "new in", "gone from"),
        [(effect.reason, effect.added, effect.removed) for effect in result.rules],
        title="Why routes change (decisions)",
    )
    print()
    table(
        ("decision", "then", "because", "with the candidate", "because"),
        [(example.decision_id, *_fate(example.old), *_fate(example.new)) for example in result.examples],
        title="Examples",
    )


def _fate(fate: "Fate") -> tuple[str, str]:
    return fate.route, ", ".join(fate.reasons)
