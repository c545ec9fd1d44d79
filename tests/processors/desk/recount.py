"""Counts again, from nothing but what the desk has written, how much of what was chosen is answered."""

from collections import Counter
from typing import Any

from interlock.processors.outcomes import is_sample
from tests.processors.desk.model_messages import SAMPLES

Key = tuple[str, str, str, str]


class Recount:
    """`waiting`: tasks that somebody waits for; `late`: tasks that were counted, and are still known."""

    def __init__(self) -> None:
        self.waiting: dict[str, Key] = {}
        self.late: set[str] = set()
        self.settled: Counter[Key] = Counter()
        self.judged: Counter[Key] = Counter()
        self._written: dict[Key, tuple[int, int]] = {}

    def observe(self, outputs: list[tuple[str, str, Any, bytes | None]]) -> None:
        """One batch of the desk, as it was committed."""
        told = {}
        for topic, key, record, _ in outputs:
            if topic == "reviews.tasks":
                self._task(key, record)
            elif topic == "reviews.outcomes" and is_sample(record):
                self.judged[_key(record)] += 1
                assert record["way_judged"] == self.judged[_key(record)]
                assert record["way_settled"] >= record["way_judged"]
            elif topic == "reviews.tallies":
                assert _key(record) not in told, "written twice in one batch"
                told[_key(record)] = record["settled"], record["judged"]
        self._written |= told
        counted = {key: (self.settled[key], self.judged[key]) for key in self.settled.keys() | self.judged.keys()}
        assert {key: pair for key, pair in self._written.items() if any(pair)} == {
            key: pair for key, pair in counted.items() if any(pair)
        }

    def _task(self, key: str, record: Any) -> None:
        if record is None:
            self.waiting.pop(key, None)
            self.late.discard(key)
            return
        late = record["breached"] or record["raised_at"] is not None
        awaited = record["state"] != "done" and record["kind"] in SAMPLES and record["round"] == 0 and not late
        if awaited and key not in self.waiting:
            self.waiting[key] = _key(record)
            if key in self.late:
                self.late.discard(key)
                self.settled[_key(record)] -= 1
        elif not awaited and key in self.waiting:
            self.settled[self.waiting.pop(key)] += 1
            self.late.add(key)


def _key(record: Any) -> Key:
    way = record.get("way") or ("audit" if record["route"] == "auto" else record["route"])
    return record["domain"], record["model_id"], record["model_version"], way
