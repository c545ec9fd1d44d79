"""`interlock demo`: the whole pipeline on real data, in the terminal."""

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from interlock.cli.common import DataDir, Json, console, errors, print_json
from interlock.cli.platform import Ports, down, start_detached
from interlock.errors import InterlockError, UnavailableError
from interlock.platform import connection
from interlock.platform import instance as instances
from interlock.platform.exit_codes import ExitCode
from interlock.simulation.people import People

if TYPE_CHECKING:
    from interlock.schemas.models import Decision

T = TypeVar("T")

# The demonstration has an instance of its own, so that nothing of it is left in the user's.
DEMO_DIRECTORY = "demo"

# What the ids of all its decisions begin with.
DEMO_RUNS = "demo-"

# Who watches, in the roster.
VISITOR = "you"

# How often the view reads ClickHouse.
_POLL_INTERVAL_SECONDS = 0.5

# Acknowledgements that are still under way when the demonstration ends.
_PRODUCER_STOP_SECONDS = 30

# What ten simulated people can just cope with.
LIVE_RATE = 30.0

# With --once there is no view: a verdict that takes a person two minutes comes after a tenth of a second.
ONCE_SPEEDUP = 1200.0

# One message in a hundred is damaged on purpose in the live view, so that dead letters are seen to work.
DAMAGED_SHARE = 0.01


def demo(
    context: typer.Context,
    data_dir: DataDir = None,
    once: Annotated[
        bool, typer.Option("--once", help="Run --decisions decisions, reconcile, print JSON, exit.")
    ] = False,
    decisions: Annotated[int, typer.Option(min=1, help="How many with --once.")] = 50_000,
    rate: Annotated[
        float | None, typer.Option(min=1, help="Decisions a second; 30 live, unlimited with --once.")
    ] = None,
    reviewers: Annotated[int, typer.Option(min=1, max=100, help="Simulated people who work the queues.")] = 10,
    verdicts: Annotated[int, typer.Option(min=1, help="With --once: how many verdicts they give.")] = 200,
    timeout: Annotated[float, typer.Option(help="With --once: seconds until everything must be stored.")] = 600.0,
    start_timeout: Annotated[
        float | None,
        typer.Option(min=1, help="As --timeout of `interlock up`.", show_default="wait as long as it lives"),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Live: save the last view as an SVG picture.", metavar="FILE")
    ] = None,
    json: Json = False,
) -> None:
    """Stream real survey decisions through Kafka, router, people and ClickHouse, and watch.

    It starts an instance of its own on free ports, in the folder `demo` of the data directory, and leaves yours alone;
    --data-dir runs it in another one.

    With --once the last line is a JSON object; exit code 0 only if every decision reached exactly one route or the dead
    letters, people gave their verdicts, and ClickHouse agrees with Kafka.

    Examples:

        interlock demo

        interlock demo --once --decisions 50000 --json
    """
    from interlock.demo import survey

    directory = connection.connect(data_dir).settings.data_dir
    source = context.get_parameter_source("data_dir")
    if source is None or source.name != "COMMANDLINE":
        directory /= DEMO_DIRECTORY
    started_here = not instances.is_running(directory)
    if started_here:
        start_detached(directory, Ports(any_port=True), start_timeout)
    try:
        platform = connection.connect(str(directory))
        _publish(platform)
        if once:
            people = People(platform, reviewers, survey.truth_of, speedup=ONCE_SPEEDUP, verdicts=verdicts)
            ok = _once(platform, people, decisions, rate, timeout, quiet=json)
        else:
            _enrol_visitor(platform)
            _live(platform, People(platform, reviewers, survey.truth_of), rate or LIVE_RATE, picture)
            ok = True
    finally:
        if started_here:
            down(str(directory))
    if not ok:
        raise typer.Exit(ExitCode.FAILED)


def _publish(platform: connection.Platform) -> None:
    from interlock.demo import survey
    from interlock.policies.publishing import publish_policy

    publish_policy(platform.serving_kafka(), survey.POLICY, "interlock demo", "the example policy")


def _enrol_visitor(platform: connection.Platform) -> None:
    """Enters whoever watches into the roster, as a lead, so that nothing is closed to them."""
    from interlock.policies.publishing import published_policies
    from interlock.policy.load import parse
    from interlock.review.enrolment import publish_reviewers
    from interlock.review.roster import person
    from interlock.simulation.simulation import qualifications

    broker = platform.serving_kafka()
    policies = [parse(record["source"], name) for name, record in published_policies(broker).items()]
    fields = {"id": VISITOR, "name": "You", "role": "lead", "qualifications": sorted(qualifications(policies))}
    publish_reviewers(broker, [person(fields).to_record()])


def _once(
    platform: connection.Platform, people: People, decisions: int, rate: float | None, timeout: float, quiet: bool
) -> bool:
    from interlock.demo.counts import count
    from interlock.operations.reconcile import reconcile
    from interlock.sinks.queries import metrics

    run = f"{DEMO_RUNS}{secrets.token_hex(4)}"
    started = time.monotonic()
    producer = _Producer(platform, run, decisions, rate, damaged=0.0)
    producer.start()
    people.start()
    client = platform.clickhouse(analyst=True)
    deadline = started + timeout
    with console.status("…") as status:
        while (counts := _retry_until(deadline, lambda: count(client, run, latency=False))).done < decisions:
            if producer.failure:
                raise UnavailableError(producer.failure)
            if time.monotonic() > deadline:
                break
            if not quiet:
                status.update(f"produced {producer.sent:,}, routed and stored {counts.done:,} of {decisions:,}")
            time.sleep(_POLL_INTERVAL_SECONDS)
        producer.stop()
        while people.is_alive() and time.monotonic() < deadline:
            if not quiet:
                status.update(f"people have decided {people.decided:,}")
            people.join(_POLL_INTERVAL_SECONDS)
    people.stop()
    if people.failure:
        raise UnavailableError(people.failure)
    seconds = time.monotonic() - started
    result = _retry_until(deadline + 60, lambda: reconcile(platform))
    expected_rows = decisions + counts.audited
    ok: bool = result.ok and producer.sent == decisions == counts.done and counts.rows == expected_rows
    ok = ok and people.decided > 0
    if not quiet and not result.ok:
        from interlock.cli.common import table

        table(*result.as_table())
    facts: dict[str, Any] = {
        "produced": producer.sent,
        "routed": counts.routed,
        "dead_letters": counts.dead_letters,
        "clickhouse_rows": counts.rows,
        "audited": counts.audited,
        "verdicts": people.decided,
        "seconds": round(seconds, 3),
        "reconciled": result.ok,
        "metrics": metrics(client),
    }
    print_json(facts)
    return ok


def _live(platform: connection.Platform, people: People, rate: float, picture: Path | None) -> None:
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from confluent_kafka import KafkaException
    from rich.live import Live

    from interlock.demo.counts import count, count_reviews
    from interlock.demo.view import PICTURE_WIDTH, Snapshot, View, save_picture
    from interlock.policies.controls import Halts

    stop = threading.Event()

    def handle(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    run = f"{DEMO_RUNS}{secrets.token_hex(4)}"
    producer = _Producer(platform, run, None, rate, damaged=DAMAGED_SHARE)
    client = platform.clickhouse(analyst=True)
    instance = platform.instance
    where = (instance.clickhouse_url, instance.console_url) if instance else ("", "")
    view = View(run, platform.bootstrap_servers, *where, _shown_directory(platform))
    errors.print(f"console {where[1]}: log in as “You” and take cases from the simulated people", soft_wrap=True)
    started, since = time.monotonic(), datetime.now(UTC)
    with closing(Halts(platform.kafka())) as halts:
        producer.start()
        people.start()
        with Live(view.render(console.width), console=console, refresh_per_second=4, transient=False) as live:
            while not stop.wait(_POLL_INTERVAL_SECONDS) and not producer.failure:
                try:
                    # People work first what an earlier demonstration has left open.
                    reviews = count_reviews(client, DEMO_RUNS, since)
                    counts, halted = count(client, run), halts.current()
                except (ClickHouseError, KafkaException, OSError):  # restarting; the view keeps the last counts
                    continue
                # `produced` is read after what is stored: nothing is stored that was not produced.
                view.add(Snapshot(time.monotonic() - started, producer.produced, counts, reviews, halted))
                live.update(view.render(console.width))
    producer.stop()
    errors.print("sending the simulated reviewers home …")
    people.stop()
    if picture:
        save_picture(view.render(PICTURE_WIDTH), picture)
    if producer.failure:
        raise UnavailableError(producer.failure)
    errors.print("stopping …")


def _shown_directory(platform: connection.Platform) -> str:
    """The data directory as short as it can be typed here."""
    directory = platform.settings.data_dir
    return str(directory.relative_to(Path.cwd()) if directory.is_relative_to(Path.cwd()) else directory)


def _retry_until(deadline: float, query: Callable[[], T]) -> T:
    """The result of `query`; tried again while ClickHouse or Kafka is being restarted."""
    from clickhouse_connect.driver.exceptions import OperationalError
    from confluent_kafka import KafkaException

    while True:
        try:
            return query()
        except (OperationalError, KafkaException, InterlockError, OSError) as error:
            if time.monotonic() > deadline:
                raise UnavailableError(f"the pipeline does not answer: {error}") from error
            time.sleep(_POLL_INTERVAL_SECONDS)


class _Producer(threading.Thread):
    """Sends the example's decisions in the background."""

    def __init__(
        self, platform: connection.Platform, run: str, count: int | None, rate: float | None, *, damaged: float
    ) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self.failure = ""
        self._handed_over = 0
        self._damaged_messages = 0
        self._platform = platform
        self._run = run
        self._count = count
        self._rate = rate
        self._damaged = damaged
        self._stopping = threading.Event()

    @property
    def produced(self) -> int:
        """All messages handed to Kafka, damaged ones too: never fewer than are stored. `sent` counts the decisions that
        Kafka has acknowledged."""
        return self._handed_over + self._damaged_messages

    def run(self) -> None:
        """In the thread."""
        from interlock.client.client import Client, DeliveryError
        from interlock.demo import survey
        from interlock.produce.sending import send

        source = self._counted(survey.decisions(self._count or 10**9, self._run))
        try:
            with Client(broker=self._platform.kafka(), delivery_seconds=120) as client:
                if self._damaged:
                    threading.Thread(target=self._send_damaged, daemon=True).start()
                send(source, client, rate=self._rate, progress=self._note, stopped=self._stopping.is_set)
        except DeliveryError as error:
            self.failure = str(error)

    def stop(self) -> None:
        """Returns when nothing more is sent."""
        self._stopping.set()
        self.join(_PRODUCER_STOP_SECONDS)

    def _counted(self, decisions: "Iterator[Decision]") -> "Iterator[Decision]":
        for decision in decisions:
            self._handed_over += 1
            yield decision

    def _note(self, sent: int) -> None:
        self.sent = sent

    def _send_damaged(self) -> None:
        """Messages cut off in the middle, as a broken producer would send them."""
        from interlock.demo import survey
        from interlock.schemas import catalogue, wire

        producer = self._platform.kafka().producer(None)
        pause = 1 / (self._damaged * (self._rate or 1))
        for decision in survey.decisions(10**9, f"{self._run}-damaged", seed=1):
            if self._stopping.wait(pause):
                break
            value = wire.encode("Decision", decision.to_record())[:60]
            self._damaged_messages += 1
            producer.produce(catalogue.DECISIONS.name, value, decision.decision_id.encode())
            producer.poll(0)
        producer.flush(5)
