"""What is wrong with a policy file, and where."""

from collections.abc import Iterable
from dataclasses import dataclass

from interlock.errors import InterlockError


@dataclass(frozen=True)
class Diagnostic:
    """One problem; `line` counts from 1, 0 means the whole file; `suggestion` may be empty."""

    file: str
    line: int
    field: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        field = f"{self.field}: " if self.field else ""
        return f"{where}: {field}{self.message}" + (f" ({self.suggestion})" if self.suggestion else "")


class PolicyError(InterlockError, ValueError):
    """A policy that cannot be used, with every problem, not only the first."""

    def __init__(self, problems: Iterable[Diagnostic]) -> None:
        self.problems = sorted(
            set(problems), key=lambda problem: (problem.file, problem.line, problem.field, problem.message)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))
