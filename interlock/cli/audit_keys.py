"""`interlock audit`: keys of subjects, legal holds, erasure."""

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, print_json
from interlock.platform import connection

if TYPE_CHECKING:
    from interlock.encryption.keys import Owner

Subject = Annotated[str, typer.Argument(help="The subject's id, as producers send it.")]
By = Annotated[str, typer.Option("--by", help="Who is responsible for it.", show_default="your login name")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept, so it must not name the subject.")]
OfDecision = Annotated[
    bool, typer.Option("--decision", help="The id is that of a decision that names no subject, or of a dead letter.")
]


def erase(
    subject: Subject,
    reason: Reason = "",
    by: By = "",
    decision: OfDecision = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Destroy the key of a subject: what is stored under it cannot be read any more, by anybody.

    There is no way back. It is refused under a legal hold. Kafka's topics keep their records until their retention
    ends; nothing of the decisions that are erased is stored again from there.

    Examples:

        interlock audit erase customer-4711 --reason "request 88, GDPR Article 17" --by dpo

        interlock audit erase loan-000042 --decision --reason "request 89" --json
    """
    from interlock.operations import erasure

    platform = connection.connect(data_dir)
    with connection.database_errors():
        done = erasure.erase(
            platform.serving_kafka(),
            platform.clickhouse(),
            platform.keys,
            _owner(subject, decision),
            by=by or getpass.getuser(),
            reason=reason,
            now=datetime.now(UTC),
        )
    if json:
        print_json(asdict(done))
        return
    errors.print(f"erased: {len(done.key_ids):,} keys, {done.decisions:,} decisions", markup=False)
    if done.plain_rows:
        errors.print(
            f"{done.plain_rows:,} rows of before anything was sealed still name the subject: delete them in ClickHouse",
            markup=False,
        )


def hold(
    subject: Subject,
    reason: Reason = "",
    by: By = "",
    lift: Annotated[bool, typer.Option("--lift", help="End the hold.")] = False,
    decision: OfDecision = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a subject under a legal hold: until it is lifted, nothing of the subject can be erased.

    Examples:

        interlock audit hold customer-4711 --reason "case 12/26" --by legal

        interlock audit hold customer-4711 --lift --reason "case 12/26 is closed"
    """
    from interlock.operations import erasure

    platform = connection.connect(data_dir)
    act = erasure.lift if lift else erasure.hold
    held = act(
        platform.serving_kafka(),
        platform.keys,
        _owner(subject, decision),
        by=by or getpass.getuser(),
        reason=reason,
        now=datetime.now(UTC),
    )
    if json:
        print_json({**asdict(held), "lifted": lift})
    else:
        errors.print(
            f"{'lifted: the hold of' if lift else 'held: nothing can be erased of'} {subject}",
            markup=False,
        )


def keys(data_dir: DataDir = None, json: Json = False) -> None:
    """Count the keys of subjects, what was erased, and holds; no secrets and no names.

    Examples:

        interlock audit keys --json
    """
    counts = connection.connect(data_dir).keys.counts()
    if json:
        print_json(asdict(counts))
    else:
        print(
            f"{counts.keys:,} keys under master key {counts.master}; {counts.erased:,} decisions are not stored again; "
            f"{counts.holds:,} legal holds"
        )


def rotate_keys(reason: Reason = "", by: By = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Wrap every key with the next master key: the old one opens nothing of the key store any more.

    A local instance makes the next one by itself, and its processes go on. Elsewhere give all processes
    INTERLOCK_ENCRYPTION__NEXT_MASTER_KEY first, and make it the present one afterwards.

    Examples:

        interlock audit rotate-keys --reason "yearly rotation"
    """
    from interlock.operations import erasure
    from interlock.platform.keys import rotate

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    master, count = rotate(platform.settings)
    erasure.record_rotation(broker, by=by or getpass.getuser(), reason=reason, now=datetime.now(UTC))
    if json:
        print_json({"master": master, "keys": count})
    else:
        errors.print(f"{count:,} keys are wrapped by master key {master} now", markup=False)


def _owner(subject_id: str, is_decision: bool) -> "Owner":
    from interlock.encryption import keys as owners

    return owners.decision(subject_id) if is_decision else owners.subject(subject_id)
