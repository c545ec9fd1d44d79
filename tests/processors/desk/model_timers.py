"""What the clock does to tasks by itself, at the latest with the first step at or after its time."""

from typing import Any

from tests.processors.desk.model_messages import Messages
from tests.processors.desk.model_rules import DAY, MINUTE, OUTCOMES, PRIORITIES, Named, Terms, quorum_of, terms_of
from tests.processors.desk.model_state import finish, for_leads, give_back, holder, seen_as


class Timers(Messages):
    """`must`: what has to follow in this step, as (event, task or person); `told`: what is told once only."""

    def __init__(self) -> None:
        super().__init__()
        self._told_before: set[tuple[str, str, tuple[str, ...]]] = set()
        self.looks_again = False
        self.told: set[tuple[Any, ...]] = set()
        self.must: set[tuple[str, str]] = set()
        self.alerts_due: list[tuple[str, str, tuple[str, ...]]] = []
        self.unattended: dict[str, Named] = {}
        self.pushed_callers: list[Named] = []
        self.resumed_at = 0

    def clock(self, event: str, task: Named, record: Named) -> None:
        now, terms = self.now, self.terms(task)
        owed = (event, task["task_id"]) in self.must
        self.must.discard((event, task["task_id"]))
        match event:
            case "lease_warned":
                assert task["state"] == "leased"
                assert 0 < task["lease_until"] - now <= 3 * MINUTE
                mark = ("lease_expiring", task["task_id"], task["lease_epoch"], task["lease_until"])
                assert mark not in self.told, "told twice"
                self.told.add(mark)
                self.alerts_due.append(("lease_expiring", task["task_id"], (task["lease_holder"],)))
            case "expired":
                assert task["state"] == "leased"
                assert task["lease_until"] <= now
                self.alerts_due.append(("lease_expired", task["task_id"], (task["lease_holder"],)))
                give_back(task)
            case "unassigned":
                if not owed:
                    assert self.lapses(task)
                    self.missed(task)
                give_back(task)
            case "woken":
                assert task["state"] == "snoozed"
                assert task["snoozed_until"] <= now
                until = max(task["deadline"], now + terms.start_within)
                task |= {"state": "assigned", "snoozed_until": None, "assigned_until": until}
                self.alerts_due.append(("woken", task["task_id"], (task["assigned_to"],)))
            case "not_judged":
                assert self.is_over(task)
                said = [verdict for verdict in task["verdicts"] if verdict["round"] == task["round"]]
                if task["kind"] == "gold" and task["route"] != "auto" and len(said) == 1:
                    # The other of two who must agree never came: it passes for what the one has decided.
                    self.seem_decided(task, said[0], (said[0]["reviewer"],), said[0]["at"] + DAY)
                    task["seems"]["decided_at"] = said[0]["at"]
                finish(task)
            case "opened_up" | "nobody_can_decide" | "somebody_can_decide":
                self._find_somebody(event, task)
            case "assigned":
                self._assign(task, record["assigned_to"], terms)
            case "caller_left" | "escalated" | "timed_out" if not owed:
                assert self.caller_is_gone(task)
                assert event == self.caller_leaves(task)
            case "escalated" | "timed_out" | "rescheduled" | "raised" | "duties_kept":
                assert owed
                self._follow(event, task, terms)
            case _:
                self._serve(event, task, terms)

    def caller_leaves(self, task: Named) -> str:
        """Nobody waits for the first word any more: what the policy has for that happens now."""
        task["caller_left"] = True
        instead = self.terms(task).on_timeout
        if instead == "escalate":
            if for_leads(task):
                return "caller_left"
            self.escalate(task, "escalated")
            return "escalated"
        self.explain(self.word(task, instead, "", "timeout", ()))
        finish(task)
        return "timed_out"

    def caller_is_gone(self, task: Named) -> bool:
        """Its caller has waited for as long as it said that it would, and nothing was done about it yet."""
        asked = task["route"] == "sync" and task["kind"] == "review" and task["version"] == 0
        over = task["caller_until"] is not None and task["caller_until"] <= self.now
        return bool(asked and over and not task["caller_left"] and task["state"] != "done")

    def _find_somebody(self, event: str, task: Named) -> None:
        """Who may decide it."""
        match event:
            case "opened_up":
                assert self.hopeless(task), f"nobody was left for {task['task_id']}"
                way = self.ways_out(task)[0] | {"stuck": False}
                whose = way.pop("whose", "")
                self.alerts_due.append(("opened_up", task["task_id"], (whose,) if whose else self.leads(task["queue"])))
                task |= way
            case "nobody_can_decide":
                assert self.hopeless(task)
                assert not self.ways_out(task)
                assert not task["stuck"], "told twice"
                task["stuck"] = True
                self.alerts_due.append(("nobody_can_decide", task["task_id"], self.leads(task["queue"])))
            case _:
                assert task["stuck"]
                assert not self.hopeless(task)
                task["stuck"] = False

    def _assign(self, task: Named, name: str, terms: Terms) -> None:
        """Pushed, or pushed again because no desk served anybody when its time ended."""
        limit = MINUTE if waits_for_an_answer(task) else terms.start_within
        since = self.now
        if task["state"] == "assigned":
            assert task["assigned_until"] <= self.resumed_at, "its time has not ended while no desk served anybody"
            assert task["assigned_to"] == name
            since = self.resumed_at
        else:
            assert task["state"] == "waiting"
            assert self._pushable(task)
            assert self.answers(name), f"nothing is pushed to {name}"
            assert not self.unfit(task, name), f"{name} must not get it"
            assert self.load(name) < self.people[name]["capacity"], f"{name} has enough"
            if waits_for_an_answer(task):
                self.pushed_callers.append(task)
        task |= {"state": "assigned", "assigned_to": name, "assigned_until": since + min(limit, terms.start_within)}
        self.tell_whom_it_was_given(task)

    def _follow(self, event: str, task: Named, terms: Terms) -> None:
        """What had to come."""
        match event:
            case "rescheduled":
                self.apply_rules(task)
            case "duties_kept":
                assert self.demands_less(task)
            case "escalated":
                task |= {"escalation": task["escalation"] + 1, "with_team": True}
                if task["state"] == "snoozed":
                    give_back(task)
            case "raised" if task["priority"] == "critical":
                task["raised_at"] = self.counts_from(task)
            case "raised":
                task["priority"] = PRIORITIES[PRIORITIES.index(task["priority"]) + 1]
                task["raised_at"] = self.now
                self.reschedule(task)
            case _:
                self.explain(self.word(task, terms.on_breach, "", "timeout", ()))
                finish(task)

    def _serve(self, event: str, task: Named, terms: Terms) -> None:
        """Service levels and windows."""
        now = self.now
        match event:
            case "warned":
                assert task["warn_at"] <= now < task["deadline"]
                assert not task["warned"]
                assert must_be_judged(task)
                task["warned"] = True
                to = (holder(task),) if holder(task) else self.leads(task["queue"])
                self.alerts_due.append(("sla_warning", task["task_id"], to))
                self._once("warned", task)
            case "breached":
                assert task["deadline"] <= now
                assert not task["breached"]
                self.breach(task, terms)
            case "window_closed" | "final":
                assert task["final_at"] is not None
                assert task["final_at"] <= now
                unjudged = task["window"] is not None and task["state"] != "done"
                assert event == ("window_closed" if unjudged else "final")
                self.explain(self.last_word(task))
                if unjudged or task["state"] == "done":
                    finish(task)
            case "override_lapsed":
                assert task["kind"] == "override"
                assert task["window"] <= now
                self.alerts_due.append(("override_lapsed", task["task_id"], (task["verdicts"][-1]["reviewer"],)))
                finish(task)
            case _:
                raise AssertionError(f"the desk does not do {event} by itself")

    def lapses(self, task: Named) -> bool:
        return bool(task["state"] == "assigned" and self.resumed_at < task["assigned_until"] <= self.now)

    def breach(self, task: Named, terms: Terms) -> None:
        to = self.superiors(holder(task), task["queue"])
        if task["state"] in ("assigned", "snoozed"):
            give_back(task)
        self._once("breached", task)
        task["warned"] = task["breached"] = True
        on_breach = "escalate" if seen_as(task) in ("appeal", "override") else terms.on_breach
        if seen_as(task) not in ("audit", "gold"):
            if on_breach == "raise_priority":
                self.must.add(("raised", task["task_id"]))
            elif on_breach != "escalate":
                if task["version"] == 0:
                    self.must.add(("timed_out", task["task_id"]))
            elif not task["escalation"] and (able := self.able_leads(task)):
                to = tuple(dict.fromkeys((*to, *able)))
                self.must.add(("escalated", task["task_id"]))
        self.alerts_due.append(("sla_breach", task["task_id"], to))

    def missed(self, task: Named) -> None:
        """Who begins nothing in time, and is not at work on something else, gets nothing more pushed."""
        name = task["assigned_to"]
        busy = any(other["lease_holder"] == name for other in self.open())
        if name in self.duty.keys() - self.paused and not busy:
            self.must.add(("paused", name))
            self.alerts_due.append(("pushes_paused", task["task_id"], self.superiors(name, task["queue"])))

    def tell_whom_it_was_given(self, task: Named) -> None:
        kind = "assigned_sync" if waits_for_an_answer(task) else "assigned"
        mark = (kind, task["task_id"], task["assigned_to"], task["assigned_until"])
        alert = (kind, task["task_id"], (task["assigned_to"],))
        if mark in self.told:
            # Given back and given again in the same instant: it would say the same.
            self._told_before.add(alert)
        self.alerts_due.append(alert)
        self.told.add(mark)

    def tell_of_callers_without_anybody(self) -> None:
        """A queue where a caller waits and nobody present may judge is told of once, until somebody who may comes."""
        there = [name for name in self.people if self.answers(name)]
        alone: dict[str, Named] = {}
        served = {task["queue"] for task in self.pushed_callers}
        waiting = [
            task
            for task in self.open()
            if task["state"] == "waiting" and waits_for_an_answer(task) and not for_leads(task)
        ]
        for task in sorted(waiting, key=lambda task: (task["arrived_at"], task["task_id"])):
            if any(not self.unfit(task, name) for name in there):
                served.add(task["queue"])
            else:
                alone.setdefault(task["queue"], task)
        for queue, task in list(self.unattended.items()):
            if queue not in alone and (queue in served or any(not self.unfit(task, name) for name in there)):
                del self.unattended[queue]
        for queue, task in alone.items():
            if queue not in self.unattended:
                self.unattended[queue] = task
                self.alerts_due.append(("nobody_on_duty", task["task_id"], self.leads(queue)))
        self.pushed_callers = []

    def _once(self, what: str, task: Named) -> None:
        # A policy may move a deadline away and back: `moved` counts how often.
        mark = (what, task["task_id"], task["round"], task["deadline"], task["moved"])
        assert mark not in self.told, "told twice"
        self.told.add(mark)

    def escalate(self, task: Named, alert: str) -> None:
        able = self.able_leads(task)
        task["escalation"] += bool(able)
        task["with_team"] = not able and task["escalation"] > 0
        self.alerts_due.append((alert, task["task_id"], able or self.leads(task["queue"])))
        if task["state"] in ("assigned", "snoozed"):
            give_back(task)

    def able_leads(self, task: Named) -> tuple[str, ...]:
        """Those of the queue's leads who may decide it."""
        return tuple(name for name in self.leads(task["queue"]) if not self.unfit(task, name))

    def counts_from(self, task: Named) -> int:
        return int(task["due_from"] if task["raised_at"] is None else task["raised_at"])

    def look_again(self) -> None:
        self.looks_again = False
        for name in sorted(({holder(task) for task in self.open()} | self.duty.keys()) - self.people.keys() - {""}):
            self.alerts_due.append(("reviewer_removed", "", ()))
            if name in self.duty:
                self.must.add(("absent", name))
            else:
                self.must |= {("unassigned", task["task_id"]) for task in self.open() if holder(task) == name}
        loosened: set[tuple[str, str]] = set()
        for task in self.open():
            if task["rules"] != self.rules:
                changed = dict(task)
                self.apply_rules(changed)
                if any(changed[name] != task[name] for name in ("deadline", "qualifications", "quorum")):
                    self.must.add(("rescheduled", task["task_id"]))
                else:
                    task |= {"rules": self.rules, "warn_at": changed["warn_at"]}
                if self.demands_less(changed):
                    self.must.add(("duties_kept", task["task_id"]))
                    loosened.add((task["domain"], task["routed_queue"]))
        self.alerts_due += [("duties_kept", "", self.leads(queue)) for _, queue in loosened]

    def demands_less(self, task: Named) -> bool:
        """Whether the rules in force, for where it was routed, ask for less than what it was routed with."""
        terms = terms_of(self.rules, task["domain"], task["routed_queue"])
        fewer = quorum_of(self.rules, task) < task["quorum"]
        unskilled = not set(task["owed_qualifications"]) <= set(terms.qualifications)
        levels, priority = task["owed_levels"], task["priority"]
        slower = terms.known and levels is not None and levels[priority] < terms.levels[priority]
        slower = slower and not (seen_as(task) == "appeal" and terms.appeal_level)
        possible = [name for name in task["owed_notices"] if not terms.outcomes or name in terms.outcomes]
        untold = not set(possible) <= set(terms.notices)
        uninvolved = not set(task["owed_attestations"]) <= set(terms.attestations)
        uninvolved = uninvolved or (task["owed_evidence"] and not terms.evidence)
        days, owed_days = terms.told_days, task["owed_told_days"]
        uninvolved = uninvolved or bool(owed_days and not 0 < days <= owed_days)
        less = fewer or unskilled or slower or untold or uninvolved
        return less or bool(task["owed_outcomes"] and not terms.outcomes)

    def apply_rules(self, task: Named) -> None:
        """New rules: without any for its domain, the deadline that people were told stays."""
        before = {name: task[name] for name in ("deadline", "moved", "warned", "breached")}
        self.reschedule(task)
        if not self._has_rules(task):
            task |= before
            self._warn_by_the_deadline(task)

    def _has_rules(self, task: Named) -> bool:
        return self.rules is not None and task["domain"] in OUTCOMES

    def _warn_by_the_deadline(self, task: Named) -> None:
        start, window = self.counts_from(task), task["window"]
        task["warn_at"] = start + (task["deadline"] - start) * 3 // 4
        self._tell_in_time(task)
        if window is not None:
            start = task["due_from"]
            task["warn_at"] = min(task["warn_at"], start + (window - start) * 3 // 4)

    def _tell_in_time(self, task: Named) -> None:
        """Before the first outcome no deadline is behind the day by which the subject must have been told."""
        days, begun = self.terms(task).told_days, task["created_at"]
        if days and begun is not None and task["version"] == 0:
            task["deadline"] = min(task["deadline"], begun + days * DAY)
            task["warn_at"] = min(task["warn_at"], begun + days * DAY * 3 // 4)

    def reschedule(self, task: Named) -> None:
        before, terms = task["deadline"], self.terms(task)
        level, start, window = terms.levels[task["priority"]], self.counts_from(task), task["window"]
        if seen_as(task) == "appeal":
            level = terms.appeal_level or level
        task["deadline"], task["warn_at"] = start + level, start + level * 3 // 4
        self._tell_in_time(task)
        if window is not None:
            start = task["due_from"]
            task["deadline"] = min(task["deadline"], window)
            task["warn_at"] = min(task["warn_at"], start + (window - start) * 3 // 4)
        if not self._has_rules(task):
            self._warn_by_the_deadline(task)
        task["qualifications"], task["rules"] = terms.qualifications, self.rules
        if task["kind"] != "gold" or not task["blind"]:
            task["quorum"] = max(task["quorum"], quorum_of(self.rules, task))
        if task["deadline"] != before:
            task["moved"] += 1
            task["breached"] = task["breached"] and task["deadline"] <= self.now
            task["warned"] = task["warned"] and task["warn_at"] <= self.now

    def _pushable(self, task: Named) -> bool:
        return not for_leads(task) and (waits_for_an_answer(task) or self.terms(task).push)

    def is_over(self, task: Named) -> bool:
        """It measures, and nobody did it for as long as the policy waits."""
        measures = seen_as(task) in ("audit", "gold") and task["state"] != "leased"
        return bool(measures and task["due_from"] + self.terms(task).audits_end <= self.now)

    def nothing_is_overdue(self) -> None:
        now = self.now
        for task in self.tasks.values():
            assert task["state"] != "done" or task["forget_at"] > now, f"{task['task_id']} is not forgotten"
            assert task["final_at"] is None or task["final_at"] > now, f"{task['task_id']} is not final"
        for task in self.open():
            name = task["task_id"]
            if task["state"] == "leased":
                assert holder(task) in self.duty, f"{holder(task)} is off duty and has {name}"
            assert holder(task) in {"", *self.people}, f"{holder(task)} is nobody and has {name}"
            assert task["deadline"] > now or task["breached"], f"{name} has not breached"
            assert not self.caller_is_gone(task), f"the caller of {name} waits no more"
            assert task["warn_at"] > now or task["warned"] or not must_be_judged(task), f"{name} was not warned of"
            assert not self.is_over(task), f"{name} was not ended"
            assert task["stuck"] == self.hopeless(task), f"somebody may decide {name}: {not self.hopeless(task)}"
            assert not task["stuck"] or not self.ways_out(task), f"the desk itself keeps {name} from people"
            assert task["window"] is None or task["window"] > now, f"the window of {name} is open"
            for end in ("lease_until", "assigned_until", "snoozed_until"):
                assert task[end] is None or task[end] > now, f"{end} of {name} has passed"
            if task["state"] == "waiting" and self._pushable(task):
                for other, person in self.people.items():
                    free = self.answers(other) and self.load(other) < person["capacity"]
                    assert not free or self.unfit(task, other), f"{other} is free for {name}"
            if task["lease_until"] is not None and task["lease_until"] - now <= MINUTE:
                mark = ("lease_expiring", name, task["lease_epoch"], task["lease_until"])
                assert mark in self.told, f"{task['lease_holder']} was not told that the lease ends"


def must_be_judged(task: Named) -> bool:
    """An audit and a look at what has taken effect may be left out: nobody waits for it."""
    return task["kind"] not in ("audit", "post_approval")


def waits_for_an_answer(task: Named) -> bool:
    """Its caller waits for the first word, and its team can still give it in time."""
    late = task["breached"] or task["raised_at"] is not None
    asked = task["route"] == "sync" and task["kind"] == "review" and task["version"] == 0
    return bool(asked and not task["caller_left"] and not late and not for_leads(task))
