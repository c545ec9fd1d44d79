"""The command line: a table of commands whose modules are loaded when a command is called.

Loading all of them takes a second, which neither `--help` nor any one command should cost.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer
from typer.core import TyperGroup

from interlock.errors import InterlockError
from interlock.platform.exit_codes import ExitCode, exit_code

if TYPE_CHECKING:
    from confluent_kafka import KafkaError


class Entry(NamedTuple):
    """A command or a group: its module in this package, its name there, and how its help begins."""

    module: str
    attribute: str
    help: str


COMMANDS: Mapping[str, Entry] = {
    "init": Entry("init", "init", "Write a policy, a mapping and sample decisions for a domain of your own."),
    "up": Entry("platform", "up", "Start Kafka, ClickHouse, router, desk, sink and console on this machine."),
    "down": Entry("platform", "down", "Stop the local instance in order."),
    "status": Entry("platform", "status", "Say what runs and where."),
    "doctor": Entry("platform", "doctor", "Check everything Interlock needs."),
    "run": Entry(
        "roles", "run", "Run one role in the foreground against the Kafka and ClickHouse named in the settings."
    ),
    "prepare": Entry("topics", "prepare", "Create missing topics, record the schemas and bring the tables up to date."),
    "metrics": Entry("queries", "metrics", "Show the numbers of the `metrics` view."),
    "sql": Entry("queries", "sql", "Ask ClickHouse as the read-only analyst."),
    "timeline": Entry("queries", "timeline", "Tell the story of one decision, from its arrival on."),
    "explain": Entry("explain", "explain", "Explain one decision in words: rules, people, effects, deadlines."),
    "notices": Entry("notices", "app", "What people were told of decisions about them."),
    "reconcile": Entry(
        "queries", "reconcile", "Compare Kafka and ClickHouse: every record once in its table and in the roll-ups."
    ),
    "audit": Entry("audit", "app", "The audit trail: prove it, export it; erase a subject, or hold it."),
    "produce": Entry("produce", "produce", "Send decisions from a file."),
    "demo": Entry("demo", "demo", "Stream real survey decisions through Kafka, router, people and ClickHouse."),
    "queues": Entry("queues", "queues", "Show every queue: what waits, is held and is overdue."),
    "checklist": Entry("checklist", "checklist", "Answer eight questions about the review process from what is there."),
    "simulate-reviewers": Entry("simulate", "simulate_reviewers", "Let simulated reviewers work the queues."),
    "review": Entry("review", "app", "Look at what waits for a person, and decide it."),
    "reviewers": Entry("reviewers", "app", "Who decides, and who is on duty."),
    "tokens": Entry("tokens", "app", "What programs show when they use the HTTP API."),
    "topics": Entry("topics", "app", "The topic catalogue."),
    "acls": Entry(
        "acls",
        "acls",
        "Print the access control lists (ACLs) that each role needs in Kafka, as commands of Kafka's own tool.",
    ),
    "schemas": Entry("schemas", "app", "The Avro contracts."),
    "policy": Entry("policy", "app", "Policies: which decisions may take effect by themselves."),
    "proposals": Entry(
        "proposals", "app", "Changes that people's answers justify: look at the evidence, sign or refuse."
    ),
    "shadow": Entry("shadow", "app", "Challengers: what they would have done."),
    "fairness": Entry("fairness", "fairness", "Tell by group how much was decided by machine."),
    "reliance": Entry("reliance", "app", "How people rely on the AI's answer."),
    "dead-letters": Entry("dead_letters", "app", "Messages that could not be read."),
    "openapi": Entry("openapi", "openapi", "Print the OpenAPI document of the HTTP API."),
    "export": Entry("export", "app", "What people taught, as files."),
    "halt": Entry(
        "policy", "halt", "Pull the kill switch: from the next batch on nothing in scope takes effect without a person."
    ),
    "resume": Entry("policy", "resume", "Lift a halt."),
}


class _Commands(Mapping[str, Any]):
    """The commands by name; a command is loaded when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        return load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class CommandTable(TyperGroup):
    """The group of all commands; lists them without loading them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast(MutableMapping[str, Any], _Commands())

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as the base class has it
        """The names, in the order of the table."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - likewise
        """Name and first sentence of each command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The commands and options that begin with `incomplete`."""
        from typer.core import CompletionItem  # type: ignore[attr-defined]

        commands = [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]
        return commands + [item for item in super().shell_complete(ctx, incomplete) if item.value not in COMMANDS]


@cache
def load(name: str) -> Any:
    """The command or group `name`, as the command line library has it. Raises KeyError."""
    entry = COMMANDS[name]
    target = getattr(import_module(f"interlock.cli.{entry.module}"), entry.attribute)
    parent = typer.Typer(rich_markup_mode="markdown")
    parent.callback()(lambda: None)
    if isinstance(target, typer.Typer):
        parent.add_typer(target, name=name)
    else:
        parent.command(name)(target)
    return typer.main.get_group(parent).commands[name]


# No rich text in the list of commands: the library for it would be half of the time that `--help` takes.
app = typer.Typer(
    name="interlock", cls=CommandTable, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"interlock {version('interlock')}")
        raise typer.Exit


@app.callback()
def interlock(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Human-in-the-loop decisions on Kafka: automate the routine, escalate the exceptional."""


def run(commands: Callable[[], object] = app) -> None:
    """Runs a command, by default that of the command line. Errors that a user can cause end with one message and an
    exit code, never with a traceback."""
    from interlock.platform.log_config import quieten

    quieten()
    try:
        commands()
    except InterlockError as error:
        from interlock.platform.printing import visible

        print(visible(f"interlock: {error}"), file=sys.stderr)
        sys.exit(exit_code(error))
    except UnicodeEncodeError as error:
        text = error.object[error.start : error.end]
        print(f"interlock: an argument or a file has text that is not UTF-8 ({text!r})", file=sys.stderr)
        sys.exit(ExitCode.USAGE)
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`.
        sys.stderr.close()
        sys.exit(ExitCode.OK)
    except Exception as error:
        kafka_error = _kafka_error(error)
        if kafka_error is None:
            raise
        from interlock.streams.kafka_trouble import RIGHTS

        print(f"interlock: Kafka: {kafka_error.str()}", file=sys.stderr)
        sys.exit(ExitCode.OPERATOR_REQUIRED if kafka_error.code() in RIGHTS else ExitCode.UNAVAILABLE)


def _kafka_error(error: Exception) -> "KafkaError | None":
    """The error of Kafka's client, if it raised; it is loaded already in that case."""
    if "confluent_kafka" in sys.modules:
        from confluent_kafka import KafkaException

        if isinstance(error, KafkaException):
            return cast("KafkaError", error.args[0])
    return None
