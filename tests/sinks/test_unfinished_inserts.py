"""An engine killed between remembering an insert's token and keeping its rows stores the repetition."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from interlock.sinks.embedded_clickhouse.server import EmbeddedClickHouse, ServerSettings
from interlock.sinks.embedded_clickhouse.unfinished_inserts import forget_unfinished, part, unfinished

ADDED = ["1\tall_1_1_0\ta", "1\tall_2_2_0\tb", "1\tall_3_3_0\tc"]


@pytest.mark.parametrize(
    ("there", "lost"),
    [
        (["all_1_1_0", "all_2_2_0", "all_3_3_0"], []),
        (["all_1_1_0", "all_2_2_0"], ["c"]),
        (["all_1_2_1", "all_3_3_0"], []),
        (["all_1_3_1_7"], []),
        (["all_1_1_0", "all_3_3_0"], ["b"]),
        (["202611_1_3_1"], ["a", "b", "c"]),
    ],
)
def test_a_token_is_unfinished_if_no_part_holds_its_block(there: list[str], lost: list[str]) -> None:
    found = unfinished(ADDED, [one for name in there if (one := part(name)) is not None])
    assert [token for _, token in found] == lost


def test_what_the_log_has_dropped_is_not_unfinished() -> None:
    assert unfinished([*ADDED, "2\tall_2_2_0\tb"], [item for item in [part("all_1_1_0")] if item]) == [
        ("all_3_3_0", "c")
    ]


@pytest.mark.parametrize("name", ["tmp_insert_all_1_1_0", "delete_tmp_all_1_1_0", "detached", "format_version.txt"])
def test_only_finished_parts_are_parts(name: str) -> None:
    assert part(name) is None


def test_half_a_record_is_cut_off(tmp_path: Path) -> None:
    table = tmp_path / "store" / "abc" / "abc-1"
    logs = table / "deduplication_logs"
    logs.mkdir(parents=True)
    (table / "all_1_1_0").mkdir()
    log = logs / "deduplication_log_2.txt"
    log.write_text("1\tall_1_1_0\ta\n1\tall_2")
    (logs / "deduplication_log_1.txt").write_text("1\tall_0_0_0\tz\n")
    assert forget_unfinished(tmp_path) == [table]
    assert log.read_text() == "1\tall_1_1_0\ta\n2\tall_0_0_0\tz\n"
    assert forget_unfinished(tmp_path) == []


def insert(client: Client) -> None:
    settings = {
        "async_insert": "0",
        "deduplicate_blocks_in_dependent_materialized_views": "1",
        "insert_deduplication_token": "chunk",
    }
    client.insert_arrow("events", pa.table({"id": pa.array(range(100), pa.uint64())}), settings=settings)


@pytest.mark.warehouse
@pytest.mark.parametrize("lost", [["sums"], ["events", "sums"]])
def test_a_repetition_completes_what_a_killed_engine_remembers_but_does_not_have(
    lost: list[str], tmp_path: Path
) -> None:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path)) as server:
        client = server.client()
        window = "SETTINGS non_replicated_deduplication_window = 1000"
        client.command(f"CREATE TABLE events (id UInt64) ENGINE = MergeTree ORDER BY id {window}")
        client.command(f"CREATE TABLE sums (rows UInt64) ENGINE = SummingMergeTree ORDER BY tuple() {window}")
        client.command("CREATE MATERIALIZED VIEW to_sums TO sums AS SELECT count() AS rows FROM events")
        insert(client)
        found = client.query("SELECT table, path FROM system.parts WHERE active").result_rows
        server.kill()
        for table, path in found:
            if table in lost:  # the part had not got its name yet
                shutil.rmtree(path)
        server.start()
        for _ in range(2):
            insert(client)
            assert client.query("SELECT count() FROM events").first_row == (100,)
            assert client.query("SELECT sum(rows) FROM sums").first_row == (100,)
