"""`interlock topics`: the topic catalogue."""

from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, print_json, table
from interlock.platform import connection

app = typer.Typer(help="The topic catalogue.", no_args_is_help=True)


@app.command("list")
def list_topics(json: Json = False) -> None:
    """List every topic Interlock knows, with its schema and its cleanup.

    Examples:

        interlock topics list
    """
    from interlock.schemas import catalogue

    if json:
        print_json([topic.__dict__ for topic in catalogue.TOPICS])
        return
    table(
        ("topic", "key", "schema", "partitions", "cleanup", "what"),
        [
            (
                topic.name,
                topic.key,
                topic.schema or "foreign bytes",
                topic.partitions,
                topic.cleanup,
                topic.doc,
            )
            for topic in catalogue.TOPICS
        ],
        optional=("cleanup", "key", "schema", "partitions"),
    )


@app.command("asyncapi")
def asyncapi() -> None:
    """Print the topics as an AsyncAPI 3.0 document: addresses, keys, schemas with their ids, who writes and who reads.

    Examples:

        interlock topics asyncapi > asyncapi.json
    """
    import json as json_module

    from interlock.operations.asyncapi import document

    print(json_module.dumps(document(), indent=1, ensure_ascii=False))


@app.command("create")
def create(
    data_dir: DataDir = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of the decision and review topics.")] = None,
    replication: Annotated[int, typer.Option(min=1, help="Replication factor; 3 in production.")] = 1,
) -> None:
    """Create the topics that do not exist yet; existing ones stay as they are, and differences are reported.

    Examples:

        interlock topics create --partitions 12 --replication 3
    """
    from interlock.platform.provisioning import create_topics

    for line in create_topics(connection.connect(data_dir), partitions=partitions, replication=replication):
        errors.print(line)


@app.command("alter")
def alter(
    data_dir: DataDir = None,
    apply: Annotated[bool, typer.Option("--apply", help="Change the topics instead of showing what differs.")] = False,
    allow_deletion: Annotated[
        bool,
        typer.Option("--allow-deletion", help="Also where Kafka would delete records that it keeps now."),
    ] = False,
    json: Json = False,
) -> None:
    """Give existing topics the retention, cleanup and limits of this version; partitions stay as they are.

    A topic of which Kafka would then delete records is left alone without --allow-deletion.

    Examples:

        interlock topics alter
        interlock topics alter --apply
        interlock topics alter --apply --allow-deletion
    """
    from dataclasses import asdict

    from interlock.platform.provisioning import alter_topics

    report = alter_topics(connection.connect(data_dir), deleting=allow_deletion, apply=apply)
    if json:
        print_json(
            {
                "changed" if apply else "would_change": [asdict(each) for each in report.corrected],
                "left": [asdict(each) for each in report.differences],
            }
        )
        return
    verb = "is now" if apply else "would be"
    for change in report.corrected:
        print(f"topic {change.topic}: {change.setting} {verb} {change.expected} (was {change.found})")
    for left in report.differences:
        print(
            f"topic {left.topic}: {left.setting} stays {left.found} (expected {left.expected}): Kafka would delete "
            "records that it keeps now; --allow-deletion changes it"
        )
    if not report.corrected and not report.differences:
        errors.print("every topic is as this version expects it")


def prepare(
    data_dir: DataDir = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of the decision and review topics.")] = None,
    replication: Annotated[int, typer.Option(min=1, help="Replication factor; 3 in production.")] = 1,
    json: Json = False,
) -> None:
    """Create missing topics, record the schemas and bring the tables up to date; run it before a new version's roles.

    Lets the tables keep rows for as long as the packs of published policies and INTERLOCK_CLICKHOUSE__RETENTION_DAYS
    demand, and says what it changed. Running it again changes nothing; waits until Kafka and ClickHouse answer.

    Examples:

        interlock prepare --partitions 12 --replication 3
    """
    import threading

    from interlock.operations.retention import prepare_retention
    from interlock.platform.log_config import configure
    from interlock.platform.provisioning import create_topics, migrate, record_schemas
    from interlock.services.retry import wait_until_available

    platform = connection.connect(data_dir)
    configure(platform.settings.log_format)
    stop = threading.Event()
    lines = wait_until_available(lambda: create_topics(platform, partitions=partitions, replication=replication), stop)
    recorded = wait_until_available(lambda: record_schemas(platform), stop)
    applied = wait_until_available(lambda: migrate(platform), stop)
    kept = wait_until_available(lambda: prepare_retention(platform), stop)
    if json:
        print_json({"topics": lines, "schemas": recorded, "migrations": applied, "retention": kept})
        return
    for line in (*(lines or ()), *(kept or ())):
        errors.print(line)
    if recorded:
        errors.print(f"recorded {len(recorded)} versions of schemas")
    for name in applied or ():
        errors.print(f"applied {name}")
    errors.print("topics, schemas and tables are up to date")
