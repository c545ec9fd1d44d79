"""Policies that demand more or less of people, and what a router tells of them."""

from typing import Any

from interlock.policy.duties import duties
from interlock.policy.load import parse
from interlock.policy.version import version
from tests.processors.desk.desk_world import POLICY, DeskWorld

BIG = "  - {id: big, when: amount > 1000000, route: sync, four_eyes: true}"
PLAIN = "  underwriting: {}"
SKILLED = POLICY.replace(PLAIN, "  underwriting: {qualifications: [clinician]}")
MONDAYS = POLICY.replace(PLAIN, "  underwriting: {calendar: {time_zone: UTC, hours: {mon: ['09:00-17:00']}}}")
RENAMED = ("underwriting", "credit")
_LOANS = POLICY[POLICY.index("  loan:") : POLICY.index("  advice:")]
NO_LOANS = SKILLED.replace(_LOANS, "").replace("  underwriting: {qualifications: [clinician]}\n", "")
LESS = {
    "queue renamed": SKILLED.replace(*RENAMED),
    "demand removed": POLICY,
    "domain removed": NO_LOANS,
    "domain moved": NO_LOANS,
}
"""Policies that demand less of a loan than `SKILLED`, by what has changed."""


def told(policy: str, *reasons: str, domain: str = "loan") -> dict[str, Any]:
    """The fields with which the router tells what `policy` demands."""
    read = parse(policy, "policy.yaml")
    demanded = duties(read, read.domains[domain], read.domains[domain].queue, reasons)
    return {
        "quorum": demanded.quorum,
        "qualifications": demanded.qualifications,
        "outcomes": demanded.outcomes,
        "calendar": demanded.calendar,
        "service_levels": demanded.service_levels,
        "outcome_notices": demanded.notices,
        "notify_within_days": demanded.notify_within_days,
        "reasons": reasons,
        "queue": read.domains[domain].queue,
    }


def kept_alerts(world: DeskWorld) -> list[dict[str, Any]]:
    return [alert for alert in world.said["alerts"] if alert["kind"] == "duties_kept"]


def withdraw(world: DeskWorld) -> None:
    world.desk.state.set_policy("bank", None)
    world.wait(0)


def move_loans(world: DeskWorld) -> None:
    """Another policy takes over loans, and demands no qualification."""
    other = parse(f"name: credit\ndomains:\n{_LOANS}queues:\n{PLAIN}\n", "credit.yaml")
    world.desk.state.set_policy("credit", other, version(other))
    world.wait(0)
