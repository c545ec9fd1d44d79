"""The audit trail for whoever audits: proved within bounds, and a decision's records as a file that proves itself."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from interlock.api.access.principal import Principal
from interlock.api.backend import Backend
from interlock.api.blindness import check_told
from interlock.api.problems import Problem, not_found
from interlock.operations import audit_trail, trail_export
from interlock.operations.audit_trail import Asked
from interlock.operations.trail_export import ExportCheck, NothingToExportError
from interlock.platform.trail_keys import trusted_key

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# Some fifteen seconds on two cores (docs/audit-trail.md): proxies end a request that is silent for a minute.
MAX_ROWS = 500_000

# A proof takes a core for as long as it runs; people's requests need the others.
_ONE_AT_A_TIME = Lock()
_RETRY_SECONDS = 10


def verify_trail(backend: Backend, asked: Asked) -> dict[str, Any]:
    """What `interlock audit verify --json` prints. Raises Problem where there are more than `MAX_ROWS` rows or another
    proof runs, InterlockError and ClickHouseError."""
    looked_at = 0

    def count(rows: int) -> None:
        nonlocal looked_at
        looked_at += rows
        if looked_at > MAX_ROWS:
            raise Problem(
                422,
                "too-many-rows",
                f"more than {MAX_ROWS:,} rows are to be proved: name a later `since`, one `topic` or one decision, or "
                "run `interlock audit verify`, which has no limit",
            )

    said: list[str] = []
    with _alone():
        found = audit_trail.verify(backend.platform, asked, progress=count, say=said.append)
    return {**found.facts(), "not_asked": said}


def verify_decision(backend: Backend, person: Principal, decision_id: str) -> ExportCheck:
    """What the file of the decision proves. Raises as `export_decision`."""
    with _file(backend, person, decision_id) as file:
        return trail_export.check(file, trusted_key(backend.platform, None))


def decision_facts(found: ExportCheck) -> dict[str, Any]:
    """For JSON, as `interlock audit verify --export --json` prints it."""
    return {**asdict(found), "ok": found.ok}


def export_decision(backend: Backend, person: Principal, decision_id: str) -> bytes:
    """The file that `interlock audit export` writes. Raises Problem: where nothing is stored of the decision, another
    proof runs, or the person may still judge it; InterlockError and ClickHouseError."""
    with _file(backend, person, decision_id) as file:
        return file.read_bytes()


@contextmanager
def _file(backend: Backend, person: Principal, decision_id: str) -> Iterator[Path]:
    check_told(backend.board, person, decision_id)
    with tempfile.TemporaryDirectory() as directory, _alone(), closing(backend.platform.clickhouse()) as client:
        file = Path(directory) / "proof.zip"
        _export(backend, client, decision_id, file)
        yield file


def _export(backend: Backend, client: "Client", decision_id: str, file: Path) -> None:
    proved = audit_trail.anchors_of(backend.platform, client, Asked(), lambda _: None)
    places = trail_export.places_of_decision(client, decision_id)
    try:
        trail_export.export(client, places, proved, file, {"decision": decision_id})
    except NothingToExportError as error:
        raise not_found("decision", decision_id) from error


@contextmanager
def _alone() -> Iterator[None]:
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise Problem(
            429,
            "busy",
            "another proof of the audit trail is running: ask again in a moment",
            headers={"Retry-After": str(_RETRY_SECONDS)},
        )
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()
