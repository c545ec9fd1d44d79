"""Runs the command line under a clock that is wrong: `python -m tests.crash.shifted_clock SECONDS run desk`."""

import runpy
import sys
import time

_right, _right_ns = time.time, time.time_ns
_shift = int(sys.argv.pop(1))


def _time() -> float:
    return _right() + _shift


def _time_ns() -> int:
    return _right_ns() + _shift * 1_000_000_000


time.time, time.time_ns = _time, _time_ns
runpy.run_module("interlock", run_name="__main__", alter_sys=True)
