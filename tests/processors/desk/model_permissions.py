"""Which commands may be carried out, and what the others may be refused with."""

from tests.processors.desk.model_rules import DAY, QUEUES, Named
from tests.processors.desk.model_state import ModelState, holder, judges, opened_at, thinks_first, works

# What changed fields mean: the same number may be written in several ways. Any other text is none that can be taken.
MEANT_BY = {"": None, '{"amount":80}': 80, '{ "amount": 8.0e1 }': 80, '{"amount":90}': 90}

KINDS = [
    "claim",
    "extend",
    "release",
    "submit",
    "escalate",
    "de_escalate",
    "reassign",
    "snooze",
    "override",
    "appeal",
    "expire",
    "recall",
    "gold",
    "open_evidence",
    "first_opinion",
    "on_duty",
    "off_duty",
]


# A person may correct, within a minute, what that person alone has decided.
CORRECTION = 60_000_000


class Permissions(ModelState):
    """Judges commands by what is in the book. Which of several reasons against one the desk names is its own affair."""

    def objections(self, command: Named) -> set[str]:
        """Every code that the command may be refused with; none: it must be carried out."""
        task = self.tasks.get(command["task_id"])
        me = command["actor"]
        known = me in self.people
        stranger = set() if known else {"unknown-reviewer"}
        match command["kind"]:
            case "on_duty" | "off_duty":
                return stranger
            case "claim":
                return self._against_claim(command, task)
        if command["kind"] not in KINDS:
            return {"unknown-kind"}
        if task is None:
            return {"unknown-task"} | stranger
        done = {"already-decided"} if task["state"] == "done" else set()
        lead = known and self.people[me]["role"] == "lead"
        no_lead = set() if lead else {"not-lead"}
        match command["kind"]:
            case "expire":
                callerless = task["route"] != "sync" or task["version"] > 0 or task["kind"] == "gold"
                own = task["caller"] == me and me != ""
                return done | ({"not-sync"} if callerless else set() if own else {"not-your-call"})
            case "extend":
                found = done or self._against_lease(command, task)
                return found or ({"lease-limit"} if self._held_long_enough(task) else set())
            case "release":
                return done or (set() if task["assigned_to"] == me else self._against_lease(command, task))
            case "snooze":
                until = command["until"]
                wrong = until is None or not self.now < until <= self.now + 7 * DAY
                return done or self._against_lease(command, task) | ({"invalid"} if wrong else set())
        if not known:
            return stranger | done | {"not-lead", "not-decided", "not-held", "held-by-another", "lease-expired"}
        words = set() if command["reason_text"].strip() else {"missing-reason"}
        match command["kind"]:
            case "submit":
                found = self._against_lease(command, task) | self.unskilled(task, me) | self._bad(command, task)
                return done or found | ({"opinion-first"} if task["blind"] and thinks_first(task) else set())
            case "first_opinion":
                return done or self._against_lease(command, task) | self._against_opinion(command, task)
            case "override":
                return self._against_override(command, task, no_lead)
            case "escalate":
                found = done | words | (set() if holder(task) == me else no_lead)
                if command["to_reviewer"]:
                    return found | self._against_giving(command, task)
                heard = {"", *(map(self.rules.queue, QUEUES) if self.rules else ())}
                heard |= {other["queue"] for other in self.open() if other["state"] == "waiting"}
                return found | (set() if command["queue"] in heard else {"wrong-queue"})
            case "de_escalate":
                found = done | words | (set() if holder(task) == me else no_lead)
                found |= set() if task["escalation"] else {"not-escalated"}
                if command["to_reviewer"]:
                    begun = task["state"] == "leased" and holder(task) != me
                    team = task | {"escalation": 0, "with_team": False}
                    return found | ({"held-by-another"} if begun else set()) | self._against_giving(command, team)
                return found
            case "reassign":
                begun = {"held-by-another"} if task["state"] == "leased" else set()
                return done | no_lead | begun | self._against_giving(command, task)
            case "recall":
                return self._against_recall(command, task) | no_lead
            case "open_evidence":
                found = set() if self.posed(task)["version"] else done or self._against_lease(command, task)
                return (
                    found | self._against_reading(command, task) | ({"same-person"} if me in task["parties"] else set())
                )
            case "appeal":
                return words | self._against_appeal(command, task)
            case _:
                return no_lead | self._against_gold(command, task)

    def _against_appeal(self, command: Named, task: Named) -> set[str]:
        task = self.posed(task)
        if task["version"] == 0:
            return {"not-decided"}
        if task["kind"] == "appeal" and task["state"] != "done":
            return {"appeal-open"}
        me, terms = command["actor"], self.terms(task)
        found = self.ready(me)
        if self.people[me]["role"] not in terms.filers or not works(self.people[me], task["queue"]):
            found.add("may-not-appeal")
        if terms.name_needed and not command["on_behalf_of"].strip():
            found.add("missing-name")
        if task["appeals"] >= terms.appeals:
            found.add("appeals-exhausted")
        return found | ({"appeal-late"} if self.now >= task["decided_at"] + terms.appeals_within else set())

    def _against_override(self, command: Named, task: Named, no_lead: set[str]) -> set[str]:
        me, task = command["actor"], self.posed(task)
        task = self.owed_again(task) if task["kind"] == "audit" else task
        if task["version"] == 0:
            return {"not-decided"}
        taken = self._taken(task)
        if taken:
            return taken
        found = self.ready(me) | self.unskilled(self.owed_again(task), me) | self._bad(command, task)
        if task["decided_by"] or task["verdicts"] or task["kind"] not in ("audit", "post_approval"):
            slip = task["decided_by"] == me and self.now < task["decided_at"] + CORRECTION
            found |= set() if slip else no_lead
        earlier = {other["reviewer"] for other in task["verdicts"] if other["round"] < task["round"]}
        if me in earlier | task["parties"]:
            found.add("same-person")
        return found | ({"window-closed"} if self.now >= (task["override_until"] or 0) else set())

    def _taken(self, task: Named) -> set[str]:
        """Somebody else is deciding about it, or two must."""
        if task["state"] == "done":
            return set()
        if task["kind"] in ("appeal", "override"):
            return {f"{task['kind']}-open"}
        return {"two-needed"} if task["quorum"] == 2 else set()

    def _against_claim(self, command: Named, task: Named | None) -> set[str]:
        me, found = command["actor"], self.ready(command["actor"])
        if "unknown-reviewer" in found:
            return found
        full = self.load(me) >= self.people[me]["capacity"]
        if command["task_id"]:
            if task is None:
                return found | {"unknown-task"}
            if task["state"] == "done":
                return found | {"already-decided"}
            found |= self.unfit(task, me)
            if holder(task) not in ("", me):
                found.add("held-by-another")
            if holder(task) != me and self.people[me]["role"] != "lead" and not self.terms(task).picking:
                found.add("may-not-pick")
            return found | ({"at-capacity"} if full and holder(task) != me else set())
        if command["queue"] and not works(self.people[me], command["queue"]):
            return found | {"wrong-queue"}
        may = self.candidates(command)
        if full and not any(candidate["assigned_to"] == me for candidate in may):
            found.add("at-capacity")
        return found | (set() if may else {"nothing-to-do"})

    def _against_recall(self, command: Named, task: Named) -> set[str]:
        found = set() if command["reason_text"].strip() else {"missing-reason"}
        task = self.posed(task)
        if task["version"] == 0:
            return found | {"not-decided"}
        if judges(task):
            return found | {"judged-by-people"}
        if self.with_people(task):
            return found
        return found | ({"window-closed"} if self.now >= (task["override_until"] or 0) else set())

    def _against_gold(self, command: Named, task: Named) -> set[str]:
        outcomes = self.terms(task).outcomes
        found = set() if task["state"] == "done" and task["kind"] != "gold" else {"not-decided"}
        if not command["outcome"]:
            return found | {"missing-outcome"}
        return found | ({"unknown-outcome"} if outcomes and command["outcome"] not in outcomes else set())

    def _against_lease(self, command: Named, task: Named) -> set[str]:
        if task["lease_holder"] == command["actor"]:
            return set() if command["epoch"] == task["lease_epoch"] else {"wrong-epoch"}
        if holder(task) not in ("", command["actor"]):
            return {"held-by-another"}
        return {"lease-expired"} if 0 < command["epoch"] == task["lease_epoch"] else {"not-held"}

    def _against_reading(self, command: Named, task: Named) -> set[str]:
        found = set() if command["payload_hash"] == task["payload_hash"] else {"stale-view"}
        return found | self.unskilled(task, command["actor"])

    def _against_opinion(self, command: Named, task: Named) -> set[str]:
        found = self._against_reading(command, task)
        found |= set() if task["blind"] and thinks_first(task) else {"no-opinion-due"}
        known = self.terms(task).outcomes
        found |= {"unknown-outcome"} if known and command["outcome"] not in (*known, "") else set()
        return found | (set() if command["outcome"] else {"missing-outcome"})

    def _held_long_enough(self, task: Named) -> bool:
        return bool(task["lease_until"] >= task["lease_since"] + self.terms(task).lease_limit)

    def _against_giving(self, command: Named, task: Named) -> set[str]:
        name = command["to_reviewer"]
        if not name:
            return {"invalid"}
        if name not in self.people:
            return {"unknown-reviewer"}
        full = holder(task) != name and self.load(name) >= self.people[name]["capacity"]
        ready = self.ready(name) if self.next_shift(name) is None else set()
        return ready | self.unfit(task, name) | ({"at-capacity"} if full else set())

    def _bad(self, command: Named, task: Named) -> set[str]:
        """What is wrong with a verdict itself."""
        found = set() if command["payload_hash"] == task["payload_hash"] else {"stale-view"}
        terms, prediction, outcome = self.terms(task), task["prediction"], command["outcome"]
        if not command["reason_code"] or not command["reason_text"].strip():
            found.add("missing-reason")
        elif command["reason_code"] not in terms.codes:
            found.add("unknown-reason")
        if terms.evidence and opened_at(task, command["actor"]) is None:
            found.add("evidence-not-opened")
        if not set(terms.attestations) <= set(command["attestations"]):
            found.add("missing-attestation")
        verdict, known = command["verdict"], terms.outcomes
        if verdict not in ("approve", "reject", "modify", "choose"):
            return found | {"unknown-verdict"}
        if task["blind"] and verdict != "choose":
            return found | {"unknown-verdict"}
        changed = command["modifications"]
        if changed and verdict != "modify":
            found.add("invalid")
        meant = self.meant(command, task)
        match verdict:
            case "approve":
                wrong = outcome not in ("", prediction)
            case "reject":
                wrong = outcome == prediction
            case "choose":
                left = tuple(name for name in task["options"] if not known or name in known)
                known, wrong = left or known, False
            case _:
                wrong = False
                if changed not in MEANT_BY or (not changed and meant == prediction):
                    found.add("invalid")
        if not meant:
            return found | {"missing-outcome"}
        if wrong or (known and meant not in known):
            found.add("unknown-outcome")
        if command["kind"] == "override" and meant == task["outcome"]:
            same = changed in MEANT_BY and MEANT_BY[changed] == MEANT_BY[task["changes"]]
            found |= {"invalid"} if same else set()
        return found
