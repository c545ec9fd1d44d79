"""What commands say of an instance that is not there or cannot be."""

from pathlib import Path

from tests.running_instance import Instance


def test_without_an_instance_commands_say_where_they_looked_and_what_to_do(tmp_path: Path) -> None:
    nowhere = Instance(tmp_path / "nowhere")
    for command in (["metrics"], ["sql", "SELECT 1"], ["policy", "show"], ["reconcile"], ["topics", "create"]):
        message = nowhere.run(*command, code=4).stderr
        assert "start a local instance with `interlock up`" in message
        assert str(nowhere.directory) in message


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert "cannot use the data directory" in Instance(file / "below").run("up", "--detach", code=1).stderr
