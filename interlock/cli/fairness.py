"""`interlock fairness`: what happened to groups of people."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.platform import connection

Since = Annotated[str, typer.Option(help="From when on: how long ago (12h, 30d), or a time (UTC).")]
Until = Annotated[str, typer.Option(help="Until when, in the same way.", show_default="now")]


def fairness(
    domain: Annotated[str, typer.Option(help="Which domain; its policy says which groups there are.")],
    since: Since = "30d",
    until: Until = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Tell by group how much was decided by machine, how often it was wrong, and how often it was favourable.

    Groups are those that the policy in force names in `groups`. Errors are estimated from verdicts, by 1/propensity.
    The group whose automated decisions are wrong beyond doubt comes first.

    Examples:

        interlock fairness --domain loan_approval --since 30d

        interlock fairness --domain loan_approval --since 2026-11-01 --until 2026-12-01 --json
    """
    from interlock.errors import UsageError
    from interlock.policies import publishing
    from interlock.policies.group_rows import FAIRNESS_COLUMNS, fairness_rows
    from interlock.policies.replay.fairness import fairness as report
    from interlock.policies.replay.times import read_range
    from interlock.policy.review import owner
    from interlock.policy.version import from_resolved

    start, end = read_range(since, until, datetime.now(UTC))
    with connection.database_errors():
        platform = connection.connect(data_dir)
        published = publishing.published_policies(platform.serving_kafka())
        policy = owner({name: from_resolved(one["resolved"]) for name, one in published.items()}, domain)
        if policy is None:
            raise UsageError(f"no policy in force has the domain {domain!r}; `interlock policy list` shows them")
        rows = report(platform.clickhouse(), policy, domain, start, end, platform.keys_to_read)
    if json:
        print_json(rows)
        return
    if not policy.domains[domain].groups:
        errors.print(f"the policy names no groups of {domain}: write `groups: [attribute]` in its domain", markup=False)
    table(FAIRNESS_COLUMNS, fairness_rows(rows), f"{domain}, {start:%Y-%m-%d} to {end:%Y-%m-%d}", optional=("remarks",))
    if rows and rows[0]["unreadable"]:
        errors.print(f"{rows[0]['unreadable']:,} more are left out: the keys are gone that seal their attributes")
    if not rows:
        errors.print("no decision of the domain was routed in this time")
