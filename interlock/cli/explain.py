"""`interlock explain`: one decision in words."""

from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, note, print_json
from interlock.errors import InterlockError, UsageError
from interlock.platform import connection
from interlock.platform.printing import visible


class Reader(StrEnum):
    """Who reads it."""

    AUDITOR = "auditor"
    SUBJECT = "subject"


def explain(
    decision_id: Annotated[str, typer.Argument(help="Id of the decision.")],
    as_of: Annotated[
        str, typer.Option("--as-of", help="As it stood then, in ISO 8601; UTC where no zone is given.")
    ] = "",
    reader: Annotated[
        Reader, typer.Option("--for", help="`subject`: the short form for the person concerned, without names.")
    ] = Reader.AUDITOR,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it to this file: a page that needs nothing else.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Explain one decision in words: rules, people, effects, deadlines. The same record gives the same explanation.

    Examples:

        interlock explain loan-000000

        interlock explain loan-000000 --html loan-000000.html

        interlock explain loan-000000 --for subject

        interlock explain loan-000000 --as-of 2026-03-01T12:00:00 --json
    """
    from interlock.explanations.gathering import gather, only
    from interlock.explanations.page import page
    from interlock.processors.explanation.explain import explain as explained
    from interlock.processors.explanation.for_subject import explain_to_subject
    from interlock.processors.explanation.model import Explanation
    from interlock.processors.explanation.text import sections

    moment = _moment(as_of)
    with connection.database_errors():
        platform = connection.connect(data_dir)
        records = gather(
            decision_id,
            platform.serving_kafka,
            lambda: only(partial(platform.clickhouse, analyst=True)),
            lambda: platform.keys_to_read,
        )
    records = records if moment is None else records.until(moment)
    if not records.known:
        then = f" as of {as_of}" if as_of else ""
        raise InterlockError(
            f"nobody knows a decision {decision_id!r}{then}: it was not submitted under this id, or its time of "
            "storage is over"
        )
    told = explained(records) if reader is Reader.AUDITOR else explain_to_subject(records)
    if html is not None:
        _write(html, page(told))
    if json:
        print_json(told.facts())
    elif html is None:
        print(visible(f"Decision {decision_id}"))
        for section in sections(told) if isinstance(told, Explanation) else told.sections:
            print(visible(f"\n{section.title}"))
            for line in section.lines:
                print(visible(f"  {line}"))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    note(f"written to {file}")


def _moment(text: str) -> int | None:
    """Microseconds since the epoch; None for an empty text. Raises UsageError."""
    from interlock.processors.review.times import micros

    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--as-of {text!r} is no time: write 2026-03-01T12:00:00, in UTC or with a zone") from error
    return micros(at if at.tzinfo else at.replace(tzinfo=UTC))
