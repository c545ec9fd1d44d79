"""`interlock policy`, `interlock halt`, `interlock resume`: what may take effect by itself."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli import trials
from interlock.cli.common import DataDir, Json, console, errors, print_json, table
from interlock.cli.halts import show_halts
from interlock.cli.policy_history import history
from interlock.cli.policy_replay import replay
from interlock.errors import InterlockError, UsageError
from interlock.platform import connection
from interlock.platform.exit_codes import ExitCode

app = typer.Typer(help="Policies: which decisions may take effect by themselves.", no_args_is_help=True)

PolicyFile = Annotated[Path, typer.Argument(help="A policy file (YAML).")]
By = Annotated[str, typer.Option("--by", help="Who is responsible for it.", show_default="your login name")]


def _me() -> str:
    return getpass.getuser()


@app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="Policy files (YAML).")],
    roster: Annotated[
        Path | None, typer.Option("--roster", help="A roster file (YAML): also check that its people can do the work.")
    ] = None,
    json: Json = False,
) -> None:
    """Check policy files; every problem is named with file, line, field and a suggestion.

    Warns of priority rules that are never reached. With a roster it refuses what `publish` would refuse, a pack whose
    qualifications nobody has today, and warns of other work that nobody may do.

    Examples:

        interlock policy check examples/*/policy.yaml

        interlock policy check lending.yaml --roster roster.yaml --json
    """
    import time

    from interlock.operations.staffing import unstaffed
    from interlock.policies.honouring import unqualified_queues
    from interlock.policy.errors import PolicyError
    from interlock.policy.load import load
    from interlock.policy.shadowed import shadowed
    from interlock.policy.version import version
    from interlock.processors.desk.reviewers import from_record
    from interlock.review.roster import load_roster

    people = None if roster is None else [from_record(person.to_record()) for person in load_roster(roster)]
    now = time.time_ns() // 1000
    good, problems, warnings, unhonoured = [], [], [], []
    for file in files:
        try:
            loaded = load(file)
        except PolicyError as error:
            problems += error.problems
        else:
            good.append((str(file), loaded.name, version(loaded)))
            told = list(shadowed(loaded))
            if people is not None:
                unhonoured += [f"{file}: {line}" for line in unqualified_queues(loaded, people, now)]
                told += unstaffed([loaded], people, now)
            warnings += [f"{file}: {warning}" for warning in told]
    if json:
        print_json(
            {
                "policies": [dict(zip(("file", "name", "version"), row, strict=True)) for row in good],
                "problems": [problem.__dict__ for problem in problems],
                "unhonoured": unhonoured,
                "warnings": warnings,
            }
        )
    else:
        if good:
            table(("file", "policy", "version"), good)
        for problem in problems:
            errors.print(str(problem), markup=False, highlight=False)
        for line in unhonoured:
            errors.print(f"cannot be honoured: {line}", markup=False, highlight=False)
        for warning in warnings:
            errors.print(f"warning: {warning}", markup=False, highlight=False)
    if problems or unhonoured:
        raise typer.Exit(ExitCode.FAILED)


@app.command("show")
def show(
    name: Annotated[str | None, typer.Argument(help="Name of a published policy.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the published policies, or show one as it was written.

    Examples:

        interlock policy show lending
    """
    from interlock.policies import publishing

    published = publishing.published_policies(connection.connect(data_dir).serving_kafka())
    if name is None:
        facts = [
            {key: record[key] for key in ("name", "version", "published_at", "published_by", "note")}
            for record in published.values()
        ]
        if json:
            print_json(facts)
        else:
            table(
                ("policy", "version", "published at", "by", "note"),
                [tuple(str(value) for value in policy.values()) for policy in facts],
            )
        return
    if name not in published:
        known = ", ".join(sorted(published)) or "none"
        raise InterlockError(f"no policy named {name!r} is published (published: {known})")
    if json:
        print_json(published[name])
    else:
        console.print(published[name]["source"], markup=False, highlight=False)


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="A policy file, or the name of a published policy; may be left out.")],
    new: Annotated[Path | None, typer.Argument(help="The policy file that is compared with it.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say what a policy file changes, compared with another file or with what is published.

    One file alone is compared with the published policy of its name.

    Examples:

        interlock policy diff examples/loan_approval/policy.yaml

        interlock policy diff lending examples/loan_approval/policy.yaml
    """
    from interlock.policies import publishing
    from interlock.policy.diff import diff as compare

    changed = publishing.load_policy(new or Path(old))
    changes = compare(publishing.policy_named(old if new else changed.name, data_dir), changed)
    if json:
        print_json([change.__dict__ for change in changes])
    elif changes:
        for change in changes:
            console.print(str(change), markup=False, highlight=False)
    else:
        errors.print("no difference in meaning")


@app.command("packs")
def packs(
    name: Annotated[str | None, typer.Argument(help="Name of one pack.")] = None,
    pages: Annotated[
        Path | None, typer.Option(help="Write a page about each pack into this folder, and ask no platform.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the packs: their duties, where each stands in the law, what fulfils it, which test shows it, who uses it.

    No legal advice. Without a platform that serves, which policies use a pack is unknown.

    Examples:

        interlock policy packs

        interlock policy packs ecoa-fcra --json
    """
    from interlock.policies.packs import pack_facts, uses_of_packs
    from interlock.policy.pack_pages import pages as written
    from interlock.policy.regulation import NO_ADVICE, pack_names, regulation
    from interlock.policy.syntax import near

    if name is not None and name not in pack_names():
        raise UsageError(f"there is no pack {name!r} ({near(name, pack_names())})")
    regulations = {one: regulation(one) for one in pack_names() if name in (None, one)}
    if pages is not None:
        pages.mkdir(parents=True, exist_ok=True)
        for file, text in written({one: regulation(one) for one in pack_names()}).items():
            (pages / file).write_text(text, encoding="utf-8")
        return
    uses = uses_of_packs(data_dir)
    if json:
        facts = [pack_facts(one, found, uses) for one, found in regulations.items()]
        print_json({"advice": NO_ADVICE, "packs": facts})
        return
    for one, found in regulations.items():
        users = "unknown, as no platform serves" if uses is None else ", ".join(uses.get(one, ())) or "no policy"
        console.print(f"{one}: {found.title} (in use by: {users})", highlight=False)
        rows = [(duty.source, duty.text, duty.enforced_by, duty.test) for duty in found.duties]
        table(("source", "duty", "fulfilled by", "test"), rows)
    errors.print(NO_ADVICE)


@app.command("publish")
def publish(
    file: PolicyFile,
    by: By = "",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a policy in force; routers take it up before their next batch.

    Refuses a policy whose packs cannot be honoured: nobody on the roster has a qualification that a pack demands, or
    ClickHouse keeps records for less. Warns of priority rules that are never reached and of other work that nobody on
    the roster may do. Refused, too, where the version in force demands a trial, or two people (`publishing`): see
    `interlock policy try`.

    Examples:

        interlock policy publish examples/loan_approval/policy.yaml --note "first version"
    """
    import time

    from interlock.operations.retention import check_retention
    from interlock.operations.staffing import roster_problems
    from interlock.policies import publishing
    from interlock.policy.shadowed import shadowed

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    loaded, source = publishing.read_policy(file)
    unseen = check_retention(platform, loaded)
    version = publishing.publish_text(broker, loaded, source, str(file), by or _me(), note, platform.signer)
    warnings = [*shadowed(loaded), *roster_problems(broker, time.time_ns() // 1000)]
    if unseen:
        warnings.append(unseen)
    if json:
        print_json({**version, "warnings": warnings})
    else:
        errors.print(f"policy {version['name']} version {version['version']} is in force")
        for warning in warnings:
            errors.print(f"warning: {warning}")


for name, command in (
    ("replay", replay),
    ("try", trials.try_),
    ("candidate", trials.candidate),
    ("share", trials.share),
    ("promote", trials.promote),
    ("withdraw", trials.withdraw),
    ("roll-back", trials.roll_back),
    ("history", history),
):
    app.command(name)(command)


def halt(
    scope: Annotated[str | None, typer.Argument(help="all, domain:NAME, model:ID or model:ID@VERSION.")] = None,
    reason: Annotated[str, typer.Option(help="Why; shown to everybody.")] = "",
    by: By = "",
    list_: Annotated[bool, typer.Option("--list", help="List what is halted, and change nothing.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Pull the kill switch: from the next batch on nothing in scope takes effect without a person.

    Examples:

        interlock halt model:credit-scorer@7 --reason "drift alarm"

        interlock halt --list
    """
    from interlock.policies import publishing
    from interlock.policies.controls import read_halts

    if list_ and scope is not None:
        raise UsageError("--list takes no scope: it lists every halt")
    if not list_ and (scope is None or not reason.strip()):
        raise UsageError("name a scope and a --reason, or use --list")
    broker = connection.connect(data_dir).serving_kafka()
    if scope is not None:
        publishing.publish_control(broker, scope, True, reason, by or _me())
        if not json:
            errors.print(
                f'halted: {scope}; `interlock resume {scope} --reason "…"` lifts it', markup=False, soft_wrap=True
            )
            return
    halts = read_halts(broker)
    if json:
        print_json([halt.facts() for halt in halts])
    elif halts:
        show_halts(halts)
    else:
        errors.print("nothing is halted")


def resume(
    scope: Annotated[str, typer.Argument(help="A scope as given to halt.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    by: By = "",
    data_dir: DataDir = None,
) -> None:
    """Lift a halt.

    Examples:

        interlock resume model:credit-scorer@7 --reason "false alarm"
    """
    from interlock.policies import publishing

    publishing.publish_control(connection.connect(data_dir).serving_kafka(), scope, False, reason, by or _me())
    errors.print(f"resumed: {scope}", markup=False)
