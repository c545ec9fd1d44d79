"""Outcomes, resolutions and actions: what must be said when a decision gets its next word."""

from typing import Any

from tests.processors.desk.model_permissions import MEANT_BY
from tests.processors.desk.model_rules import DAY, Named
from tests.processors.desk.model_state import ModelState, opened_at, opinion_of

# Kinds of tasks whose first verdict measures the model.
SAMPLES = ("review", "audit")


class Messages(ModelState):
    """`said`: what the desk has said and no task has explained yet."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, Named]] = []

    def explain(self, expected: list[tuple[str, Named]]) -> None:
        """What was said must be just this, in this order."""
        assert [topic for topic, _ in self.said] == [topic for topic, _ in expected]
        for (topic, record), (_, wanted) in zip(self.said, expected, strict=True):
            for name, value in wanted.items():
                assert record[name] == value, f"{name} in {topic}: {record[name]!r}, not {value!r}"
        self.said = []

    def word(self, task: Named, outcome: str, changes: str, source: str, people: tuple[str, ...]) -> Any:
        """The next version, and what has to be done about it."""
        holds = task["outcome"], MEANT_BY[task["changes"]]
        differs = task["version"] == 0 or holds != (outcome, MEANT_BY[changes])
        made: list[tuple[str, Named]] = []
        policy_decided = not task.get("decided_by")
        corrects = task["effect"] if task["notices"] else 0
        if task["version"] and differs:
            made.append(("actions", self.action(task, "roll_back")))
        first = task["version"] == 0
        task |= {"version": task["version"] + 1, "outcome": outcome, "changes": changes, "decided_at": self.now}
        task |= {"decided_by": ", ".join(people), "window": None}
        if first or source == "appeal":
            task["override_until"] = self.now + DAY
        task["source"] = source
        task["final_at"] = task["override_until"] if task["override_until"] > self.now else None
        notices = []
        if differs:
            due = self.terms(task).notices.get(outcome, [])
            notices = [f"{old}:withdrawn" for old in task["notices"] if old not in due] + due
            task["notices"] = due
        elif people and task["notices"] and policy_decided:
            # People give another reason than the model did; everybody here gives the same one.
            notices = task["notices"]
        made.append(("resolutions", self.resolution(task, source, people) | {"notices": notices}))
        if differs:
            task["effect"] = task["version"]
            made.append(("actions", self.action(task, "execute")))
        if notices:
            made.append(("actions", self.action(task, "notify") | {"notices": notices, "corrects": corrects}))
        return made

    def last_word(self, task: Named) -> Any:
        """The same word as the next version, now that nobody can override it any more; nothing is done for it."""
        people = tuple(task["decided_by"].split(", ")) if task["decided_by"] else ()
        task |= {"version": task["version"] + 1, "final_at": None, "window": None}
        if not people and task["source"] != "timeout":
            task |= {"source": "window", "decided_at": self.now}
        # Whoever writes to the subject for each word with a notice must not write twice.
        return [("resolutions", self.resolution(task, task["source"], people) | {"notices": []})]

    def resolution(self, task: Named, source: str, people: tuple[str, ...]) -> Named:
        same = ("decision_id", "version", "outcome", "prediction", "decided_at", "override_until")
        return {name: task[name] for name in same} | {
            "source": source,
            "decided_by": list(people),
            "modifications": task["changes"],
            "final": task["final_at"] is None,
        }

    def action(self, task: Named, kind: str) -> Named:
        version = task["effect"] if kind == "roll_back" else task["version"]
        name = f"{task['decision_id']}/{version}/{kind}"
        same = {"decision_id": task["decision_id"], "outcome": task["outcome"], "version": version}
        return same | {"action_id": name, "kind": kind, "modifications": task["changes"], "at": self.now}

    def outcome(self, task: Named, said: Named, *, kind: str, resolves: bool) -> tuple[str, Named]:
        same = ("task_id", "decision_id", "prediction", "gold_outcome", "blind", "round", "payload_hash", "deadline")
        return "reviews.outcomes", {name: task[name] for name in same} | said | {
            "outcome_id": f"{'gold/' if task['kind'] == 'gold' else ''}{task['task_id']}#{len(task['verdicts'])}",
            "kind": kind,
            "resolves": resolves,
            "overridden": said["outcome"] != task["prediction"],
            "claimed_at": None if kind == "override" != task["kind"] else task["lease_since"],
            "within_sla": self.now < task["deadline"] and task["raised_at"] is None,
            "attestations": list(self.terms(task).attestations),
            "arm": task["arm"],
            "seeded": task["seeded"],
            "first_opinion": opinion_of(task, said["reviewer"]).get("outcome", ""),
            "first_opinion_at": opinion_of(task, said["reviewer"]).get("at"),
            "evidence_opened_at": opened_at(task, said["reviewer"]),
            **self.waited_for(task if resolves or kind in ("audit", "gold") else None),
        }

    def waited_for(self, closed: Named | None) -> Named:
        """What still waits for its first judgement in time, and since when; all are of one model here."""
        waiting = [
            task
            for task in self.open()
            if task is not closed and task["kind"] in SAMPLES and task["round"] == 0
            if not task["breached"] and task["raised_at"] is None
        ]
        audits = sum(task["route"] == "auto" for task in waiting)
        return {
            "settled_before": min([self.now, *(task["due_from"] for task in waiting)]),
            "open_audits": audits,
            "open_reviews": len(waiting) - audits,
        }
