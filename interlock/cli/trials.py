"""`interlock policy try`, `candidate`, `share`, `promote`, `withdraw`, `roll-back`."""

import getpass
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.common import DataDir, Json, console, errors, print_json, table
from interlock.errors import UsageError
from interlock.platform import connection

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.platform.connection import Platform
    from interlock.policies.observed import Observed

Name = Annotated[str, typer.Argument(help="Name of the policy.")]
By = Annotated[str, typer.Option("--by", help="Who is responsible for it.", show_default="your login name")]
Note = Annotated[str, typer.Option(help="Why, in your words.")]


def try_(
    file: Annotated[Path | None, typer.Argument(help="A policy file (YAML).")] = None,
    proposal: Annotated[str, typer.Option(help="Instead of a file: the policy with the change of a proposal.")] = "",
    forecast: Annotated[
        Path | None, typer.Option(help="What `interlock policy replay … --json` had forecast, as a file.")
    ] = None,
    by: By = "",
    note: Note = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Try a change in shadow: the version in force goes on to decide, and every decision tells what both would do.

    Examples:

        interlock policy try examples/loan_approval/policy.yaml --forecast replay.json --note "fewer reviews"

        interlock policy try --proposal threshold-3fa9c2d1b0
    """
    from interlock.policies import publishing, signing, trials
    from interlock.policy.load import parse

    if (file is None) == (not proposal):
        raise UsageError("name a policy file, or a --proposal")
    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    published = publishing.published_policies(broker)
    if file is not None:
        policy, source = publishing.read_policy(file)
        name = policy.name
    else:
        found = signing.find(signing.read_proposals(broker), proposal)
        in_force = published.get(found["policy"], {"source": ""})
        source = signing.changed_source(in_force["source"], found)
        name, note = parse(source, proposal).name, note or f"proposal {proposal}: {found['title']}"
    base = published[name]["version"] if name in published else ""
    told = _text(forecast) if forecast is not None else ""
    record = trials.begin(
        broker,
        source,
        base,
        by or getpass.getuser(),
        note,
        publishing.now(),
        forecast=told,
        signer=platform.signer,
    )
    if json:
        print_json(trials.facts(record))
    else:
        errors.print(f"policy {name} version {record['version']} is tried in shadow; it decides nothing", markup=False)


def share(
    name: Name,
    share_: Annotated[float, typer.Argument(metavar="SHARE", help="From 0 (none again) to 0.5.", min=0.0)],
    by: By = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Let the change that is tried decide a share of the decisions, or none again.

    A larger share than before takes what a promotion takes: a trial that was long enough, and a second person where the
    policy or INTERLOCK_API__FOUR_EYES demands one.

    Examples:

        interlock policy share lending 0.1 --by ben
    """
    from interlock.policies import publishing, trials

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    found = trials.candidate(broker, name)
    if share_ > found["share"]:
        _check_retention(platform, found["source"])
    record = trials.give_share(
        broker,
        name,
        found["version"],
        share_,
        by or getpass.getuser(),
        publishing.now(),
        _observed(platform, found),
        four_eyes=platform.settings.api.four_eyes,
        signer=platform.signer,
    )
    if json:
        print_json(trials.facts(record))
    else:
        errors.print(f"policy {name} version {record['version']} decides {record['share']:.0%}", markup=False)


def promote(name: Name, by: By = "", note: Note = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Sign the change that is tried: it is in force from the routers' next batch on.

    Whoever began the trial may not promote it where two people are demanded, and a trial that was too short is refused
    with what is missing.

    Examples:

        interlock policy promote lending --by ben --note "as forecast"
    """
    from interlock.policies import publishing, trials

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    found = trials.candidate(broker, name)
    _check_retention(platform, found["source"])
    record = trials.promote(
        broker,
        name,
        found["version"],
        by or getpass.getuser(),
        note,
        publishing.now(),
        _observed(platform, found),
        four_eyes=platform.settings.api.four_eyes,
        signer=platform.signer,
    )
    if json:
        print_json({key: record[key] for key in ("name", "version", "base_version", "stage", "signed_by", "note")})
    else:
        errors.print(f"policy {name} version {record['version']} is in force", markup=False)


def withdraw(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; whoever reads the history sees it.")],
    by: By = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """End the trial of a change; the version in force decides everything again.

    Examples:

        interlock policy withdraw lending --reason "twice the reviews that were forecast"
    """
    from interlock.policies import publishing, trials

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    version, person = trials.candidate(broker, name)["version"], by or getpass.getuser()
    record = trials.withdraw(broker, name, version, person, reason, publishing.now(), signer=platform.signer)
    if json:
        print_json(trials.facts(record))
    else:
        errors.print(f"policy {name} version {version} is tried no more", markup=False)


def candidate(name: Name, data_dir: DataDir = None, json: Json = False) -> None:
    """Show the change that is tried, and what it and the version in force would do with the same decisions.

    Examples:

        interlock policy candidate lending
    """
    from interlock.policies import forecasts, publishing, trials

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    found, now = trials.candidate(broker, name), publishing.now()
    observed = _observed(platform, found)
    published = publishing.published_policies(broker)
    missing = trials.missing(publishing.demands(published, name), found, observed, now)
    stale, shown, seen = trials.stale(published, found), trials.facts(found), observed.facts(now)
    rerouted = forecasts.compared(shown["forecast"], seen)
    if json:
        print_json({**shown, "stale": stale, "missing": missing, "observed": seen, "rerouted": rerouted})
        return
    rows = [(key, shown[key]) for key in ("version", "base_version", "stage", "share", "published_at", "published_by")]
    table(("", ""), [*rows, ("note", shown["note"]), ("signed by", ", ".join(shown["signed_by"]))])
    show_matrix(observed)
    if rerouted["forecast"] is not None:
        console.print(f"forecast: {rerouted['forecast']:.1%} differ", markup=False, highlight=False)
    if stale:
        errors.print("stale: another version is in force than it was tried against; it decides nothing: try it again")
    for lack in missing:
        errors.print(f"before it may be promoted: {lack}", markup=False)


def roll_back(
    name: Name,
    version: Annotated[str, typer.Argument(help="The earlier version, as `interlock policy history` shows it.")],
    by: By = "",
    note: Note = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put an earlier version in force again, at once: what it does is known.

    Where the policy in force demands two people, this asks for a signature, and another person accepts it.

    Examples:

        interlock policy roll-back lending 0123456789abcdef --note "too many overrides"
    """
    from interlock.policies import history, publishing, requests, signing

    platform = connection.connect(data_dir)
    broker, person = platform.serving_kafka(), by or getpass.getuser()
    source = history.find(broker, lambda: _clickhouse(platform), name, version)["source"]
    _check_retention(platform, source)
    published = publishing.published_policies(broker)
    base, why = published[name]["version"] if name in published else "", f"back to version {version}: {note}"
    if publishing.demands(published, name).four_eyes:
        asked = requests.request_policy(broker, source, base, person, why, publishing.now(), roll_back_of=version)
        if json:
            print_json({"state": "waiting", "proposal": signing.facts(asked)})
        else:
            errors.print(
                f"asked for: another person signs it with `interlock proposals accept {asked['proposal_id']}`",
                markup=False,
                soft_wrap=True,
            )
        return
    record = requests.publish_source(broker, source, base, person, why, roll_back_of=version, signer=platform.signer)
    if json:
        print_json({"state": "published", "name": name, "version": record["version"], "roll_back_of": version})
    else:
        errors.print(f"policy {name} version {record['version']} is in force", markup=False)


def show_matrix(observed: "Observed") -> None:
    """How many decisions the version in force and the candidate route where, as a table."""
    table(
        ("in force", "candidate", "decisions", "decided by the candidate"),
        [(cell.live, cell.candidate, f"{cell.decisions:,}", f"{cell.by_candidate:,}") for cell in observed.cells],
    )
    console.print(f"{observed.changed:,} of {observed.decisions:,} decisions differ", markup=False, highlight=False)


def _check_retention(platform: "Platform", source: str) -> None:
    """Raises UnhonouredPackError where rows are kept for less than the packs of a text demand; warns if unknown."""
    from interlock.operations.retention import check_retention
    from interlock.policy.load import parse

    unseen = check_retention(platform, parse(source, "policy"))
    if unseen:
        errors.print(f"warning: {unseen}", markup=False)


def _observed(platform: "Platform", found: Mapping[str, Any]) -> "Observed":
    from interlock.policies.observed import observe

    with _clickhouse(platform) as client:
        return observe(client, found)


def _clickhouse(platform: "Platform") -> AbstractContextManager["Client"]:
    return closing(platform.clickhouse(analyst=True))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the forecast {file} cannot be read: {error}") from error
