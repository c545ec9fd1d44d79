"""The AsyncAPI document by the JSON schema that AsyncAPI publishes, its schemas of Avro included."""

import json
from pathlib import Path

import pytest

from tests.clients import toolchain

ROOT = Path(__file__).parents[2]


@pytest.mark.clients
def test_the_asyncapi_document_is_valid_by_the_official_schema_and_a_broken_one_is_not(tmp_path: Path) -> None:
    toolchain.need("node", "npm")
    directory = toolchain.copied(Path(__file__).parent / "asyncapi")
    toolchain.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], directory)
    committed = ROOT / "docs" / "asyncapi.json"
    assert toolchain.run(["node", "main.mjs", str(committed)], directory) == ""
    broken = json.loads(committed.read_text())
    broken["components"]["messages"]["Access"]["payload"]["schema"]["type"] = "recrod"
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    found = toolchain.run(["node", "main.mjs", str(tmp_path / "broken.json")], directory)
    assert "/components/messages/Access/payload" in found
