"""What people were given lately and how long their work takes, so that what is pushed is shared out fairly.

Kept in memory: a desk that takes over begins anew, with everybody equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

from interlock.processors.desk.reviewers import Reviewer
from interlock.processors.desk.task import Task

# What counts beside the tasks that a person has now, each of which counts 1: the expected time of the next one, as a
# multiple of the usual, and the tasks given lately. In proportion 0.5 : 0.3 : 0.2.
TIME_WEIGHT, LATELY_WEIGHT = 0.6, 0.4

# After this time a hand-out counts half: a working day evens out, and who was away yesterday does not pay for it today.
HALF_LIFE = 4 * 3600 * 1_000_000

# As much as so many verdicts at the usual pace: a person's first ones say little about the next.
_PRIOR = 10

# The mean follows the latest so many verdicts, as people learn and cases change.
_LATEST = 200

# Who is quick or slow is so within bounds: a review over lunch must not free anybody from work.
_LEAST, _MOST = 0.5, 2.0

# Less than any difference of the above: who was given something longest ago comes first, and where nobody was given
# anything a hash decides, because somebody's name must not.
_TIE = 1e-6


@dataclass
class _Mean:
    count: int = 0
    value: float = 0.0

    def add(self, value: float) -> None:
        self.count = min(self.count + 1, _LATEST)
        self.value += (value - self.value) / self.count


@dataclass
class _Lately:
    count: float = 0.0
    at: int = 0


@dataclass
class Workload:
    """Of everybody: hand-outs, fading with time, and the mean time from claim to verdict by queue and domain."""

    _lately: dict[str, _Lately] = field(default_factory=dict)
    _usual: dict[tuple[str, str], _Mean] = field(default_factory=dict)
    _own: dict[tuple[str, str, str], _Mean] = field(default_factory=dict)

    def given(self, reviewer: str, now: int) -> None:
        """A person was given a task, or took it."""
        self._lately[reviewer] = _Lately(self.lately(reviewer, now) + 1, now)

    def judged(self, reviewer: str, task: Task, micros: int) -> None:
        """A person took so long from the claim of a task to the verdict."""
        self._usual.setdefault((task.queue, task.domain), _Mean()).add(micros)
        self._own.setdefault((reviewer, task.queue, task.domain), _Mean()).add(micros)

    def lately(self, reviewer: str, now: int) -> float:
        """How many tasks a person was given, each counting less the longer it is ago."""
        given = self._lately.get(reviewer)
        return given.count * 0.5 ** ((now - given.at) / HALF_LIFE) if given is not None else 0.0

    def pace(self, reviewer: str, task: Task) -> float:
        """How long the task is expected to take the person, as a multiple of what it takes everybody."""
        usual = self._usual.get((task.queue, task.domain))
        own = self._own.get((reviewer, task.queue, task.domain))
        if usual is None or own is None or not usual.value:
            return 1.0
        expected = (own.count * own.value + _PRIOR * usual.value) / (own.count + _PRIOR)
        return min(max(expected / usual.value, _LEAST), _MOST)

    def costs(self, tasks: Sequence[Task], reviewers: Sequence[Reviewer], now: int) -> list[list[float]]:
        """For each task what it adds to the load of each person, beside the tasks that the person has: in shares of the
        person's capacity."""
        lately = [self.lately(reviewer.id, now) for reviewer in reviewers]
        last = sorted({self._given_at(reviewer) for reviewer in reviewers})
        turns = [last.index(self._given_at(reviewer)) for reviewer in reviewers]
        return [
            [
                (TIME_WEIGHT * self.pace(reviewer.id, task) + LATELY_WEIGHT * lately[number])
                / max(reviewer.capacity, 1)
                + _TIE * (turns[number] + crc32(f"{task.task_id}/{reviewer.id}".encode()) / 2**32)
                for number, reviewer in enumerate(reviewers)
            ]
            for task in tasks
        ]

    def _given_at(self, reviewer: Reviewer) -> int:
        given = self._lately.get(reviewer.id)
        return given.at if given is not None else 0
