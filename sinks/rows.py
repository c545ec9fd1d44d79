"""Messages as rows: for every topic the table it goes to, and its messages as Arrow columns of that table.

Every message becomes exactly one row, whatever its bytes are; counts in Kafka and ClickHouse must agree. No Python
object is made per row and field: decoding and flattening work on whole columns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from interlock.encryption.keys import KeyStore
from interlock.schemas import avro_schemas, catalogue
from interlock.schemas.columns import Bad, Decoder
from interlock.schemas.copy_headers import is_copy
from interlock.schemas.headers import headers_of
from interlock.sinks import arrow, dead_letters
from interlock.sinks.chunk import Chunk
from interlock.sinks.sealing import sealed
from interlock.streams.ports import Message

Rows = Mapping[str, pa.Array]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a topic goes: a table, and how messages become its columns (those of `kafka_columns` aside)."""

    table: str
    columns: Callable[[Sequence[Message]], pa.Table]


def to_arrow(messages: Sequence[Message], chunk: Chunk, stream: str, keys: KeyStore | None = None) -> pa.Table:
    """The rows of `messages`, which are those of `chunk`, for the table of its topic; sealed under `keys`, if given."""
    target = TARGETS[chunk.topic]
    rows = target.columns(messages)
    count = len(rows)
    kafka = {
        "kafka_stream": pa.repeat(stream, count),
        "kafka_topic": pa.repeat(chunk.topic, count),
        "kafka_partition": pa.repeat(pa.scalar(chunk.partition, pa.uint32()), count),
        "kafka_chunk_first": pa.repeat(pa.scalar(chunk.first, pa.uint64()), count),
        "kafka_chunk_last": pa.repeat(pa.scalar(chunk.last, pa.uint64()), count),
    }
    for name, column in kafka.items():
        rows = rows.append_column(name, column)
    rows = arrow.with_unique_keys(arrow.with_sane_times(rows))
    if keys is not None:
        rows = sealed(keys, target.table, rows)
    # One batch: ClickHouse then takes the chunk as one block, and remembers it under one token.
    return rows.combine_chunks()


def _decisions(messages: Sequence[Message]) -> pa.Table:
    decoder = _decoder("Decision", avro_schemas.routing_prefix_text())
    decoded = decoder.decode([m.value() for m in messages], lambda index: headers_of(messages[index]))
    good = _with_positions(pa.Table.from_batches([decoded.rows]), _kept(messages, decoded.index))
    return _and_bad(good, messages, decoded.bad, keep_bytes=False, key_column="decision_id")


def _routed_decisions(messages: Sequence[Message]) -> pa.Table:
    """Columns of the envelope and of the decision in it, side by side.

    The router forwards what follows the routing fields without reading it, so a record may be damaged there. Then
    the routing columns are filled all the same.
    """
    decoded = _decoder("RoutedDecision", avro_schemas.text("RoutedDecision")).decode([m.value() for m in messages])
    good = _with_positions(_flattened(decoded.rows), _kept(messages, decoded.index))
    if not decoded.bad:
        return good
    damaged = [messages[bad.index] for bad in decoded.bad]
    routing = _decoder("RoutedDecision", avro_schemas.routed_prefix_text()).decode([m.value() for m in damaged])
    kept = range(len(damaged)) if routing.index is None else routing.index
    partly = _with_positions(_flattened(routing.rows), [damaged[i] for i in kept])
    partly = _with_errors(partly, [decoded.bad[i] for i in kept], [damaged[i] for i in kept])
    both = arrow.concatenated([good, partly])
    wholly = [decoded.bad[bad.index] for bad in routing.bad]
    return _and_bad(both, messages, wholly, keep_bytes=True, key_column="decision_id")


def _plain(name: str, key_column: str) -> Callable[[Sequence[Message]], pa.Table]:
    """Records of schema `name`; the column `key_column` of an unreadable one has its key."""

    def columns(messages: Sequence[Message]) -> pa.Table:
        decoded = _decoder(name, avro_schemas.text(name)).decode([m.value() for m in messages])
        good = _with_positions(pa.Table.from_batches([decoded.rows]), _kept(messages, decoded.index))
        return _and_bad(good, messages, decoded.bad, keep_bytes=True, key_column=key_column)

    return columns


def _keyed(name: str, secret: str | None = None) -> Callable[[Sequence[Message]], pa.Table]:
    """Records of a compacted topic: the key as it is, and a tombstone is a row, not an error.

    `secret`: a text field that is not stored, because everybody who may ask questions could read it.
    """

    def columns(messages: Sequence[Message]) -> pa.Table:
        decoded = _decoder(name, avro_schemas.text(name)).decode([m.value() for m in messages])
        good = _with_positions(pa.Table.from_batches([decoded.rows]), _kept(messages, decoded.index))
        bad = [bad for bad in decoded.bad if messages[bad.index].value() is not None]
        if secret is not None:
            empty = pa.array([""] * len(good), pa.string())
            good = good.set_column(good.column_names.index(secret), secret, empty)
        rows = _and_bad(good, messages, bad, keep_bytes=secret is None, key_column=None)
        tombstones = [message for message in messages if message.value() is None]
        if tombstones:
            rows = arrow.concatenated([rows, _with_positions(pa.table({}), tombstones)])
        # Concatenation has changed the order; the offset finds the message again.
        by_offset = {message.offset(): message for message in messages}
        ordered = [by_offset[offset] for offset in rows["kafka_offset"].to_pylist()]
        rows = rows.append_column("key", pa.array([m.key() or b"" for m in ordered], pa.binary()))
        return rows.append_column("tombstone", pa.array([m.value() is None for m in ordered], pa.bool_()))

    return columns


def _auto_approved(messages: Sequence[Message]) -> pa.Table:
    """Each of them is the first record of its decision. Said by the sink, as all that the audit trail covers."""
    rows = _routed_decisions(messages)
    return rows.append_column("review_copy", pa.array([False] * len(rows), pa.bool_()))


def _review_decisions(messages: Sequence[Message]) -> pa.Table:
    """Routed decisions of a review topic. A dead letter that was sent there again, or a decision that was filed again
    for an appeal, is a second record of its decision, whatever its route is: `review_copy` says so, where ClickHouse
    alone would not know."""
    rows = _routed_decisions(messages)
    again = {message.offset() for message in messages if is_copy(headers_of(message))}
    routes = rows["route"].to_pylist() if "route" in rows.column_names else [""] * len(rows)
    offsets = rows["kafka_offset"].to_pylist()
    copies = [route == "auto" or offset in again for route, offset in zip(routes, offsets, strict=True)]
    return rows.append_column("review_copy", pa.array(copies, pa.bool_()))


def _outcomes(messages: Sequence[Message]) -> pa.Table:
    """With `reviewed`: what `processors/outcomes.py` calls a sample, on whole columns."""
    rows = _plain("Outcome", "decision_id")(messages)
    if "kind" not in rows.column_names:  # all are unreadable
        return rows
    kinds = rows["kind"]
    readable = pc.equal(rows["error"], "") if "error" in rows.column_names else pa.scalar(True)
    by_a_person = pc.and_(readable, pc.and_(pc.not_equal(rows["reviewer"], ""), pc.equal(rows["round"], 0)))
    decided = pc.and_(pc.equal(kinds, "review"), rows["resolves"])
    before_its_audit = pc.and_(rows["audit"], pc.ends_with(rows["outcome_id"], "#1"))
    overridden = pc.and_(pc.equal(kinds, "override"), before_its_audit)
    first_word = pc.or_(pc.or_(decided, pc.equal(kinds, "audit")), overridden)
    return rows.append_column("reviewed", pc.and_(by_a_person, first_word))


def _dead_letters(messages: Sequence[Message]) -> pa.Table:
    return _with_positions(dead_letters.columns(messages), messages)


def _action_retries(messages: Sequence[Message]) -> pa.Table:
    return _with_positions(dead_letters.retry_columns(messages), messages)


TARGETS: Mapping[str, Target] = {
    catalogue.DECISIONS.name: Target("decisions", _decisions),
    catalogue.AUTO_APPROVED.name: Target("routed_decisions", _auto_approved),
    catalogue.REVIEWS_ASYNC.name: Target("routed_decisions", _review_decisions),
    catalogue.REVIEWS_SYNC.name: Target("routed_decisions", _review_decisions),
    catalogue.REVIEWS_MANUAL.name: Target("routed_decisions", _review_decisions),
    catalogue.DEAD_LETTER.name: Target("dead_letters", _dead_letters),
    catalogue.POLICIES.name: Target("policies", _keyed("PolicyVersion")),
    catalogue.POLICY_CANDIDATES.name: Target("policy_candidates", _keyed("PolicyCandidate")),
    catalogue.CONTROLS.name: Target("controls", _keyed("Control")),
    catalogue.CALIBRATION_MODELS.name: Target("calibration_models", _keyed("CalibrationModel")),
    catalogue.COMMANDS.name: Target("commands", _plain("Command", "task_id")),
    catalogue.REPLIES.name: Target("command_replies", _plain("CommandReply", "command_id")),
    catalogue.TASKS.name: Target("tasks", _keyed("Task")),
    catalogue.PRESENCE.name: Target("presence", _keyed("Presence")),
    catalogue.OUTCOMES.name: Target("outcomes", _outcomes),
    catalogue.RESOLUTIONS.name: Target("resolutions", _keyed("Resolution")),
    catalogue.ACTIONS.name: Target("actions", _plain("Action", "decision_id")),
    catalogue.ACTIONS_RETRY.name: Target("action_retries", _action_retries),
    catalogue.ACTION_SEQUENCES.name: Target("action_sequences", _keyed("ActionSequence")),
    catalogue.ALERTS.name: Target("alerts", _plain("Alert", "alert_id")),
    catalogue.KEY_EVENTS.name: Target("key_events", _plain("KeyEvent", "event_id")),
    catalogue.REVIEWERS.name: Target("reviewers", _keyed("Reviewer", secret="contact")),
    catalogue.SHADOW.name: Target("shadow_decisions", _routed_decisions),
    catalogue.TRAINING_EXAMPLES.name: Target("training_examples", _plain("TrainingExample", "decision_id")),
    catalogue.RETRAINING_REQUESTS.name: Target("retraining_requests", _plain("RetrainingRequest", "request_id")),
    catalogue.CALIBRATION_REPORTS.name: Target("calibration_reports", _plain("CalibrationReport", "report_id")),
    catalogue.DRIFT_SIGNALS.name: Target("drift_signals", _plain("DriftSignal", "signal_id")),
    catalogue.PROPOSALS.name: Target("proposals", _keyed("Proposal")),
    catalogue.AUDIT_ANCHORS.name: Target("audit_anchors", _plain("AuditAnchor", "anchor_id")),
    catalogue.SCHEMAS.name: Target("schema_versions", _keyed("SchemaVersion")),
}


def _with_positions(rows: pa.Table, messages: Sequence[Message]) -> pa.Table:
    """`rows` with the columns that differ from message to message whatever the topic."""
    columns = dict(zip(rows.column_names, rows.columns, strict=True))
    columns["kafka_offset"] = pa.array([m.offset() for m in messages], pa.uint64())
    columns["kafka_timestamp"] = pa.array([m.timestamp()[1] for m in messages], pa.timestamp("ms"))
    return pa.table(columns)


def _kept(messages: Sequence[Message], index: list[int] | None) -> Sequence[Message]:
    return messages if index is None else [messages[i] for i in index]


def _and_bad(
    good: pa.Table, messages: Sequence[Message], bad: Sequence[Bad], *, keep_bytes: bool, key_column: str | None
) -> pa.Table:
    """`good` and a row for each bad message, of which only key, position and error are known."""
    if not bad:
        return good
    unreadable = [messages[item.index] for item in bad]
    rows = _with_positions(pa.table({}), unreadable)
    if key_column is not None:
        keys = [(m.key() or b"").decode(errors="backslashreplace") for m in unreadable]
        rows = rows.append_column(key_column, pa.array(keys, pa.string()))
    return arrow.concatenated([good, _with_errors(rows, bad, unreadable if keep_bytes else None)])


def _with_errors(rows: pa.Table, bad: Sequence[Bad], raw: Sequence[Message] | None) -> pa.Table:
    rows = rows.append_column("error", pa.array([item.reason for item in bad], pa.string()))
    rows = rows.append_column("error_message", pa.array([item.message for item in bad], pa.string()))
    if raw is not None:
        rows = rows.append_column("raw", pa.array([m.value() or b"" for m in raw], pa.binary()))
    return rows


def _flattened(rows: pa.RecordBatch) -> pa.Table:
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    decision = columns.pop("decision")
    names = [field.name for field in decision.type]
    return pa.table(columns | dict(zip(names, decision.flatten(), strict=True)))


@cache
def _decoder(name: str, text: str) -> Decoder:
    return Decoder(name, text)
