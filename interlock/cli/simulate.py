"""`interlock simulate-reviewers`: people for a demonstration, when there are none."""

import signal
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.common import DataDir, Json, console, print_json
from interlock.errors import UnavailableError
from interlock.platform import connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from interlock.simulation.personas import Persona
    from interlock.simulation.simulation import Simulation

# The decisions of the demonstration.
SURVEY_TRUTH = "interlock.demo.survey:truth_of"

_POLL_INTERVAL_SECONDS = 0.5

_COLUMNS = ("decided", "agreed_with_ai", "overrode_ai", "blind", "yielded_to_ai", "accuracy", "breaks")

# Everybody goes off duty first; the desk replies within tens of milliseconds.
_STOP_TIMEOUT_SECONDS = 60.0


def simulate_reviewers(
    count: Annotated[int, typer.Option("--reviewers", min=1, max=100, help="How many; the first is a lead.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people with the same opinions.")] = 0,
    speedup: Annotated[float, typer.Option(min=0.1, help="How much faster than people they work.")] = 60.0,
    decisions: Annotated[int | None, typer.Option(min=1, help="Stop after so many verdicts.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so many seconds.")] = None,
    until_idle: Annotated[
        float | None, typer.Option(min=0.1, help="Stop when no reviewer has found a task for so many seconds.")
    ] = None,
    truth: Annotated[
        str, typer.Option(help="What is right, as module:function of a Decision record.", metavar="MODULE:FUNCTION")
    ] = SURVEY_TRUTH,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Let simulated reviewers work the queues: they know what is right, more or less well.

    They differ in speed, accuracy, absences, and in how readily they follow the AI. Ctrl-C sends them home.

    Examples:

        interlock simulate-reviewers --reviewers 8 --speedup 300

        interlock simulate-reviewers --decisions 200 --until-idle 10 --json

        interlock simulate-reviewers --truth examples.loan_approval:truth_of
    """
    from interlock.review.payload import PayloadReader
    from interlock.simulation.personas import personas
    from interlock.simulation.simulation import Simulation, summary
    from interlock.simulation.truth import load_truth
    from interlock.streams.clock import SystemClock

    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    people = personas(count, seed)
    payloads = PayloadReader(broker, platform.clickhouse, lambda: platform.keys_to_read)
    simulation = Simulation(
        broker,
        people,
        truth=load_truth(truth),
        clock=SystemClock(),
        payloads=payloads,
        seed=seed,
        speedup=speedup,
        decisions=decisions,
    )
    _stop_on_signals(simulation)
    started = time.monotonic()
    simulation.register()
    _watch(simulation, people, started, seconds, until_idle, quiet=json)
    payloads.close()
    facts = {
        "reviewers": summary(people, simulation.tallies),
        "decided": simulation.decided,
        "seconds": round(time.monotonic() - started, 3),
        "trouble": simulation.trouble,
    }
    if json:
        print_json(facts)
    else:
        console.print(_progress(simulation, people))


def _watch(
    simulation: "Simulation",
    people: "Sequence[Persona]",
    started: float,
    seconds: float | None,
    until_idle: float | None,
    *,
    quiet: bool,
) -> None:
    """Returns when the simulation has ended; raises what ended it too early."""
    from rich.live import Live

    failures: list[BaseException] = []

    def work() -> None:
        try:
            simulation.run()
        except Exception as error:
            failures.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    idle_since: float | None = None
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while worker.is_alive() and not simulation.stopping.wait(_POLL_INTERVAL_SECONDS):
            now = time.monotonic()
            idle_since = (idle_since or now) if simulation.idle else None
            if seconds is not None and now - started >= seconds:
                simulation.stopping.set()
            if until_idle is not None and idle_since is not None and now - idle_since >= until_idle:
                simulation.stopping.set()
            if not quiet:
                live.update(_progress(simulation, people))
        simulation.stopping.set()
        worker.join(_STOP_TIMEOUT_SECONDS)
    if failures:
        raise failures[0]
    if worker.is_alive():
        raise UnavailableError("the simulated reviewers did not stop in time: does the desk run?")


def _stop_on_signals(simulation: "Simulation") -> None:
    def handle(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
        simulation.stopping.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)


def _progress(simulation: "Simulation", people: "Sequence[Persona]") -> "RenderableType":
    """What each reviewer has done so far."""
    from rich.table import Table

    from interlock.simulation.simulation import summary

    state = "nothing to do" if simulation.idle else "at work"
    trouble = f", {simulation.trouble}" if simulation.trouble else ""
    progress = Table(
        title=f"{simulation.decided:,} decided, {state}{trouble}", title_justify="left", box=None, header_style="bold"
    )
    for name in ("reviewer", "role", *(name.replace("_", " ") for name in _COLUMNS), "refused"):
        progress.add_column(name, justify="left" if name in ("reviewer", "role", "refused") else "right")
    for row in summary(people, simulation.tallies):
        accuracy = "–" if row["accuracy"] is None else f"{row['accuracy']:.0%}"
        counts = [accuracy if name == "accuracy" else f"{row[name]:,}" for name in _COLUMNS]
        refused = ", ".join(f"{code} {times}" for code, times in row["refused"].items())
        progress.add_row(row["reviewer"], row["role"], *counts, refused)
    return progress
