"""Every task by its id: open ones as objects, decided ones packed, since people hardly ever come back to them."""

from collections.abc import Iterator, MutableMapping, Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from interlock.processors.desk.packed_records import PackedRecords
from interlock.processors.desk.stored_records import Unreadable, read_task
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed
from interlock.schemas import catalogue, wire

log = structlog.get_logger()


class Tasks(MutableMapping[str, Task]):
    """A task that was packed is a new object whenever it is asked for: whoever changes it must set it again.

    `unpacked`: those that are not packed, in the order in which they were set first. `left_out`: packed ones whose
    record could not be read, of which nobody has been told.
    """

    def __init__(self) -> None:
        self.unpacked: dict[str, Task] = {}
        self.left_out: list[Unreadable] = []
        self._packed = PackedRecords()

    def pack(self, task: Task, due: int) -> None:
        """Packs a task about which the clock changes nothing before `due`."""
        record = task_changed(task, "", "", 0).record
        assert record is not None
        self.unpacked.pop(task.task_id, None)
        self._packed.put(task.task_id, wire.encode("Task", record), due)

    def put_packed(self, task_id: str, value: bytes, due: int) -> None:
        """The same with its record of `reviews.tasks`, unread."""
        self.unpacked.pop(task_id, None)
        self._packed.put(task_id, value, due)

    def put_packed_many(self, task_ids: Sequence[str], values: Sequence[bytes], due: NDArray[np.int64]) -> None:
        """The same for many different tasks of which none is unpacked."""
        self._packed.put_many(task_ids, values, due)

    def discard_packed(self, task_ids: Sequence[str]) -> None:
        """Removes those of some different tasks, none unpacked, that are known, without reading them."""
        self._packed.remove_many(task_ids)

    def discard(self, task_id: str) -> None:
        """Removes a task, if it is known, without reading it."""
        if self.unpacked.pop(task_id, None) is None:
            self._packed.remove(task_id)

    def is_packed(self, task_id: str) -> bool:
        """Whether the task is known and packed."""
        return task_id in self._packed

    def first_due(self) -> int | None:
        """The first instant for which a task was packed."""
        return self._packed.first()

    def due(self, now: int) -> Iterator[Task]:
        """Packed tasks whose time has come by `now`, each once. They may be set and packed again meanwhile."""
        for task_id in self._packed.due(now):
            task = self.get(task_id)
            if task is not None:
                yield task

    def get(self, task_id: str, default: Task | None = None) -> Task | None:  # type: ignore[override]
        """A task; `default` if it is unknown, or its record cannot be read."""
        task = self.unpacked.get(task_id)
        if task is not None:
            return task
        value = self._packed.get(task_id)
        if value is None:
            return default
        try:
            return read_task(task_id.encode(), value)
        except ValueError as error:  # WireError is one
            # Whoever may write to the topic has written it: it must not stop the desk for everybody.
            left_out = Unreadable(catalogue.TASKS.name, -1, -1, task_id.encode(), value, [], str(error))
            log.error("unreadable record left out", place=left_out.place, why=left_out.why)
            self.left_out.append(left_out)
            self._packed.remove(task_id)
            return default

    def __getitem__(self, task_id: str) -> Task:
        task = self.get(task_id)
        if task is None:
            raise KeyError(task_id)
        return task

    def __setitem__(self, task_id: str, task: Task) -> None:
        if task_id not in self.unpacked:
            self._packed.remove(task_id)
        self.unpacked[task_id] = task

    def __delitem__(self, task_id: str) -> None:
        self.discard(task_id)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self.unpacked or (isinstance(task_id, str) and task_id in self._packed)

    def __iter__(self) -> Iterator[str]:
        yield from self.unpacked
        yield from self._packed

    def __len__(self) -> int:
        return len(self.unpacked) + len(self._packed)
