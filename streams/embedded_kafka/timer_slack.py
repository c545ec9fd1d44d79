"""How late the kernel may wake up a program whose timer has run out."""

import ctypes
import sys

# The threads of an idle broker look around some 250 times a second. The kernel wakes up those together whose timers run
# out within this time of each other, which saves a fifth of what the idle broker costs (`bench footprint`). A
# transaction of one record takes 4 ms either way (measured): nothing of it waits for a timer.
_SLACK_NS = 50_000_000

_PR_SET_TIMERSLACK = 29  # of linux/prctl.h


def let_timers_be_late() -> None:
    """For this process and the program it is about to become. Only Linux knows of it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(_SLACK_NS), 0, 0, 0)
