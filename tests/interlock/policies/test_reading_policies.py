"""A policy is read once, because a pipe gives it once: in a container it comes by `publish /dev/stdin < FILE`."""

import os
import threading
from pathlib import Path

import pytest

from interlock.errors import InterlockError
from interlock.policies import publishing
from interlock.policy.load import parse
from tests.interlock.policies.trial_world import text


def _pipe(directory: Path, written: str) -> Path:
    path = directory / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_text, args=(written,), daemon=True).start()
    return path


@pytest.mark.timeout(20)  # who reads a second time waits for ever
def test_a_policy_comes_with_its_text_from_a_pipe(tmp_path: Path) -> None:
    policy, source = publishing.read_policy(_pipe(tmp_path, text(0.91)))
    assert source == text(0.91)
    assert policy == parse(source, "a file")


def test_a_wrong_policy_from_a_pipe_is_refused_with_its_lines(tmp_path: Path) -> None:
    with pytest.raises(InterlockError, match=r"nothing was changed.\n.*pipe:1: a policy is a YAML mapping of fields"):
        publishing.read_policy(_pipe(tmp_path, "nothing"))
