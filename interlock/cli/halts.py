"""What is halted, on the terminal: a halt explains what many commands show."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from interlock.cli.common import console

if TYPE_CHECKING:
    from interlock.policies.controls import Halt


def show_halts(halts: "Iterable[Halt]") -> None:
    """A red line for each."""
    for halt in halts:
        console.print(str(halt), style="bold red", markup=False, highlight=False)
