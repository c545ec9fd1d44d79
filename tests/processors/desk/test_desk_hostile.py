"""People at cross purposes: opinions that differ, skips, appeals, escalations, absences, a roster that changes.

Whatever they do, no open task waits for nobody without an alert that names it.
"""

from random import Random
from typing import Any

from tests.processors.desk.desk_world import MINUTE, POLICY, DeskWorld

SEEDS, CAMPAIGN_SEEDS = 60, 1000
STEPS = 80

FINDINGS = ("nobody_can_decide", "somebody_can_decide", "opened_up")

APPEALABLE = POLICY.replace("    queue: underwriting\n", "    queue: underwriting\n    appeals: {limit: 9}\n")

SMALL = ("ann", "bob", "cid"), ("lee",)
# Enough people that four opinions and two skips on each task leave somebody.
LARGE = tuple(f"r{number}" for number in range(9)), ("lee", "lou", "lin")


class Hostile:
    """A desk and dice. `appeals`: how often at most a task is appealed."""

    def __init__(self, seed: int, people: tuple[tuple[str, ...], tuple[str, ...]], appeals: int) -> None:
        self.dice = Random(seed)
        self.world = DeskWorld(APPEALABLE)
        self.appeals = appeals
        self.people = [*people[0], *people[1]]
        for name in self.people:
            self.world.hire(name, **self.record(name))

    def record(self, name: str) -> dict[str, Any]:
        return {"role": "lead" if name.startswith("l") else "reviewer"}

    def run(self) -> None:
        for number in range(6):
            self.world.arrive(
                f"d{number}",
                priority=self.dice.choice(["critical", "high", "medium"]),
                reasons=("big",) if number % 2 else ("lane",),
                route=self.dice.choice(["async", "sync"]),
            )
        for _ in range(STEPS):
            kind = self.dice.choice(
                ["work", "work", "work", "work", "skip", "escalate", "reassign", "wait", "appeal", "absence", "roster"]
            )
            getattr(self, f"_{kind}")(self.dice.choice(self.people))

    def _work(self, name: str, verdict: str = "") -> bool:
        self.world.command("on_duty", name)
        lease = self.world.command("claim", name)
        if lease["accepted"]:
            self.world.decide(name, verdict or self.dice.choice(["approve", "approve", "reject"]), claimed=lease)
        return bool(lease["accepted"])

    def _skip(self, name: str) -> None:
        self.world.command("on_duty", name)
        lease = self.world.command("claim", name)
        reason = {"reason_code": "other", "reason_text": "not me"} if self.dice.random() < 0.7 else {}
        self.world.command("release", name, task_id=lease["task_id"], epoch=lease["epoch"], **reason)

    def _escalate(self, name: str) -> None:
        where = self.dice.choice([{}, {"queue": "underwriting"}, {"to_reviewer": self.dice.choice(self.people)}])
        self.world.command("escalate", name, task_id=self._task(), reason_text="look", **where)

    def _reassign(self, name: str) -> None:
        self.world.command("reassign", name, task_id=self._task(), to_reviewer=self.dice.choice(self.people))

    def _wait(self, _: str) -> None:
        self.world.wait(self.dice.choice([5, 30, 90]) * MINUTE)

    def _appeal(self, name: str) -> None:
        task_id = self._task()
        if self.world.task(task_id).round < self.appeals:
            self.world.command("appeal", name, task_id=task_id, reason_text="not so")

    def _absence(self, name: str) -> None:
        self.world.command(self.dice.choice(["on_duty", "off_duty"]), name)

    def _roster(self, name: str) -> None:
        """Somebody leaves, and another comes back."""
        known = self.world.desk.state.reviewers
        if name in known and self.dice.random() < 0.2:
            self.world.dismiss(name)
            return
        for other in self.people:
            if other not in known:
                self.world.hire(other, **self.record(other))
                self.world.wait(0)

    def _task(self) -> str:
        return self.dice.choice(sorted(self.world.desk.state.tasks))

    def work_everything_off(self) -> None:
        """Everybody is there, in good faith, until nothing is left for anybody."""
        self._roster("")
        self.world.wait(60 * MINUTE)
        while any([self._work(name, "approve") for name in self.people]):
            pass

    def check(self) -> set[str]:
        """Every open task that nobody may decide was told since that is so; returns their ids."""
        state = self.world.desk.state
        stuck = set()
        for task in state.open_tasks():
            judges = {verdict["reviewer"] for verdict in task.verdicts} | set(task.parties)
            if task.stuck:
                stuck.add(task.task_id)
                assert state.reviewers.keys() <= judges, f"the desk keeps {task.task_id} from somebody"
                findings = [event for event in self.world.events(task.task_id) if event in FINDINGS]
                assert findings[-1] == "nobody_can_decide"
        told = {alert["task_id"] for alert in self.world.said["alerts"] if alert["kind"] == "nobody_can_decide"}
        assert stuck <= told
        return stuck


def test_with_three_reviewers_and_a_lead_every_task_that_nobody_may_decide_is_told(campaign: bool) -> None:
    wedged = 0
    for seed in range(CAMPAIGN_SEEDS if campaign else SEEDS):
        life = Hostile(seed, SMALL, appeals=9)
        life.run()
        life.check()
        life.work_everything_off()
        stuck = life.check()
        assert {task.task_id for task in life.world.desk.state.open_tasks()} == stuck, f"seed {seed}"
        wedged += bool(stuck)
    assert wedged, "appeals without end use up three reviewers"


def test_with_enough_people_no_task_is_ever_stuck_and_all_are_decided(campaign: bool) -> None:
    for seed in range(CAMPAIGN_SEEDS if campaign else SEEDS):
        life = Hostile(seed, LARGE, appeals=1)
        life.run()
        life.work_everything_off()
        assert life.check() == set(), f"seed {seed}"
        assert life.world.desk.state.open == 0, f"seed {seed}"
        assert "nobody_can_decide" not in {alert["kind"] for alert in life.world.said["alerts"]}, f"seed {seed}"
