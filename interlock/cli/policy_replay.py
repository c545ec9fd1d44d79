"""`interlock policy replay`: what a candidate would have done with the decisions of the past."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.platform import connection

if TYPE_CHECKING:
    from interlock.learning.count_forecasts import Band
    from interlock.learning.strata import Total
    from interlock.policies.replay import Replay
    from interlock.policies.replay.forecast import Errors
    from interlock.policies.replay.known_errors import InTruth
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
        platform = connection.connect(data_dir)
        result = run(platform.clickhouse(), policy, start, end, platform.keys_to_read)
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
    if result.unreadable:
        errors.print(f"{result.unreadable:,} more are left out: the keys are gone that seal what the rules ask for")
    cells = [(cell.old, cell.new, cell.decisions) for cell in result.matrix]
    table(("route then", "with the candidate", "decisions"), cells)
    if result.rerouted:
        _print_changes(result)
    print()
    tasks = [(queue.queue, round(queue.then), round(queue.total.mean), _whole(queue.total)) for queue in result.queues]
    table(("queue", "tasks then", "with the candidate", "next period"), tasks, title="Tasks")
    print()
    table(
        ("of", "passed", "would pass", "95 % interval", "next period", "of decisions", "nothing known of"),
        [_errors(of) for of in result.errors],
        title="Errors that take effect with nobody certain to see them (estimated from verdicts, by 1/propensity)",
    )
    if result.errors_in_truth is not None:
        errors.print(_in_truth(result.errors_in_truth))
    if result.breaches:
        print()
        rows = [(one.queue, round(one.due), round(one.late, 1), _ends(one.low, one.high)) for one in result.breaches]
        table(
            ("queue", "due", "late", "nine in ten runs"),
            rows,
            title="Late tasks at the staffing of the range (simulated)",
        )
    overrides = result.overrides
    errors.print(
        f"people would overrule {overrides.value:,.0f} of {overrides.population:,.0f} answers "
        f"({_ends(overrides.next_low, overrides.next_high)} in a next period of this length)"
    )


def _print_changes(result: "Replay") -> None:
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


def _in_truth(found: "InTruth") -> str:
    if found.known:
        ends = _ends(found.low, found.high)
        return f"in truth {found.value:,.0f} would pass ({ends}), by what people miss and change by mistake"
    from interlock.learning.reviewer_errors import SUPPOSED_MISSED

    supposed = f"if people miss {SUPPOSED_MISSED:.0%} of errors, {found.value:,.0f} would pass"
    return f"{supposed}: too little is known of what they miss"


def _errors(of: "Errors") -> tuple[str, float | None, float | None, str, str, float, float]:
    then, now = of.then, of.candidate
    return (
        f"{of.attribute} = {of.value}" if of.attribute else "all",
        _known(then),
        _known(now),
        _ends(now.low, now.high),
        _ends(now.next_low, now.next_high),
        round(now.population),
        round(now.unknown),
    )


def _known(total: "Total") -> float | None:
    """None where nobody has judged a decision like these."""
    return round(total.value, 1) if total.judged or not total.unknown else None


def _whole(band: "Band") -> str:
    return _ends(band.low, band.high)


def _ends(low: float, high: float) -> str:
    return f"{low:,.0f} to {high:,.0f}"


def _fate(fate: "Fate") -> tuple[str, str]:
    return fate.route, ", ".join(fate.reasons)
