"""What the desk keeps of decided tasks, on a small scale."""

import gc
import tracemalloc

from bench import desk_memory
from interlock.processors.desk.restore import Tables, rebuild

NOW = 1_767_225_600_000_000


def test_a_decided_task_takes_a_fifth_of_a_kilobyte_of_a_desk_that_takes_over() -> None:
    records = list(desk_memory.records(10_000, 0, NOW, days=1))
    rebuild(Tables(), records[:100])
    gc.collect()
    tracemalloc.start()
    rebuilt = rebuild(Tables(), records)
    gc.collect()
    each = tracemalloc.get_traced_memory()[0] / len(records)
    tracemalloc.stop()
    assert len(rebuilt.state.tasks) == len(records)
    # 2.6 million of them, what 30 days of one verdict a second leave, are to fit beside 200,000 open ones.
    assert each < 250


def test_the_benchmark_gives_its_figures() -> None:
    figures = desk_memory.run(2_000, 1_000)
    assert figures["open_tasks"] == 1_000
    assert figures["restore_seconds"] > 0
