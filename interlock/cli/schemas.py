"""`interlock schemas`: the contracts."""

from typing import Annotated

import typer

from interlock.cli.common import Json, errors, note, print_json, table
from interlock.errors import UnavailableError, UsageError
from interlock.platform.exit_codes import ExitCode

app = typer.Typer(help="The Avro contracts.", no_args_is_help=True)


@app.command("check")
def check(
    json: Json = False,
    relock: Annotated[bool, typer.Option(help="Pin the schemas as they are now, if they are compatible.")] = False,
) -> None:
    """Prove that the schemas are backward and forward compatible with the ones pinned in the lock file.

    Examples:

        interlock schemas check
    """
    from interlock.schemas import avro_schemas, compatibility

    problems = compatibility.check()
    if relock:
        problems = compatibility.relock()
    if json:
        print_json([problem.__dict__ for problem in problems])
    elif not problems:
        rows = [
            (name, avro_schemas.schema_id(name), avro_schemas.fingerprint(name)[:16]) for name in avro_schemas.NAMES
        ]
        table(("schema", "id", "fingerprint"), rows)
        errors.print("compatible with the lock")
    else:
        for problem in problems:
            note(problem)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


@app.command("publish")
def publish(
    registry: Annotated[str, typer.Argument(help="URL of a Confluent-compatible registry.")],
    json: Json = False,
) -> None:
    """Register every topic's schema in a registry, under the pinned ids.

    Examples:

        interlock schemas publish http://localhost:8081
    """
    from urllib.parse import urlsplit

    from confluent_kafka.schema_registry import SchemaRegistryClient

    from interlock.platform.probes import listens
    from interlock.schemas.registry import publish as register

    address = urlsplit(registry)
    if address.scheme not in ("http", "https") or address.hostname is None:
        raise UsageError(f"{registry!r} is no URL; write http://HOST:PORT")
    # Checked first: the client retries for half a minute, and its errors are those of its HTTP library.
    if not listens(address.port or (443 if address.scheme == "https" else 80), address.hostname):
        raise UnavailableError(f"the registry at {registry} does not answer. Is it running?")
    with SchemaRegistryClient({"url": registry}) as client:
        published = register(client)
    if json:
        print_json([subject.__dict__ for subject in published])
    else:
        table(("subject", "schema", "id"), [(subject.subject, subject.schema, subject.id) for subject in published])
