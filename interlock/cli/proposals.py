"""`interlock proposals`: what the learning side suggests, for a person to sign."""

import getpass
import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.common import DataDir, Json, console, errors, print_json, table
from interlock.platform import connection
from interlock.platform.printing import visible_json
from interlock.schemas.times import moment

if TYPE_CHECKING:
    from interlock.processors.proposals.proposal_table import Proposal

app = typer.Typer(
    help="Changes that people's answers justify: look at the evidence, sign or refuse.", no_args_is_help=True
)

Id = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Id as listed.")]
By = Annotated[str, typer.Option("--by", help="Who is responsible for it.", show_default="your login name")]


@app.command("list")
def list_proposals(
    data_dir: DataDir = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that were decided or no longer hold.")] = False,
    kind: Annotated[
        str | None, typer.Option(help="Only threshold, safe_rule, policy, retraining or coaching.", metavar="KIND")
    ] = None,
    json: Json = False,
) -> None:
    """List the proposals that wait for a decision, the latest last.

    Examples:

        interlock proposals list --kind threshold
    """
    from interlock.policies import signing

    proposals = [
        proposal
        for proposal in signing.read_proposals(connection.connect(data_dir).serving_kafka())
        if (every or proposal["state"] == "open") and kind in (None, proposal["kind"])
    ]
    proposals.sort(key=lambda proposal: (proposal["proposed_at"], proposal["proposal_id"]))
    if json:
        print_json([signing.facts(proposal) for proposal in proposals])
        return
    table(
        ("proposal", "state", "what", "people see less", "errors"),
        [
            (
                proposal["proposal_id"],
                proposal["state"],
                proposal["title"],
                _interval(proposal, "workload"),
                _interval(proposal, "error"),
            )
            for proposal in proposals
        ],
    )
    waiting = sum(proposal["state"] == "open" for proposal in proposals)
    errors.print(f"{waiting:,} open; `interlock proposals show PROPOSAL` shows the evidence")


@app.command("progress")
def progress(data_dir: DataDir = None, json: Json = False) -> None:
    """Show how far every lane of the policies in force is on its way to a certificate.

    An audit counts as one; a review that was certain counts for as much less as it was surer. "About" assumes that the
    errors stay as they are, the days that the pace of the last week does.

    Examples:

        interlock proposals progress
    """
    from interlock.policies import progress as reading

    broker = connection.connect(data_dir).serving_kafka()
    lanes = reading.lanes(broker)
    risks = reading.risks(lanes, broker)
    if json:
        print_json({"lanes": lanes, "risk": risks})
        return
    table(
        ("lane", "model", "auto from", "progress", "evidence", "days", "hoped for", "missing"),
        [
            (
                lane["lane"],
                lane["model"] or "–",
                f"{lane['auto']:g}" if lane["auto_raw"] is None else f"{lane['auto_raw']:g} raw",
                lane["said"],
                "–" if lane["strictest"] is None else f"{lane['strictest']['evidence']:.0%}",
                "–" if lane["days"] is None else f"{lane['days']:.0f}",
                _hoped(lane["hoped_for"]),
                "; ".join(lane["missing"]) or "–",
            )
            for lane in lanes
        ],
    )
    for risk in risks:
        errors.print(reading.risk_said(risk), markup=False)
    errors.print("evidence: share of log 1/δ that the strictest threshold has; `--json` has every number")


def _hoped(step: dict[str, Any] | None) -> str:
    if step is None or step["needed"] is None:
        return "–"
    days = "" if step["days"] is None else f", {step['days']:.0f} days"
    return f"{step['threshold']:g} raw: {step['audits']:.0f} of about {step['needed']:.0f}{days}"


@app.command("show")
def show(proposal_id: Id, data_dir: DataDir = None, json: Json = False) -> None:
    """Show one proposal: the claim, its evidence, and what it would change in the policy in force.

    Examples:

        interlock proposals show threshold-3fa9c2d1b0
    """
    from interlock.learning import answered
    from interlock.policies import publishing, signing, slice_rows
    from interlock.policies.group_rows import COLUMNS, group_rows

    broker = connection.connect(data_dir).serving_kafka()
    proposal = signing.find(signing.read_proposals(broker), proposal_id)
    if json:
        print_json(signing.facts(proposal))
        return
    rows: list[tuple[str, Any]] = [
        (key, proposal[key]) for key in ("proposal_id", "kind", "state", "domain", "title", "claim") if proposal[key]
    ]
    rows += [("proposed", _time(proposal["proposed_at"])), ("people see less", _interval(proposal, "workload"))]
    rows += [("errors", _interval(proposal, "error"))]
    if proposal["decided_at"]:
        rows.append(
            (proposal["state"], f"{_time(proposal['decided_at'])} by {proposal['decided_by']}: {proposal['reason']}")
        )
    evidence = json_module.loads(proposal["evidence"])
    groups, ways = evidence.pop("groups", []), evidence.pop("answered", [])
    slices = slice_rows.slice_rows(evidence)
    rows += [(name, _text(value)) for name, value in evidence.items() if name not in slice_rows.SPANS]
    if ways:
        rows.append(("answered", answered.said(answered.read(ways))))
    table(("", ""), rows)
    if slices:
        table(slice_rows.COLUMNS, slices, "where people override it most, the worst first")
    if groups:
        table(COLUMNS, group_rows(groups), "groups inside what it would release, the worst first")
    policy = publishing.published_policies(broker).get(proposal["policy"])
    if proposal["change"] and proposal["state"] == "open" and policy is not None:
        from interlock.policy.diff import diff
        from interlock.policy.load import parse

        source = policy["source"]
        console.print(f"\nchange to policy {proposal['policy']}, version {policy['version']}:", markup=False)
        for change in diff(parse(source, ""), parse(signing.changed_source(source, proposal), "")):
            console.print(f"  {change}", markup=False, highlight=False)


@app.command("accept")
def accept(
    proposal_id: Id,
    by: By = "",
    note: Annotated[str, typer.Option(help="Why, in your words.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Sign a proposal; a threshold, a safe rule or a policy becomes a new version of the policy, in force at once.

    A policy that a person asked for is to be signed by another one, unless INTERLOCK_API__FOUR_EYES is false.

    Examples:

        interlock proposals accept threshold-3fa9c2d1b0 --by ana --note "agreed with risk on Monday"
    """
    from interlock.operations.retention import check_retention
    from interlock.policies import publishing, signing

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    proposal = signing.find(signing.read_proposals(broker), proposal_id)
    policy = signing.changed_policy(broker, proposal) if proposal["state"] == "open" else None
    if policy is not None and (unseen := check_retention(platform, policy)):
        errors.print(f"warning: {unseen}", markup=False)
    four_eyes = platform.settings.api.four_eyes
    decided = signing.accept(
        broker, proposal, by or getpass.getuser(), note, publishing.now(), four_eyes=four_eyes, signer=platform.signer
    )
    if json:
        print_json(signing.facts(decided))
    elif decided["change"]:
        errors.print(
            f"accepted: policy {decided['policy']} version {decided['policy_version']} is in force", markup=False
        )
    else:
        errors.print(f"accepted: {decided['title']}", markup=False)


@app.command("refuse")
def refuse(
    proposal_id: Id,
    reason: Annotated[str, typer.Option(help="Why; the next reader of the list sees it.")],
    by: By = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Refuse a proposal; nothing changes, and it is not made again on the same evidence.

    Examples:

        interlock proposals refuse threshold-3fa9c2d1b0 --reason "the audits of June were not blind"
    """
    from interlock.policies import publishing, signing

    broker = connection.connect(data_dir).serving_kafka()
    proposal = signing.find(signing.read_proposals(broker), proposal_id)
    decided = signing.refuse(broker, proposal, by or getpass.getuser(), reason, publishing.now())
    if json:
        print_json(signing.facts(decided))
    else:
        errors.print(f"refused: {decided['title']}", markup=False)


def _interval(proposal: "Proposal", name: str) -> str | None:
    value = proposal[f"{name}_estimate"]
    if value is None:
        return None
    return f"{value:.1%} ({proposal[f'{name}_lower']:.1%} to {proposal[f'{name}_upper']:.1%})"


def _text(value: Any) -> Any:
    return visible_json(value) if isinstance(value, list | dict) else value


def _time(micros: int) -> str:
    return moment(micros).isoformat(timespec="seconds")
