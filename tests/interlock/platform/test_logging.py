"""Log lines: what records say is shown, and neither begins a line nor acts on a terminal."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from interlock.platform.log_config import configure


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


ODD = "key\x1b[2J\n2026-01-01 [info] all is well \u202e\ud83d"


def test_a_line_for_people_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("console")
    logging.getLogger("other").warning("unreadable: %s", ODD)
    structlog.get_logger().warning("unreadable", key=ODD)
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 2
    shown = "\\x1b[2J\\n2026-01-01 [info] all is well \\u202e\ufffd"
    assert shown in printed
    assert repr(shown)[1:-1] in printed  # values of keys are in quotes, as Python writes them
    assert "\x1b[2J" not in printed


def test_a_traceback_shows_the_error_and_hides_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure("console")
    secret = "hush"
    try:
        raise ValueError(f"odd: {ODD}")
    except ValueError:
        logging.getLogger("other").exception("failed")
    printed = capsys.readouterr().err
    assert "ValueError: odd: key\\x1b[2J" in printed
    assert secret not in printed.replace('secret = "hush"', "")


def test_a_line_for_collectors_is_json_in_any_language(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    logging.getLogger("other").warning("unreadable: %s", ODD)
    structlog.get_logger().warning("unreadable", key=ODD, share=float("nan"))
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["event"] == f"unreadable: {ODD[:-1]}\ufffd"
    assert (second["key"], second["share"]) == (f"{ODD[:-1]}\ufffd", None)
