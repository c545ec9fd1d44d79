"""A notice that was sent, written again from the record: are they the same bytes?"""

from collections.abc import Mapping
from typing import Any, Literal

from interlock.policy.model import Policy
from interlock.policy.notices.wording import UnwritableNoticeError
from interlock.processors.notices.due import WITHDRAWN, Due
from interlock.processors.notices.writing import text_of

Again = Literal["same", "differs", "unknown"]


def written_again(
    action: Mapping[str, Any], policy: Policy | None, routed: Mapping[str, Any] | None
) -> tuple[Again, str]:
    """Whether the record gives the text of an `Action` of the kind notice, and a sentence where it does not.

    `policy`: of the version in `written_under`. `routed`: the `RoutedDecision`. None where it cannot be had: then
    nobody knows.
    """
    due = sent(action)
    if policy is None:
        return "unknown", f"version {action['written_under']} of the policy is not stored"
    if routed is None:
        return "unknown", f"the decision at {due.topic} {due.partition}:{due.offset} cannot be read"
    notice = policy.notices.get(due.name)
    if notice is None:
        return "differs", f"version {action['written_under']} of the policy has no notice {due.name}"
    try:
        language, text = text_of(due, notice, routed["decision"])
    except UnwritableNoticeError as error:
        return "differs", str(error)
    if (language, text) == (action["language"], action["text"]):
        return "same", ""
    return "differs", "the record gives another text"


def sent(action: Mapping[str, Any]) -> Due:
    """What the notice was due for."""
    (notice,) = action["notices"]
    same = ("decision_id", "version", "outcome", "reason_code", "reason_text", "domain", "at", "corrects")
    return Due(
        name=notice.removesuffix(WITHDRAWN),
        withdrawn=notice.endswith(WITHDRAWN),
        # A verdict has a reason code; what took effect by itself has none.
        automated=not action["reason_code"],
        **{field: action[field] for field in (*same, "topic", "partition", "offset")},
    )
