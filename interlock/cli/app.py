"""The command line."""

import sys

import typer
from confluent_kafka import KafkaException

from interlock.cli import (
    checklist,
    dead_letters,
    demo,
    export,
    platform,
    policy,
    proposals,
    queries,
    queues,
    review,
    reviewers,
    schemas,
    shadow,
    simulate,
    topics,
)
from interlock.errors import InterlockError
from interlock.platform.exit_codes import ExitCode, exit_code
from interlock.platform.log_config import quieten

app = typer.Typer(
    name="interlock",
    help="Human-in-the-loop decisions on Kafka: automate the routine, escalate the exceptional.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

app.command("up")(platform.up)
app.command("down")(platform.down)
app.command("status")(platform.status)
app.command("doctor")(platform.doctor)
app.command("run")(platform.run)
app.command("prepare")(topics.prepare)
app.command("metrics")(queries.metrics)
app.command("sql")(queries.sql)
app.command("timeline")(queries.timeline)
app.command("reconcile")(queries.reconcile)
app.command("produce")(queries.produce)
app.command("demo")(demo.demo)
app.command("queues")(queues.queues)
app.command("checklist")(checklist.checklist)
app.command("simulate-reviewers")(simulate.simulate_reviewers)
app.add_typer(review.app, name="review")
app.add_typer(reviewers.app, name="reviewers")
app.add_typer(topics.app, name="topics")
app.add_typer(schemas.app, name="schemas")
app.add_typer(policy.app, name="policy")
app.add_typer(proposals.app, name="proposals")
app.add_typer(shadow.app, name="shadow")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(export.app, name="export")
app.command("halt")(policy.halt)
app.command("resume")(policy.resume)


def run(commands: typer.Typer = app) -> None:
    """Runs a command; what a user can cause ends with one message and an exit code, never with a traceback."""
    quieten()
    try:
        commands()
    except InterlockError as error:
        print(f"interlock: {error}", file=sys.stderr)
        sys.exit(exit_code(error))
    except KafkaException as error:
        print(f"interlock: Kafka: {error.args[0].str()}", file=sys.stderr)
        sys.exit(ExitCode.UNAVAILABLE)
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`.
        sys.stderr.close()
        sys.exit(ExitCode.OK)
