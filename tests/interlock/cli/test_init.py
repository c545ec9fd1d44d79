"""What `interlock init` writes is a working start."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.errors import InterlockError, UsageError
from interlock.policy.compiled import compile_policy
from interlock.policy.load import load
from interlock.produce.mapping import ColumnMapping, load_mapping
from interlock.produce.reading import read
from interlock.schemas.models import Decision

RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    done = RUNNER.invoke(
        app, ["init", str(tmp_path / "claims"), "--domain", "insurance_claims"], catch_exceptions=False
    )
    assert done.exit_code == 0
    return tmp_path / "claims"


def _now() -> datetime:
    return datetime(2026, 11, 28, tzinfo=UTC)


def test_the_policy_passes_policy_check(folder: Path) -> None:
    done = RUNNER.invoke(app, ["policy", "check", str(folder / "policy.yaml")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    compile_policy(load(folder / "policy.yaml"))


@pytest.mark.parametrize(("name", "mapping"), [("decisions.jsonl", None), ("decisions.csv", "mapping.yaml")])
def test_produce_takes_every_sample_decision(name: str, mapping: str | None, folder: Path) -> None:
    columns = load_mapping(folder / mapping) if mapping else ColumnMapping()
    decisions = list(read(folder / name, columns, _now))
    assert len(decisions) == 6
    for decision in decisions:
        assert isinstance(decision, Decision), decision
        assert (decision.domain, decision.model_id) == ("insurance_claims", "insurance_claims-model")
        assert decision.attributes.keys() == {"region"}
        assert "customer_since" in decision.input


def test_both_sample_files_hold_the_same_cases_under_ids_of_their_own(folder: Path) -> None:
    lines = [d for d in read(folder / "decisions.jsonl", ColumnMapping(), _now) if isinstance(d, Decision)]
    rows = [
        d
        for d in read(folder / "decisions.csv", load_mapping(folder / "mapping.yaml"), _now)
        if isinstance(d, Decision)
    ]
    facts = [(d.prediction, d.confidence, d.amount, d.attributes) for d in lines]
    assert facts == [(d.prediction, d.confidence, d.amount, d.attributes) for d in rows]
    assert not {d.decision_id for d in lines} & {d.decision_id for d in rows}


def test_nothing_is_overwritten(folder: Path) -> None:
    (folder / "policy.yaml").write_text("mine")
    (folder / "decisions.csv").unlink()
    with pytest.raises(InterlockError, match=r"nothing was written.*policy\.yaml"):
        RUNNER.invoke(app, ["init", str(folder), "--domain", "x"], catch_exceptions=False)
    assert (folder / "policy.yaml").read_text() == "mine"
    assert not (folder / "decisions.csv").exists()


@pytest.mark.parametrize("domain", ["", "Claims", "1st", "a b", "x" * 60])
def test_a_name_that_no_domain_can_have_is_refused(domain: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name for a domain"):
        RUNNER.invoke(app, ["init", str(tmp_path), "--domain", domain], catch_exceptions=False)
    assert not list(tmp_path.iterdir())
