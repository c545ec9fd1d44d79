"""What could tell of a person is searched for byte by byte: in all tables and files of ClickHouse, and in exports."""

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import decision, subject
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.operations import trail_export
from interlock.platform.trail_keys import Ed25519Signer
from interlock.schemas import catalogue
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse
from interlock.sinks.sealed_columns import COLUMNS
from interlock.sinks.trail.anchors import proved, signed_anchor
from tests.sinks import review_records
from tests.sinks.sink_world import World
from tests.sinks.test_sealed_rows import tell_of

pytestmark = pytest.mark.warehouse

KEY = Ed25519Signer(bytes(32))
NOW = 1_767_225_600_000_000

SEALED = {table for table, rule in COLUMNS.items() if rule.sealed}


def tell_everything_of(world: World, decision_id: str, secret: str, person: str) -> None:
    """At least one row in every table that has sealed columns, and unreadable records on every topic behind them."""
    tell_of(world, decision_id, secret, person)
    said: dict[str, Any] = {"reason_text": secret, "modifications": f'{{"name": "{secret}"}}'}
    about = {"task_id": decision_id}
    records: list[tuple[catalogue.Topic, dict[str, Any]]] = [
        (catalogue.COMMANDS, review_records.command(f"{decision_id}-c", on_behalf_of=secret, **said, **about)),
        (catalogue.REPLIES, review_records.reply(f"{decision_id}-c", message=secret, **about)),
        (catalogue.RESOLUTIONS, review_records.resolution(decision_id, **said)),
        (catalogue.ACTIONS, review_records.action(decision_id, text=secret, **said)),
        (catalogue.ALERTS, review_records.alert(f"{decision_id}-a", message=secret, **about)),
    ]
    for topic, record in records:
        world.tell(topic.name, decision_id, record)
    unreadable = (catalogue.DECISIONS, catalogue.SHADOW, catalogue.TASKS, catalogue.TRAINING_EXAMPLES)
    for topic in (*(topic for topic, _ in records), *unreadable, catalogue.ACTIONS_RETRY):
        world.send(topic.name, decision_id.encode(), secret.encode())


def contents(client: Client) -> dict[str, bytes]:
    """Every table, views aside, as ClickHouse decompresses it, whatever its columns are."""
    tables = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    return {name: client.raw_query(f"SELECT * FROM {name}", fmt="RowBinary") for (name,) in tables.result_rows}


def test_no_personal_field_stands_in_plain_in_any_table_file_or_export(
    own: Client, warehouse: EmbeddedClickHouse, keys: SqliteKeyStore, run_id: str, tmp_path: Path
) -> None:
    """The same records in plain are found in every table and in the export: the search can fail."""
    plain = World(f"plain{run_id}", own)
    tell_everything_of(plain, f"{plain.name}-1", f"offen{run_id}", f"jemand{run_id}")
    world = World(run_id, own, keys=keys)
    decision_id, secret, person = f"{run_id}-1", f"geheim{run_id}", f"person{run_id}"
    tell_everything_of(world, decision_id, secret, person)
    anchors: list[dict[str, Any]] = []
    for each in (plain, world):
        writer = each.writer()
        each.settle(writer)
        previous = anchors[-1]["anchor_id"] if anchors else ""
        anchors.append(signed_anchor(KEY, writer.heads, name=each.name, previous=previous, now=NOW + len(anchors)))
    for table in SEALED:
        own.command(f"OPTIMIZE TABLE {table} FINAL")

    def exported() -> bytes:
        path = tmp_path / "trail.zip"
        places = trail_export.places_since(own, datetime(2020, 1, 1, tzinfo=UTC))
        trail_export.export(own, places, proved(anchors, [KEY.public_key]), path, {"since": "2020"})
        assert trail_export.check(path, KEY.public_key).ok
        with zipfile.ZipFile(path) as archive:
            return b"".join(archive.read(name) for name in archive.namelist())

    found, file = contents(own), exported()
    said, named = f"offen{run_id}".encode(), f"jemand{run_id}".encode()
    assert {table for table, content in found.items() if said in content} == SEALED
    named_in = {table for table, content in found.items() if named in content}
    assert named_in == {"decisions", "routed_decisions", "shadow_decisions"}
    assert said in file

    owners = [subject(person), decision(decision_id)]
    made = list(keys.keys_for(owners).values())
    needles = [text.encode() for text in (secret, person, secret.encode().hex(), person.encode().hex())]
    for needle in needles:
        assert not [table for table, content in found.items() if needle in content]
        assert needle not in file
    # What is not compressed: marks, indexes, minima and maxima, logs.
    needles += [key.secret for key in made]
    for path in warehouse.settings.data_dir.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [needle for needle in needles if needle in content], path
    erased = keys.erase(subject(person), [decision_id])
    assert set(erased.key_ids) == {key.id for key in made}
    assert secret.encode() not in exported()
