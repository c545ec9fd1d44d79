"""`interlock schemas`: what programs in other languages are told of the contracts."""

import json
from pathlib import Path

from typer.testing import CliRunner

from interlock.cli.schemas import app
from interlock.schemas import avro_schemas, wire


def _json(*arguments: str) -> object:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_list_has_every_version_with_its_id_topics_and_keys() -> None:
    listed = _json("list")
    assert isinstance(listed, list)
    assert {entry["id"] for entry in listed} == avro_schemas.lock().keys()
    (command,) = [entry for entry in listed if entry["schema"] == "Command" and entry["current"]]
    assert command["topics"] == {"reviews.commands": "task_id, or actor"}
    assert bytes.fromhex(command["header"]) == wire.header("Command")


def test_a_schema_is_shown_with_its_framing() -> None:
    shown = _json("show", "Decision")
    assert isinstance(shown, dict)
    assert (shown["id"], shown["version"], shown["document"]["name"]) == (1, 1, "Decision")
    assert "four bytes" in shown["framing"]
    plain = CliRunner().invoke(app, ["show", "Decision"])
    assert json.loads(plain.stdout) == shown["document"]


def test_an_export_names_the_files_it_wrote(tmp_path: Path) -> None:
    written = _json("export", str(tmp_path / "contracts"))
    assert isinstance(written, list)
    assert sorted(written) == sorted(str(path) for path in (tmp_path / "contracts").iterdir())
