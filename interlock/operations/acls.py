"""What each role may do in Kafka, as access control lists (ACLs): no more than it does.

A reading client needs Read on its topics and its group, a writing one Write on its topics and its transactional id.
Both imply Describe. Nobody needs a right to the cluster to write idempotently (from Kafka 3.0 on). Readers that join no
group ask all the same who coordinates the one that they name: without Describe on it they work as well, but a broker
that logs what it refuses would log that twice a second.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from interlock.errors import UsageError
from interlock.operations.replay_targets import TARGETS
from interlock.platform.settings import Settings
from interlock.schemas import catalogue
from interlock.schemas.catalogue import Topic
from interlock.streams.kafka_clients import NO_GROUP

Resource = Literal["topic", "group", "transactional-id", "cluster"]
Operation = Literal["Read", "Write", "Create", "Alter", "Describe", "DescribeConfigs", "AlterConfigs"]

# A name with this at its end stands for all that begin like it.
_ANY = "*"

# Of `interlock.streams.turns`: one for each table that one writer at a time changes.
_TURNS = "interlock-turn-*"


@dataclass(frozen=True, slots=True)
class Acl:
    """`principal` may do `operation` to what is called `name`, or begins with it (`prefixed`)."""

    principal: str
    operation: Operation
    resource: Resource
    name: str
    prefixed: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """A role and its rights. Names of groups and transactional ids that end in `*` are prefixes.

    `administers`: it also creates and configures topics, and looks at everything.
    """

    name: str
    does: str
    reads: tuple[Topic, ...] = ()
    writes: tuple[Topic, ...] = ()
    groups: tuple[str, ...] = ()
    looks_at_groups: tuple[str, ...] = ()
    transactional_ids: tuple[str, ...] = ()
    administers: bool = False


# What people look at to judge a case.
_CASES = (catalogue.REVIEWS_ASYNC, catalogue.REVIEWS_SYNC, catalogue.REVIEWS_MANUAL)
_DESK_TABLES = (catalogue.TASKS, catalogue.PRESENCE, catalogue.REPLIES)
_ROUTER_TABLES = (
    catalogue.POLICIES,
    catalogue.POLICY_CANDIDATES,
    catalogue.CONTROLS,
    catalogue.CALIBRATION_MODELS,
)
_EXECUTED = (catalogue.AUTO_APPROVED, catalogue.ACTIONS, catalogue.ACTIONS_RETRY)

# What is written when a reviewer reopens a decision that the desk does not hold.
_REOPENING = (catalogue.REVIEWS_MANUAL,)

# A record of a registry's schema is kept in this topic by whoever meets it first.
_SCHEMAS = (catalogue.SCHEMAS,)


def roles(settings: Settings) -> list[Role]:
    """Every role of a deployment, and who works with its topics from outside. Groups are those of `settings`."""
    calibration_groups = tuple(f"{settings.calibration.group}-{name}" for name in catalogue.CALIBRATION_FOLDS)
    return [
        Role("producer", "sends decisions and waits for nothing", writes=(catalogue.DECISIONS,)),
        Role(
            "caller",
            "sends decisions with interlock.Client and waits for what becomes of them",
            reads=(catalogue.AUTO_APPROVED, catalogue.RESOLUTIONS, catalogue.REPLIES, catalogue.DEAD_LETTER, *_CASES),
            writes=(catalogue.DECISIONS, catalogue.COMMANDS),
        ),
        Role(
            "reviewer-tool",
            "the gateway of people who review: it says who acts",
            reads=(
                *_CASES,
                *_DESK_TABLES,
                catalogue.AUTO_APPROVED,
                catalogue.POLICIES,
                catalogue.POLICY_CANDIDATES,
                catalogue.REVIEWERS,
            ),
            writes=(catalogue.COMMANDS, *_REOPENING),
        ),
        Role(
            "console",
            "serves the console and the HTTP API, for everybody who may log in",
            reads=catalogue.TOPICS,
            writes=(
                catalogue.DECISIONS,
                catalogue.COMMANDS,
                *_REOPENING,
                catalogue.POLICIES,
                catalogue.POLICY_CANDIDATES,
                catalogue.CONTROLS,
                catalogue.PROPOSALS,
                catalogue.REVIEWERS,
                catalogue.ALERTS,
                catalogue.VIEWING,
                catalogue.ACCESS,
                *TARGETS,
            ),
            groups=(catalogue.DEAD_LETTER_REPLAY_GROUP,),
            looks_at_groups=(_ANY,),
            transactional_ids=(_TURNS, catalogue.DEAD_LETTER_REPLAY_GROUP),
        ),
        Role(
            "router",
            "routes decisions",
            reads=(catalogue.DECISIONS, *_ROUTER_TABLES),
            writes=(*catalogue.ROUTE_TOPICS, catalogue.SHADOW, catalogue.DEAD_LETTER, catalogue.ALERTS),
            groups=(catalogue.ROUTER_GROUP,),
            transactional_ids=(f"{catalogue.ROUTER_GROUP}*",),
        ),
        Role(
            "desk",
            "hands out tasks and carries out commands",
            reads=(
                *catalogue.DESK_INPUTS,
                *_DESK_TABLES,
                catalogue.TALLIES,
                catalogue.ALERTS,
                catalogue.POLICIES,
                catalogue.REVIEWERS,
            ),
            writes=(
                catalogue.COMMANDS,
                *_DESK_TABLES,
                catalogue.TALLIES,
                catalogue.OUTCOMES,
                catalogue.RESOLUTIONS,
                catalogue.ACTIONS,
                catalogue.ALERTS,
                catalogue.DEAD_LETTER,
            ),
            groups=(catalogue.DESK_GROUP,),
            transactional_ids=(f"{catalogue.DESK_GROUP}*",),
        ),
        Role(
            "sink",
            "copies every stored topic to ClickHouse",
            reads=catalogue.STORED_TOPICS,
            writes=(catalogue.ALERTS, catalogue.AUDIT_ANCHORS),
            groups=(catalogue.SINK_GROUP,),
        ),
        Role(
            "feedback",
            "makes training examples of what people decided",
            reads=(
                catalogue.OUTCOMES,
                catalogue.POLICIES,
                catalogue.TALLIES,
                *catalogue.ROUTE_TOPICS,
                catalogue.TRAINING_EXAMPLES,
            ),
            writes=(
                catalogue.TRAINING_EXAMPLES,
                catalogue.RETRAINING_REQUESTS,
                catalogue.ALERTS,
                catalogue.DEAD_LETTER,
            ),
            groups=(settings.feedback.group,),
        ),
        Role(
            "calibration",
            "calibrates, monitors drift, proposes changes",
            reads=(
                *catalogue.CALIBRATION_FOLDS.values(),
                catalogue.CALIBRATION_MODELS,
                catalogue.TALLIES,
                catalogue.POLICIES,
                catalogue.CONTROLS,
                catalogue.PROPOSALS,
            ),
            writes=(
                catalogue.CALIBRATION_REPORTS,
                catalogue.CALIBRATION_MODELS,
                catalogue.DRIFT_SIGNALS,
                catalogue.PROPOSALS,
                catalogue.LANE_PROGRESS,
                catalogue.POLICIES,
                catalogue.CONTROLS,
                catalogue.ALERTS,
                catalogue.DEAD_LETTER,
            ),
            groups=calibration_groups,
        ),
        Role(
            "sampler",
            "sends some of what took effect to review",
            reads=(catalogue.AUTO_APPROVED, catalogue.POLICIES),
            writes=(catalogue.REVIEWS_ASYNC,),
            groups=(catalogue.SAMPLER_GROUP,),
            transactional_ids=(catalogue.SAMPLER_GROUP,),
        ),
        Role(
            "notices",
            "writes the notices that decisions owe to their subjects",
            reads=(catalogue.ACTIONS, *catalogue.ROUTE_TOPICS, catalogue.POLICIES),
            writes=(catalogue.ACTIONS, catalogue.ALERTS),
            groups=(catalogue.NOTICES_GROUP,),
            transactional_ids=(f"{catalogue.NOTICES_GROUP}*",),
        ),
        Role(
            "executor",
            "carries out what takes effect; the groups of executors of your own begin with `executor-`",
            reads=(*_EXECUTED, catalogue.ACTION_SEQUENCES),
            writes=(catalogue.ACTION_SEQUENCES, catalogue.DEAD_LETTER),
            groups=(settings.webhooks.group, "executor-*"),
        ),
        Role(
            "notifier",
            "sends alerts to people",
            reads=(catalogue.ALERTS, catalogue.REVIEWERS),
            writes=(catalogue.DEAD_LETTER,),
            groups=(settings.alerts.group,),
        ),
        Role(
            "watch",
            "looks at the progress of all groups",
            reads=catalogue.STORED_TOPICS,
            writes=(catalogue.ALERTS,),
            looks_at_groups=(_ANY,),
        ),
        Role(
            "policy-owner",
            "publishes policies, halts models and signs proposals on the command line",
            reads=(*_ROUTER_TABLES, catalogue.PROPOSALS, catalogue.LANE_PROGRESS),
            writes=(
                catalogue.POLICIES,
                catalogue.POLICY_CANDIDATES,
                catalogue.CONTROLS,
                catalogue.PROPOSALS,
                catalogue.ALERTS,
            ),
            transactional_ids=(_TURNS,),
        ),
        Role(
            "roster-owner",
            "says who reviews and who may judge what",
            reads=(catalogue.REVIEWERS, catalogue.POLICIES),
            writes=(catalogue.REVIEWERS,),
        ),
        Role(
            "privacy-officer",
            "erases subjects and puts them under legal holds",
            reads=(),
            writes=(catalogue.KEY_EVENTS,),
        ),
        Role(
            "operator",
            "creates topics (`interlock prepare`), looks at everything, sends dead letters again",
            reads=catalogue.TOPICS,
            writes=(catalogue.SCHEMAS, catalogue.KEY_EVENTS, *TARGETS),
            groups=(catalogue.DEAD_LETTER_REPLAY_GROUP,),
            looks_at_groups=(_ANY,),
            transactional_ids=(catalogue.DEAD_LETTER_REPLAY_GROUP,),
            administers=True,
        ),
    ]


def acls(role: Role, principal: str) -> list[Acl]:
    """What `principal`, for example `User:interlock-desk`, needs to work as `role`."""
    wanted: list[tuple[Operation, Resource, str]] = [
        *(("Read", "topic", topic.name) for topic in (*role.reads, *_SCHEMAS)),
        *(("Write", "topic", topic.name) for topic in role.writes),
        *(("Read", "group", group) for group in role.groups),
        ("Describe", "group", NO_GROUP),
        *(("Describe", "group", group) for group in role.looks_at_groups),
        *(("Write", "transactional-id", name) for name in role.transactional_ids),
    ]
    if role.administers:
        wanted += [
            (operation, "topic", topic.name)
            for topic in catalogue.TOPICS
            for operation in ("Create", "AlterConfigs")  # the second one implies DescribeConfigs
        ]
        wanted += [("Describe", "cluster", "kafka-cluster"), ("DescribeConfigs", "cluster", "kafka-cluster")]
    return [_acl(principal, *right) for right in dict.fromkeys(wanted)]


def commands(found: Sequence[Acl], bootstrap_servers: str | None = None) -> Iterator[str]:
    """The same as commands of Kafka's own tool, one for each operation on one kind of resource. Without an address they
    take it from the environment."""
    address = shlex.quote(bootstrap_servers) if bootstrap_servers else '"$BOOTSTRAP_SERVERS"'
    grouped: dict[tuple[str, Operation, Resource, bool], list[str]] = {}
    for acl in found:
        grouped.setdefault((acl.principal, acl.operation, acl.resource, acl.prefixed), []).append(acl.name)
    for (principal, operation, resource, prefixed), names in grouped.items():
        words = ["--add", "--allow-principal", principal, "--operation", operation]
        if resource == "cluster":
            words.append("--cluster")
        else:
            words += [word for name in sorted(names) for word in (f"--{resource}", name)]
        if prefixed:
            words += ["--resource-pattern-type", "prefixed"]
        yield f"kafka-acls.sh --bootstrap-server {address} {shlex.join(words)}"


def principals(known: Sequence[Role], given: Mapping[str, str], prefix: str = "User:interlock-") -> dict[str, str]:
    """The principal of each role: that of `given`, or `prefix` and its name. Raises UsageError for an unknown role."""
    names = [role.name for role in known]
    for name in given:
        if name not in names:
            raise UsageError(f"there is no role {name!r}: {', '.join(names)}")
    return {name: given.get(name, f"{prefix}{name}") for name in names}


def _acl(principal: str, operation: Operation, resource: Resource, name: str) -> Acl:
    # Kafka's own sign for everything is a literal `*`; a prefix is a pattern type of its own.
    prefixed = name.endswith(_ANY) and name != _ANY
    return Acl(principal, operation, resource, name.removesuffix(_ANY) if prefixed else name, prefixed)
