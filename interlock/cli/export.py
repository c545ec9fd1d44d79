"""`interlock export`: what people taught, as files that training tools read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, note, print_json, progress_bar
from interlock.errors import InterlockError, UsageError
from interlock.platform import connection

if TYPE_CHECKING:
    from interlock.operations.export import Examples

app = typer.Typer(help="What people taught, as files.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="The file to write.")]
Domain = Annotated[str, typer.Option(help="Only this domain.")]
Model = Annotated[str, typer.Option(help="Only this model, as MODEL or MODEL@VERSION.")]
Since = Annotated[str, typer.Option(help="Only what was decided since then, for example 2026-11-01 (UTC).")]


class Format(StrEnum):
    """Of a file."""

    PARQUET = "parquet"
    JSONL = "jsonl"


@app.command("training-examples")
def training_examples(
    out: Out,
    form: Annotated[
        Format | None, typer.Option("--format", help="By default as the file's name ends.", show_default=False)
    ] = None,
    domain: Domain = "",
    model: Model = "",
    since: Since = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Write the cases that people decided, with the answer they gave and the weight to train with.

    The weight is 1/propensity: for how many decisions the case stands. It is 0 where nobody but people who objected or
    appealed chose the case, because these stand for no others. Of a decision that was judged again, only the last
    verdict is written. `groups` tells to which groups of the policy in force the decision belongs.

    Examples:

        interlock export training-examples --model german-credit@1 --out examples.parquet

        interlock export training-examples --domain loan_approval --since 2026-11-01 --out examples.jsonl
    """
    from interlock.operations.export import JsonLines, Parquet, write

    file_format = form or _format_of(out)
    with _examples(data_dir, domain, model, since) as examples:
        rows = write(iter(examples), out, Parquet if file_format is Format.PARQUET else JsonLines)
    if json:
        print_json({"file": str(out), "format": file_format.value, "examples": rows})
    else:
        errors.print(f"{rows:,} examples written to {out}")


@app.command("preferences")
def preferences(
    out: Out,
    domain: Domain = "",
    model: Model = "",
    since: Since = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Write what people preferred in the hybrid workflow: JSON lines of prompt, chosen and rejected.

    The chosen option stands against each one that was not chosen.

    Examples:

        interlock export preferences --domain loan_approval --out preferences.jsonl
    """
    from interlock.operations.export import JsonLines, write
    from interlock.operations.export import preferences as pairs_of

    with _examples(data_dir, domain, model, since) as examples:
        rows = write((pair for example in examples for pair in pairs_of(example)), out, JsonLines)
    if json:
        print_json({"file": str(out), "format": Format.JSONL.value, "preferences": rows})
    else:
        errors.print(f"{rows:,} preferences written to {out}")


@contextmanager
def _examples(data_dir: str | None, domain: str, model: str, since: str) -> Iterator["Examples"]:
    """The wanted examples, and a bar that shows how far the reading is."""
    from interlock.operations.export import ExampleFilter, Examples, moment
    from interlock.policies import publishing
    from interlock.policy.version import from_resolved
    from interlock.schemas import catalogue

    try:
        start = moment(since) if since else None
    except ValueError as error:
        raise UsageError(f"--since {since!r} is no date: write it like 2026-11-01 or 2026-11-01T12:00") from error
    platform = connection.connect(data_dir)
    broker = platform.serving_kafka()
    name = catalogue.TRAINING_EXAMPLES.name
    if name not in broker.topic_states([name]):
        raise InterlockError(f"topic {name} does not exist: `interlock topics create` makes it")
    with progress_bar() as bar:
        task = bar.add_task(name, total=2 * sum(broker.end_offsets(name).values()))
        progress: Callable[[int], None] = lambda read: bar.update(task, completed=read)  # noqa: E731 - one call
        policies = [from_resolved(one["resolved"]) for one in publishing.published_policies(broker).values()]
        cuts = {told: its.group_cuts for policy in policies for told, its in policy.domains.items()}
        examples = Examples(broker, ExampleFilter(domain, model, start), progress, platform.keys_to_read, cuts)
        yield examples
    if examples.unreadable:
        note(
            f"{examples.unreadable:,} examples were left out: their producer encrypted them, and the key was erased or "
            "is not here"
        )


def _format_of(path: Path) -> Format:
    endings = {".parquet": Format.PARQUET, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}
    file_format = endings.get(path.suffix.lower())
    if file_format is None:
        raise UsageError(f"{path} ends neither in .parquet nor in .jsonl: say which with --format")
    return file_format
