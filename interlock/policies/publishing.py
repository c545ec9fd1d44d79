"""Publishing policies and controls to their compacted topics, and reading back what is published."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError, UnavailableError
from interlock.platform import connection
from interlock.policy.errors import PolicyError
from interlock.policy.load import parse, read_text
from interlock.policy.model import Policy, Publishing, Queue
from interlock.policy.version import from_resolved, resolved, version
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key
from interlock.schemas.signed_records import signed_bytes

if TYPE_CHECKING:
    from interlock.schemas.signed_commands import Signer
    from interlock.streams.ports import Broker, Headers

# A command reports success only when Kafka has the record. Longer than a broker's restart.
DELIVERY_TIMEOUT_SECONDS = 30.0

# Whose turn it is to change policies and proposals.
TURN = "policies"

# How a version came into force: at once, or after a trial of stage shadow or share.
WHOLE = "whole"

_SCOPES = ("domain", "model")


class DomainTakenError(InterlockError):
    """A domain of the policy belongs to another published policy."""


class QueueTakenError(InterlockError):
    """Another published policy describes a queue of the policy in another way."""


class StalePolicyError(InterlockError):
    """Another version of the policy is in force than the one that a change was made against."""

    def __init__(self, name: str, base: str, in_force: str) -> None:
        super().__init__(
            f"policy {name} was {_named(base)} when this was written and is {_named(in_force)} now; nothing was "
            "changed: compare with what is in force, then repeat"
        )
        self.in_force = in_force


class TrialDemandedError(InterlockError):
    """The version in force demands that a change is tried beside it first."""


class SamePersonError(InterlockError):
    """Another person must sign than the one who wrote or asked for a policy."""


class UnknownScopeError(InterlockError):
    """The kill switch has no such scope."""


def load_policy(file: Path) -> Policy:
    """The policy in a file; raises InterlockError with every problem in it."""
    return read_policy(file)[0]


def read_policy(file: Path) -> tuple[Policy, str]:
    """The same with its text. The file is read once: a pipe, such as /dev/stdin in a container, gives it once."""
    try:
        text = read_text(file)
        return parse(text, str(file)), text
    except PolicyError as error:
        raise InterlockError(f"the policy is not valid; nothing was changed.\n{error}") from error


def policy_named(name_or_file: str, data_dir: str | None) -> Policy:
    """A policy from a file if there is one of that name, else the published one."""
    if Path(name_or_file).exists():
        return load_policy(Path(name_or_file))
    published = published_policies(connection.connect(data_dir).serving_kafka())
    if name_or_file not in published:
        raise InterlockError(f"{name_or_file!r} is neither a file nor a published policy")
    return from_resolved(published[name_or_file]["resolved"])


def published_policies(broker: "Broker") -> dict[str, dict[str, Any]]:
    """The PolicyVersion record of every policy in force, by name."""
    from interlock.streams.tables import newest

    def read(name: str, value: bytes) -> dict[str, Any]:
        record = wire.decode("PolicyVersion", value)
        check_key(name, record["name"])
        return record

    return dict(sorted(newest(broker, catalogue.POLICIES.name, read).items()))


def publish_policy(broker: "Broker", file: Path, by: str, note: str, signer: "Signer | None" = None) -> dict[str, str]:
    """Puts the policy in `file` in force; raises as `publish_text`, and if it is invalid."""
    policy, source = read_policy(file)
    return publish_text(broker, policy, source, str(file), by, note, signer)


def publish_text(
    broker: "Broker", policy: Policy, source: str, where: str, by: str, note: str, signer: "Signer | None" = None
) -> dict[str, str]:
    """Puts `policy` in force, which `source` is the text of; `where` is what a refusal calls it. Raises InterlockError
    and changes nothing if another published policy owns one of its domains, if nobody on the roster has what its packs
    demand, or if the version in force demands a trial or two people."""
    from interlock.policies.honouring import check_people

    check_people(broker, policy, now())
    published = published_policies(broker)
    check_at_once(published, policy.name, people=1)
    record = policy_record(policy, source, where, published, by, note)
    value = wire.encode("PolicyVersion", record)
    headers = signature(signer, by, catalogue.POLICIES, policy.name, value)
    send(broker, catalogue.POLICIES, policy.name, value, headers)
    return {"name": policy.name, "version": str(record["version"])}


def demands(published: Mapping[str, Mapping[str, Any]], name: str) -> Publishing:
    """What a change of the policy takes: as the version in force says, whatever the change says of it."""
    record = published.get(name)
    try:
        return Publishing() if record is None else from_resolved(record["resolved"]).publishing
    except ValueError:  # no router takes it, so nothing of it is in force
        return Publishing()


def check_at_once(
    published: Mapping[str, Mapping[str, Any]], name: str, *, people: int, was_in_force: bool = False
) -> None:
    """Raises TrialDemandedError or SamePersonError where `people` may not put a change in force without a trial.

    `was_in_force`: the change goes back to an earlier version, of which is known what it does: no trial is needed.
    """
    demanded = demands(published, name)
    if demanded.demands_trial and not was_in_force:
        raise TrialDemandedError(
            f"policy {name} in force demands that a change is tried beside it first (publishing); nothing was changed: "
            "`interlock policy try FILE` begins"
        )
    if demanded.four_eyes and people < 2:
        raise SamePersonError(
            f"policy {name} in force demands two people for a change (publishing.four_eyes); nothing was changed: try "
            "it with `interlock policy try FILE`, and another person promotes it"
        )


def policy_record(
    policy: Policy,
    source: str,
    where: str,
    published: Mapping[str, Mapping[str, Any]],
    by: str,
    note: str,
    *,
    stage: str = WHOLE,
    signed_by: Sequence[str] = (),
    **told: str,
) -> dict[str, Any]:
    """The `PolicyVersion` record of `policy`, which `source` is the text of; `where` is what a refusal calls it.

    `stage`: how it came into force. `signed_by`: who answers for it, by default `by`. `told`: further fields.

    Raises DomainTakenError if another of the `published` policies owns one of its domains, and QueueTakenError if
    another describes one of its queues in another way.
    """
    for name, record in published.items():
        if name == policy.name:
            continue
        # As it was published: what is refused in a file today may be in force all the same.
        other = from_resolved(record["resolved"])
        shared = sorted(policy.domains.keys() & other.domains.keys())
        if shared:
            raise DomainTakenError(
                f"{where}: domain {shared[0]!r} belongs to the published policy {name!r}; a domain has one "
                f"policy. Remove it from one of the two, or withdraw {name!r}."
            )
        for queue in sorted(policy.queues.keys() & other.queues.keys()):
            differences = _differences(policy.queues[queue], other.queues[queue])
            if differences:
                raise QueueTakenError(
                    f"{where}: the published policy {name!r} describes queue {queue!r} in another way "
                    f"({', '.join(differences)}), and a queue is worked in one way. Write the same in both, or "
                    "describe it in one of them only, or give it another name."
                )
    return {
        "name": policy.name,
        "version": version(policy),
        "resolved": resolved(policy),
        "source": source,
        "published_at": now(),
        "published_by": by,
        "note": note,
        "base_version": published[policy.name]["version"] if policy.name in published else "",
        "stage": stage,
        "signed_by": list(signed_by) or [by],
        **told,
    }


def signature(
    signer: "Signer | None", by: str, topic: catalogue.Topic, key: str, value: bytes | None
) -> "Headers | None":
    """The headers with which `by`, who is logged in here, answers for a record; None without a key."""
    return None if signer is None else [*signer.headers(by, signed_bytes(topic.name, key.encode(), value))]


def unsigned_policies(broker: "Broker") -> list[str]:
    """The names of policies that are in force or tried by a record without a signature. Raises KafkaException."""
    from interlock.schemas.headers import headers_of
    from interlock.schemas.signed_commands import read_signature
    from interlock.streams.tables import TableReader

    signed: dict[tuple[str, bytes | None], bool] = {}
    topics = [catalogue.POLICIES.name, catalogue.POLICY_CANDIDATES.name]
    with closing(TableReader(broker, topics, once=True)) as reader:
        for record in reader.read_all():
            place = record.topic(), record.key()
            if record.value() is None:
                signed.pop(place, None)
            else:
                signed[place] = read_signature(headers_of(record)) is not None
    return sorted({(key or b"").decode(errors="replace") for (_, key), is_signed in signed.items() if not is_signed})


def _differences(mine: Queue, other: Queue) -> list[str]:
    """The fields in which two descriptions of a queue differ."""
    return [name for name in Queue.model_fields if getattr(mine, name) != getattr(other, name)]


def read_scope(scope: str) -> tuple[str, str]:
    """Kind (all, domain or model) and name of what a halt is about. Raises UnknownScopeError."""
    kind, _, name = scope.partition(":")
    if scope != "all" and (kind not in _SCOPES or not name):
        raise UnknownScopeError(f"unknown scope {scope!r}: write all, domain:NAME, model:ID or model:ID@VERSION")
    return kind, name


def publish_control(broker: "Broker", scope: str, halted: bool, reason: str, by: str) -> dict[str, Any]:
    """Halts or resumes a scope, and returns the `Control` record. Raises UnknownScopeError."""
    read_scope(scope)
    record = {"scope": scope, "halted": halted, "reason": reason, "set_by": by, "set_at": now()}
    send(broker, catalogue.CONTROLS, scope, wire.encode("Control", record))
    return record


def send(broker: "Broker", topic: catalogue.Topic, key: str, value: bytes, headers: "Headers | None" = None) -> None:
    """Sends one record and waits until it is acknowledged. Raises UnavailableError."""
    from confluent_kafka import KafkaException

    from interlock.streams.sending import Outgoing, send_and_wait

    try:
        record = Outgoing(topic.name, key.encode(), value, headers)
        send_and_wait(broker.producer(None), [record], DELIVERY_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise UnavailableError(
            f"Kafka did not take the record for topic {topic.name}: {error.args[0].str()}"
        ) from error


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def _named(of: str) -> str:
    return f"version {of}" if of else "not in force"
