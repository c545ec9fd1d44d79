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


def prepare(
    data_dir: DataDir = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of the decision and review topics.")] = None,
    replication: Annotated[int, typer.Option(min=1, help="Replication factor; 3 in production.")] = 1,
    json: Json = False,
) -> None:
    """Create missing topics, record the schemas and bring the tables up to date; run it before a new version's roles.

    Running it again changes nothing; waits until Kafka and ClickHouse answer.

    Examples:

        interlock prepare --partitions 12 --replication 3
    """
    import threading

    from interlock.platform.log_config import configure
    from interlock.platform.provisioning import create_topics, migrate, record_schemas
    from interlock.services.retry import wait_until_available

    platform = connection.connect(data_dir)
    configure(platform.settings.log_format)
    stop = threading.Event()
    lines = wait_until_available(lambda: create_topics(platform, partitions=partitions, replication=replication), stop)
    recorded = wait_until_available(lambda: record_schemas(platform), stop)
    applied = wait_until_available(lambda: migrate(platform), stop)
    if json:
        print_json({"topics": lines, "schemas": recorded, "migrations": applied})
        return
    for line in lines or ():
        errors.print(line)
    if recorded:
        errors.print(f"recorded {len(recorded)} versions of schemas")
    for name in applied or ():
        errors.print(f"applied {name}")
    errors.print("topics, schemas and tables are up to date")
