"""What the command line has shown to whom: a verdict typed later counts only for this.

Between `interlock review show` and `interlock review approve` the task may change hands or come back changed. The
verdict goes out with the epoch and hash of what was on the screen, not with those of the moment, and the desk refuses
it if they no longer hold.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from interlock.errors import InterlockError, UsageError

FOLDER = "shown"


@dataclass(frozen=True)
class Shown:
    """What was on the screen: `epoch` 0 means that the task was not held then."""

    task_id: str
    epoch: int
    payload_hash: str


class ViewReceipts:
    """The memory of one reviewer, a small file for every task in the data directory."""

    def __init__(self, data_dir: Path, reviewer: str) -> None:
        self._folder = data_dir / FOLDER
        self._reviewer = reviewer

    def remember(self, shown: Shown) -> None:
        """Replaces what was remembered of the task."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._file(shown.task_id)
            draft = file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(asdict(shown)))
            draft.replace(file)
        except OSError as error:
            raise InterlockError(f"cannot remember in {self._folder} what was shown: {error.strerror}") from error

    def recall(self, task_id: str) -> Shown:
        """Raises InterlockError if the reviewer has not looked at the task."""
        try:
            return Shown(**json.loads(self._file(task_id).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"{self._reviewer} has not looked at {task_id}: look at it first, `interlock review show {task_id}`",
            ) from error

    def forget(self, task_id: str) -> None:
        """The task is decided or given back."""
        self._file(task_id).unlink(missing_ok=True)

    def _file(self, task_id: str) -> Path:
        # Ids may hold what file names may not.
        name = hashlib.sha256(f"{self._reviewer}\0{task_id}".encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"
