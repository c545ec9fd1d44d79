"""The page on errors shows the family as it is."""

import re
from importlib import import_module
from pkgutil import walk_packages

import interlock
from interlock.errors import InterlockError
from interlock.platform.exit_codes import ExitCode
from tests.docs.commands import ROOT

PAGE = (ROOT / "docs" / "errors.md").read_text()


def shown() -> dict[str, str]:
    """The parent of every error in the tree of the page."""
    parents: dict[str, str] = {}
    above: list[str] = ["InterlockError"]
    for indent, name in re.findall(r"^((?:│   )*[├└]── )(\w+)", PAGE, re.MULTILINE):
        depth = len(indent) // 4
        del above[depth:]
        parents[name] = above[-1]
        above.append(name)
    return parents


def family(error: type[InterlockError] = InterlockError) -> dict[str, type[InterlockError]]:
    """Every error of the library, by name."""
    found = {error.__name__: error}
    for kind in error.__subclasses__():
        found |= family(kind)
    return found


def test_the_tree_is_that_of_the_classes() -> None:
    for module in walk_packages(interlock.__path__, "interlock."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    errors = family()
    for name, parent in shown().items():
        assert errors[parent] in errors[name].__bases__, name


def test_every_error_of_a_public_room_is_in_the_tree() -> None:
    rooms = (
        "interlock.client",
        "interlock.review",
        "interlock.executors",
        "interlock.errors",
        "interlock.streams.dispatch",
    )
    public = {name for name, error in family().items() if error.__module__.startswith(rooms)}
    assert public <= shown().keys() | {"InterlockError"}


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {name: int(code) for code, name in rows} == {code.name: code.value for code in ExitCode}
