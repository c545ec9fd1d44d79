"""`interlock schemas`: the contracts."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.common import Json, errors, note, print_json, table
from interlock.errors import UnavailableError, UsageError
from interlock.platform.exit_codes import ExitCode

app = typer.Typer(help="The Avro contracts.", no_args_is_help=True)


@app.command("list")
def list_schemas(json: Json = False) -> None:
    """List every version of every schema with its id, and the topics and keys of its records.

    Examples:

        interlock schemas list
    """
    from interlock.schemas import description

    described = description.describe()
    if json:
        print_json([description.as_json(item) for item in described])
        return
    rows = [
        (item.schema, item.version, item.id, item.header, ", ".join(item.topics), ", ".join(set(item.topics.values())))
        for item in described
    ]
    table(("schema", "version", "id", "header", "topics", "key"), rows, optional=("key", "header"))
    errors.print(f"a value is {description.FRAMING}")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of the schema, for example Decision.")],
    version: Annotated[int | None, typer.Option(help="An older version; by default the current one.")] = None,
    json: Json = False,
) -> None:
    """Print a schema, and what else a program must know to read and write its records.

    Examples:

        interlock schemas show Decision
        interlock schemas show Task --version 1 --json
    """
    from interlock.schemas import description

    found, document = description.find(name, version)
    if json:
        print_json(description.as_json(found) | {"framing": description.FRAMING, "document": document})
        return
    print(dumps(document, indent=2, ensure_ascii=False))
    errors.print(f"{found.schema}, version {found.version}, id {found.id}: values begin with the bytes {found.header}")
    for topic, key in found.topics.items():
        errors.print(f"topic {topic}, key {key}")


@app.command("export")
def export(
    directory: Annotated[Path, typer.Argument(help="Where the files are written; created if it is missing.")],
    json: Json = False,
) -> None:
    """Write every schema as a file of its own, and index.json with ids, topics, keys and framing.

    Examples:

        interlock schemas export contracts
    """
    from interlock.schemas import description

    try:
        paths = description.export(directory)
    except OSError as error:
        raise UsageError(f"{directory} cannot be written: {error.strerror}") from error
    if json:
        print_json([str(path) for path in paths])
    else:
        errors.print(f"{len(paths)} files in {directory}; {paths[-1].name} says what belongs to which topic")


@app.command("check")
def check(
    json: Json = False,
    relock: Annotated[bool, typer.Option(help="Pin what has changed as a new version, if it is compatible.")] = False,
) -> None:
    """Prove that every version of a schema can be read with every other, and that the lock file has the current ones.

    Examples:

        interlock schemas check
    """
    from interlock.schemas import compatibility, description

    problems = compatibility.relock() if relock else compatibility.check()
    if json:
        print_json([problem.__dict__ for problem in problems])
    elif not problems:
        described = description.describe()
        table(("schema", "version", "id"), [(item.schema, item.version, item.id) for item in described])
        errors.print("all versions can be read with each other")
    else:
        for problem in problems:
            note(problem)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


@app.command("publish")
def publish(
    registry: Annotated[
        str | None, typer.Argument(help="URL of a Confluent-compatible registry; by default INTERLOCK_REGISTRY__URL.")
    ] = None,
    context: Annotated[str, typer.Option(help="A context of the registry, which has ids of its own.")] = "",
    prefix: Annotated[str, typer.Option(help="Put before the name of every subject.")] = "",
    any_ids: Annotated[bool, typer.Option("--any-ids", help="The registry may number them as it likes.")] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates that the registry's must be signed with.")] = None,
    certificate_file: Annotated[Path | None, typer.Option(help="Client certificate, for mutual TLS.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Its key, if it is in another file.")] = None,
    json: Json = False,
) -> None:
    """Register every version of every schema in a registry, under the pinned ids.

    Secrets come from the environment: INTERLOCK_REGISTRY__USER and INTERLOCK_REGISTRY__PASSWORD, or
    INTERLOCK_REGISTRY__TOKEN.

    Examples:

        interlock schemas publish http://localhost:8081
        interlock schemas publish https://registry:8081 --context interlock --ca-file ca.pem
        interlock schemas publish http://localhost:8081 --prefix acme. --any-ids
    """
    from urllib.parse import urlsplit

    from interlock.platform import connection
    from interlock.platform.probes import listens
    from interlock.platform.registry import client, without_password
    from interlock.schemas.registry import publish as register

    settings = connection.connect().settings.registry
    given: dict[str, object] = {
        "url": registry,
        "ca_file": ca_file,
        "certificate_file": certificate_file,
        "key_file": key_file,
    }
    given["timeout_seconds"] = max(settings.timeout_seconds, 30.0)  # nothing waits for it here
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    if settings.url is None:
        raise UsageError("which registry? Give its URL, or set INTERLOCK_REGISTRY__URL")
    address = urlsplit(settings.url)
    if address.scheme not in ("http", "https") or address.hostname is None:
        raise UsageError(f"{without_password(settings.url)!r} is no URL; write http://HOST:PORT")
    # Checked first: the client retries, and its errors are those of its HTTP library.
    if not listens(address.port or (443 if address.scheme == "https" else 80), address.hostname):
        raise UnavailableError(f"the registry at {without_password(settings.url)} does not answer. Is it running?")
    with client(settings) as connected:
        published = register(connected, context=context, prefix=prefix, any_ids=any_ids)
    if json:
        print_json([subject.__dict__ for subject in published])
        return
    rows = [(item.subject, item.schema, item.version, item.id, item.registry_id) for item in published]
    table(("subject", "schema", "version", "id", "registry's id"), rows)
