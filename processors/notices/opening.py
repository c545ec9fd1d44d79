"""What a producer or a reviewer encrypted, opened for the text of a notice."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interlock.encryption.fields import UnreadableError, open_record, why_lost
from interlock.encryption.keys import KeyStore
from interlock.processors.notices.due import Due


def opened(routed: Mapping[str, Any], keys: KeyStore | None) -> dict[str, Any]:
    """The `RoutedDecision` with what its producer encrypted in plain. Raises UnreadableError."""
    decision = routed["decision"]
    read = open_record(decision, decision["decision_id"], keys)
    if read.lost:
        raise UnreadableError(why_lost(read.lost))
    return {**routed, "decision": read.record}


def readable(due: Due, keys: KeyStore | None) -> Due:
    """The same with the words of a person in plain. Raises UnreadableError."""
    read = open_record({"reason_text": due.reason_text}, due.decision_id, keys)
    if read.lost:
        raise UnreadableError(why_lost(read.lost))
    return replace(due, reason_text=read.record["reason_text"])
