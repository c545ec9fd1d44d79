"""Files of tests, and what reading them gives."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interlock.produce.layout import Layout
from interlock.produce.mapping import ColumnMapping
from interlock.produce.reading import LineError, read
from interlock.schemas.models import Decision

NOW = datetime(2026, 1, 1, tzinfo=UTC)

# What every decision needs beside its id and confidence.
CONSTANTS = {"domain": "d", "model_id": "m", "model_version": "1", "prediction": "approve"}


def mapping(*, layout: Layout | None = None, **parts: Any) -> ColumnMapping:
    """One in which only id and confidence must stand in the file."""
    return ColumnMapping(**{"constants": CONSTANTS, "layout": layout or Layout(), **parts})


def outcome(path: Path, columns: ColumnMapping | None = None) -> tuple[list[Decision], list[str]]:
    """The decisions, and what is said of the other lines without the name of the file."""
    found = list(read(path, columns or mapping(), lambda: NOW))
    errors = [str(row).replace(f"{path}:", "") for row in found if isinstance(row, LineError)]
    return [row for row in found if isinstance(row, Decision)], errors
