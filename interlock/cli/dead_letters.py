"""`interlock dead-letters`: look at messages that could not be read, and send them again once the cause is gone."""

from collections import Counter, deque
from typing import Annotated, Any

import typer

from interlock.cli.common import DataDir, Json, console, errors, note, print_json, progress_bar, table
from interlock.errors import InterlockError, UsageError
from interlock.platform import connection

app = typer.Typer(help="Messages that could not be read.", no_args_is_help=True)

# Of the dead letters that a replay refuses, so many are told one by one.
_SHOWN = 20

Reason = Annotated[str | None, typer.Option(help="Only letters with this reason, for example malformed-avro.")]


@app.command("list")
def list_letters(
    data_dir: DataDir = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="The latest ones.")] = 20,
    json: Json = False,
) -> None:
    """List the latest dead letters with their reasons.

    Examples:

        interlock dead-letters list --reason malformed-avro --limit 5
    """
    from interlock.operations.letters import read_letters

    count = 0
    latest: deque[dict[str, Any]] = deque(maxlen=limit)
    for letter in read_letters(connection.connect(data_dir).serving_kafka(), reason):
        count += 1
        latest.append(letter.facts())
    if json:
        print_json([*latest])
        return
    table(
        ("letter", "reason", "from", "key", "bytes", "message"),
        [
            tuple(letter[name] for name in ("letter", "reason", "source", "key", "bytes", "message"))
            for letter in latest
        ],
    )
    errors.print(f"{count:,} dead letters; `interlock dead-letters show LETTER` shows one")


@app.command("show")
def show(
    letter: Annotated[str, typer.Argument(help="PARTITION:OFFSET as listed.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show one dead letter: reason, headers, and the original bytes.

    Examples:

        interlock dead-letters show 0:17
    """
    from interlock.operations.letters import read_letter

    dead_letter = read_letter(connection.connect(data_dir).serving_kafka(), *_position(letter))
    if dead_letter is None:
        raise InterlockError(f"there is no dead letter {letter}")
    facts: dict[str, Any] = {
        **dead_letter.facts(),
        "headers": dead_letter.header_facts(),
        "value_hex": (dead_letter.value or b"").hex(),
    }
    if json:
        print_json(facts)
        return
    table(("", ""), [(key, value) for key, value in facts.items() if key not in ("headers", "value_hex")])
    for name, value in facts["headers"]:
        console.print(f"header {name}: {value}", markup=False, highlight=False)
    console.print(hexdump(dead_letter.value or b""), markup=False, highlight=False)


@app.command("replay")
def replay(
    letters: Annotated[list[str] | None, typer.Argument(help="PARTITION:OFFSET as listed.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them (with --reason: all with that reason).")] = False,
    reason: Reason = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Send dead letters again to the step that gave up on them, with their original key, value and headers.

    Those of executors go to the group that made them, and are carried out only where no later version of the decision
    has overruled them. What was replayed once is not sent a second time by --all: the replay is recorded in the
    transactions that send it, so that one that was interrupted goes on where it stopped.

    Examples:

        interlock dead-letters replay 0:17 2:4

        interlock dead-letters replay --all --reason unknown-schema
    """
    from interlock.operations.dead_letters import replay as send_again

    if every == bool(letters):
        raise UsageError("name dead letters, or use --all")
    kafka = connection.connect(data_dir).serving_kafka()
    refused: Counter[str] = Counter()

    def refuse(sentence: str) -> None:
        refused["all"] += 1
        if refused["all"] <= _SHOWN:
            note(sentence)

    named = None if every else [_position(letter) for letter in letters or ()]
    with progress_bar() as bar:
        task = bar.add_task("dead letters looked at", total=None, visible=every)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        count = send_again(kafka, named, reason, on_progress=show, on_refused=refuse)
    if json:
        print_json({"replayed": count, "refused": refused["all"]})
        return
    errors.print(f"sent again: {count:,}" + (f"; refused: {refused['all']:,}" if refused else ""))


@app.command("discard")
def discard(
    letters: Annotated[list[str], typer.Argument(help="PARTITION:OFFSET as listed.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give up dead letters of executors, so that later actions on their decisions need not wait for them any more.

    What waits behind them is not sent by that: replay it afterwards.

    Examples:

        interlock dead-letters discard 0:17
    """
    from interlock.operations.dead_letters import discard as give_up

    count = give_up(connection.connect(data_dir).serving_kafka(), [_position(letter) for letter in letters])
    if json:
        print_json({"discarded": count})
    else:
        errors.print(f"discarded: {count:,}")


def hexdump(data: bytes) -> str:
    """Sixteen bytes a line: offset, hexadecimal, printable characters."""
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        printable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<47}  {printable}")
    return "\n".join(lines)


def _position(letter: str) -> tuple[int, int]:
    partition, _, offset = letter.partition(":")
    if not (partition.isdigit() and offset.isdigit()):
        raise UsageError(f"{letter!r} does not name a dead letter; write PARTITION:OFFSET as listed")
    return int(partition), int(offset)
