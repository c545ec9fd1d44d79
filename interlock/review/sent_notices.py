"""The notices about a decision: what was sent, whether the record gives it again, and what is due without a text."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interlock.encryption.fields import ERASED, NO_KEY, UnreadableError
from interlock.errors import InterlockError
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved
from interlock.processors.notices.checking import Again, written_again
from interlock.processors.notices.due import WITHDRAWN
from interlock.processors.notices.opening import opened as opened_routed
from interlock.review.payload import PayloadReader
from interlock.schemas import wire
from interlock.sinks.opening import SealedContentError, opened
from interlock.sinks.sealed_columns import OPENING

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.encryption.keys import KeyStore

_ACTIONS = f"""
SELECT action_id, decision_id, kind, version, outcome, notices, reason_code, reason_text, domain,
    toUnixTimestamp64Micro(at) AS at, topic, partition, offset, corrects, language, text, written_under, {OPENING}
FROM actions
WHERE error = '' AND decision_id = {{id:String}} AND kind IN ('notify', 'notice')
ORDER BY version, action_id, kafka_timestamp
LIMIT 1 BY action_id
"""

# What took effect by itself owes what its record names.
_AUTOMATIC = """
SELECT notices FROM routed_decisions
WHERE error = '' AND decision_id = {id:String} AND route = 'auto' AND NOT review_copy LIMIT 1
"""

_POLICY = "SELECT resolved FROM policies WHERE error = '' AND version = {version:String} LIMIT 1"


@dataclass(frozen=True, slots=True)
class SentNotice:
    """One notice. `at`: microseconds since the epoch. `again`: whether the record gives the same bytes, and `why` not.

    `readable`: its text is not sealed under a key that is missing or erased; otherwise `text` is empty.
    """

    action_id: str
    name: str
    withdrawn: bool
    version: int
    corrects: int
    at: int
    language: str
    text: str
    written_under: str
    readable: bool
    again: Again
    why: str


@dataclass(frozen=True, slots=True)
class NoticesOfDecision:
    """`sent`, oldest first. `unwritten`: action ids of notices that are due and have no text: no policy has words for
    them, a person must write them, or the role `notices` has not come so far."""

    sent: tuple[SentNotice, ...]
    unwritten: tuple[str, ...]


def notices_of_decision(
    client: "Client", payloads: PayloadReader, decision_id: str, keys: "KeyStore | None"
) -> NoticesOfDecision:
    """What ClickHouse has, each text written again. Raises what queries raise, and KafkaException."""
    given = {"id": decision_id}
    found = opened(keys, "actions", client.query(_ACTIONS, parameters=given).named_results())
    notices = [row for row in found.rows if row["kind"] == "notice"]
    written = {row["action_id"] for row in notices}
    due = [(row["version"], name) for row in found.rows if row["kind"] == "notify" for name in row["notices"]]
    for row in client.query(_AUTOMATIC, parameters=given).named_results():
        due += [(1, name) for name in row["notices"]]
    ids = dict.fromkeys(
        f"{decision_id}/{version}/notice/{name.removesuffix(WITHDRAWN)}" for version, name in sorted(due)
    )
    policies: dict[str, Policy | None] = {}
    for row in notices:
        version = row["written_under"]
        if version not in policies:
            policies[version] = _policy(client, version)
    return NoticesOfDecision(
        tuple(_sent(row, policies[row["written_under"]], payloads, keys) for row in notices),
        tuple(name for name in ids if name not in written),
    )


def _sent(row: dict[str, Any], policy: Policy | None, payloads: PayloadReader, keys: "KeyStore | None") -> SentNotice:
    readable = row["text"] not in ("", NO_KEY, ERASED)
    again: Again = "unknown"
    why = "its text is sealed under a key that is missing or erased"
    if readable:
        try:
            value = payloads.stored(row["topic"], row["partition"], row["offset"], row["decision_id"])
            routed = None if value is None else opened_routed(wire.decode_plain("RoutedDecision", value), keys)
        except (SealedContentError, UnreadableError, wire.WireError) as error:
            why = str(error)
        else:
            again, why = written_again(row, policy, routed)
    (name,) = row["notices"]
    same = ("action_id", "version", "corrects", "at", "language", "text", "written_under")
    return SentNotice(
        name=name.removesuffix(WITHDRAWN),
        withdrawn=name.endswith(WITHDRAWN),
        readable=readable,
        again=again,
        why=why,
        **{field: row[field] for field in same} | ({} if readable else {"text": ""}),
    )


def _policy(client: "Client", version: str) -> Policy | None:
    for row in client.query(_POLICY, parameters={"version": version}).named_results():
        try:
            return from_resolved(row["resolved"])
        except ValueError:
            return None
    return None


def known(notices: NoticesOfDecision, decision_id: str) -> NoticesOfDecision:
    """The same; raises InterlockError where there is none, sent or due."""
    if not notices.sent and not notices.unwritten:
        raise InterlockError(f"no notice was sent or is due about {decision_id!r}, as far as ClickHouse knows")
    return notices
