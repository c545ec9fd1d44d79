"""docs/walks/first-hour.md, typed line by line on a running instance."""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.docs.commands import ROOT
from tests.running_instance import Instance

WALK = (ROOT / "docs/walks/first-hour.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(csv|python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Under these names the page tells the reader to keep what it shows.
FILES = {"csv": "export.csv", "python": "decide.py"}


def test_everything_that_the_first_hour_shows_happens(
    console_instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _let_others_go_home(console_instance)
    with ExitStack() as programs:
        for language, body in _BLOCK.findall(WALK):
            if language in FILES:
                (tmp_path / FILES[language]).write_text(body)
                continue
            for command, answer in _typed(body):
                if command.endswith(" &"):
                    waiting = programs.enter_context(_started(command, console_instance, tmp_path))
                else:
                    _type(command, answer, console_instance)
        printed, errors = waiting.communicate(timeout=60)
    assert f"The program prints `{printed.strip()}`" in WALK, errors


def _let_others_go_home(instance: Instance) -> None:
    """People of other tests who work every queue would get the tasks of this one."""
    for person in instance.json("reviewers", "list"):
        if person["on_duty"]:
            instance.run("reviewers", "off-duty", person["id"])


def _typed(block: str) -> Iterator[tuple[str, str]]:
    """Commands and what the page says they answer."""
    for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, answer = shown.partition("\n")
        yield command, answer


@contextmanager
def _started(command: str, instance: Instance, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """The program of the page, from when its decision waits for a person."""
    program = command.removeprefix("python ").removesuffix(" &")
    with subprocess.Popen(
        [sys.executable, program],
        cwd=directory,
        env=instance.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            _until(
                lambda: bool(instance.rows("SELECT 1 FROM tasks WHERE task_id = 'C-2001'")), lambda: "C-2001 is no task"
            )
            yield running
        finally:
            running.kill()


def _type(command: str, answer: str, instance: Instance) -> None:
    words = shlex.split(command)
    if words[0] != "interlock":
        subprocess.run(words, check=True)
        return
    expected = _pattern(answer)
    last = ""

    def answered() -> bool:
        nonlocal last
        done = instance.run(*words[1:], code=None)
        last = _spaced(done.stdout + done.stderr)
        return expected.fullmatch(last) is not None

    # Only a question may be asked again: what it is about can be on its way.
    if words[1] in ("sql", "reconcile") or words[1:3] == ["halt", "--list"]:
        _until(answered, lambda: f"{command}\n{last}\nis not\n{answer}")
    else:
        assert answered(), f"{command}\n{last}\nis not\n{answer}"


def _pattern(answer: str) -> re.Pattern[str]:
    """`…` stands for some text, and alone in a line for some lines, or none."""
    parts = []
    for line in _spaced(answer).splitlines():
        if line == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(re.escape(line).replace("…", ".*") + r"\n")
    return re.compile("".join(parts))


def _spaced(text: str) -> str:
    """Columns are as wide as what stands in them."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines if line)


def _until(condition: Callable[[], bool], otherwise: Callable[[], str], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)
