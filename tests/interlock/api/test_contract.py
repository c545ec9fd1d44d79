"""The OpenAPI document is a contract: it is what stands in docs/openapi.json, and no version takes anything away."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.api.contract import breaking_changes, document
from interlock.cli.app import app
from interlock.errors import InterlockError

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def present() -> dict[str, Any]:
    return document()


def test_the_committed_document_is_that_of_the_code(present: dict[str, Any]) -> None:
    advice = "write it again: interlock openapi --against docs/openapi.json --update"
    assert json.loads(COMMITTED.read_text()) == json.loads(json.dumps(present)), advice


def test_every_operation_has_a_summary_and_a_name_of_its_own(present: dict[str, Any]) -> None:
    operations = [operation for methods in present["paths"].values() for operation in methods.values()]
    assert all(operation["summary"] for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))


def _without(document: dict[str, Any], *path: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    place = changed
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return changed


def test_a_version_with_more_breaks_nothing(present: dict[str, Any]) -> None:
    assert breaking_changes(_without(present, "paths", "/v1/queues"), present) == []


def test_what_is_taken_away_is_named(present: dict[str, Any]) -> None:
    assert breaking_changes(present, _without(present, "paths", "/v1/queues")) == ["GET /v1/queues is gone"]
    shorter = _without(present, "components", "schemas", "Reply", "properties", "payload_hash")
    shorter["components"]["schemas"]["Reply"]["required"].remove("payload_hash")
    assert "POST /v1/tasks/claim, its answer 200: payload_hash is gone" in breaking_changes(present, shorter)


def test_what_is_asked_for_newly_is_named(present: dict[str, Any]) -> None:
    stricter = copy.deepcopy(present)
    stricter["components"]["schemas"]["ClaimNext"]["required"] = ["queue"]
    assert breaking_changes(present, stricter) == ["POST /v1/tasks/claim, its body: queue is required now"]
    parameters = stricter["paths"]["/v1/tasks"]["get"]["parameters"]
    next(one for one in parameters if one["name"] == "queue")["required"] = True
    assert "GET /v1/tasks now requires the query parameter queue" in breaking_changes(present, stricter)


def test_a_verdict_that_is_no_longer_taken_is_named(present: dict[str, Any]) -> None:
    narrower = copy.deepcopy(present)
    narrower["components"]["schemas"]["Submit"]["properties"]["verdict"]["enum"].remove("choose")
    expected = "POST /v1/tasks/{task_id}/submit, its body: verdict: choose is no longer taken"
    assert breaking_changes(present, narrower) == [expected]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"a":' * 3_000, "nested deeper than 64 levels"),
        ('{"a": NaN}', "not JSON: NaN at character 7; write null"),
        ("\xff", "not JSON: not UTF-8 (invalid start byte at byte 1)"),
        ("{}", "KeyError('paths')"),
    ],
)
def test_an_earlier_document_that_is_none_is_told_in_one_sentence(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InterlockError, match=re.escape(f"{path} is no OpenAPI document: {problem}")):
        CliRunner().invoke(app, ["openapi", "--against", str(path)], catch_exceptions=False)
