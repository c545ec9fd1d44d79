"""What arrivals and commands do to tasks."""

import hashlib
import re

from tests.processors.desk.model_permissions import MEANT_BY
from tests.processors.desk.model_rules import DAY, RETENTION, Named, terms_of
from tests.processors.desk.model_state import (
    OWED,
    finish,
    give_back,
    holder,
    judges,
    new_task,
    opinion_of,
    seen_as,
    thinks_first,
)
from tests.processors.desk.model_timers import Timers


class Actions(Timers):
    """Every method changes a task as the desk must change it."""

    def carry_out(self, command: Named, key: str) -> set[str]:
        """Changes the task as the command must; returns what the event may be called."""
        if command["kind"] == "gold":
            return self._plant(command, key)
        task, me, now = self.tasks[key], command["actor"], self.now
        terms = self.terms(task)
        assert command["kind"] in ("claim", "off_duty") or key == command["task_id"]
        match command["kind"]:
            case "submit":
                return self._submit(command, task)
            case "escalate" | "de_escalate" | "reassign" | "appeal" | "expire" | "override" | "recall":
                return self._pass_on(command, task)
            case "claim":
                assert key == command["task_id"] or (not command["task_id"] and task in self.candidates(command))
                epoch = task["lease_epoch"] + 1
                give_back(task)
                task |= {"state": "leased", "lease_holder": me, "lease_epoch": epoch, "lease_since": now}
                task["lease_until"] = now + min(terms.lease, terms.lease_limit)
                # Who has said so before has seen the answer since.
                task["blind"] = task["blind"] and not (thinks_first(task) and opinion_of(task, me))
                return {"claimed"}
            case "extend":
                task["lease_until"] = min(now + terms.lease, task["lease_since"] + terms.lease_limit)
                return {"extended"}
            case "release":
                if command["reason_code"] or command["reason_text"]:
                    self._skip(task, me)
                give_back(task)
                return {"released"}
            case "first_opinion":
                task["opinions"].append({"reviewer": me, "outcome": command["outcome"], "at": now})
                task["blind"] = False
                return {"first_opinion"}
            case "open_evidence":
                task["evidence"].append({"reviewer": me, "at": now})
                return {"evidence_opened"}
            case "snooze":
                give_back(task)
                task |= {"state": "snoozed", "assigned_to": me, "snoozed_until": command["until"]}
                return {"snoozed"}
            case "off_duty":
                assert holder(task) == me
                assert me not in self.duty
                assert task["state"] != "snoozed", "what was put aside stays"
                self.must.discard(("unassigned", key))
                give_back(task)
                return {"unassigned"}
        raise AssertionError(f"{command['kind']} changes no task")

    def _pass_on(self, command: Named, task: Named) -> set[str]:
        me, now = command["actor"], self.now
        match command["kind"]:
            case "escalate":
                if command["to_reviewer"]:
                    self._give(task, command["to_reviewer"])
                elif command["queue"]:
                    give_back(task)
                    task |= {"queue": command["queue"], "escalation": 0, "with_team": False}
                    self.reschedule(task)
                else:
                    give_back(task)
                    self.escalate(task, "escalated")
                return {"escalated"}
            case "de_escalate":
                return self._hand_back(command, task)
            case "reassign":
                self._give(task, command["to_reviewer"])
                return {"reassigned"}
            case "appeal":
                return self._appeal(command, task)
            case "recall":
                state = "waiting" if task["state"] == "done" else task["state"]
                priority = "high" if task["priority"] in ("low", "medium") else task["priority"]
                task |= {"kind": "recall", "state": state, "priority": priority, "blind": False, "due_from": now}
                task |= {"window": None, "final_at": None, "raised_at": None, "warned": False, "breached": False}
                self.reschedule(task)
                task |= {"warned": False, "breached": False}
                return {"recalled"}
            case "expire":
                assert not task["caller_left"], "once"
                return {self.caller_leaves(task)}
        task |= {} if task["kind"] == "gold" else self.owed_again(task)
        first = not task["verdicts"]
        said = self.verdict(task, command)
        if task["kind"] == "gold":
            self.seem_decided(task, said, (me,), self.posed(task)["override_until"])
            topic, wanted = self.outcome(task, said, kind="gold", resolves=False)
            # Whoever overrides has not claimed it, whoever else has.
            self.explain([(topic, wanted | {"claimed_at": None})] if first and not task["appeals"] else [])
            finish(task)
            return {"overridden"}
        if task["quorum"] == 2:
            self.explain([self.outcome(task, said, kind="override", resolves=False)])
            self._propose(task)
            return {"override_proposed"}
        word = self.word(task, said["outcome"], said["modifications"], "override", (me,))
        self.explain([self.outcome(task, said, kind="override", resolves=True), *word])
        finish(task)
        return {"overridden"}

    def _appeal(self, command: Named, task: Named) -> set[str]:
        me, now, terms = command["actor"], self.now, self.terms(task)
        task["parties"] |= {me, command["on_behalf_of"].strip()} - {""}
        involved = judges(task) | task["parties"]
        task["excluded"] += sorted(involved - set(task["excluded"]))
        task["skipped"] = [name for name in task["skipped"] if name not in involved]
        task["on_behalf_of"] = command["on_behalf_of"].strip()
        task |= {"with_team": False, "raised_at": None}
        looks = self.posed(task)
        if task["kind"] == "gold":
            names = ("outcome", "changes", "decided_by", "decided_at", "version", "override_until")
            looks = self.owed_again(looks)
            task["seems"] = {name: looks[name] for name in names}
        in_its_place = task["state"] != "done" and looks["kind"] in ("audit", "post_approval")
        two_audits = looks["kind"] == "audit" and looks["quorum"] == 2
        in_its_place = in_its_place and not task["verdicts"] and not two_audits
        task["measures"] = looks["kind"] if in_its_place else ""
        task["round"] += not in_its_place
        task["appeals"] += 1
        give_back(task)
        task |= {} if task["kind"] == "gold" else {"kind": "appeal"}
        task |= {"blind": False, "priority": terms.appeal_priority}
        task |= {"statement": command["reason_text"], "escalation": 0, "due_from": now, "window": None}
        task["final_at"] = None
        task |= {"warned": False, "breached": False}
        self.reschedule(task)
        return {"appealed"}

    def _propose(self, task: Named) -> None:
        """The last verdict waits for a second lead until the window closes."""
        who = task["verdicts"][-1]["reviewer"]
        task["excluded"] += [who] if who not in task["excluded"] else []
        task["skipped"] = [name for name in task["skipped"] if name != who]
        give_back(task)
        task |= {"kind": "override", "blind": False, "escalation": 1, "due_from": self.now}
        task |= {"with_team": False, "raised_at": None}
        task |= {"window": task["override_until"], "warned": False, "breached": False}
        self.reschedule(task)
        leads = tuple(name for name in self.leads(task["queue"]) if name not in judges(task) | task["parties"])
        self.alerts_due.append(("override_proposed", task["task_id"], leads))

    def _answer(self, task: Named, said: Named) -> set[str]:
        """A second lead is for the proposal, or against it."""
        proposal, me = task["verdicts"][-2], said["reviewer"]
        assert self.people[me]["role"] == "lead"
        assert me not in {verdict["reviewer"] for verdict in task["verdicts"][:-1]} | task["parties"]
        same = [(verdict["outcome"], MEANT_BY[verdict["modifications"]]) for verdict in (proposal, said)]
        for_it = same[0] == same[1]
        expected = [self.outcome(task, said, kind="override", resolves=for_it)]
        if for_it:
            people = (proposal["reviewer"], me)
            expected += self.word(task, said["outcome"], said["modifications"], "override", people)
        else:
            self.alerts_due.append(("override_refused", task["task_id"], (proposal["reviewer"],)))
        self.explain(expected)
        finish(task)
        return {"overridden" if for_it else "override_refused"}

    def _submit(self, command: Named, task: Named) -> set[str]:
        me, kind = command["actor"], task["kind"]
        before = [verdict for verdict in task["verdicts"] if verdict["round"] == task["round"]]
        said = self.verdict(task, command)
        content = said["outcome"], said["modifications"]
        if kind == "override":
            return self._answer(task, said)
        first = before and (before[0]["outcome"], MEANT_BY[before[0]["modifications"]])
        source = "appeal" if kind == "appeal" else "review"
        if kind in ("audit", "post_approval", "recall") and said["outcome"] != task["outcome"]:
            source = "override"
        people: tuple[str, ...] = (me,)
        counted = task["measures"] or kind if kind == "appeal" else kind
        late = kind == "audit" and self.now >= task["override_until"]
        agrees = kind == "audit" and said["outcome"] == task["outcome"]
        if task["quorum"] == 2 and kind == "audit" and not late and not agrees:
            self.explain([self.outcome(task, said, kind=counted, resolves=False)])
            self._propose(task)
            return {"override_proposed"}
        if kind == "gold" and task["blind"]:
            in_time = self.now < task["arrived_at"] + DAY
            if in_time and said["outcome"] != task["prediction"]:
                self.seem_decided(task, said, people, self.posed(task)["override_until"])
        if (kind == "gold" and task["blind"]) or late or agrees:
            self.explain([self.outcome(task, said, kind=counted, resolves=False)])
            finish(task)
            return {"resolved"}
        if task["quorum"] == 2 and kind != "audit" and len(before) < 2:
            if not before or first != (said["outcome"], MEANT_BY[said["modifications"]]):
                measured = not (kind == "gold" and task["appeals"])
                self.explain([self.outcome(task, said, kind=counted, resolves=False)] if measured else [])
                task["excluded"] += [] if me in task["excluded"] else [me]
                task["skipped"] = [name for name in task["skipped"] if name != me]
                give_back(task)
                if before:
                    self.escalate(task, "quorum_disagrees")
                return {"escalated"} if before else {"submitted"}
            people = (before[0]["reviewer"], me)
            assert len(set(people)) == 2, "one person is no quorum"
        if seen_as(task) == "appeal":
            earlier = {verdict["reviewer"] for verdict in task["verdicts"] if verdict["round"] < task["round"]}
            assert me not in earlier | task["parties"], "an earlier judge or a party decides the appeal"
        if kind == "gold":
            self.seem_decided(task, said, people, self.now + DAY)
            # Whoever judges an appeal has heard one party, and is not measured.
            self.explain([] if task["appeals"] else [self.outcome(task, said, kind="gold", resolves=False)])
            finish(task)
            return {"resolved"}
        word = self.word(task, *content, source, people)
        self.explain([self.outcome(task, said, kind=counted, resolves=True), *word])
        finish(task)
        return {"resolved", "overridden"} if kind == "audit" else {"resolved"}

    def verdict(self, task: Named, command: Named) -> Named:
        same = ("verdict", "reason_code", "reason_text", "modifications")
        said = {name: command[name] for name in same} | {"reviewer": command["actor"], "at": self.now}
        said |= {"outcome": self.meant(command, task), "round": task["round"]}
        task["verdicts"].append(said)
        return said

    def _hand_back(self, command: Named, task: Named) -> set[str]:
        task |= {"escalation": 0, "with_team": False}
        if command["to_reviewer"]:
            self._give(task, command["to_reviewer"])
        elif holder(task) == command["actor"] or task["state"] != "leased":
            give_back(task)
        return {"de_escalated"}

    def _skip(self, task: Named, me: str) -> None:
        if me not in task["excluded"]:
            task["excluded"].append(me)
            task["skipped"].append(me)

    def _give(self, task: Named, name: str) -> None:
        give_back(task)
        back = self.next_shift(name)
        if back is not None:
            task |= {"state": "snoozed", "assigned_to": name, "snoozed_until": back}
            return
        until = self.now + self.terms(task).start_within
        task |= {"state": "assigned", "assigned_to": name, "assigned_until": until}
        self.tell_whom_it_was_given(task)

    def arrive(self, decision: Named) -> str:
        known = self.tasks.get(decision["decision_id"])
        if known is not None and known["kind"] != "gold":
            return "repeated"
        if decision["brings_its_task"]:
            return self._restore(self.forgotten[decision["decision_id"]])
        works_already = decision["route"] == "auto"
        unseen = works_already and not decision["audit"] and decision["override_until"] is None
        kind = "review"
        if works_already and not unseen:
            kind = "audit" if decision["audit"] else "post_approval"
        told, here = decision["told"], terms_of(self.rules, decision["domain"], decision["queue"])
        untold = {"quorum": 1, "qualifications": here.qualifications, "outcomes": here.outcomes}
        owed = told or untold | {"levels": None, "notices": {}, "attestations": (), "evidence": False, "told_days": 0}
        routed = {"routed_queue": decision["queue"], "reasons": tuple(decision["reasons"])}
        routed |= {f"owed_{name}": owed[name] for name in OWED}
        task = new_task(decision | routed, kind, self.now) | {
            "task_id": decision["decision_id"],
            "routed_at": decision["routed_at"],
            # What takes effect at once is told at once: no term runs.
            "created_at": None if works_already else decision["created_at"],
            "due_from": min(decision["routed_at"], self.now),
            "quorum": owed["quorum"],
        }
        if decision["ranked"]:
            possible, many = self.terms(task).outcomes, 2 if here.outcomes else 3
            named = dict.fromkeys((*decision["ranked"], *possible))
            task["options"] = tuple(name for name in named if not possible or name in possible)[:many]
        if works_already:
            until = decision["routed_at"] + DAY if decision["override_until"] is None else decision["override_until"]
            until = None if unseen else until
            task |= {
                "version": 1,
                "effect": 1,
                "outcome": decision["prediction"],
                "decided_at": decision["routed_at"],
                "override_until": until,
                "final_at": until,
                "source": "policy",
            }
            task["window"] = until if kind == "post_approval" else None
            self.explain([("resolutions", self.resolution(task, "policy", ()))])
        self._draw(task)
        self.reschedule(task)
        task["breached"] = task["warned"] = False
        self.tasks[task["task_id"]] = task
        if unseen:
            finish(task)
            task["forget_at"] = self.now + RETENTION
        return "taken_over" if unseen else "arrived"

    def _draw(self, task: Named) -> None:
        """What the desk has drawn for a new task, as far as it may."""
        drawn = self.drawn
        fits = task["kind"] in ("review", "gold") and task["route"] == "async" and not task["blind"]
        if not (fits and self.terms(task).experiment):
            assert (drawn["arm"], drawn["seeded"]) == ("", False), "it takes no part"
            return
        assert drawn["arm"] in ("ai-first", "decide-first") or (drawn["arm"] == "" and task["kind"] == "review")
        if drawn["seeded"]:
            assert task["kind"] == "gold", "a wrong answer is shown where it can have no effect"
            assert task["prediction"] == task["gold_outcome"] != drawn["prediction"]
            assert drawn["prediction"] in self.terms(task).outcomes
            task["prediction"] = drawn["prediction"]
        task |= {"arm": drawn["arm"], "seeded": drawn["seeded"]}
        task["blind"] = thinks_first(task)

    def _restore(self, task: Named) -> str:
        """What was forgotten is as it was, and is kept for as long as what is decided now."""
        assert task["state"] == "done"
        assert task["version"] > 0
        self.tasks[task["task_id"]] = task | {"arrived_at": self.now, "forget_at": self.now + RETENTION}
        return "restored"

    def _plant(self, command: Named, key: str) -> set[str]:
        known = self.tasks[command["task_id"]]
        assert key not in self.tasks
        assert re.fullmatch("d[0-9]+", key), "it looks like every decision"
        task = new_task(known, "gold", self.now) | {"task_id": key, "blind": known["route"] == "auto"}
        if known["caller_until"] is not None:
            task["caller_until"] = self.now + known["caller_until"] - known["arrived_at"]
        task["routed_at"] = self.now
        if known["created_at"] is not None:
            task["created_at"] = self.now - (known["routed_at"] - known["created_at"])
        task["quorum"] = 1 if task["blind"] else known["quorum"]
        task["payload_hash"] = hashlib.sha256(f"{key}/{known['payload_hash']}".encode()).hexdigest()[:32]
        task |= {"gold_outcome": command["outcome"], "due_from": self.now}
        self._draw(task)
        task["excluded"] = sorted({command["actor"]} | judges(known))
        self.reschedule(task)
        self.tasks[key] = task
        return {"arrived"}
