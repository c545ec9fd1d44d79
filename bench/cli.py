"""`python -m bench`: the figures of the documentation, measured here and now."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.decisions import SUBJECTS
from interlock.cli.common import Json, console, errors, note, print_json, progress_bar, table

app = typer.Typer(help="Benchmarks: every figure is a ratio to a reference of the same run.", no_args_is_help=True)

Seed = Annotated[int, typer.Option(help="Another one gives another order of decisions, and other coins.")]

Rounds = Annotated[int, typer.Option(min=1, help="Alternating runs of each variant; medians are shown.")]


def _say(line: str) -> None:
    errors.print(line, markup=False, highlight=False)


def _quiet() -> None:
    """Standard output is for the figures: what roles would log in their processes is not told there."""
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@app.command("router")
def router(
    messages: Annotated[int, typer.Option(min=20_000, help="Messages of each run.")] = 600_000,
    rounds: Rounds = 3,
    json: Json = False,
) -> None:
    """The router with a full lending policy against a raw exactly-once pass-through on the same broker.

    Examples:

        python -m bench router --rounds 1 --json
    """
    from bench import router as benchmark

    figures = benchmark.run(messages, rounds, _say)
    if json:
        print_json(figures)
        return
    _routers(figures)


@app.command("latency")
def latency(
    rate: Annotated[int, typer.Option(min=100, help="Decisions a second.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=1, help="Measured time of each run.")] = 15.0,
    rounds: Rounds = 3,
    json: Json = False,
) -> None:
    """From produced to routed and readable (read_committed), against the raw pass-through.

    Examples:

        python -m bench latency --rate 5000
    """
    from bench import latency as benchmark

    _show(benchmark.run(rate, seconds, rounds, _say), json)


@app.command("sink")
def sink(
    messages: Annotated[int, typer.Option(min=200_000, help="Messages of each run.")] = 400_000,
    rounds: Rounds = 3,
    durable: Annotated[bool, typer.Option("--durable", help="Tables that wait for the disk at every insert.")] = False,
    json: Json = False,
) -> None:
    """The exactly-once sink against inserting ready-made blocks.

    Examples:

        python -m bench sink --json
    """
    from bench import sink as benchmark

    _show(benchmark.run(messages, rounds, _say, durable=durable), json)


@app.command("replay")
def replay(
    decisions: Annotated[int, typer.Option(min=20_000, help="Decisions of the history.")] = 1_000_000,
    rounds: Rounds = 3,
    sealed: Annotated[bool, typer.Option(help="Stored sealed, under keys of their subjects.")] = False,
    subjects: Annotated[int, typer.Option(min=1, help="People whom the decisions are about.")] = SUBJECTS,
    json: Json = False,
) -> None:
    """A candidate policy on history in the embedded ClickHouse: seconds, and memory of this process.

    Examples:

        python -m bench replay --decisions 100000 --json

        python -m bench replay --sealed --subjects 100000
    """
    from bench import replay as benchmark

    _quiet()
    _show(benchmark.run(decisions, rounds, _say, sealed=sealed, subjects=subjects), json)


@app.command("desk")
def desk(
    tasks: Annotated[int, typer.Option(min=1_000, help="Tasks that wait at the desk.")] = 200_000,
    commands: Annotated[int, typer.Option(min=100, help="Commands sent at once.")] = 40_000,
    seconds: Annotated[float, typer.Option(min=5, help="How long a hundred reviewers work.")] = 20.0,
    json: Json = False,
) -> None:
    """The review desk on Kafka: commands a second, waiting for an answer, memory, and rebuilding after a kill.

    Examples:

        python -m bench desk --tasks 20000 --commands 4000
    """
    from bench import desk as benchmark

    _show(benchmark.run(tasks, commands, seconds, _say), json)


@app.command("desk-memory")
def desk_memory(
    decided: Annotated[int, typer.Option(min=1_000, help="Decided tasks that the desk keeps.")] = 2_600_000,
    open_tasks: Annotated[int, typer.Option("--open", min=1_000, help="Tasks that wait.")] = 200_000,
    kafka: Annotated[bool, typer.Option("--kafka", help="A desk process that reads them from Kafka.")] = False,
    json: Json = False,
) -> None:
    """Memory of a desk that keeps many decided tasks, and the time in which it is ready to take over.

    Examples:

        python -m bench desk-memory --decided 100000 --open 10000
    """
    from bench import desk_memory as benchmark

    _show((benchmark.run_on_kafka if kafka else benchmark.run)(decided, open_tasks, _say), json)


@app.command("console")
def console_(
    reviewers: Annotated[int, typer.Option(min=1, help="Simulated people, each with a token.")] = 200,
    seconds: Annotated[float, typer.Option(min=5, help="How long they work.")] = 60.0,
    tasks: Annotated[int, typer.Option(min=100, help="Cases that are open.")] = 20_000,
    waits: Annotated[int, typer.Option(min=1, help="Callers who wait at once.")] = 2_000,
    json: Json = False,
) -> None:
    """HTTP API and console on a running instance: claim and submit, pages with a long queue, parked waits.

    Examples:

        python -m bench console --reviewers 20 --seconds 10 --tasks 1000 --waits 100
    """
    from bench import console as benchmark

    _show(benchmark.run(reviewers, seconds, tasks, waits, _say), json)


@app.command("footprint")
def footprint(
    minutes: Annotated[float, typer.Option(min=0.05, help="How long the idle instance is looked at.")] = 1.0,
    settle: Annotated[float, typer.Option(min=0, help="Seconds between its start and that.")] = 90.0,
    json: Json = False,
) -> None:
    """What an instance costs that has nothing to do: memory and processor time by process, and its start.

    Examples:

        python -m bench footprint --minutes 5 --json
    """
    from bench import footprint as benchmark

    figures = benchmark.run(minutes, settle, _say)
    if json:
        print_json(figures)
        return
    columns = ("process", "memory (PSS), MiB", "of it of files", "% of one core", "threads")
    table(columns, list(benchmark.rows(figures)))
    starts = {name: value for name, value in figures.items() if "start" in name}
    table(("figure", "value"), list(starts.items()))


@app.command("screenshots")
def screenshots(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")] = Path("docs/images"),
) -> None:
    """The pictures of the console in README and docs, taken anew.

    Examples:

        python -m bench screenshots docs/images
    """
    from bench import screenshots as pictures

    for file in pictures.run(folder, _say):
        _say(str(file))


@app.command("walk")
def walk(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")] = Path("docs/images"),
) -> None:
    """The pictures of docs/walks/declined-loan.md, taken anew: a loan from the decision to the erasure.

    Examples:

        python -m bench walk docs/images
    """
    from bench import walk as pictures

    for file in pictures.run(folder, _say):
        _say(str(file))


@app.command("queueing")
def queueing(
    runs: Annotated[int, typer.Option(min=1, help="Simulated runs of ten days.")] = 6, json: Json = False
) -> None:
    """What each order of a queue costs: shares decided in time, by the desk's own ordering, beside published ones.

    Examples:

        python -m bench queueing --runs 2
    """
    from bench import queueing as benchmark

    figures = benchmark.run(runs, say=_say)
    if json:
        print_json(figures)
    else:
        _queues(figures)


@app.command("gates")
def gates(
    name: Annotated[str | None, typer.Argument(help="Those whose name contains it; without it, all.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="About a tenth of the runs.")] = False,
    json: Json = False,
) -> None:
    """What each number promises, by simulation: coverage of intervals, false alarms, certificates that hold.

    Exits with 1 where a promise is broken by more than chance explains (three standard errors of a share).

    Examples:

        python -m bench gates estimates --quick --json
    """
    rows = _gates(name, quick=quick)
    if json:
        print_json(rows)
    else:
        table(list(rows[0]), [list(row.values()) for row in rows])
    if any(row["kept"] is False for row in rows):
        raise typer.Exit(1)


@app.command("learning-proofs")
def learning_proofs(
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of five.")] = False,
    plots: Annotated[Path | None, typer.Option(help="Directory for the plots of docs/learning.md.")] = None,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """What learning promises, on real data through the real router, desk and learning.

    Examples:

        python -m bench learning-proofs --quick --json
    """
    from bench.proofs import all as benchmark

    _quiet()
    _figures(benchmark.run(seed, quick=quick, plots=plots, say=_say), json=json)


@app.command("running-proof")
def running_proof(
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute: whether all steps work.")] = False,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """The same on a platform that runs: Kafka, ClickHouse, every role, and simulated people.

    Examples:

        python -m bench running-proof --quick --json
    """
    import tempfile

    from bench.proofs import running as benchmark

    _quiet()
    sizes = benchmark.QUICK if quick else benchmark.FULL
    with tempfile.TemporaryDirectory() as directory:
        figures = benchmark.run(Path(directory) / "instance", sizes, seed, _say)
    _figures(figures, json=json)


proofs = typer.Typer(help="Proofs under many seeds, through router, desk and learning.", no_args_is_help=True)
app.add_typer(proofs, name="proofs")


@proofs.command("people")
def proof_of_people(
    seeds: Annotated[int, typer.Option(min=1, help="Lives of the model, each with people and coins of its own.")] = 40,
    first: Annotated[int, typer.Option(min=1, help="The first seed, for a part of the lives.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Lives of 600 decisions instead of 8,000.")] = False,
    processes: Annotated[int, typer.Option(min=1, help="Lives that run at once.")] = 2,
    json: Json = False,
) -> None:
    """Estimates and certificates with people who miss a tenth of the errors and leave a tenth of the work open.

    Examples:

        python -m bench proofs people --seeds 2 --quick --json
    """
    from bench.proofs import fallible

    _quiet()
    with progress_bar() as progress:
        task = progress.add_task("lives", total=seeds)

        def advance(life: dict[str, Any]) -> None:
            progress.advance(task)
            note(f"seed {life['seed']}: {fallible.in_one_line(life)}")

        sizes = fallible.QUICK if quick else fallible.FULL
        lives = fallible.lives(range(first, first + seeds), sizes, processes, advance)
    _figures(fallible.summary(lives) | ({"lives": lives} if json else {}), json=json)


@proofs.command("further")
def proof_on_further_data(
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the audit keys and streams.")] = False,
    json: Json = False,
) -> None:
    """Coverage of estimates and broken certificates on real data that nothing was tuned on.

    Examples:

        python -m bench proofs further --quick --json
    """
    from bench.proofs import further
    from bench.proofs.further_data import SOURCES

    _quiet()
    keys, streams = (20, 5) if quick else (200, 50)
    with progress_bar() as progress:
        task = progress.add_task("data sets", total=len(SOURCES))
        figures = further.run(keys, streams, lambda _: progress.advance(task))
    if json:
        print_json(figures)
    else:
        table(list(next(iter(further.flat(figures)))), [list(row.values()) for row in further.flat(figures)])


def _figures(figures: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(figures)
    else:
        console.print_json(data=figures, default=str)


@app.command("profile")
def profile(json: Json = False) -> None:
    """Where the time of a decision goes inside the router and the sink's decoding, without Kafka and ClickHouse.

    Examples:

        python -m bench profile
    """
    from bench import profile as benchmark

    figures = benchmark.run()
    if json:
        print_json(figures)
        return
    table(("part", "µs a decision"), list(figures["microseconds"].items()))
    table(("router with a candidate in shadow", "ratio to one without"), list(figures["candidate_in_shadow"].items()))
    columns = ("share of the router's time, by function with what it calls", "batches of 200", "10,000")
    table(columns, [(name, f"{small:.0%}", f"{large:.0%}") for name, small, large in figures["functions"]])


@app.command("imports")
def imports(
    rounds: Annotated[int, typer.Option(min=1, help="Fresh processes of each kind; medians are shown.")] = 9,
    json: Json = False,
) -> None:
    """What starting costs: importing the client library, and listing the commands.

    Examples:

        python -m bench imports --rounds 3 --json
    """
    from bench import imports as benchmark

    starts = benchmark.run(rounds, _say)
    if json:
        print_json(starts)
    else:
        table(list(starts[0]), [list(start.values()) for start in starts])


@app.command("sizes")
def sizes(json: Json = False) -> None:
    """What each extra installs: distributions and megabytes.

    Examples:

        python -m bench sizes
    """
    from bench import install_sizes

    rows = install_sizes.run()
    if json:
        print_json(rows)
    else:
        table(list(rows[0]), [list(row.values()) for row in rows])


@app.command("all")
def everything(rounds: Rounds = 3, json: Json = False) -> None:
    """All of them but the profile; some fifteen minutes.

    Examples:

        python -m bench all --json
    """
    from bench import desk as desks
    from bench import imports as starts
    from bench import latency as latencies
    from bench import queueing as queues
    from bench import router as routers
    from bench import sink as sinks

    of_starts = starts.run(say=_say)
    of_routers = routers.run(rounds=rounds, say=_say)
    of_latencies = latencies.run(rounds=rounds, say=_say)
    of_sinks = sinks.run(rounds=rounds, say=_say)
    of_desk = desks.run(say=_say)
    of_queues = queues.run(say=_say)
    of_gates = _gates()
    if json:
        print_json(
            {
                "imports": of_starts,
                "router": of_routers,
                "latency": of_latencies,
                "sink": of_sinks,
                "desk": of_desk,
                "queueing": of_queues,
                "gates": of_gates,
            }
        )
        return
    table(list(of_starts[0]), [list(start.values()) for start in of_starts])
    _routers(of_routers)
    _show(of_latencies, json=False)
    _show(of_sinks, json=False)
    _show(of_desk, json=False)
    _queues(of_queues)
    table(list(of_gates[0]), [list(row.values()) for row in of_gates])


def _routers(figures: list[dict[str, Any]]) -> None:
    columns = ("variant", "headers", "messages/s", "ratio to raw", "CPU µs/message", "peak MB", "growth MB")
    table(columns, [tuple(variant.values()) for variant in figures])


def _show(figures: dict[str, Any], json: bool) -> None:
    if json:
        print_json(figures)
    else:
        table(("figure", "value"), list(figures.items()))


def _queues(figures: list[dict[str, Any]]) -> None:
    table(list(figures[0]), [list(row.values()) for row in figures])


def _gates(name: str | None = None, *, quick: bool = False) -> list[dict[str, Any]]:
    from bench.gates import all as benchmark

    chosen = benchmark.chosen(name)
    rows: list[dict[str, Any]] = []
    with progress_bar() as progress:
        task = progress.add_task("gates", total=len(chosen))
        for each, gate in chosen.items():
            progress.update(task, description=each)
            rows += [asdict(row) for row in benchmark.run(each, gate, quick=quick)]
            progress.advance(task)
    return rows


def main() -> None:
    """Runs a benchmark."""
    from interlock.cli.app import run

    run(app)
