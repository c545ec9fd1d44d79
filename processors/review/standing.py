"""How a case stands that is no plain first review: a proposed override, an appeal, a recall, duties of an earlier
policy, an end without a verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from interlock.policy.duties import Duties
from interlock.policy.review import Terms, loosened
from interlock.processors.task_kinds import apparent_kind


def standing(task: Mapping[str, Any], agreed: Terms, kept: tuple[str, ...], *, hidden: bool) -> tuple[str, ...]:
    """Sentences about a `Task` record. `agreed`: what holds for it. `kept`: what it keeps of the policy that routed it,
    in words. `hidden`: the AI's answer, and with it what holds, is not to be told."""
    return tuple(_sentences(task, agreed, kept, hidden))


def kept_duties(duties: Duties, in_force: Terms, reasons: tuple[str, ...], needed: int) -> tuple[str, ...]:
    """What a task keeps although the policy in force (`in_force`: for the queue of then) demands less, in words.

    `needed`: how many people must agree, as far as the reader may know."""
    return loosened(in_force, replace(duties, quorum=min(duties.quorum, needed)), reasons)


def _sentences(task: Mapping[str, Any], agreed: Terms, kept: tuple[str, ...], hidden: bool) -> Iterator[str]:
    is_open = task["state"] != "done"
    holds = "what is in force" if hidden else task["outcome"]
    if is_open and task["kind"] == "override" and task["verdicts"]:
        proposal = task["verdicts"][-1]
        yield (
            f"{proposal['reviewer']} proposes {proposal['outcome']} instead of {holds}, which two people must decide. "
            f"Another lead who decides for {proposal['outcome']} puts it in force, one who decides otherwise refuses "
            f"it. At the deadline it lapses, and {holds} stands"
        )
    if is_open and apparent_kind(task["kind"], task["appeals"]) == "appeal":
        name = f" in the name of {task['on_behalf_of']}" if task["on_behalf_of"] else ""
        yield f"This is appeal {task['appeals']} of {agreed.appeals.limit} that are possible, filed{name}"
        yield f"Involved in an appeal, and therefore not deciding it: {', '.join(task['parties'])}"
    if is_open and task["kind"] == "recall":
        yield f"It took effect without a person and was recalled: a verdict for anything but {holds} rolls it back"
    if is_open and kept:
        yield (
            f"It was routed under policy version {task['policy_version']} and keeps what that demanded although the "
            f"policy in force does not: {', '.join(kept)}"
        )
    if not is_open and task["kind"] in ("audit", "gold") and not task["verdicts"]:
        yield "Nobody judged it before it expired: it ended without a verdict"
    if not is_open and task["event"] in _ENDS:
        yield _ENDS[task["event"]]
    if not is_open and task["appeals"]:
        yield f"Appeals filed: {task['appeals']} of {agreed.appeals.limit} that are possible"


# The latest record of a case whose proposed override came to nothing says so.
_ENDS = {
    "override_refused": "A proposed override was refused by another lead: what was in force stands",
    "override_lapsed": "A proposed override lapsed, because no other lead answered it: what was in force stands",
}
