"""Errors that somebody overrides count where they are a sample, and only there: quick forms of the gates."""

import pytest

from bench.gates import all as gates


@pytest.mark.parametrize("name", gates.chosen("samples"))
def test_no_override_hides_an_error_or_makes_one_count_for_others(name: str) -> None:
    rows = gates.run(name, gates.gates()[name], quick=True)
    assert [row.figure for row in rows if row.kept is False] == []
