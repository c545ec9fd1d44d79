"""What the embedded engine is started with: its limits and its roles.

The engine is told a configuration file explicitly; without one it would read a ``config.xml`` that happens to
lie in the working directory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ANALYST_ROLE = "analyst"
ANALYST_PROFILE = "analyst"

MIB = 1024 * 1024

# One query may have so much; an insert of the sink's largest chunk needs most of it.
QUERY_MEMORY = 192 * MIB
# The analyst's queries have less, and one thread each: without limits a single endless join takes the processors and
# the memory that the sink's inserts need. So many run at a time, on half of the processors, while others wait; there is
# no memory for more than four.
ANALYST_RUNNING = min(max((os.cpu_count() or 1) // 2, 1), 4)
ANALYST_MEMORY = 128 * MIB
# Memory of all queries together: an insert has its share whatever analysts ask. The process needs about 280 MiB before
# the first query, most of it pages of the engine's library, which the kernel can drop. A query beyond the limit fails
# with MEMORY_LIMIT_EXCEEDED; nothing dies.
SERVER_MEMORY = QUERY_MEMORY + ANALYST_RUNNING * ANALYST_MEMORY
# Sorting and grouping go to disk well before that limit.
SPILL_MEMORY = 64 * MIB
# Each may be set lower for a query, never higher, and not to 0, which would mean none.
ANALYST_LIMITS: Mapping[str, str] = {
    "max_threads": "1",
    "max_memory_usage": str(ANALYST_MEMORY),
    # Nobody waits longer at a dashboard, and others wait for their turn. Grafana waits a minute, and its driver asks
    # for five seconds more than that.
    "max_execution_time": "65",
    # What sorting and grouping write to disk, which Kafka and the tables need as well.
    "max_temporary_data_on_disk_size_for_query": str(1024 * MIB),
}
# Sorting and grouping of the analyst go to disk when they have this much.
ANALYST_SPILL: Mapping[str, str] = {
    "max_bytes_before_external_group_by": str(ANALYST_MEMORY // 3),
    "max_bytes_before_external_sort": str(ANALYST_MEMORY // 3),
    "max_bytes_before_external_join": str(ANALYST_MEMORY // 3),
}
# What the analyst cannot set at all: it would get around a limit, or reach the queries of others.
ANALYST_FIXED = (
    "readonly",
    "max_memory_usage_for_user",
    "max_temporary_data_on_disk_size_for_user",
    "max_concurrent_queries_for_user",
    "max_untracked_memory",
    "memory_overcommit_ratio_denominator",
    "memory_overcommit_ratio_denominator_for_user",
    "query_profiler_cpu_time_period_ns",
    "query_profiler_real_time_period_ns",
    "use_query_cache",
)
_CONSTRAINTS = "".join(
    [f"<{name}><min>1</min><max>{most}</max></{name}>" for name, most in ANALYST_LIMITS.items()]
    + [f"<{name}><const/></{name}>" for name in ANALYST_FIXED]
)
# Blocks of an insert: a sink chunk of up to 100,000 rows is always one block, and with it one part and one
# deduplication entry, while a block of wide rows cannot fill the memory above.
INSERT_BLOCK_ROWS = 262_144
INSERT_BLOCK_BYTES = 64 * MIB
# Marks (index of granules) are the only cache worth having at this size; the default would be 5 GiB.
MARK_CACHE = 32 * MIB
# Merges in the background: two at a time on two cores; the default of 16 is for servers.
BACKGROUND_THREADS = 2
# How often the engine compares the memory that it knows of with that of the process: 50 ms by default, for servers that
# allocate gigabytes in a second.
MEMORY_PERIOD_MS = 1_000
# A table that nothing is inserted into looks for merges less and less often: its pauses grow by this factor, from a
# tenth of a second to ten minutes, and an insert begins anew. With the default of 1.1 that takes a table 90 looks, and
# the tables of a new instance together look 40 times a second.
IDLE_FACTOR = 2

_CONFIG = f"""<clickhouse>
  <users_config>{{users}}</users_config>
  <max_server_memory_usage>{SERVER_MEMORY}</max_server_memory_usage>
  <mark_cache_size>{MARK_CACHE}</mark_cache_size>
  <background_pool_size>{BACKGROUND_THREADS}</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_processing_pool_task_sleep_seconds_when_no_work_multiplier>{IDLE_FACTOR}\
</background_processing_pool_task_sleep_seconds_when_no_work_multiplier>
  <memory_worker_period_ms>{MEMORY_PERIOD_MS}</memory_worker_period_ms>
</clickhouse>
"""

# async_insert: the engine's default is 1, which acknowledges before the rows are in and breaks exactly-once.
# input_format_parquet_preserve_order: a repeated insert must fall into the same blocks to be recognised.
# implicit_select, allow_introspection_functions: on in the embedded build, off in a server; as in a server.
_USERS = f"""<clickhouse>
  <profiles><default>
    <max_memory_usage>{QUERY_MEMORY}</max_memory_usage>
    <max_bytes_before_external_group_by>{SPILL_MEMORY}</max_bytes_before_external_group_by>
    <max_bytes_before_external_sort>{SPILL_MEMORY}</max_bytes_before_external_sort>
    <max_insert_block_size>{INSERT_BLOCK_ROWS}</max_insert_block_size>
    <min_insert_block_size_rows>{INSERT_BLOCK_ROWS}</min_insert_block_size_rows>
    <min_insert_block_size_bytes>{INSERT_BLOCK_BYTES}</min_insert_block_size_bytes>
    <deduplicate_blocks_in_dependent_materialized_views>1</deduplicate_blocks_in_dependent_materialized_views>
    <input_format_parquet_preserve_order>1</input_format_parquet_preserve_order>
    <async_insert>0</async_insert>
    <implicit_select>0</implicit_select>
    <allow_introspection_functions>0</allow_introspection_functions>
  </default>
  <{ANALYST_PROFILE}><constraints>{_CONSTRAINTS}</constraints></{ANALYST_PROFILE}></profiles>
  <quotas><default/></quotas>
  <roles>
    <{ANALYST_ROLE}><grants><query>GRANT SELECT, SHOW, dictGet ON *.*</query></grants></{ANALYST_ROLE}>
    <writer><grants><query>GRANT ALL ON *.*</query></grants></writer>
  </roles>
  <users><default>
    <password></password>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants><query>GRANT {ANALYST_ROLE}</query><query>GRANT writer</query></grants>
  </default></users>
</clickhouse>
"""


def users() -> str:
    """The engine's users, roles and profiles."""
    return _USERS


def write(data_dir: Path) -> Path:
    """Write the engine's configuration into ``data_dir`` and return the main file.

    The engine's only user has no password because it has no network interface: who may come in is decided in
    front of it.
    """
    users = (data_dir / "users.xml").resolve()
    users.write_text(_USERS)
    config = (data_dir / "config.xml").resolve()
    config.write_text(_CONFIG.format(users=users))
    return config
