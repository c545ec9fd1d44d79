"""What was done is remembered, and not for ever."""

from pathlib import Path

import pytest

from interlock.executors import MemorySeen, Seen, SqliteSeen


@pytest.fixture(params=["memory", "file"])
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Seen:
    return MemorySeen(max_ids=1000) if request.param == "memory" else SqliteSeen(tmp_path / "seen.sqlite", max_ids=1000)


def test_it_knows_what_was_added_and_adding_again_changes_nothing(seen: Seen) -> None:
    seen.add("d/1/execute")
    seen.add("d/1/execute")
    assert "d/1/execute" in seen
    assert "d/2/execute" not in seen


def test_it_forgets_the_oldest_and_keeps_at_least_what_it_promises(seen: Seen) -> None:
    for number in range(3000):
        seen.add(str(number))
    assert "0" not in seen
    assert all(str(number) in seen for number in range(2000, 3000))


def test_a_file_outlives_its_process(tmp_path: Path) -> None:
    first = SqliteSeen(tmp_path / "new" / "seen.sqlite")
    first.add("d/1/execute")
    first.close()
    assert "d/1/execute" in SqliteSeen(tmp_path / "new" / "seen.sqlite")
