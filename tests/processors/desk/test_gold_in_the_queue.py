"""Where a planted case stands among the open ones, and when it is due, tells no more of it than of any other."""

from typing import Any

import pytest

from interlock.processors.desk.task_records import task_changed
from interlock.review.session import listed
from interlock.schemas import wire
from tests.processors.desk.desk_world import MINUTE
from tests.processors.desk.test_gold_stays_gold import CHANCE, PEOPLE, Office, _auc, _features

# A list that a person looks through at a glance.
OPEN = 10


class Queue(Office):
    """The same office, where ten tasks are open at a time and people take the next one."""

    def fill(self) -> None:
        """Decisions come and leads plant until the list is full."""
        while self.world.desk.state.open < OPEN:
            self.world.wait(self.dice.randint(1, 5) * MINUTE)
            if self.dice.random() >= 0.3 or self.plant() is None:
                self.come()

    def open(self) -> list[dict[str, Any]]:
        """The open tasks as a tool lists them, the earliest deadline first."""
        tasks = self.world.desk.state.open_tasks()
        records = [task_changed(task, "arrived", "desk", self.world.now).record or {} for task in tasks]
        decoded = [wire.decode("Task", wire.encode("Task", record)) for record in records]
        return sorted(decoded, key=lambda record: (record["deadline"], record["task_id"]))

    def take_next(self) -> None:
        """Somebody takes what the desk gives, and decides."""
        rows = self.open()
        # What has gone up by priority is for leads alone.
        for me in (self.dice.choice(PEOPLE), "lee"):
            claimed = self.world.command("claim", me)
            if claimed["accepted"]:
                break
        task_id = claimed["task_id"]
        place = next(number for number, row in enumerate(rows) if row["task_id"] == task_id)
        record = rows[place]
        same_look = [row["task_id"] for row in rows if row["blind"] == record["blind"]]
        seen = {
            "place": place,
            "place among its like": same_look.index(task_id),
            "due": (record["deadline"] - record["arrived_at"]).total_seconds(),
            "row": listed(record, self.world.now),
        }
        outcome = self.dice.choice(["approve", "reject"])
        self.world.decide(me, "choose", claimed=claimed, outcome=outcome)
        kind = ("gold" if record["kind"] == "gold" else "ordinary") + (", blind" if record["blind"] else "")
        self.seen.append((kind, _features(seen, task_id, self.world.now)))


@pytest.fixture(scope="module")
def queue() -> Queue:
    queue = Queue(1)
    for _ in range(600):
        queue.fill()
        queue.take_next()
    return queue


@pytest.mark.parametrize("look", ["", ", blind"])
def test_no_classifier_tells_a_planted_case_by_its_place_and_its_deadline(queue: Queue, look: str) -> None:
    auc, chance = _auc(queue.seen, f"gold{look}", f"ordinary{look}")
    assert chance > CHANCE, f"told apart with an AUC of {auc:.2f}"
