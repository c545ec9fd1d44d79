"""What was right for a decision: known to simulated reviewers, never sent."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from interlock.errors import UsageError

# The true outcome of a `Decision` record; None where it is not known.
Truth = Callable[[Mapping[str, Any]], str | None]


def load_truth(name: str) -> Truth:
    """The function that `name` stands for, as `module:function`, also from the working directory. Raises UsageError."""
    module, _, function = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        truth: Truth = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"--truth {name}: {error}; write module:function, for example survey:truth_of") from error
    return truth
