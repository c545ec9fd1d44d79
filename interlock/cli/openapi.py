"""`interlock openapi`: the contract of the HTTP API."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.common import errors
from interlock.errors import InterlockError, UsageError
from interlock.platform.exit_codes import ExitCode
from interlock.schemas import json_text


def openapi(
    against: Annotated[
        Path | None, typer.Option(help="An earlier document: say what callers of it would miss.", metavar="FILE")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Replace the earlier document, unless callers of it would miss something.")
    ] = False,
) -> None:
    """Print the OpenAPI document of the HTTP API, or compare it with an earlier one. Exit code 1 if callers of that
    one would miss something.

    Examples:

        interlock openapi > openapi.json

        interlock openapi --against openapi.json
    """
    from interlock.api.contract import breaking_changes, document

    present = json_module.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True)
    if against is None:
        if update:
            raise UsageError("--update replaces the document of --against: name it")
        print(present)
        return
    try:
        earlier = json_text.parse_unlimited(against.read_bytes())
        found = breaking_changes(earlier, document())
    except OSError as error:
        raise UsageError(f"cannot read {against}: {error.strerror}") from error
    except json_text.JsonError as error:
        raise InterlockError(f"{against} is no OpenAPI document: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InterlockError(f"{against} is no OpenAPI document: {error!r}") from error
    for change in found:
        errors.print(change)
    if found:
        raise typer.Exit(ExitCode.FAILED)
    if update:
        against.write_text(present + "\n")
    errors.print("callers of that version miss nothing")
