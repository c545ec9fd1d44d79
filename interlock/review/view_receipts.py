"""Receipts of what the command line has shown to whom: a verdict typed later counts only for this.

Between `interlock review show` and `interlock review approve` the task may change hands or come back changed. The
verdict goes out with the epoch and hash of what was on the screen, not with those of the moment, and the desk refuses
it if they no longer hold.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from interlock.errors import InterlockError

FOLDER = "view-receipts"


@dataclass(frozen=True)
class ViewReceipt:
    """What was on the screen; `epoch` 0: the task was not held then. `attestations`: what a verdict declares."""

    task_id: str
    epoch: int
    payload_hash: str
    attestations: tuple[str, ...] = ()


class ViewReceipts:
    """The receipts of one reviewer, a small file for every task in the data directory."""

    def __init__(self, data_dir: Path, reviewer: str) -> None:
        self._folder = data_dir / FOLDER
        self._reviewer = reviewer

    def remember(self, receipt: ViewReceipt) -> None:
        """Replaces the receipt of the task."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self._file(receipt.task_id)
            draft = file.with_suffix(f".{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(asdict(receipt)))
            draft.replace(file)
        except OSError as error:
            raise InterlockError(f"cannot remember in {self._folder} what was shown: {error.strerror}") from error

    def recall(self, task_id: str) -> ViewReceipt | None:
        """The receipt of the task; None if the reviewer has not looked at it, or is done with it."""
        try:
            return ViewReceipt(**json.loads(self._file(task_id).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def forget(self, task_id: str) -> None:
        """The task is decided or given back."""
        self._file(task_id).unlink(missing_ok=True)

    def _file(self, task_id: str) -> Path:
        # Ids may hold what file names may not.
        name = hashlib.sha256(f"{self._reviewer}\0{task_id}".encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"
