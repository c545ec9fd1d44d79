"""`interlock init`: the first files for a new domain."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.common import Json, note, print_json
from interlock.errors import InterlockError


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write; made if it does not exist.")
    ] = Path(),
    domain: Annotated[str, typer.Option(help="Name of the domain, for example loan_approval.")] = "",
    json: Json = False,
) -> None:
    """Write a policy, a mapping and sample decisions for a domain of your own. Existing files are never overwritten.

    Examples:

        interlock init claims --domain insurance_claims
    """
    from interlock.produce.scaffold import scaffold

    files = {directory / name: text for name, text in scaffold(domain).items()}
    existing = [str(path) for path in files if path.exists()]
    if existing:
        raise InterlockError(f"nothing was written, because these files exist: {', '.join(existing)}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InterlockError(f"cannot write to {directory}: {error.strerror}") from error
    if json:
        print_json({"domain": domain, "files": [str(path) for path in files]})
        return
    policy, mapping, json_lines, table = files
    note(f"written: {', '.join(str(path) for path in files)}")
    note("next, with `interlock up` running:")
    for command in (
        f"policy check {policy}",
        f"policy publish {policy} --note 'first version'",
        f"produce {json_lines}",
        f"produce {table} --mapping {mapping}",
        f"sql \"SELECT decision_id, route, reasons FROM routed_decisions WHERE domain = '{domain}'\"",
        "review list",
    ):
        note(f"  interlock {command}")
