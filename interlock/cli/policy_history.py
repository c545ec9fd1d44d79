"""`interlock policy history`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from interlock.cli.common import DataDir, Json, console, errors, print_json, table
from interlock.cli.trials import Name
from interlock.errors import InterlockError
from interlock.platform import connection
from interlock.platform.extras import explain

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.platform.connection import Platform
    from interlock.streams.ports import Broker


def history(name: Name, data_dir: DataDir = None, json: Json = False) -> None:
    """Show every version that was in force, newest first: who, why, what was forecast, and what then happened.

    Examples:

        interlock policy history lending
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from interlock.policies import history as told

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    found, unavailable = told.versions(broker, lambda: _clickhouse(platform), name)
    if not found and not unavailable:
        raise InterlockError(f"no policy named {name!r} was ever published")
    found.sort(key=lambda record: record["published_at"], reverse=True)
    results: dict[str, Any] = {}
    stages: list[dict[str, Any]] = []
    if not unavailable:
        try:
            results = told.happened(lambda: _clickhouse(platform), [record["version"] for record in found])
            stages = told.trials(lambda: _clickhouse(platform), name)
        except (ClickHouseError, InterlockError) as error:
            unavailable = f"what happened is not known: {str(error).strip().splitlines()[0]}"
    versions = [{**told.unpacked(record), "happened": results.get(record["version"])} for record in found]
    if not unavailable:
        for version in versions:
            version["compared"] = _compared(platform, broker, version, versions)
    if json:
        print_json({"versions": versions, "trials": stages, "unavailable": unavailable})
        return
    table(
        ("version", "published at", "signed by", "from", "note", "forecast", "in trial", "decided since", "by people"),
        [_row(version) for version in versions],
    )
    for version in versions:
        _show_compared(version)
    if stages:
        console.print("\ntrials:", markup=False)
        table(
            ("version", "stage", "share", "since", "signed by", "note"),
            [
                (
                    stage["version"],
                    stage["stage"],
                    f"{stage['share']:.0%}",
                    f"{stage['started_at']:%Y-%m-%d %H:%M}",
                    ", ".join(stage["signed_by"]),
                    stage["note"],
                )
                for stage in stages
            ],
        )
    if unavailable:
        errors.print(unavailable, markup=False)


def _row(version: Mapping[str, Any]) -> tuple[str, ...]:
    from interlock.policies import forecasts

    observed, happened = version["observed"], version["happened"]
    rerouted = forecasts.compared(version["forecast"], observed)
    routes = happened["routes"] if happened else {}
    return (
        version["version"],
        f"{version['published_at']:%Y-%m-%d %H:%M}",
        ", ".join(version["signed_by"]) or version["published_by"],
        f"roll back of {version['roll_back_of']}" if version["roll_back_of"] else version["stage"] or "not told",
        version["note"],
        "" if rerouted["forecast"] is None else f"{rerouted['forecast']:.1%} differ",
        f"{observed['changed']:,} of {observed['decisions']:,} differ" if observed else "",
        ", ".join(f"{route} {count:,}" for route, count in sorted(routes.items())),
        f"{happened['by_people']:,}, {happened['overridden']:,} otherwise" if happened else "",
    )


def _compared(
    platform: "Platform", broker: "Broker", version: Mapping[str, Any], versions: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    from interlock.policies import history as told

    if not version["forecast"]:
        return None
    try:
        from interlock.policies.replay import comparisons
    except ModuleNotFoundError as error:
        # Who has the extra of the command line alone reads the rest of the history.
        unavailable = explain(error, "a comparison") or str(error)
        return {"days": 0.0, "of_days": 0.0, "measures": [], "unavailable": unavailable}
    found = told.find(broker, lambda: _clickhouse(platform), version["name"], version["version"])
    until = comparisons.replaced_at(versions, version) or datetime.now(UTC)
    record = {**found, "published_at": version["published_at"]}
    return comparisons.compared(lambda: closing(platform.clickhouse()), record, until, platform.keys_to_read)


def _show_compared(version: Mapping[str, Any]) -> None:
    compared = version.get("compared")
    if not compared:
        return
    if compared["unavailable"]:
        errors.print(f"{version['version']}: what happened cannot be compared: {compared['unavailable']}", markup=False)
        return
    words = {
        True: "inside",
        False: "outside",
        None: "too early" if compared["days"] < compared["of_days"] else "unknown",
    }
    rows = [
        (
            f"{one['measure']} {one['of']}".strip(),
            round(one["forecast"], 1),
            f"{one['low']:,.1f} to {one['high']:,.1f}",
            "" if one["happened"] is None else round(one["happened"], 1),
            "" if one["happened_low"] is None else f"{one['happened_low']:,.1f} to {one['happened_high']:,.1f}",
            words[one["inside"]],
        )
        for one in compared["measures"]
    ]
    console.print(
        f"\n{version['version']}: {compared['days']:.1f} of the {compared['of_days']:.1f} days of its forecast",
        markup=False,
        highlight=False,
    )
    table(("a day", "forecast", "band", "happened", "interval", "in the band"), rows)


def _clickhouse(platform: "Platform") -> AbstractContextManager["Client"]:
    return closing(platform.clickhouse(analyst=True))
