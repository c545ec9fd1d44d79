"""`interlock produce` tells what is wrong before it sends anything, and once for all lines."""

import gzip
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from interlock.cli.app import app
from interlock.client.client import DeliveryError
from interlock.errors import InterlockError, UnavailableError, UsageError
from interlock.produce.reading import LineError
from interlock.produce.rows import Problem
from interlock.produce.sending import BATCH_SIZE, MAX_KINDS, Summary
from interlock.schemas.models import Decision

RUNNER = CliRunner()

CONSTANTS = ["--set", "domain=d", "--set", "model_id=m", "--set", "model_version=1", "--set", "prediction=approve"]


def produce(*arguments: str, given: bytes = b"") -> Result:
    return RUNNER.invoke(app, ["produce", *arguments, *CONSTANTS], input=given, catch_exceptions=False)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("decision_id;confidence;amount\na;0,5;1\nb;7;2\nc;0,5;x\nd;0,5;x\n")
    return path


def test_a_dry_run_reads_everything_needs_no_instance_and_sums_problems_up_by_kind(table: Path) -> None:
    done = produce(str(table), "--dry-run", "--decimal", ",")
    assert done.exit_code == 1
    assert f"{table}:4: amount: is no number with a decimal comma" in done.stderr
    assert "found 1 decisions in 0.0 s, left out 3 lines" in done.stderr
    assert [line.split(maxsplit=2) for line in done.stdout.splitlines()] == [
        ["lines", "field", f"problem{' ' * 49}first lines"],
        ["2", "amount", "is no number with a decimal comma, as --decimal , says  4, 5"],
        ["1", "confidence", "Input should be less than or equal to 1                 3"],
    ]


def test_the_summary_as_json(table: Path) -> None:
    facts = json.loads(produce(str(table), "--dry-run", "--json").stdout)
    assert (facts["found"], facts["sent"], facts["rejected"]) == (0, 0, 4)
    comma = "has a comma: say --decimal , if it separates decimals, or leave it out of thousands"
    assert facts["problems"][0] == {"field": "confidence", "problem": comma, "lines": 3, "first_lines": [2, 4, 5]}


def test_columns_that_do_not_fit_end_the_command_before_an_instance_is_needed(table: Path) -> None:
    table.write_text("claim_no,score\n1,0.5\n")
    with pytest.raises(UsageError, match="no column gives decision_id, confidence; it has 'claim_no', 'score'"):
        produce(str(table))


def test_options_name_columns_for_rules_and_reviewers(table: Path) -> None:
    table.write_text("decision_id,confidence,country,age\na,0.5,DE,3\n")
    assert produce(str(table), "--dry-run", "--attribute", "land=country", "--input", "age").exit_code == 0
    assert produce(str(table), "--dry-run", "--attribute", "country", "--ignore-unknown").exit_code == 0
    with pytest.raises(UsageError, match="nothing is said about 'age'"):
        produce(str(table), "--dry-run", "--attribute", "country")


def test_standard_input_is_read_when_its_format_is_said() -> None:
    given = b"decision_id,confidence\na,0.5\n"
    done = produce("-", "--format", "csv", "--dry-run", given=given)
    assert "found 1 decisions" in done.stderr
    with pytest.raises(UsageError, match="standard input has no ending: say --format, one of csv, jsonl, parquet"):
        produce("-", "--dry-run", given=given)
    with pytest.raises(UsageError, match="--id-prefix makes ids of the whole file: write what comes through"):
        produce("-", "--format", "csv", "--id-prefix", "x", "--dry-run", given=b"confidence\n0.5\n")


def test_rejects_are_written_and_named(table: Path) -> None:
    rejects = table.with_name("rejected.csv")
    done = produce(str(table), "--dry-run", "--decimal", ",", "--rejects", str(rejects))
    assert rejects.read_text() == "decision_id;confidence;amount\nb;7;2\nc;0,5;x\nd;0,5;x\n"
    assert (
        f"mend {rejects} and send it as you sent the file; {rejects.with_name('rejected.reasons.csv')}" in done.stderr
    )


def test_what_was_read_before_a_file_breaks_off_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(b"".join(b'{"decision_id":"%d","confidence":0.5}\n' % number for number in range(50_000)))
    path.write_bytes(packed[:-9])
    done = RUNNER.invoke(app, ["produce", str(path), *CONSTANTS, "--dry-run"])
    assert isinstance(done.exception, InterlockError)
    assert str(done.exception).startswith(f"cannot read {path}: Compressed file ended")
    found = re.search(r"found ([\d,]+) decisions", done.stderr)
    assert found
    assert 40_000 < int(found[1].replace(",", "")) <= 50_000


def test_lines_with_the_same_problem_at_other_places_are_summed_up_together(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    cut = [f'{{"decision_id":"{number}","confidence":0.5,"impact":"{"x" * number}\\ud83d"}}\n' for number in range(9)]
    path.write_text("".join(cut) + '{"a" 1}\n{"ab" 1}\n')
    problems = json.loads(produce(str(path), "--dry-run", "--json").stdout)["problems"]
    assert [(found["field"], found["lines"], found["problem"][:28]) for found in problems] == [
        ("impact", 9, "has half of a surrogate pair"),
        ("", 2, "not JSON"),
    ]


class Failing:
    """A client whose Kafka takes one batch."""

    def __init__(self) -> None:
        self._batches = 0

    def submit_many(self, decisions: list[Decision]) -> int:
        self._batches += 1
        if self._batches > 1:
            raise DeliveryError({decisions[0].decision_id: "no acknowledgement in time"})
        return len(decisions)

    def __enter__(self) -> "Failing":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_when_kafka_fails_midway_what_was_sent_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.cli.produce._client", lambda *_: Failing())
    path = tmp_path / "a.csv"
    path.write_text("decision_id,confidence\n" + "".join(f"{number},0.5\n" for number in range(2 * BATCH_SIZE)))
    message = f"decision {BATCH_SIZE}: no acknowledgement .* Before it {BATCH_SIZE} decisions were"
    with pytest.raises(UnavailableError, match=message):
        produce(str(path))


def test_problems_of_any_number_of_kinds_are_summed_up_in_bounded_memory() -> None:
    summary = Summary()
    for line in range(1, 2 * MAX_KINDS + 1):
        summary.reject(LineError("f", line, (Problem(f"field-{line}", "is unknown"),)))
    assert summary.rejected == 2 * MAX_KINDS
    assert len(summary.kinds) == MAX_KINDS + 1
    assert summary.kinds["", "other problems"].lines == MAX_KINDS
