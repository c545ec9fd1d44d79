"""The exported schemas in other languages: each parses alone, and a program that knows nothing else reads and writes
decisions with them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import avro.schema
import fastavro
import pytest

from interlock.schemas import description, wire
from interlock.schemas.models import Decision
from tests.clients import toolchain

SOURCES = Path(__file__).parent / "schemas"

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)

SMALLEST: dict[str, Any] = {
    "decision_id": "loan-1",
    "domain": "loan_approval",
    "model_id": "credit",
    "model_version": "7",
    "prediction": "reject",
    "confidence": 0.62,
}

FULL = SMALLEST | {
    "created_at": CREATED,
    "decision_id": "loan-ä-\U0001f3e0",
    "impact": "high",
    "amount": 120_000.5,
    "novel": True,
    "subject_id": "customer-17",
    "attributes": {"age": "41", "country": "DE"},
    "input": {"term": 36},
    "alternatives": [{"option": "approve", "confidence": 0.25, "pros": ["loyal"], "cons": ["late payments"]}],
    "explanation": {
        "top_features": [{"feature": "arrears", "value": "2", "importance": -0.7}],
        "reasoning": "arrears weigh most",
        "similar_cases": [{"case_id": "loan-17", "outcome": "reject"}],
    },
    "history": {
        "previous_decisions": [{"decision_id": "loan-2", "outcome": "approve", "decided_at": CREATED}],
        "model_accuracy_on_similar": 0.75,
    },
    "vector": [0.5, -2.0],
}


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("contracts")
    description.export(directory)
    return directory


def test_every_exported_schema_parses_alone_in_both_libraries_of_python(contracts: Path) -> None:
    paths = sorted(contracts.glob("*.avsc"))
    assert len(paths) == len(description.describe())
    for path in paths:
        document = path.read_text()
        parsed: Any = avro.schema.parse(document)
        assert parsed.name == path.name.partition(".")[0]
        fastavro.parse_schema(json.loads(document), named_schemas={})


@pytest.mark.clients
def test_go_reads_and_writes_decisions_with_the_exported_schemas(contracts: Path, tmp_path: Path) -> None:
    toolchain.need("go")
    directory = toolchain.copied(SOURCES / "go")
    toolchain.run(["go", "run", ".", *_work(contracts, tmp_path)], directory)
    _prove(tmp_path, contracts)


@pytest.mark.clients
def test_java_reads_and_writes_decisions_with_the_exported_schemas(contracts: Path, tmp_path: Path) -> None:
    toolchain.need("java", "mvn")
    arguments = " ".join(_work(contracts, tmp_path))
    command = ["mvn", "-q", "-B", "compile", "exec:java", f"-Dexec.args={arguments}"]
    toolchain.run(command, toolchain.copied(SOURCES / "java"))
    _prove(tmp_path, contracts)


@pytest.mark.clients
def test_node_reads_and_writes_decisions_with_the_exported_schemas(contracts: Path, tmp_path: Path) -> None:
    toolchain.need("node", "npm")
    directory = toolchain.copied(SOURCES / "node")
    toolchain.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], directory)
    toolchain.run(["node", "main.mjs", *_work(contracts, tmp_path)], directory)
    _prove(tmp_path, contracts)


@pytest.mark.clients
def test_rust_reads_and_writes_decisions_with_the_exported_schemas(contracts: Path, tmp_path: Path) -> None:
    toolchain.need("cargo")
    directory = toolchain.copied(SOURCES / "rust")
    toolchain.run(["cargo", "run", "-q", "--", *_work(contracts, tmp_path)], directory)
    _prove(tmp_path, contracts)


def _work(contracts: Path, work: Path) -> tuple[str, str]:
    """The arguments of a program: the schemas, and where it finds and leaves decisions."""
    (work / "decision.bin").write_bytes(_value(FULL))
    created_at = int(CREATED.timestamp() * 1_000_000)
    (work / "smallest.json").write_text(json.dumps(SMALLEST | {"created_at": created_at}))
    return str(contracts), str(work)


def _prove(work: Path, contracts: Path) -> None:
    """The program parsed every file, and Interlock reads what it wrote as it was meant."""
    assert int((work / "parsed").read_text()) == len(list(contracts.glob("*.avsc")))
    for name, meant in (("again.bin", FULL), ("smallest.bin", SMALLEST | {"created_at": CREATED})):
        assert wire.decode("Decision", (work / name).read_bytes()) == wire.decode("Decision", _value(meant))


def _value(fields: dict[str, Any]) -> bytes:
    """The decision with these fields as a client of Interlock writes it."""
    return wire.encode("Decision", Decision(**fields).to_record())
